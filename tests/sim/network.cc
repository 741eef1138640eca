#include "tests/sim/network.h"

#include <algorithm>

#include "messages/crc32c.h"
#include "tests/sim/process.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;

namespace {

// What a real bus would refuse to put on the wire, an actor must not send.
void check_limits(const Envelope& envelope) {
  DFS_ASSERT(encode_header(envelope.header).size() <= kHeaderBytesMax);
  DFS_ASSERT(envelope.header.from.size() <= kAddressBytesMax);
  DFS_ASSERT(envelope.header.to.size() <= kAddressBytesMax);
  DFS_ASSERT(envelope.body.size() <= kBodyBytesMax);
  DFS_ASSERT(envelope.payload.size() <= kPayloadBytesMax);
}

uint64_t fingerprint(const Envelope& envelope) {
  const uint32_t header = crc32c(encode_header(envelope.header));
  const uint32_t body = crc32c(envelope.payload.view(), crc32c(envelope.body));
  return uint64_t{header} << 32 | body;
}

std::string summary(const Envelope& envelope, const std::string& where) {
  const auto body = Document::parse(envelope.body);
  return "type " + std::to_string(static_cast<int>(envelope.header.type)) + " request " +
         std::to_string(envelope.header.request) + " " + envelope.header.from + " > " +
         envelope.header.to + " on " + where + " " + std::to_string(envelope.payload.size()) + " " +
         (body ? body->root().to_json().substr(0, 300) : "?");
}

}  // namespace

Network::Network(World& world, Random random) : world_(world), random_(random) {}
Network::~Network() = default;

Duration Network::delay() {
  return random_.between(options_.delay_min, options_.delay_max);
}

Process* Network::listener(const std::string& endpoint) const {
  const auto found = listeners_.find(endpoint);
  return found == listeners_.end() ? nullptr : found->second;
}

bool Network::alive(const End& end) const {
  return end.process != nullptr && end.process->running() &&
         end.process->incarnation() == end.incarnation;
}

bool Network::blocked(const Process& from, const Process& to) const {
  return blocked_.contains({from.machine(), to.machine()});
}

Result<void> Network::send(Process& from, const Link& link, Envelope envelope) {
  if (from.incarnation() == 0) return {};  // it dies: what its flows leave behind goes nowhere
  check_limits(envelope);
  if (on_send) on_send(from, envelope);
  const auto found = links_.find({from.index(), link});
  if (found == links_.end() && link.starts_with("peer/")) {
    return Result<void>(Code::unavailable, "the peer behind " + link + " is gone");
  }
  const auto [connection, sender] =
      found != links_.end() ? found->second : std::pair(connect(from, link), size_t{0});
  End& end = connection->ends[sender];
  const size_t queued = connection->waiting.size() + (end.sent - end.delivered);
  if (queued >= from.settings().link_messages_max) {
    return Result<void>(Code::busy, "the queue of " + link + " is full; try again a little later");
  }
  queued_max_ = std::max(queued_max_, queued + 1);
  ++messages_;
  if (connection->broken) return {};  // the sender does not know yet; it is lost
  if (!connection->up) {
    connection->waiting.push_back(std::move(envelope));
  } else {
    launch(connection, sender, std::move(envelope));
  }
  return {};
}

Network::ConnectionPtr Network::connect(Process& from, const Link& endpoint) {
  auto connection = std::make_shared<Connection>();
  connection->id = ++last_id_;
  connection->endpoint = endpoint;
  connection->ends[0].process = &from;
  connection->ends[0].incarnation = from.incarnation();
  connection->ends[0].name = endpoint;
  connections_[connection->id] = connection;
  links_[{from.index(), endpoint}] = {connection, 0};
  world_.after(delay() + delay(), [this, connection] { establish(connection); });
  return connection;
}

void Network::establish(const ConnectionPtr& connection) {
  if (connection->broken || !alive(connection->ends[0])) return;
  Process& from = *connection->ends[0].process;
  Process* const to = listener(connection->endpoint);
  if (to == nullptr) return break_after(connection, delay());  // refused
  if (blocked(from, *to) || blocked(*to, from)) {
    return break_after(connection, options_.silence_max);
  }
  char name[32];
  std::snprintf(name, sizeof name, "peer/%016llx", static_cast<unsigned long long>(random_.next()));
  connection->ends[1].process = to;
  connection->ends[1].incarnation = to->incarnation();
  connection->ends[1].name = name;
  connection->up = true;
  links_[{to->index(), name}] = {connection, 1};
  std::deque<Envelope> waiting = std::move(connection->waiting);
  connection->waiting.clear();
  for (Envelope& envelope : waiting) launch(connection, 0, std::move(envelope));
}

