#include "broker/router.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "broker/refusals.h"
#include "broker/security.h"
#include "messages/dispatch.h"

namespace dfs {

namespace {

constexpr Duration kComplaintPeriod = std::chrono::minutes(1);
constexpr Duration kPatience = std::chrono::seconds(60);  // of a sender that does not tell

bool is_among_members(Type type) {
  return type >= Type::RequestVote && type <= Type::TimeoutNow;
}

// Addresses that many have at the same time, of nodes that are about to join. They are found by
// their requests alone: whoever spoke last as "storage" gets no other one's answers.
bool is_shared(const std::string& address) {
  return address.find('/') == std::string::npos;
}

}  // namespace

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
  if (auto error = objection(envelope)) return turn_away(envelope, std::move(*error));
  learn(envelope);
  const std::string& to = envelope.header.to;
  if (to.empty() || to == "broker" || to == bus_.address()) {
    answer(envelope);
  } else {
    forward(std::move(envelope));
  }
}

std::optional<Error> Router::objection(const Envelope& envelope) const {
  const auto denied = [](std::string text) { return Error{Code::denied, std::move(text), {}, 0}; };
  const std::string& peer = envelope.peer;
  const std::string& from = envelope.header.from;
  if (is_among_members(envelope.header.type)) {
    return denied("members of a group speak to each other directly, not through a broker");
  }
  if (peer.empty()) return std::nullopt;
  if (!may_speak_as(peer, from)) {
    // A node that just joined may be known here only in a moment.
    const Code code = peer == kUnknownPeer ? Code::unavailable : Code::denied;
    return Error{code, "this connection is not known to be that of `" + from + "`", {}, 0};
  }
  const auto place = places_.find(from);
  if (peer == kUnknownPeer && place != places_.end() && !place->second.key.empty() &&
      place->second.key != envelope.peer_key) {
    return denied("`" + from + "` is the address of another connection");
  }
  switch (envelope.header.type) {
    case Type::Announce: {
      const auto announce = decode<Announce>(envelope.body);
      if (!announce || may_announce(peer, announce->service)) return std::nullopt;
      return denied("`" + announce->service + "` is not for this connection to serve");
    }
    case Type::Join: {
      const auto join = decode<Join>(envelope.body);
      if (!join || join->key == envelope.peer_key) return std::nullopt;
      return denied("the node joins with another key than that of its connection");
    }
    case Type::AddHead: {
      // Without a uuid it is an operator's announcement of a head, which then asks by itself.
      const auto add = decode<AddHead>(envelope.body);
      if (!add || add->uuid.empty() || peer == kHeadPeer) return std::nullopt;
      return denied("only who has the cluster's secret key becomes a head; copy cluster.key there");
    }
    default:
      return std::nullopt;
  }
}

void Router::turn_away(const Envelope& envelope, Error error) {
  ++untold_;
  ++process_refusals().requests;
  if (!complained_ || bus_.now() - *complained_ >= kComplaintPeriod) {
    complained_ = bus_.now();
    bus_.log(Level::warn, "message turned away",
             {{"peer", envelope.peer},
              {"source", envelope.header.source},
              {"claims", envelope.header.from},
              {"why", error.text},
              {"count", std::exchange(untold_, 0)}});
  }
  refuse(envelope, std::move(error));
}

void Router::link_down(const Link& link) {
  for (auto& [name, providers] : services_) {
    std::erase_if(providers, [&](const Provider& p) { return p.link == link; });
  }
  give_up(link);
}

void Router::learn(const Envelope& envelope) {
  const std::string& address = envelope.header.from;
  if (address.empty() || is_shared(address)) return;
  const auto found = places_.find(address);
  if (found != places_.end()) {
    Place& place = found->second;
    if (place.link != envelope.link) {
      count_out(place.link);
      ++learned_[envelope.link];
      place.link = envelope.link;
    }
    place.key = envelope.peer_key;
    ages_.splice(ages_.end(), ages_, place.age);
    return;
  }
  size_t& learned = learned_[envelope.link];
  if (learned >= settings_.addresses_per_link_max) return;
  ++learned;
  if (places_.size() >= settings_.addresses_max) forget(ages_.front());
  ages_.push_back(address);
  places_.emplace(address, Place{envelope.link, envelope.peer_key, std::prev(ages_.end())});
}

void Router::count_out(const Link& link) {
  const auto found = learned_.find(link);
  if (--found->second == 0) learned_.erase(found);
}

void Router::forget(const std::string& address) {
  const auto found = places_.find(address);
  if (found == places_.end()) return;
  const auto age = found->second.age;
  count_out(found->second.link);
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
    found = services_.emplace(announce.service, Providers()).first;
    bus_.log(Level::info, "service appeared",
             {{"service", announce.service}, {"provider", envelope.header.from}});
  }
  Providers& providers = found->second;
  // One that restarted comes on a new link and, being heard last, goes before its old self.
  std::erase_if(providers, [&](const Provider& p) { return p.link == envelope.link; });
  if (providers.size() >= settings_.providers_max) providers.pop_back();
  providers.push_back({envelope.header.from, envelope.link, announce.term, bus_.now()});
  rank(providers);
  // A leader of an older term may be frozen, or cut off: nobody should wait for it.
  std::vector<Link> deposed;
  for (const Provider& provider : providers) {
    if (provider.term < announce.term) deposed.push_back(provider.link);
  }
  for (const Link& link : deposed) give_up(link, announce.service);
}

