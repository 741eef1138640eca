#include "broker/events.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "broker/frames.h"
#include "broker/intake.h"
#include "broker/log.h"
#include "broker/sockets.h"
#include "messages/events.h"
#include "messages/users.h"

namespace dfs {
namespace {

constexpr int kQueueMax = 10'000;  // publications per connection; a slower reader loses some
constexpr size_t kBatch = 256;
constexpr Duration kComplaintPeriod = std::chrono::minutes(1);

Instant now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

// What XSUB sends and XPUB receives: one of these bytes, then the prefix of the topics.
constexpr char kSubscribe = '\x01';
constexpr char kUnsubscribe = '\x00';

std::string_view view_of(const zmq::message_t& frame) {
  return {static_cast<const char*>(frame.data()), frame.size()};
}

}  // namespace

struct EventRelay::State {
  State(zmq::context_t& context, LastValueLimits limits, std::shared_ptr<const Security> s)
      : security(std::move(s)),
        in(make_socket(context, zmq::socket_type::xsub, kQueueMax)),
        out(make_socket(context, zmq::socket_type::xpub, kQueueMax)),
        intake(context, in),
        outlet(context, out),
        values(limits),
        stop_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    DFS_ASSERT(stop_fd >= 0);
  }
  ~State() { close(stop_fd); }

  Result<void> bind(const std::vector<std::string>& publish,
                    const std::vector<std::string>& subscribe) {
    if (security && security->served) {
      serve_encrypted(in, *security->served, Audience::nodes);
      serve_encrypted(out, *security->served, Audience::nodes);
    }
    for (const std::string& endpoint : publish) DFS_CHECK(bind_socket(in, endpoint));
    for (const std::string& endpoint : subscribe) DFS_CHECK(bind_socket(out, endpoint));
    // State is wanted, whoever listens now: the last values are for those who come later.
    want(kSubscribe, kMapTopic);
    want(kSubscribe, kHeartbeatTopic);
    want(kSubscribe, kTicketsTopic);
    return {};
  }

