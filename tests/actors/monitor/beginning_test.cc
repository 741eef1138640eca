// How a directory becomes a head's, and what is refused.
#include "tests/actors/monitor/heads.h"

using namespace dfs;

namespace {

Result<void> outcome_of(TestHeads& heads, TestHead& head) {
  head.start();
  heads.run_until([&] { return head.ready.has_value(); }, 60s);
  REQUIRE(head.ready);
  return *head.ready;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("an empty directory needs to be told what to become") {
  TestHeads heads(1);
  TestHead& head = heads.at(1);
  for (const bool both : {false, true}) {
    head.settings.found = head.settings.join = both;
    const auto refused = outcome_of(heads, head);
    CHECK(refused.code() == Code::invalid);
    CHECK(refused.error().text.find("--bootstrap") != std::string::npos);
    CHECK(refused.error().text.find("--join") != std::string::npos);
    CHECK_FALSE(*head.disk.exists("/head/identity"));
    head.kill();
  }
}

TEST_CASE("a cluster is founded once in a directory, which then goes on as what it is") {
  TestHeads heads(1);
  heads.gather();
  TestHead& head = heads.at(1);
  const std::string cluster = heads.ask(GetMap())->cluster;
  CHECK_FALSE(*head.disk.exists("/head/beginning"));
  head.kill();
  head.settings.found = true;
  const auto refused = outcome_of(heads, head);
  CHECK(refused.code() == Code::exists);
  CHECK(refused.error().text.find(cluster) != std::string::npos);
  CHECK(refused.error().cause.at("cluster") == cluster);
  head.kill();
  SUBCASE("told nothing") {}
  SUBCASE("told to join, as its unit file still says") {
    head.settings.join = true;
  }
  REQUIRE(outcome_of(heads, head).ok());
  CHECK(heads.ask(GetMap())->cluster == cluster);
}

TEST_CASE("a founding that was interrupted anywhere is finished by the next start") {
  bool finished = false;
  for (size_t operations = 1; !finished; ++operations) {
    CAPTURE(operations);
    REQUIRE(operations < 200);
    TestHeads heads(1);
    TestHead& head = heads.at(1);
    head.disk.halt_after(operations);
    head.start();
    heads.run(3s);
    finished = head.ready && head.ready->ok();
    if (finished) break;
    head.kill();
    // The same command again, as a service manager gives it.
    head.settings.found = true;
    REQUIRE_MESSAGE(outcome_of(heads, head).ok(), head.ready->error().describe());
    REQUIRE(heads.ask(MakeDir{"/d"}).ok());
    CHECK(heads.ask(GetMap())->cluster.size() == 32);
    CHECK(heads.ask(GetMap())->heads.size() == 1);
  }
}

TEST_CASE("a joining that was interrupted anywhere is finished as the same head") {
  bool finished = false;
  for (size_t operations = 1; !finished; ++operations) {
    CAPTURE(operations);
    REQUIRE(operations < 200);
    TestHeads heads(2);
    TestHead& first = heads.at(1);
    REQUIRE(outcome_of(heads, first).ok());
    first.settings.found = false;
    TestHead& head = heads.at(2);
    head.disk.halt_after(operations);
    head.start();
    heads.run(3s);
    finished = head.ready && head.ready->ok();
    if (finished) break;
    head.kill();
    head.settings.join = true;
    REQUIRE_MESSAGE(outcome_of(heads, head).ok(), head.ready->error().describe());
    REQUIRE(heads.run_until([&] { return heads.voters() == 2; }));
    // Never two of it.
    CHECK(heads.ask(ListHeads())->heads.size() == 2);
    CHECK(heads.ask(GetMap())->heads[1].id == 2);
  }
}

TEST_CASE("joining a cluster that does not answer ends with the brokers that were tried") {
  TestHeads heads(2);
  TestHead& head = heads.at(2);
  head.bus.broker_links = {kBroker, "tcp://broker-2"};
  const Instant start = head.bus.now();
  const auto refused = outcome_of(heads, head);
  CHECK(refused.code() == Code::unavailable);
  CHECK(refused.error().text.find("could not join") != std::string::npos);
  CHECK(refused.error().text.find("tcp://broker-1") != std::string::npos);
  CHECK(refused.error().text.find("tcp://broker-2") != std::string::npos);
  CHECK(head.bus.now() - start >= 29s);
  CHECK(head.bus.now() - start <= 31s);
  CHECK_FALSE(*head.disk.exists("/head/identity"));
}

TEST_CASE("a head without addresses cannot join") {
  TestHeads heads(2);
  heads.at(2).settings.broker.clear();
  const auto refused = outcome_of(heads, heads.at(2));
  CHECK(refused.code() == Code::invalid);
  CHECK(refused.error().text.find("broker") != std::string::npos);
}

TEST_CASE("a damaged identity is not replaced by a new one") {
  TestHeads heads(1);
  heads.gather();
  TestHead& head = heads.at(1);
  head.kill();
  REQUIRE(write_file_atomically(head.disk, "/head/identity", "garbage").ok());
  for (const bool found : {false, true}) {
    head.settings.found = found;
    CHECK(outcome_of(heads, head).code() == Code::corrupt);
    head.kill();
  }
}

TEST_CASE("a head that is stopped while it begins says so and leaves nothing running") {
  TestHeads heads(2);
  TestHead& head = heads.at(2);  // nobody is there to be joined
  head.start();
  heads.run(1s);
  bool stopped = false;
  head.monitor->stop([&] { stopped = true; });
  heads.run(1s);
  CHECK(stopped);
  REQUIRE(head.ready);
  CHECK(head.ready->code() == Code::stopping);
  head.bus.take_sent();
  heads.run(5s);
  CHECK(head.bus.timers() == 0);
}

TEST_SUITE_END();
