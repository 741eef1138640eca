#include "broker/zap.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "broker/hex.h"
#include "broker/log.h"
#include "broker/refusals.h"
#include "broker/sockets.h"

namespace dfs {

namespace {

constexpr const char* kEndpoint = "inproc://zeromq.zap.01";
constexpr int kQuestionsMax = 1000;
constexpr size_t kKeyBytes = 32;
constexpr auto kComplaintPeriod = std::chrono::minutes(1);

// The frames of a question.
enum : size_t { kVersion, kRequest, kDomain, kAddress, kRoutingId, kMechanism, kKey, kFrames };

using Question = std::vector<std::string>;

}  // namespace

struct ZapHandler::State {
  State(zmq::context_t& context, std::shared_ptr<const KnownKeys> k)
      : known(std::move(k)),
        socket(make_socket(context, zmq::socket_type::rep, kQuestionsMax)),
        stop_fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    DFS_ASSERT(stop_fd >= 0);
  }
  ~State() { close(stop_fd); }

  void run();
  bool answer_one();
  void answer(const Question& question);
  void complain(const Question& question, const std::string& peer);

  const std::shared_ptr<const KnownKeys> known;
  zmq::socket_t socket;
  int stop_fd;
  Result<void> ready;
  std::atomic<uint64_t> admitted = 0;
  std::atomic<uint64_t> refused = 0;
  std::chrono::steady_clock::time_point complained;
  uint64_t untold = 0;  // refusals since that
  std::thread thread;
};

// False when nothing was asked.
bool ZapHandler::State::answer_one() {
  Question question;
  zmq::message_t frame;
  if (!socket.recv(frame, zmq::recv_flags::dontwait)) return false;
  while (true) {
    question.emplace_back(frame.data<char>(), frame.size());
    if (!frame.more()) break;
    (void)socket.recv(frame, zmq::recv_flags::none);
  }
  answer(question);
  return true;
}

void ZapHandler::State::answer(const Question& question) {
  const bool sound = question.size() == kFrames && question[kMechanism] == "CURVE" &&
                     question[kKey].size() == kKeyBytes;
  const std::string key = sound ? to_hex(question[kKey]) : std::string();
  const std::string peer = known->name_of(key);
  const bool good = sound && admits(question[kDomain], peer);
  if (good) {
    ++admitted;
  } else {
    ++refused;
    ++process_refusals().connections;
    complain(question, peer);
  }
  // 300 makes the other side try again later, 400 would make it give up for good: a node that joins
  // is known here a moment after it was told so.
  const std::string request = question.size() > kRequest ? question[kRequest] : std::string();
  const std::string answers[] = {"1.0", request, good ? "200" : "300", good ? "" : "not admitted",
                                 key};
  for (const std::string& part : answers) {
    socket.send(zmq::buffer(part), zmq::send_flags::sndmore);
  }
  socket.send(zmq::message_t(), zmq::send_flags::none);  // no metadata
}

void ZapHandler::State::complain(const Question& question, const std::string& peer) {
  ++untold;
  const auto now = std::chrono::steady_clock::now();
  if (complained.time_since_epoch().count() != 0 && now - complained < kComplaintPeriod) return;
  complained = now;
  const auto part = [&](size_t i) { return i < question.size() ? question[i] : std::string(); };
  log_event(Level::warn, "broker", "connection refused",
            {{"from", part(kAddress)},
             {"peer", peer},
             {"port_for", part(kDomain)},
             {"count", std::exchange(untold, 0)}});
}

void ZapHandler::State::run() {
  zmq_pollitem_t items[] = {{nullptr, stop_fd, ZMQ_POLLIN, 0}, {socket.handle(), 0, ZMQ_POLLIN, 0}};
  while (items[0].revents == 0) {
    if (zmq_poll(items, 2, -1) <= 0) continue;
    while (items[1].revents != 0 && answer_one()) {
    }
  }
  socket.close();
}

ZapHandler::ZapHandler(zmq::context_t& context, std::shared_ptr<const KnownKeys> known)
    : state_(std::make_unique<State>(context, std::move(known))) {
  state_->ready = bind_socket(state_->socket, kEndpoint);
  if (state_->ready) state_->thread = std::thread([state = state_.get()] { state->run(); });
}

ZapHandler::~ZapHandler() {
  if (!state_->thread.joinable()) return;
  const uint64_t one = 1;
  (void)!write(state_->stop_fd, &one, sizeof one);
  state_->thread.join();
}

const Result<void>& ZapHandler::ready() const {
  return state_->ready;
}
uint64_t ZapHandler::admitted() const {
  return state_->admitted;
}
uint64_t ZapHandler::refused() const {
  return state_->refused;
}

}  // namespace dfs