void Network::launch(const ConnectionPtr& connection, size_t sender, Envelope envelope) {
  if (random_.chance(options_.break_probability)) return break_after(connection, delay());
  if (random_.chance(options_.drop_probability)) return;
  if (random_.chance(options_.duplicate_probability)) fly(connection, sender, envelope);
  if (random_.chance(options_.reorder_probability)) {
    return stray(connection, sender, std::move(envelope));
  }
  fly(connection, sender, std::move(envelope));
}

void Network::fly(const ConnectionPtr& connection, size_t sender, Envelope envelope) {
  End& from = connection->ends[sender];
  const End& to = connection->ends[1 - sender];
  Duration flight = delay();
  if (random_.chance(options_.slow_probability)) {
    flight += random_.between(milliseconds(1), options_.slow_max);
  }
  const uint64_t bytes = envelope.body.size() + envelope.payload.size();
  const Duration transmission(bytes * 1'000'000'000 / options_.bytes_per_second);
  from.last_arrival = std::max(from.last_arrival, world_.now() + flight) + transmission;
  const uint64_t number = ++from.sent;
  const size_t receiver = 1 - sender;
  if (!alive(to)) return;
  world_.after(from.last_arrival - world_.now(), to.process,
               [this, connection, receiver, number, envelope = std::move(envelope)]() mutable {
                 if (connection->broken) return;
                 connection->ends[receiver].arrived.emplace(number, std::move(envelope));
                 arrive(connection, receiver);
               });
}

// Outside the order of the connection, and lost when the way is blocked as it arrives.
void Network::stray(const ConnectionPtr& connection, size_t sender, Envelope envelope) {
  const size_t receiver = 1 - sender;
  const End& to = connection->ends[receiver];
  if (!alive(to)) return;
  const Duration flight = random_.between(options_.delay_min, options_.stray_max);
  world_.after(flight, to.process,
               [this, connection, receiver, envelope = std::move(envelope)]() mutable {
                 End& end = connection->ends[receiver];
                 const End& from = connection->ends[1 - receiver];
                 if (connection->broken || blocked(*from.process, *end.process)) return;
                 deliver(end, std::move(envelope));
               });
}

void Network::deliver(End& to, Envelope envelope) {
  envelope.link = to.name;
  world_.trace("receive", to.process->name(), fingerprint(envelope));
  if (world_.verbose) world_.say("message", to.process->name(), summary(envelope, to.name));
  to.process->actor().receive(std::move(envelope));
}

void Network::arrive(const ConnectionPtr& connection, size_t receiver) {
  End& to = connection->ends[receiver];
  End& from = connection->ends[1 - receiver];
  while (!connection->broken && !to.arrived.empty() &&
         to.arrived.begin()->first == from.delivered + 1) {
    if (blocked(*from.process, *to.process)) return stall(connection, receiver);
    Envelope envelope = std::move(to.arrived.begin()->second);
    to.arrived.erase(to.arrived.begin());
    ++from.delivered;
    deliver(to, std::move(envelope));
  }
}

void Network::stall(const ConnectionPtr& connection, size_t receiver) {
  End& to = connection->ends[receiver];
  if (std::exchange(to.stalled, true)) return;
  const uint64_t delivered = connection->ends[1 - receiver].delivered;
  world_.after(options_.silence_max, [this, connection, receiver, delivered] {
    const bool same = connection->ends[1 - receiver].delivered == delivered;
    if (connection->ends[receiver].stalled && same) break_after(connection, Duration::zero());
  });
}

void Network::break_after(const ConnectionPtr& connection, Duration delay) {
  world_.after(delay, [this, connection] { break_now(connection); });
}

void Network::break_now(const ConnectionPtr& connection) {
  if (std::exchange(connection->broken, true)) return;
  for (End& end : connection->ends) {
    end.arrived.clear();
    if (!alive(end)) continue;
    const auto notice = random_.between(Duration::zero(), options_.notice_max);
    world_.after(notice, end.process, [this, name = end.name, process = end.process] {
      links_.erase({process->index(), name});
      world_.trace("broken", process->name(), 0, name);
      process->actor().link_down(name);
    });
  }
  connection->waiting.clear();
  connections_.erase(connection->id);
}

void Network::break_connections(const Process& process) {
  std::vector<ConnectionPtr> mine;
  for (const auto& [id, connection] : connections_) {
    if (connection->ends[0].process == &process || connection->ends[1].process == &process) {
      mine.push_back(connection);
    }
  }
  for (const ConnectionPtr& connection : mine) break_now(connection);
}

void Network::block(const std::string& from_machine, const std::string& to_machine) {
  if (from_machine != to_machine) blocked_.insert({from_machine, to_machine});
}

void Network::partition(const std::string& one, const std::string& other) {
  block(one, other);
  block(other, one);
}

void Network::isolate(const std::string& machine) {
  for (const auto& process : world_.processes()) partition(machine, process->machine());
}

void Network::unblock(const std::string& from_machine, const std::string& to_machine) {
  const auto found = blocked_.find({from_machine, to_machine});
  if (found == blocked_.end()) return;
  blocked_.erase(found);
  go_on();
}

void Network::heal() {
  blocked_.clear();
  go_on();
}

// What was held up arrives, unless it is held up elsewhere.
void Network::go_on() {
  for (const auto& [id, connection] : connections_) {
    for (size_t receiver : {0, 1}) {
      End& end = connection->ends[receiver];
      if (!std::exchange(end.stalled, false) || !alive(end)) continue;
      world_.after(delay(), end.process,
                   [this, connection = connection, receiver] { arrive(connection, receiver); });
    }
  }
  // A healed connection to a relay brings the last values again, as a new one would.
  for (const auto& process : world_.processes()) {
    if (!process->running()) continue;
    for (const std::string& prefix : process->bus().subscriptions()) subscribe(*process, prefix);
  }
}

void Network::process_started(Process& process) {
  if (!process.settings().listen.empty()) listeners_[process.settings().listen] = &process;
  if (process.settings().relay) relays_[process.index()];
}

void Network::process_ended(Process& process, bool silently) {
  listeners_.erase(process.settings().listen);
  for (auto it = links_.lower_bound({process.index(), Link()});
       it != links_.end() && it->first.first == process.index();) {
    const auto [connection, mine] = it->second;
    if (!connection->broken) {
      // What the dead one sent before is still on its way until its peer learns of the death.
      const End& peer = connection->ends[1 - mine];
      const bool unheard = silently || (peer.process != nullptr && blocked(process, *peer.process));
      break_after(connection, unheard ? options_.silence_max : options_.notice_max);
    }
    it = links_.erase(it);
  }
  if (relays_.erase(process.index()) == 0) return;
  for (const auto& other : world_.processes()) {
    if (!other->running() || other.get() == &process) continue;
    for (const std::string& prefix : other->bus().subscriptions()) {
      try_subscribe(*other, process.settings().listen, prefix);
    }
  }
}

// ---- what is published

void Network::publish(Process& from, const std::string& topic, const Envelope& envelope) {
  check_limits(envelope);
  for (const std::string& endpoint : from.bus().brokers()) {
    Process* const relay = listener(endpoint);
    if (relay == nullptr || blocked(from, *relay) || random_.chance(options_.news_loss)) continue;
    Duration& last = news_[{from.index(), relay->index()}];
    last = std::max(last + Duration(1), world_.now() + delay());
    world_.after(last - world_.now(), relay,
                 [this, relay, topic, envelope] { relay_news(*relay, topic, envelope); });
  }
}

void Network::relay_news(Process& relay, const std::string& topic, const Envelope& envelope) {
  Relay& state = relays_[relay.index()];
  state.last[topic] = envelope;
  for (const Subscription& subscription : state.subscriptions) {
    if (topic.starts_with(subscription.prefix)) send_news(relay, subscription, topic, envelope);
  }
}

void Network::send_news(Process& relay, const Subscription& to, const std::string& topic,
                        const Envelope& envelope) {
  Process& subscriber = *to.subscriber;
  if (subscriber.incarnation() != to.incarnation || blocked(relay, subscriber)) return;
  if (random_.chance(options_.news_loss)) return;
  Duration& last = news_[{relay.index(), subscriber.index()}];
  last = std::max(last + Duration(1), world_.now() + delay());
  world_.after(last - world_.now(), &subscriber, [this, &subscriber, topic, envelope] {
    world_.trace("news", subscriber.name(), fingerprint(envelope), topic);
    subscriber.actor().observe(topic, envelope);
  });
}

void Network::subscribe(Process& subscriber, const std::string& prefix) {
  for (const std::string& endpoint : subscriber.bus().brokers()) {
    try_subscribe(subscriber, endpoint, prefix);
  }
}

void Network::try_subscribe(Process& subscriber, const std::string& endpoint,
                            const std::string& prefix) {
  world_.after(delay(), &subscriber, [this, &subscriber, endpoint, prefix] {
    Process* const relay = listener(endpoint);
    if (relay == nullptr || blocked(subscriber, *relay) || blocked(*relay, subscriber)) {
      world_.after(milliseconds(200), &subscriber, [this, &subscriber, endpoint, prefix] {
        try_subscribe(subscriber, endpoint, prefix);
      });
      return;
    }
    Relay& state = relays_[relay->index()];
    std::erase_if(state.subscriptions, [&](const Subscription& old) {
      return old.subscriber == &subscriber &&
             (old.prefix == prefix || old.incarnation != subscriber.incarnation());
    });
    state.subscriptions.push_back({&subscriber, subscriber.incarnation(), prefix});
    for (const auto& [topic, envelope] : state.last) {
      if (topic.starts_with(prefix)) {
        send_news(*relay, state.subscriptions.back(), topic, envelope);
      }
    }
  });
}

}  // namespace dfs::sim
