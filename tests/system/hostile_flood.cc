// What a hostile client does with too much of everything, for tests/system/hostile_bytes.py.
//
//   dfs_hostile ATTACK HOST PORT CLUSTER-KEY AMOUNT
//
// PORT is the first of a head's ports. stdout: how it ended ("cut", "served", or what went wrong
// instead), a semicolon, and figures. Exit status 0 unless it could not begin.
//
//   idle           AMOUNT connections that say nothing, and see whether they are ended
//   loris          AMOUNT handshakes that go on for ever, a byte every half second
//   connections    AMOUNT complete handshakes, held while requests are answered on others
//   endless        one message of frames of 1 MiB without a last one, up to AMOUNT MiB
//   endless-news   the same at the port for subscriptions
//   endless-plain  the same at PORT itself, without encryption
//   names          AMOUNT senders' names on one connection, while another waits for answers
//   pings          AMOUNT requests without a pause, whose answers nobody reads
//   subscriptions  AMOUNT subscriptions to different topics
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "broker/frames.h"
#include "broker/keys.h"
#include "broker/sockets.h"
#include "hostile_curve.h"
#include "messages/cluster.h"

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Longer than the other side allows for a handshake.
constexpr auto kPatience = std::chrono::seconds(12);
constexpr auto kAnswerPatience = std::chrono::seconds(3);
constexpr size_t kMebibyte = size_t{1} << 20;
constexpr size_t kConnectionsPerSocket = 500;

struct Aim {
  std::string host;
  int port = 0;
  std::string key;
  size_t amount = 0;

  std::string endpoint(int offset = 0) const {
    return "tcp://" + host + ":" + std::to_string(port + offset);
  }
};

struct Outcome {
  std::string word;
  std::string figures;
};

void raise_descriptor_limit() {
  rlimit limit{};
  (void)getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// --- plain TCP -----------------------------------------------------------------------------------

int connect_tcp(const Aim& aim) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(aim.port));
  (void)inet_pton(AF_INET, aim.host.c_str(), &to.sin_addr);
  if (connection < 0) return -1;
  if (::connect(connection, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return connection;
  ::close(connection);
  return -1;
}

// Opens the connections, does something on each now and then, and waits until the other side has
// ended all of them.
Outcome see_them_end(const Aim& aim, const std::function<void(int connection)>& often) {
  std::vector<pollfd> open;
  for (size_t i = 0; i < aim.amount; ++i) {
    const int connection = connect_tcp(aim);
    if (connection >= 0) open.push_back({connection, POLLIN, 0});
  }
  const size_t opened = open.size();
  const Clock::time_point begun = Clock::now();
  std::string bytes(4096, '\0');
  while (!open.empty() && Clock::now() - begun < kPatience) {
    (void)::poll(open.data(), open.size(), 500);
    std::erase_if(open, [&](const pollfd& each) {
      if (each.revents == 0) return false;
      const ssize_t got = ::recv(each.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got > 0) return false;
      ::close(each.fd);
      return true;
    });
    for (const pollfd& each : open) often(each.fd);
  }
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun).count();
  const size_t left = open.size();
  for (const pollfd& each : open) ::close(each.fd);
  const bool all = opened == aim.amount && left == 0;
  return {all ? "cut" : "not cut", std::to_string(opened) + " opened, " + std::to_string(left) +
                                       " open after " + std::to_string(took) + " ms"};
}

Outcome idle(const Aim& aim) {
  return see_them_end(aim, [](int) {});
}

Outcome loris(const Aim& aim) {
  // The greeting of ZMTP 3.0, whose 64 bytes would take half a minute.
  std::string greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0CURVE", 17);
  greeting.resize(64, '\0');
  std::map<int, size_t> said;
  return see_them_end(aim, [&](int connection) {
    const size_t at = said[connection]++;
    if (at < greeting.size()) (void)::send(connection, &greeting[at], 1, MSG_NOSIGNAL);
  });
}

// --- ZeroMQ --------------------------------------------------------------------------------------

zmq::socket_t open_socket(zmq::context_t& context, zmq::socket_type type, const Aim& aim) {
  zmq::socket_t socket(context, type);
  socket.set(zmq::sockopt::linger, 0);
  dfs::connect_encrypted(socket, dfs::make_key_pair(), aim.key);
  return socket;
}

dfs::Envelope ping_from(const std::string& from) {
  dfs::Envelope envelope = dfs::envelope_of(dfs::Ping{}, "broker");
  envelope.header.from = from;
  envelope.header.request = 7;
  return envelope;
}

bool has_answer(zmq::socket_t& socket) {
  zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
  if (zmq::poll(&item, 1, kAnswerPatience) == 0) return false;
  dfs::RawMessage raw;
  return dfs::receive_frames(socket, raw);
}

// A question of a good client on a connection of its own.
bool is_served(zmq::context_t& context, const Aim& aim) {
  zmq::socket_t good = open_socket(context, zmq::socket_type::dealer, aim);
  good.connect(aim.endpoint());
  return dfs::send_frames(good, {}, ping_from("client/good")).ok() && has_answer(good);
}