void Router::rank(Providers& providers) {
  std::stable_sort(providers.begin(), providers.end(), [](const Provider& a, const Provider& b) {
    return std::tie(a.term, a.heard) > std::tie(b.term, b.heard);
  });
}

void Router::forward(Envelope envelope) {
  if (const Link asker = note_answer(envelope); !asker.empty()) {
    const Result<void> sent = bus_.send(asker, envelope);
    if (sent) return;
    if (sent.code() != Code::unavailable) return refuse(envelope, sent.error());
    // Whoever asked may have connected anew.
  }
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

Result<void> Router::forward_to_service(Providers& providers, const Envelope& envelope) {
  while (!providers.empty()) {
    const Link link = providers.front().link;
    const auto passed = passed_.find(link);
    if (passed != passed_.end() && passed->second.size() >= settings_.passed_max) {
      return {Code::busy, "`" + envelope.header.to + "` has too many requests to answer"};
    }
    Result<void> sent = bus_.send(link, envelope);
    if (sent) note(link, envelope);
    // A full queue is no reason to ask another, who would only point back here.
    if (sent || sent.code() != Code::unavailable) return sent;
    providers.erase(providers.begin());
    give_up(link);
  }
  return {Code::unavailable, "nobody serves `" + envelope.header.to + "` at the moment; try again"};
}

void Router::note(const Link& provider, const Envelope& request) {
  const Header& header = request.header;
  // A refusal is answered by nobody.
  if (header.request == 0 || header.type == Type::Error) return;
  auto& passed = passed_[provider];
  const Duration patience =
      header.deadline_ms != 0 ? std::chrono::milliseconds(header.deadline_ms) : kPatience;
  passed.insert_or_assign(header.request, Passed{header.to, Envelope{header, {}, {}, request.link},
                                                 bus_.now() + std::min(patience, kPatience)});
}

Link Router::note_answer(const Envelope& envelope) {
  const auto provider = passed_.find(envelope.link);
  if (provider == passed_.end()) return {};
  const auto request = provider->second.find(envelope.header.request);
  if (request == provider->second.end()) return {};
  const Passed& passed = request->second;
  if (passed.request.header.from != envelope.header.to) return {};
  Link asker = passed.request.link;
  const auto service = services_.find(passed.service);
  if (envelope.header.type == Type::Error && service != services_.end()) {
    follow_leader(service->second, envelope);
  }
  provider->second.erase(request);
  return asker;
}

// A provider that does not lead is not asked again before it says that it does; the one it names
// counts as if it had said so.
void Router::follow_leader(Providers& providers, const Envelope& refusal) {
  const auto error = decode<ErrorReply>(refusal.body);
  if (!error || static_cast<Code>(error->code) != Code::not_leader) return;
  const auto cause = [&](const char* key) {
    const auto found = error->cause.find(key);
    return found == error->cause.end() ? std::string() : found->second;
  };
  const auto refuser = std::find_if(providers.begin(), providers.end(),
                                    [&](const Provider& p) { return p.link == refusal.link; });
  if (refuser == providers.end()) return;
  const uint64_t said = std::strtoull(cause("term").c_str(), nullptr, 10);
  if (said != 0 && said < refuser->term) return;  // it has come to lead since
  const uint64_t term = std::max(said, refuser->term);
  const std::string leader = cause("leader");
  if (leader == refuser->address) return;
  providers.erase(refuser);
  const auto named = std::find_if(providers.begin(), providers.end(),
                                  [&](const Provider& p) { return p.address == leader; });
  if (named != providers.end()) {
    named->term = std::max(named->term, term);
  } else if (const auto place = places_.find(leader); place != places_.end()) {
    providers.push_back({leader, place->second.link, term, bus_.now()});
  }
  rank(providers);
}

void Router::give_up(const Link& provider, const std::string& service) {
  const auto found = passed_.find(provider);
  if (found == passed_.end()) return;
  std::vector<Envelope> lost;
  for (auto it = found->second.begin(); it != found->second.end();) {
    if (service.empty() || it->second.service == service) {
      lost.push_back(std::move(it->second.request));
      it = found->second.erase(it);
    } else {
      ++it;
    }
  }
  if (found->second.empty()) passed_.erase(found);
  for (const Envelope& request : lost) {
    const std::string& to = request.header.to;
    const Error error{
        Code::unavailable,
        "whoever served `" + to + "` is lost, and may or may not have done this; ask again",
        {{"service", to}},
        0};
    (void)bus_.reply(reply_to(request, error));
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
  std::vector<std::pair<Link, std::string>> silent;
  for (auto it = services_.begin(); it != services_.end();) {
    std::erase_if(it->second, [&](const Provider& p) {
      if (p.heard >= oldest) return false;
      silent.emplace_back(p.link, it->first);
      return true;
    });
    if (it->second.empty()) {
      bus_.log(Level::info, "service disappeared", {{"service", it->first}});
      forget(it->first);  // a frozen node of that address must not swallow requests
      it = services_.erase(it);
    } else {
      ++it;
    }
  }
  for (const auto& [link, service] : silent) give_up(link, service);
  for (auto it = passed_.begin(); it != passed_.end();) {
    std::erase_if(it->second, [&](const auto& entry) { return entry.second.until < bus_.now(); });
    it = it->second.empty() ? passed_.erase(it) : std::next(it);
  }
  timer_ = bus_.after(settings_.announce_period, [this] { expire(); });
}

}  // namespace dfs
