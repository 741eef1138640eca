#include "broker/router.h"

#include <algorithm>
#include <tuple>

#include "messages/dispatch.h"

namespace dfs {

Router::Router(Bus& bus, RouterSettings settings) : bus_(bus), settings_(settings) {}

Router::~Router() {
  bus_.cancel(timer_);
}

void Router::start(std::function<void(Result<void>)> ready) {
  expire();
  ready({});
}

void Router::stop(std::function<void()> stopped) {
  bus_.cancel(timer_);
  stopped();
}

void Router::receive(Envelope envelope) {
  learn(envelope.header.from, envelope.link);
  const std::string& to = envelope.header.to;
  if (to.empty() || to == "broker" || to == bus_.address()) {
    answer(envelope);
  } else {
    forward(std::move(envelope));
  }
}

void Router::link_down(const Link& link) {
  for (auto& [name, service] : services_) {
    std::erase_if(service.providers, [&](const Provider& p) { return p.link == link; });
  }
}

void Router::learn(const std::string& address, const Link& link) {
  if (address.empty()) return;
  const auto found = places_.find(address);
  if (found != places_.end()) {
    found->second.link = link;
    ages_.splice(ages_.end(), ages_, found->second.age);
    return;
  }
  if (places_.size() >= settings_.addresses_max) forget(ages_.front());
  ages_.push_back(address);
  places_.emplace(address, Place{link, std::prev(ages_.end())});
}

void Router::forget(const std::string& address) {
  const auto found = places_.find(address);
  if (found == places_.end()) return;
  const auto age = found->second.age;
  places_.erase(found);
  ages_.erase(age);  // last: `address` may live in it
}

void Router::answer(const Envelope& envelope) {
  // A refusal that is addressed to the broker concerns nothing it asked for.
  if (envelope.header.type == Type::Error) return;
  const Result<void> done = dispatch<Announce, Ping>(*this, envelope);
  if (!done) refuse(envelope, done.error());
}

void Router::on(const Envelope& envelope, const Ping& ping) {
  (void)bus_.reply(reply_to(envelope, Pong{ping.nonce, bus_.address()}));
}

void Router::on(const Envelope& envelope, const Announce& announce) {
  auto found = services_.find(announce.service);
  if (found == services_.end()) {
    if (services_.size() >= settings_.services_max) {
      return refuse(envelope, Error{Code::busy, "this broker knows too many services", {}, 0});
    }
    found = services_.emplace(announce.service, Service{}).first;
    bus_.log(Level::info, "service appeared",
             {{"service", announce.service}, {"provider", envelope.header.from}});
  }
  std::vector<Provider>& providers = found->second.providers;
  // One that restarted comes on a new link and, being heard last, goes before its old self.
  std::erase_if(providers, [&](const Provider& p) { return p.link == envelope.link; });
  if (providers.size() >= settings_.providers_max) providers.pop_back();
  providers.push_back({envelope.header.from, envelope.link, announce.term, bus_.now()});
  std::stable_sort(providers.begin(), providers.end(), [](const Provider& a, const Provider& b) {
    return std::tie(a.term, a.heard) > std::tie(b.term, b.heard);
  });
}

void Router::forward(Envelope envelope) {
  if (envelope.header.type == Type::Error) follow_leader(envelope);
  const std::string& to = envelope.header.to;
  const auto service = services_.find(to);
  if (service != services_.end()) {
    const Result<void> sent = forward_to_service(service->second, envelope);
    if (!sent) refuse(envelope, sent.error());
    return;
  }
  const auto place = places_.find(to);
  if (place == places_.end()) {
    return refuse(
        envelope,
        {Code::unavailable, "nobody serves `" + to + "` at the moment; try again", {}, 0});
  }
  const Link link = place->second.link;
  const Result<void> sent = bus_.send(link, envelope);
  if (sent) return;
  if (sent.code() == Code::unavailable) forget(to);
  refuse(envelope, sent.error());
}

Result<void> Router::forward_to_service(Service& service, const Envelope& envelope) {
  std::vector<Provider>& providers = service.providers;
  const auto leader = std::find_if(providers.begin(), providers.end(),
                                   [&](const Provider& p) { return p.address == service.leader; });
  if (leader != providers.end()) std::rotate(providers.begin(), leader, leader + 1);
  while (!providers.empty()) {
    Result<void> sent = bus_.send(providers.front().link, envelope);
    // A full queue is no reason to ask another, who would only point back here.
    if (sent || sent.code() != Code::unavailable) return sent;
    providers.erase(providers.begin());
  }
  return {Code::unavailable, "nobody serves `" + envelope.header.to + "` at the moment; try again"};
}

void Router::follow_leader(const Envelope& refusal) {
  const auto error = decode<ErrorReply>(refusal.body);
  if (!error || static_cast<Code>(error->code) != Code::not_leader) return;
  const auto named = error->cause.find("leader");
  const std::string leader = named != error->cause.end() ? named->second : "";
  for (auto& [name, service] : services_) {
    std::vector<Provider>& providers = service.providers;
    const auto refuser = std::find_if(providers.begin(), providers.end(),
                                      [&](const Provider& p) { return p.link == refusal.link; });
    if (refuser == providers.end()) continue;
    service.leader = leader;
    // When it knows no leader, the others are asked before it is asked again.
    if (leader.empty()) std::rotate(refuser, refuser + 1, providers.end());
  }
}

void Router::refuse(const Envelope& envelope, Error error) {
  // An answer to an answer would be one too many.
  if (envelope.header.request == 0 || envelope.header.type == Type::Error) return;
  if (error.code == Code::unavailable || error.code == Code::busy) {
    error.retry_after_ms = settings_.retry_after_ms;
    error.cause.emplace("service", envelope.header.to);
  }
  (void)bus_.reply(reply_to(envelope, error));
}

void Router::expire() {
  const Instant oldest = bus_.now() - 3 * settings_.announce_period;
  for (auto it = services_.begin(); it != services_.end();) {
    std::vector<Provider>& providers = it->second.providers;
    std::erase_if(providers, [&](const Provider& p) { return p.heard < oldest; });
    if (providers.empty()) {
      bus_.log(Level::info, "service disappeared", {{"service", it->first}});
      forget(it->first);  // a frozen node of that address must not swallow requests
      it = services_.erase(it);
    } else {
      ++it;
    }
  }
  timer_ = bus_.after(settings_.announce_period, [this] { expire(); });
}

}  // namespace dfs