Outcome connections(const Aim& aim) {
  zmq::context_t context(2);
  std::vector<zmq::socket_t> sockets;
  std::vector<zmq::socket_t> watchers;
  // A DEALER connects to an endpoint once; a ROUTER as often as it is told.
  for (size_t made = 0; made < aim.amount; ++made) {
    if (made % kConnectionsPerSocket == 0) {
      sockets.push_back(open_socket(context, zmq::socket_type::router, aim));
      sockets.back().set(zmq::sockopt::handshake_ivl, 60'000);
      const std::string name = "inproc://watch-" + std::to_string(made);
      (void)zmq_socket_monitor(sockets.back().handle(), name.c_str(),
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
      watchers.emplace_back(context, zmq::socket_type::pair);
      watchers.back().set(zmq::sockopt::rcvhwm, 0);
      watchers.back().connect(name);
    }
    sockets.back().connect(aim.endpoint());
  }
  size_t established = 0;
  const Clock::time_point begun = Clock::now();
  while (established < aim.amount && Clock::now() - begun < 3 * kPatience) {
    bool any = false;
    for (zmq::socket_t& each : watchers) {
      dfs::RawMessage raw;
      while (dfs::receive_frames(each, raw)) {
        ++established;
        any = true;
      }
    }
    if (!any) std::this_thread::sleep_for(milliseconds(10));
  }
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun).count();
  const bool served = is_served(context, aim);
  for (zmq::socket_t& each : sockets) (void)zmq_socket_monitor(each.handle(), nullptr, 0);
  const std::string figures =
      std::to_string(established) + " established within " + std::to_string(took) + " ms";
  if (established < aim.amount) return {"not established", figures};
  return {served ? "served" : "a good client was not served", figures};
}

// Frames of one message until the other side ends it, or AMOUNT MiB were taken.
Outcome endless_at(const Aim& aim, const std::function<bool(const std::string& frame)>& send) {
  const std::string frame(kMebibyte, 'x');
  size_t sent = 0;
  while (sent < aim.amount && send(frame)) ++sent;
  return {sent < aim.amount ? "cut" : "taken", "after " + std::to_string(sent) + " MiB"};
}

Outcome endless_curve(const Aim& aim, int port_offset, const char* socket_type) {
  Aim at = aim;
  at.port += port_offset;
  dfs::hostile::CurveClient client(connect_tcp(at), aim.key);
  if (!client.shake_hands(socket_type)) return {"no handshake", socket_type};
  return endless_at(aim, [&](const std::string& frame) { return client.send_frame(frame, true); });
}

Outcome endless(const Aim& aim) {
  return endless_curve(aim, 0, "DEALER");
}

Outcome endless_news(const Aim& aim) {
  return endless_curve(aim, 2, "SUB");
}

Outcome endless_plain(const Aim& aim) {
  const int connection = connect_tcp(aim);
  if (!dfs::hostile::shake_hands_plainly(connection, "DEALER")) return {"no handshake", "plain"};
  const Outcome outcome = endless_at(aim, [&](const std::string& frame) {
    const std::string bytes = dfs::hostile::plain_frame(frame, true);
    return ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  });
  ::close(connection);
  return outcome;
}

Outcome names(const Aim& aim) {
  zmq::context_t context(1);
  zmq::socket_t socket = open_socket(context, zmq::socket_type::dealer, aim);
  socket.connect(aim.endpoint());
  zmq::socket_t good = open_socket(context, zmq::socket_type::dealer, aim);
  good.connect(aim.endpoint());
  size_t sent = 0;
  while (sent < aim.amount) {
    const auto done = dfs::send_frames(socket, {}, ping_from("client/x" + std::to_string(sent)));
    if (done.ok()) ++sent;
    dfs::RawMessage raw;
    while (dfs::receive_frames(socket, raw)) {
    }
  }
  const bool served = dfs::send_frames(good, {}, ping_from("client/good")).ok() && has_answer(good);
  return {served ? "served" : "a good client was not served", std::to_string(sent) + " names"};
}

Outcome pings(const Aim& aim) {
  zmq::context_t context(1);
  zmq::socket_t socket = open_socket(context, zmq::socket_type::dealer, aim);
  socket.set(zmq::sockopt::rcvhwm, 1);
  socket.connect(aim.endpoint());
  size_t sent = 0;
  const Clock::time_point begun = Clock::now();
  while (sent < aim.amount && Clock::now() - begun < kPatience) {
    if (dfs::send_frames(socket, {}, ping_from("client/mute")).ok()) {
      ++sent;
    } else {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  const bool served = is_served(context, aim);
  return {served ? "served" : "a good client was not served", std::to_string(sent) + " pings"};
}

Outcome subscriptions(const Aim& aim) {
  zmq::context_t context(1);
  zmq::socket_t socket = open_socket(context, zmq::socket_type::sub, aim);
  socket.connect(aim.endpoint(2));
  for (size_t i = 0; i < aim.amount; ++i) {
    socket.set(zmq::sockopt::subscribe, "evil/" + std::to_string(i));
  }
  std::this_thread::sleep_for(milliseconds(500));
  return {is_served(context, aim) ? "served" : "a good client was not served",
          std::to_string(aim.amount) + " subscriptions"};
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, Outcome (*)(const Aim&)> attacks = {{"idle", idle},
                                                                  {"loris", loris},
                                                                  {"connections", connections},
                                                                  {"names", names},
                                                                  {"pings", pings},
                                                                  {"subscriptions", subscriptions},
                                                                  {"endless", endless},
                                                                  {"endless-news", endless_news},
                                                                  {"endless-plain", endless_plain}};
  const auto attack = argc == 6 ? attacks.find(argv[1]) : attacks.end();
  if (attack == attacks.end()) {
    std::fprintf(stderr, "usage: dfs_hostile ATTACK HOST PORT CLUSTER-KEY AMOUNT\n");
    return 2;
  }
  raise_descriptor_limit();
  const Aim aim{argv[2], std::stoi(argv[3]), argv[4], std::stoul(argv[5])};
  const Outcome outcome = attack->second(aim);
  std::printf("%s; %s\n", outcome.word.c_str(), outcome.figures.c_str());
  return 0;
}