  void run();
  bool relay_one();
  void check_intakes();
  bool is_entitled();
  bool greet_one();
  void greet(std::string_view prefix);
  void want(char how, std::string_view prefix) {
    in.send(zmq::buffer(how + std::string(prefix)), zmq::send_flags::none);
  }
  void send(std::string_view frame, bool more) {
    // XPUB never blocks: it drops what a slow reader has no room for.
    out.send(zmq::const_buffer(frame.data(), frame.size()),
             more ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }

  const std::shared_ptr<const Security> security;
  zmq::socket_t in;
  zmq::socket_t out;
  Intake intake;  // of `in`
  Intake outlet;  // of `out`, where subscriptions come in
  LastValues values;
  std::set<std::string, std::less<>> news;  // prefixes subscribed to that are not of kept values
  int stop_fd;
  Result<void> ready;
  std::thread thread;
  RawMessage raw;
  std::atomic<uint64_t> dropped = 0;
  Instant complained;
  uint64_t untold = 0;  // dropped since that
  Instant checked;      // the intakes
};

// Whether whoever sent `raw` may publish it.
bool EventRelay::State::is_entitled() {
  if (!security) return true;
  const std::string peer = peer_of(raw.frames[0], *security).name;
  const std::string_view topic = view_of(raw.frames[0]);
  if (may_publish(peer, topic) &&
      is_of_publisher(peer, topic, view_of(raw.frames[1]), view_of(raw.frames[2]))) {
    return true;
  }
  ++dropped;
  ++untold;
  if (complained != Instant() && now() - complained < kComplaintPeriod) return false;
  complained = now();
  log_event(Level::warn, "broker", "publication dropped",
            {{"peer", peer}, {"topic", std::string(topic)}, {"count", std::exchange(untold, 0)}});
  return false;
}

// Passes one publication on; false when there is none.
bool EventRelay::State::relay_one() {
  if (!receive_frames(in, raw)) return false;
  intake.completed(raw.frames[0]);
  if (raw.count != 3 || raw.overlong) return true;  // not [topic][header][body]
  const std::string_view topic = view_of(raw.frames[0]);
  const std::string_view header = view_of(raw.frames[1]);
  const std::string_view body = view_of(raw.frames[2]);
  if (header.size() > kHeaderBytesMax || body.size() > kBodyBytesMax) return true;
  if (!is_entitled()) return true;
  if (LastValues::keeps(topic)) values.put(topic, header, body, now());
  mark_read(raw.frames[2]);
  out.send(raw.frames[0], zmq::send_flags::sndmore);
  out.send(raw.frames[1], zmq::send_flags::sndmore);
  out.send(raw.frames[2], zmq::send_flags::none);
  return true;
}

// Hears of one subscription that came or ended; false when there is none. News is wanted from the
// publishers only while somebody listens here: most of the time nobody does, and then it does not
// even leave them.
bool EventRelay::State::greet_one() {
  if (!receive_frames(out, raw)) return false;
  outlet.completed(raw.frames[0]);
  const std::string_view request = view_of(raw.frames[0]);
  if (request.empty()) return true;
  const std::string_view prefix = request.substr(1);
  if (request[0] == kSubscribe) {
    const bool kept = LastValues::keeps(prefix);
    if (!kept && news.empty()) want(kSubscribe, "");
    if (!kept) news.emplace(prefix);
    greet(prefix);
  } else if (const auto ended = news.find(prefix);
             request[0] == kUnsubscribe && ended != news.end()) {
    news.erase(ended);
    if (news.empty()) want(kUnsubscribe, "");
  }
  return true;
}

// Tells a new subscription what it missed. Others who match get it again and know it by its number.
void EventRelay::State::greet(std::string_view prefix) {
  for (const LastValues::Value* value : values.matching(prefix, now())) {
    send(value->topic, true);
    send(value->header, true);
    send(value->body, false);
  }
}

void EventRelay::State::check_intakes() {
  const Instant at = now();
  if (at < checked + Intake::kPeriod) return;
  checked = at;
  const size_t ended = intake.check(at) + outlet.check(at);
  if (ended == 0) return;
  log_event(Level::warn, "broker", "connection ended",
            {{"why", "a message without end"}, {"count", ended}});
}

void EventRelay::State::run() {
  zmq_pollitem_t items[] = {{nullptr, stop_fd, ZMQ_POLLIN, 0},
                            {in.handle(), 0, ZMQ_POLLIN, 0},
                            {out.handle(), 0, ZMQ_POLLIN, 0}};
  while (items[0].revents == 0) {
    const int ready_items = zmq_poll(items, 3, Intake::kPeriod / std::chrono::milliseconds(1));
    check_intakes();
    if (ready_items <= 0) continue;
    for (size_t i = 0; i < kBatch && greet_one(); ++i) {
    }
    for (size_t i = 0; i < kBatch && relay_one(); ++i) {
    }
  }
  while (relay_one()) {
  }
}

EventRelay::EventRelay(zmq::context_t& context, std::vector<std::string> publish,
                       std::vector<std::string> subscribe, LastValueLimits limits,
                       std::shared_ptr<const Security> security)
    : state_(std::make_unique<State>(context, limits, std::move(security))) {
  state_->ready = state_->bind(publish, subscribe);
  if (state_->ready) state_->thread = std::thread([state = state_.get()] { state->run(); });
}

EventRelay::~EventRelay() {
  if (!state_->thread.joinable()) return;
  const uint64_t one = 1;
  (void)!write(state_->stop_fd, &one, sizeof one);
  state_->thread.join();
}

const Result<void>& EventRelay::ready() const {
  return state_->ready;
}
uint64_t EventRelay::dropped() const {
  return state_->dropped;
}

}  // namespace dfs
