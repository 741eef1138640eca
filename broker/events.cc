#include "broker/events.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "broker/frames.h"
#include "broker/sockets.h"

namespace dfs {
namespace {

constexpr int kQueueMax = 10'000;  // publications per connection; a slower reader loses some
constexpr size_t kBatch = 256;

Instant now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

std::string_view view_of(const zmq::message_t& frame) {
  return {static_cast<const char*>(frame.data()), frame.size()};
}

}  // namespace

struct EventRelay::State {
  State(zmq::context_t& context, LastValueLimits limits)
      : in(make_socket(context, zmq::socket_type::xsub, kQueueMax)),
        out(make_socket(context, zmq::socket_type::xpub, kQueueMax)),
        values(limits),
        stop_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    DFS_ASSERT(stop_fd >= 0);
  }
  ~State() { close(stop_fd); }

  Result<void> bind(const std::vector<std::string>& publish,
                    const std::vector<std::string>& subscribe) {
    for (const std::string& endpoint : publish) DFS_CHECK(bind_socket(in, endpoint));
    for (const std::string& endpoint : subscribe) DFS_CHECK(bind_socket(out, endpoint));
    // Everything is wanted, whoever listens now: the last values are for those who come later.
    in.send(zmq::const_buffer("\x01", 1), zmq::send_flags::none);
    return {};
  }

  void run();
  bool relay_one();
  bool greet_one();
  void send(std::string_view frame, bool more) {
    // XPUB never blocks: it drops what a slow reader has no room for.
    out.send(zmq::const_buffer(frame.data(), frame.size()),
             more ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }

  zmq::socket_t in;
  zmq::socket_t out;
  LastValues values;
  int stop_fd;
  Result<void> ready;
  std::thread thread;
  RawMessage raw;
};

// Passes one publication on; false when there is none.
bool EventRelay::State::relay_one() {
  if (!receive_frames(in, raw)) return false;
  if (raw.count != 3 || raw.overlong) return true;  // not [topic][header][body]
  const std::string_view topic = view_of(raw.frames[0]);
  const std::string_view header = view_of(raw.frames[1]);
  const std::string_view body = view_of(raw.frames[2]);
  if (header.size() > kHeaderBytesMax || body.size() > kBodyBytesMax) return true;
  if (LastValues::keeps(topic)) values.put(topic, header, body, now());
  out.send(raw.frames[0], zmq::send_flags::sndmore);
  out.send(raw.frames[1], zmq::send_flags::sndmore);
  out.send(raw.frames[2], zmq::send_flags::none);
  return true;
}

// Greets one new subscription with what it missed; false when there is none. Others who match get
// it again and know it by its number.
bool EventRelay::State::greet_one() {
  if (!receive_frames(out, raw)) return false;
  const std::string_view request = view_of(raw.frames[0]);
  if (!request.starts_with('\x01')) return true;
  for (const LastValues::Value* value : values.matching(request.substr(1), now())) {
    send(value->topic, true);
    send(value->header, true);
    send(value->body, false);
  }
  return true;
}

void EventRelay::State::run() {
  zmq_pollitem_t items[] = {{nullptr, stop_fd, ZMQ_POLLIN, 0},
                            {in.handle(), 0, ZMQ_POLLIN, 0},
                            {out.handle(), 0, ZMQ_POLLIN, 0}};
  while (items[0].revents == 0) {
    if (zmq_poll(items, 3, -1) <= 0) continue;
    for (size_t i = 0; i < kBatch && greet_one(); ++i) {
    }
    for (size_t i = 0; i < kBatch && relay_one(); ++i) {
    }
  }
  while (relay_one()) {
  }
}

EventRelay::EventRelay(zmq::context_t& context, std::vector<std::string> publish,
                       std::vector<std::string> subscribe, LastValueLimits limits)
    : state_(std::make_unique<State>(context, limits)) {
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

}  // namespace dfs
