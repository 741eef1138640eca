#include "broker/zmq_bus.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "broker/log.h"
#include "broker/sockets.h"

namespace dfs {
namespace {

// Messages taken from one source before the others have their turn.
constexpr size_t kBatch = 128;
constexpr size_t kTimerBatch = 1024;
constexpr int kNewsQueueMax = 10'000;

// After a connection was found impossible, it is tried again so much later.

constexpr Duration kComplaintPeriod = std::chrono::minutes(1);
constexpr size_t kComplaintsMax = 256;  // peers; beyond that, complaints are counted only

// The places of the fixed items, of which a negative descriptor is skipped.
enum : size_t { kWakeItem, kResultsItem, kRouterItem, kSubscriberItem, kFixedItems };

pollfd readable(zmq::socket_t& socket) {
  return {socket ? socket.get(zmq::sockopt::fd) : -1, POLLIN, 0};
}

}  // namespace

ZmqBus::ZmqBus(zmq::context_t& context, const ActorSettings& settings, int wake_fd)
    : context_(context),
      settings_(settings),
      wake_fd_(wake_fd),
      address_(settings.address),
      pool_(context, settings.pool_threads, settings.pool_jobs_max),
      published_(random_.next()) {}

ZmqBus::~ZmqBus() = default;

// A broker that did not know yet who this is has refused the sockets for news, which would try
// again only after the time for a handshake.
void ZmqBus::set_address(std::string address) {
  const bool same = address == address_;
  address_ = std::move(address);
  if (same || settings_.security == nullptr) return;
  for (const Link& broker : settings_.brokers) renew_news(broker);
}

Result<void> ZmqBus::open() {
  if (settings_.listen.empty()) return {};
  router_ = make_socket(context_, zmq::socket_type::router,
                        static_cast<int>(settings_.link_messages_max));
  const Security* security = settings_.security.get();
  if (security != nullptr && security->served) {
    serve_encrypted(router_, *security->served, settings_.audience);
  }
  try {
    intake_ = std::make_unique<Intake>(context_, router_, address_);
  } catch (const zmq::error_t& error) {
    return Result<void>(Code::busy, std::string("no socket is left: ") + error.what());
  }
  DFS_CHECK(bind_socket(router_, settings_.listen));
  endpoint_ = bound_endpoint(router_);
  for (const std::string& endpoint : settings_.listen_also) {
    DFS_CHECK(bind_socket(router_, endpoint));
  }
  if (!settings_.advertise.empty() && endpoint_.starts_with("tcp://")) {
    const size_t colon = endpoint_.rfind(':');
    endpoint_ = "tcp://" + settings_.advertise + endpoint_.substr(colon);
  }
  if (security != nullptr && endpoint_.starts_with("tcp://")) {
    endpoint_ += security->endpoint_suffix();
  }
  return {};
}

Instant ZmqBus::now() const {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

int64_t ZmqBus::wall_ms() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

Bus::TimerId ZmqBus::after(Duration delay, std::function<void()> fire) {
  return timers_.add(now() + std::max(delay, Duration::zero()), std::move(fire));
}

Result<void> ZmqBus::send(const Link& link, Envelope envelope) {
  if (envelope.header.from.empty()) envelope.header.from = address_;
  if (is_peer_link(link)) {
    if (!router_ || !routing_id_of(link, routing_id_)) {
      return {Code::unavailable, "there is no such peer: " + link};
    }
    due_.router = true;
    intake_->at_work();
    return send_frames(router_, routing_id_, std::move(envelope));
  }
  Result<Connection*> connection = connect(link);
  if (!connection) return std::move(connection).error();
  (*connection)->used = now();
  (*connection)->due = true;
  return send_frames((*connection)->dealer, {}, std::move(envelope));
}

Result<ZmqBus::Connection*> ZmqBus::connect(const Link& link) {
  const auto found = connections_.find(link);
  if (found != connections_.end()) return found->second.get();
  if (link.empty()) return Result<Connection*>(Code::unavailable, "there is no link to send on");
  if (connections_.size() >= settings_.links_max) close_idlest();
  if (const auto why = troubles_.why(link, now())) return Result<Connection*>(Code::denied, *why);
  auto connection = std::make_unique<Connection>();
  connection->link = link;
  const LinkParts parts = parts_of(link);
  auto key = key_for(link, parts);
  if (!key) return key.error();
  try {
    connection->dealer = make_socket(context_, zmq::socket_type::dealer,
                                     static_cast<int>(settings_.link_messages_max));
    if (!key->empty()) connect_encrypted(connection->dealer, settings_.security->own, *key);
    connection->watcher = watch_connection(context_, connection->dealer);
  } catch (const zmq::error_t& error) {
    return Result<Connection*>(Code::busy, std::string("no socket is left: ") + error.what());
  }
  DFS_CHECK(connect_socket(connection->dealer, parts.endpoint));
  items_valid_ = false;
  return connections_.emplace(link, std::move(connection)).first->second.get();
}

// The server's key to connect with; empty: plain.
Result<std::string> ZmqBus::key_for(const Link& link, const LinkParts& parts) {
  const Security* security = settings_.security.get();
  const bool remote = link.starts_with("tcp://");
  if (!remote || parts.suffix == kPlainSuffix) return std::string();
  if (security == nullptr) {
    if (parts.suffix.empty()) return std::string();
    return Error{Code::denied,
                 link +
                     " is encrypted, and this side was told to be insecure; give it the "
                     "cluster's key instead",
                 {},
                 0};
  }
  if (!parts.suffix.empty()) {
    DFS_CHECK(check_public_key(parts.suffix));
    return parts.suffix;
  }
  const std::vector<std::string>& keys = security->cluster_keys;
  if (keys.empty()) return Error{Code::usage, "no key of the cluster is known", {}, 0};
  return keys[troubles_.key(link) % keys.size()];
}

// Remembers how a connection fared, so that what will not work is told instead of tried for ever.
void ZmqBus::note_news(const Link& link, const LinkNews& news) {
  if (news.established && troubles_.established(link, now())) follow_key(link);
  const bool encrypts = settings_.security != nullptr && parts_of(link).suffix != kPlainSuffix;
  const size_t keys = encrypts ? settings_.security->cluster_keys.size() : 1;
  if (const auto why = troubles_.ended(link, news.end, encrypts, keys, now())) {
    log(Level::warn, "connection refused", {{"link", link}, {"why", *why}});
  }
}

// The sockets for news do not find out by themselves which of several keys a broker has now.
void ZmqBus::follow_key(const Link& broker) {
  const auto used = news_keys_.find(broker);
  const auto key = key_for(broker, parts_of(broker));
  if (used != news_keys_.end() && key && *key != used->second) renew_news(broker);
}

void ZmqBus::renew_news(const Link& broker) {
  const auto endpoints = BrokerEndpoints::of(broker);
  if (!endpoints) return;
  const auto move = [&](zmq::socket_t& socket, std::string BrokerEndpoints::*endpoint) {
    if (!socket) return;
    (void)zmq_disconnect(socket.handle(), ((*endpoints).*endpoint).c_str());
    connect_news(socket, broker, endpoint);
  };
  move(publisher_, &BrokerEndpoints::publish);
  move(subscriber_, &BrokerEndpoints::subscribe);
  due_.subscriber = static_cast<bool>(subscriber_);
}

void ZmqBus::close_idlest() {
  const auto idlest = std::min_element(
      connections_.begin(), connections_.end(),
      [](const auto& a, const auto& b) { return a.second->used < b.second->used; });
  if (idlest == connections_.end()) return;
  idlest->second->closed = true;
  broken_.push_back(std::move(idlest->second));
  connections_.erase(idlest);
  items_valid_ = false;
}

zmq::socket_t ZmqBus::connect_all(zmq::socket_type type, std::string BrokerEndpoints::*endpoint) {
  zmq::socket_t socket = make_socket(context_, type, kNewsQueueMax);
  for (const Link& broker : settings_.brokers) connect_news(socket, broker, endpoint);
  return socket;
}

void ZmqBus::connect_news(zmq::socket_t& socket, const Link& broker,
                          std::string BrokerEndpoints::*endpoint) {
  Result<BrokerEndpoints> endpoints = BrokerEndpoints::of(broker);
  if (const auto key = key_for(broker, parts_of(broker)); key && !key->empty()) {
    connect_encrypted(socket, settings_.security->own, *key);
    news_keys_[broker] = *key;
  }
  Result<void> connected =
      endpoints ? connect_socket(socket, (*endpoints).*endpoint) : Result<void>(endpoints.error());
  if (!connected) log(Level::error, "cannot reach broker", {{"why", connected.error().text}});
}

void ZmqBus::add_broker(const Link& broker) {
  std::vector<Link>& brokers = settings_.brokers;
  if (std::find(brokers.begin(), brokers.end(), broker) != brokers.end()) return;
  if (!BrokerEndpoints::of(broker)) return;
  log(Level::info, "broker added", {{"broker", broker}});
  brokers.push_back(broker);
  // The sockets that are not there yet will connect to all of them.
  if (publisher_) connect_news(publisher_, broker, &BrokerEndpoints::publish);
  if (subscriber_) connect_news(subscriber_, broker, &BrokerEndpoints::subscribe);
  due_.subscriber = static_cast<bool>(subscriber_);
}

void ZmqBus::publish(std::string topic, Envelope envelope) {
  DFS_ASSERT(!topic.empty());
  if (!publisher_) publisher_ = connect_all(zmq::socket_type::pub, &BrokerEndpoints::publish);
  if (envelope.header.from.empty()) envelope.header.from = address_;
  envelope.header.request = ++published_;
  envelope.payload = {};
  (void)send_frames(publisher_, topic, std::move(envelope));
}

void ZmqBus::subscribe(std::string prefix) {
  if (!subscriber_) {
    subscriber_ = connect_all(zmq::socket_type::sub, &BrokerEndpoints::subscribe);
    items_valid_ = false;
  }
  subscriber_.set(zmq::sockopt::subscribe, prefix);
}

Result<void> ZmqBus::run(std::function<void()> work, std::function<void()> done) {
  return pool_.run(std::move(work), std::move(done));
}

void ZmqBus::log(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  log_event(level, address_, event, fields);
}

int ZmqBus::wait_ms(Duration wait_max) {
  Duration wait = wait_max;
  if (const auto next = timers_.next()) wait = std::min(wait, *next - now());
  if (!broken_.empty()) wait = Duration::zero();
  // Rounded up: a timer must not fire early, nor the loop spin until it is due.
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(
                              std::clamp<Duration>(wait, Duration::zero(), std::chrono::hours(1)))
                              .count());
}

void ZmqBus::list_poll_items() {
  items_.assign(kFixedItems, {});
  items_[kWakeItem] = {wake_fd_, POLLIN, 0};
  items_[kResultsItem] = readable(pool_.results());
  items_[kRouterItem] = readable(router_);
  items_[kSubscriberItem] = readable(subscriber_);
  polled_.clear();
  for (const auto& [link, connection] : connections_) {
    polled_.push_back(connection.get());
    items_.push_back(readable(connection->dealer));
    items_.push_back(readable(connection->watcher));
  }
  due_ = {true, static_cast<bool>(router_), static_cast<bool>(subscriber_)};
  items_valid_ = true;
}

bool ZmqBus::anything_due() const {
  return due_.results || due_.router || due_.subscriber ||
         std::any_of(polled_.begin(), polled_.end(),
                     [](const Connection* c) { return c->due || c->watcher_due; });
}

// Notes what is due. True when `wake_fd` is readable.
bool ZmqBus::poll_items(Duration wait_max) {
  const int timeout = anything_due() ? 0 : wait_ms(wait_max);
  if (poll(items_.data(), items_.size(), timeout) <= 0) return false;
  const auto is_ready = [this](size_t i) { return items_[i].revents != 0; };
  due_.results |= is_ready(kResultsItem);
  due_.router |= is_ready(kRouterItem);
  due_.subscriber |= is_ready(kSubscriberItem);
  size_t item = kFixedItems;
  for (Connection* connection : polled_) {
    connection->due |= is_ready(item++);
    connection->watcher_due |= is_ready(item++);
  }
  return is_ready(kWakeItem);
}

bool ZmqBus::turn(Actor& actor, Duration wait_max) {
  if (!items_valid_) list_poll_items();
  const bool woken = poll_items(wait_max);
  if (due_.results) due_.results = pool_.collect(kBatch);
  if (due_.router) serve_router(actor);
  if (due_.subscriber) serve_news(actor);
  serve_connections(actor);
  report_broken(actor);
  // Last, so that an answer that waits here already, after this thread got no processor for a
  // while, is heard before its deadline is.
  timers_.fire(now(), kTimerBatch);
  return woken;
}

// Handlers may add connections; polled_ stays as it was until the next round, and those that were
// closed meanwhile live until its end.
void ZmqBus::serve_connections(Actor& actor) {
  for (Connection* connection : polled_) {
    LinkNews news;
    if (std::exchange(connection->watcher_due, false)) news = read_watcher(connection->watcher);
    const bool broke = news.end != LinkEnd::none;
    if (broke || news.established) note_news(connection->link, news);
    // What came before the break is still delivered, all of it.
    if (connection->due || broke) {
      serve_connection(*connection, actor, broke ? SIZE_MAX : kBatch);
    }
    if (!broke || connection->closed) continue;
    connection->closed = true;
    connection->dealer.set(zmq::sockopt::linger, 0);  // what was queued is lost, as promised
    const auto found = connections_.find(connection->link);
    broken_.push_back(std::move(found->second));
    connections_.erase(found);
    items_valid_ = false;
  }
}

void ZmqBus::report_broken(Actor& actor) {
  const std::vector<std::unique_ptr<Connection>> broken = std::exchange(broken_, {});
  for (const auto& connection : broken) actor.link_down(connection->link);
}

void ZmqBus::serve_router(Actor& actor) {
  intake_->at_work();
  for (size_t i = 0; i < kBatch; ++i) {
    if (!receive_frames(router_, raw_)) {
      due_.router = false;
      intake_->at_rest();
      return;
    }
    const zmq::message_t& routing_id = raw_.frames[0];
    intake_->completed(raw_.frames[raw_.count - 1]);
    Envelope envelope;
    envelope.link = peer_link({routing_id.data<char>(), routing_id.size()});
    std::string source = source_of(routing_id);
    if (settings_.security != nullptr) {
      ProvenPeer peer = peer_of(routing_id, *settings_.security);
      envelope.peer = std::move(peer.name);
      envelope.peer_key = std::move(peer.key);
    }
    take(raw_.from(1), std::move(envelope), actor, &source);
  }
}

void ZmqBus::serve_connection(Connection& connection, Actor& actor, size_t batch) {
  for (size_t i = 0; i < batch && !connection.closed; ++i) {
    if (!receive_frames(connection.dealer, raw_)) {
      connection.due = false;
      return;
    }
    if (i == 0) connection.used = now();
    Envelope envelope;
    envelope.link = connection.link;
    take(raw_.from(0), std::move(envelope), actor, nullptr);
  }
}

void ZmqBus::serve_news(Actor& actor) {
  for (size_t i = 0; i < kBatch; ++i) {
    if (!receive_frames(subscriber_, raw_)) {
      due_.subscriber = false;
      return;
    }
    Envelope envelope;
    const std::string topic(raw_.frames[0].data<char>(), raw_.frames[0].size());
    const Result<void> decoded = decode_frames(raw_.from(1), raw_.overlong, envelope);
    if (!decoded) {
      envelope.link = "topic " + topic;
      envelope.header.request = 0;  // nobody waits for an answer to a publication
      refuse(envelope, decoded.error());
    } else if (echoes_.fresh(topic, envelope.header.from, envelope.header.request)) {
      actor.observe(topic, std::move(envelope));
    }
  }
}

// `source`, when not null, goes before what the sender wrote.
void ZmqBus::take(std::span<zmq::message_t> frames, Envelope envelope, Actor& actor,
                  std::string* source) {
  const Result<void> decoded = decode_frames(frames, raw_.overlong, envelope);
  if (source != nullptr) envelope.header.source = std::move(*source);
  if (decoded) {
    actor.receive(std::move(envelope));
  } else {
    refuse(envelope, decoded.error());
  }
}

void ZmqBus::refuse(const Envelope& envelope, const Error& error) {
  const bool answerable = envelope.header.type != Type::None &&
                          envelope.header.type != Type::Error && envelope.header.request != 0;
  if (answerable) (void)reply(reply_to(envelope, error));

  const Instant at = now();
  auto found = complaints_.find(envelope.link);
  if (found == complaints_.end() && complaints_.size() >= kComplaintsMax) {
    std::erase_if(complaints_,
                  [&](const auto& entry) { return at - entry.second.logged >= kComplaintPeriod; });
    if (complaints_.size() >= kComplaintsMax) return;
  }
  const bool first = found == complaints_.end();
  if (first) found = complaints_.emplace(envelope.link, Complaint{at}).first;
  Complaint& complaint = found->second;
  ++complaint.count;
  if (!first && at - complaint.logged < kComplaintPeriod) return;
  log(Level::warn, "message refused",
      {{"peer", envelope.link},
       {"code", name_of(error.code)},
       {"why", error.text},
       {"count", std::exchange(complaint.count, 0)}});
  complaint.logged = at;
}

}  // namespace dfs
