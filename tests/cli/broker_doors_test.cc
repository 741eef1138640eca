#include "cli/broker_doors.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

// A port of this machine; whoever connects to it is refused unless somebody listens.
class Door {
 public:
  explicit Door(bool open) : file_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(file_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(file_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    if (open) REQUIRE(::listen(file_, 8) == 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~Door() { (void)::close(file_); }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  const std::string& endpoint() const { return endpoint_; }

 private:
  const int file_;
  std::string endpoint_;
};

constexpr Duration kLongest = std::chrono::seconds(10);

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a broker is there when one of its addresses accepts connections") {
    const Door open(true);
    const Door closed(false);
    CHECK(any_accepts({open.endpoint()}, kLongest));
    CHECK(any_accepts({closed.endpoint(), open.endpoint()}, kLongest));
    CHECK_FALSE(any_accepts({closed.endpoint()}, kLongest));
    CHECK_FALSE(any_accepts({"tcp://no-such-host.invalid:7000"}, kLongest));
    CHECK_FALSE(any_accepts({}, kLongest));
    CHECK(any_accepts({"ipc:///tmp/somewhere"}, kLongest));
  }

  TEST_CASE("a door that is open is not waited for, and a closed one until it is enough") {
    const Door open(true);
    const Door closed(false);
    int asked = 0;
    wait_for_a_door({open.endpoint()}, kLongest, [&] { return ++asked > 1; });
    CHECK(asked == 1);
    wait_for_a_door({closed.endpoint()}, kLongest, [&] { return ++asked > 2; });
    CHECK(asked == 3);
    wait_for_a_door({closed.endpoint()}, Duration::zero(), [&] { return ++asked < 0; });
    CHECK(asked == 3);
  }
}
