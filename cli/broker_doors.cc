#include "cli/broker_doors.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>

#include "cli/output.h"

namespace dfs::cli {

namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(200);
constexpr Duration kLook = std::chrono::seconds(1);
constexpr std::string_view kTcp = "tcp://";

class Connection {
 public:
  explicit Connection(const addrinfo& address)
      : file_(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    if (file_ < 0) return;
    const int done = ::connect(file_, address.ai_addr, address.ai_addrlen);
    accepted_ = done == 0;
    pending_ = done != 0 && errno == EINPROGRESS;
  }
  ~Connection() {
    if (file_ >= 0) (void)::close(file_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int file() const { return file_; }
  bool accepted() const { return accepted_; }
  bool pending() const { return pending_; }

  void look() {
    int error = 0;
    socklen_t size = sizeof error;
    pending_ = false;
    accepted_ = ::getsockopt(file_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  }

 private:
  const int file_;
  bool accepted_ = false;
  bool pending_ = false;
};

using Connections = std::vector<std::unique_ptr<Connection>>;

// Begins a connection to each address of `endpoint`; true when that is not needed or not possible.
bool begin(const std::string& endpoint, Connections& connections) {
  if (!endpoint.starts_with(kTcp)) return true;
  const std::string rest = endpoint.substr(kTcp.size());
  const size_t colon = rest.rfind(':');
  if (colon == std::string::npos) return true;
  std::string host = rest.substr(0, colon);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), rest.c_str() + colon + 1, &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    connections.push_back(std::make_unique<Connection>(*at));
  }
  return false;
}

}  // namespace

bool any_accepts(const std::vector<std::string>& endpoints, Duration longest) {
  Connections connections;
  for (const std::string& endpoint : endpoints) {
    if (begin(endpoint, connections)) return true;
  }
  const Instant end = steady_now() + longest;
  while (true) {
    std::vector<pollfd> waiting;
    for (const auto& connection : connections) {
      if (connection->accepted()) return true;
      if (connection->pending()) waiting.push_back({connection->file(), POLLOUT, 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - steady_now());
    if (waiting.empty() || left.count() <= 0) return false;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) <= 0) continue;
    for (const pollfd& ready : waiting) {
      if (ready.revents == 0) continue;
      for (const auto& connection : connections) {
        if (connection->file() == ready.fd) connection->look();
      }
    }
  }
}

void wait_for_a_door(const std::vector<std::string>& endpoints, Duration longest,
                     const std::function<bool()>& stopped) {
  const Instant end = steady_now() + longest;
  for (Instant now = steady_now(); now < end && !stopped(); now = steady_now()) {
    if (any_accepts(endpoints, std::min<Duration>(end - now, kLook))) return;
    std::this_thread::sleep_for(std::min<Duration>(end - now, kLookAgain));
  }
}

}  // namespace dfs::cli
