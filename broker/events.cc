#include "broker/events.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "broker/frames.h"
#include "broker/intake.h"
#include "broker/log.h"
#include "broker/refusals.h"
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
        intake(context, in, "broker"),
        outlet(context, out, "broker"),
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
  ++process_refusals().publications;
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

void EventRelay::State::run() {
  pollfd items[] = {{stop_fd, POLLIN, 0},
                    {in.get(zmq::sockopt::fd), POLLIN, 0},
                    {out.get(zmq::sockopt::fd), POLLIN, 0}};
  // Those descriptors tell of a change once, and perhaps not when a send on the same socket noticed
  // it first: before the next wait a round must find nothing at all.
  bool at_rest = false;
  while (items[0].revents == 0) {
    (void)poll(items, 3, at_rest ? -1 : 0);
    intake.at_work();
    outlet.at_work();
    at_rest = true;
    for (size_t i = 0; i < kBatch && greet_one(); ++i) at_rest = false;
    for (size_t i = 0; i < kBatch && relay_one(); ++i) at_rest = false;
    if (!at_rest) continue;
    intake.at_rest();
    outlet.at_rest();
  }
  intake.at_work();
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
