#include <doctest/doctest.h>

#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

const std::string kSmall = pattern(16'000);

std::string name(const std::string& directory, uint32_t i) {
  return directory + "/" + std::to_string(i);
}

// What was planned for, in the order of the requests.
std::vector<std::string> planned(const FakeCluster& cluster) {
  std::vector<std::string> paths;
  for (const PlanFile& plan : cluster.plans) paths.push_back(plan.path);
  return paths;
}

// A source that is another each time it is read.
class RestlessSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  Result<void> unchanged() override {
    if (++asked == 1) return {};
    return {Code::local_changed, "changed"};
  }
  int asked = 0;
};

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("of small files put one after the other the next is planned ahead") {
    FakeCluster cluster;
    std::set<ObjectId> objects;
    for (uint32_t i = 0; i < 20; ++i) {
      // Whoever finds a plan there sends the block before anything is answered about plans.
      const Instant begun = cluster.bus.now();
      std::optional<Instant> sent;
      cluster.on_part = [&](NodeId, const WriteBlock&) { sent = cluster.bus.now(); };
      REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
      REQUIRE(sent.has_value());
      CHECK((*sent == begun) == (i >= 2));
      objects.insert(cluster.commits.back().layout.object);
      CHECK(cluster.commits.back().invalid() == nullptr);
    }
    cluster.on_part = nullptr;
    CHECK(cluster.plans.size() == 21);
    CHECK(objects.size() == 20);
    for (uint32_t i = 0; i < 20; ++i) CHECK(cluster.get({}, name("/d", i)) == kSmall);
  }

  TEST_CASE("one file now and then, or here and there, is planned alone") {
    FakeCluster cluster;
    std::vector<std::string> wanted;
    for (uint32_t i = 0; i < 4; ++i) {
      wanted.push_back(name("/a", i));
      REQUIRE(cluster.put(kSmall, {}, wanted.back()).ok());
      cluster.bus.advance(seconds(3));
    }
    for (uint32_t i = 0; i < 4; ++i) {
      wanted.push_back(name("/b" + std::to_string(i), i));
      REQUIRE(cluster.put(kSmall, {}, wanted.back()).ok());
    }
    CHECK(planned(cluster) == wanted);
  }

  TEST_CASE("a plan that became old is not used") {
    FakeCluster cluster;
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
    const ObjectId ahead = cluster.commits.back().layout.object + 1;
    SUBCASE("within its time it is") {
      cluster.bus.advance(milliseconds(1900));
      REQUIRE(cluster.put(kSmall, {}, name("/d", 3)).ok());
      CHECK(cluster.commits.back().layout.object == ahead);
    }
    SUBCASE("after it not") {
      cluster.bus.advance(milliseconds(2100));
      REQUIRE(cluster.put(kSmall, {}, name("/d", 3)).ok());
      CHECK(cluster.commits.back().layout.object > ahead);
    }
  }

  TEST_CASE("a plan is used while most of its lease is left") {
    FakeCluster cluster;
    cluster.lease_ms = 4000;
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
    const ObjectId ahead = cluster.commits.back().layout.object + 1;
    cluster.bus.advance(milliseconds(510));
    REQUIRE(cluster.put(kSmall, {}, name("/d", 3)).ok());
    CHECK(cluster.commits.back().layout.object > ahead);
  }

  TEST_CASE("larger files, other block sizes and other directories have plans of their own") {
    FakeCluster cluster;
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
    const ObjectId ahead = cluster.commits.back().layout.object + 1;
    SUBCASE("larger") {
      REQUIRE(cluster.put(pattern((2 << 20) + 1), {}, name("/d", 3)).ok());
      REQUIRE(cluster.plans.back().size == (2 << 20) + 1);
    }
    SUBCASE("other blocks") {
      TransferOptions options;
      options.block_bytes = 4 << 20;
      REQUIRE(cluster.put(kSmall, options, name("/d", 3)).ok());
      CHECK(cluster.commits.back().layout.block_bytes == 4 << 20);
    }
    SUBCASE("elsewhere") {
      REQUIRE(cluster.put(kSmall, {}, name("/d/e", 3)).ok());
    }
    CHECK(cluster.commits.back().layout.object > ahead);
  }

  TEST_CASE("when a planned node fails, the plan made ahead is thrown away with the one in use") {
    FakeCluster cluster;
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
    cluster.kill(1);
    for (uint32_t i = 3; i < 20; ++i) {
      CAPTURE(i);
      const Result<TransferReport> report = cluster.put(kSmall, {}, name("/d", i));
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(cluster.get({}, name("/d", i)) == kSmall);
    }
  }

  TEST_CASE("a monitor that does not answer ahead costs nothing but the time of asking again") {
    FakeCluster cluster;
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(cluster.put(kSmall, {}, name("/d", i)).ok());
    REQUIRE(cluster.put(kSmall, {}, name("/d", 3)).ok());
    cluster.monitor_drops = 1;  // what is asked ahead with the next file
    REQUIRE(cluster.put(kSmall, {}, name("/d", 4)).ok());
    CHECK(cluster.monitor_drops == 0);
    REQUIRE(cluster.put(kSmall, {}, name("/d", 5)).ok());
    REQUIRE(cluster.put(kSmall, {}, name("/d", 6)).ok());
  }

  TEST_CASE("a file of one part is checked right after it was read, each time it is read") {
    FakeCluster cluster;
    const auto calm = std::make_shared<RestlessSource>(kSmall);
    REQUIRE(cluster.run(cluster.client.put(calm, "/calm", {})).ok());
    CHECK(calm->asked == 1);
    // The block goes to another group, for which it is read again: it is another file by then.
    bool refused = false;
    cluster.refuse_write = [&](NodeId, const WriteBlock&) -> std::optional<Error> {
      if (std::exchange(refused, true)) return std::nullopt;
      return Error{Code::no_space, "full", {}, 0};
    };
    const auto restless = std::make_shared<RestlessSource>(kSmall);
    const auto report = cluster.run(cluster.client.put(restless, "/restless", {}));
    CHECK(report.code() == Code::local_changed);
    CHECK(restless->asked == 2);
    CHECK_FALSE(cluster.files.contains("/restless"));
  }
}

}  // namespace dfs
