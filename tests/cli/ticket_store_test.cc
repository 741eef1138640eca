#include "cli/ticket_store.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

using namespace dfs;
using namespace dfs::cli;

namespace {

// Gone at the end of the scope.
struct TemporaryDirectory {
  std::string path = "/tmp/dfs_ticket_test_XXXXXX";
  TemporaryDirectory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

StoredTicket stored(char cluster, const std::string& broker, int64_t got_ms) {
  StoredTicket ticket;
  ticket.ticket.bytes = std::string("\x00\xff ticket of ", 13) + cluster;
  ticket.cluster = std::string(32, cluster);
  ticket.user = "ada";
  ticket.brokers = {"tcp://other:1", broker};
  ticket.got_ms = got_ms;
  ticket.lasts_ms = 1000;
  return ticket;
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 0777;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a ticket is found again by any broker of its cluster, and by no other") {
    const TemporaryDirectory directory;
    const TicketStore store(directory.path + "/state/zdfs");
    CHECK_FALSE(store.find({"tcp://a:1"})->has_value());
    REQUIRE(store.save(stored('a', "tcp://a:1", 5)).ok());
    REQUIRE(store.save(stored('b', "tcp://b:1", 6)).ok());
    CHECK((*store.find({"tcp://x:1", "tcp://a:1"}))->cluster == std::string(32, 'a'));
    CHECK((*store.find({"tcp://b:1"}))->cluster == std::string(32, 'b'));
    CHECK((*store.find({"tcp://other:1"}))->cluster == std::string(32, 'b'));
    CHECK_FALSE(store.find({"tcp://c:1"})->has_value());
    REQUIRE(store.remove(std::string(32, 'a')).ok());
    CHECK(store.remove(std::string(32, 'a')).ok());
    CHECK_FALSE(store.find({"tcp://a:1"})->has_value());
  }

  TEST_CASE("nobody else can read it, and one that others could read is refused") {
    const TemporaryDirectory directory;
    const TicketStore store(directory.path + "/zdfs");
    REQUIRE(store.save(stored('a', "tcp://a:1", 5)).ok());
    const std::string file = directory.path + "/zdfs/" + std::string(32, 'a') + ".ticket";
    CHECK(mode_of(file) == 0600);
    CHECK(mode_of(directory.path + "/zdfs") == 0700);
    REQUIRE(::chmod(file.c_str(), 0640) == 0);
    CHECK(store.find({"tcp://a:1"}).code() == Code::local_io);
    REQUIRE(store.save(stored('a', "tcp://a:1", 7)).ok());
    CHECK(mode_of(file) == 0600);
    std::ofstream(file, std::ios::trunc) << "x";
    CHECK(store.find({"tcp://a:1"}).code() == Code::local_io);
  }

  TEST_CASE("a ticket wants to be renewed when half of its time is over") {
    const StoredTicket ticket = stored('a', "tcp://a:1", 5000);
    CHECK_FALSE(ticket.wants_renewal(5499));
    CHECK(ticket.wants_renewal(5500));
    CHECK_FALSE(ticket.is_over(5999));
    CHECK(ticket.is_over(6000));
  }

  TEST_CASE("a ticket comes back from its text") {
    std::string bytes;
    for (int size = 1; size < 300; ++size) {
      bytes.push_back(static_cast<char>(size * 37));
      CHECK(*ticket_of_text(ticket_text(bytes) + "\n") == bytes);
    }
    for (const char* bad : {"", "\n", "a b", "a+b", "a=", "\xff"}) {
      CHECK(ticket_of_text(bad).code() == Code::usage);
    }
    CHECK(ticket_of_text(std::string(2000, 'A')).code() == Code::usage);
  }
}
