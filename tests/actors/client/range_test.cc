// Parts of files, files of a certain version, and transfers that may not be as fast as they could.
#include <doctest/doctest.h>

#include "messages/cipher.h"
#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

struct Stored : FakeCluster {
  Stored(size_t size, bool seal) : FakeCluster(4, 2, 2 * kMiB), bytes(pattern(size)) {
    encrypted = seal;
    REQUIRE(put(bytes).ok());
    for (auto& [id, node] : nodes) node.reads = 0;
  }
  std::string part(uint64_t offset, uint64_t length, bool seekable = false) {
    TransferOptions options;
    options.range = {offset, length};
    const auto sink = std::make_shared<MemorySink>(!seekable);
    const auto report = run(client.get("/f", sink, options));
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->bytes == sink->bytes().size());
    CHECK(sink->finished());
    return sink->bytes();
  }
  uint32_t reads() const {
    uint32_t count = 0;
    for (const auto& [id, node] : nodes) count += node.reads;
    return count;
  }
  std::string bytes;
};

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("a get of a range brings just those bytes") {
    for (const bool seal : {false, true}) {
      for (const size_t size : {size_t{0}, size_t{100}, kMiB - 16, kMiB, 5 * kMiB + 123}) {
        CAPTURE(seal);
        CAPTURE(size);
        Stored cluster(size, seal);
        for (const uint64_t offset :
             {uint64_t{0}, uint64_t{7}, uint64_t{kMiB - 17}, uint64_t{2 * kMiB}, uint64_t{size}}) {
          for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{2 * kMiB}, UINT64_MAX}) {
            CAPTURE(offset);
            CAPTURE(length);
            const std::string expected =
                offset < size ? cluster.bytes.substr(offset, length) : std::string();
            CHECK(cluster.part(offset, length) == expected);
            CHECK(cluster.part(offset, length, true) == expected);
          }
        }
      }
    }
  }

  TEST_CASE("for a range only the parts are read that it lies in") {
    Stored cluster(16 * kMiB, false);
    CHECK(cluster.part(9 * kMiB - 1, 2).size() == 2);
    CHECK(cluster.reads() == 2);
    CHECK(cluster.part(16 * kMiB, 5).empty());
    CHECK(cluster.reads() == 2);
  }

  TEST_CASE("damage in a range is noticed and read from elsewhere") {
    Stored cluster(4 * kMiB, false);
    cluster.nodes[1].flips_bits = true;
    CHECK(cluster.part(kMiB + 5, 2 * kMiB) == cluster.bytes.substr(kMiB + 5, 2 * kMiB));
  }

  TEST_CASE("a get of a certain version refuses another") {
    Stored cluster(100, false);
    TransferOptions options;
    options.expected_version = 1;
    CHECK(cluster.get(options) == cluster.bytes);
    REQUIRE(cluster.put(pattern(200)).ok());
    const auto sink = std::make_shared<MemorySink>();
    const auto report = cluster.run(cluster.client.get("/f", sink, options));
    CHECK(report.code() == Code::conflict);
    CHECK(sink->bytes().empty());
  }

  TEST_CASE("transfers that share a limit keep within it together") {
    const auto rate = std::make_shared<RateLimit>(kMiB);
    const Instant start{};
    CHECK(rate->reserve(start, kMiB) == Duration::zero());
    CHECK(rate->reserve(start, kMiB) == seconds(1));
    CHECK(rate->reserve(start + seconds(1), kMiB / 2) == seconds(1));
    // What was not used is not saved up.
    CHECK(rate->reserve(start + seconds(60), kMiB) == Duration::zero());
    CHECK(rate->reserve(start + seconds(60), kMiB) == seconds(1));
  }

  TEST_CASE("a put and a get take as long as their limit says") {
    for (const bool as_stream : {false, true}) {
      CAPTURE(as_stream);
      FakeCluster cluster;
      TransferOptions options;
      options.rate = std::make_shared<RateLimit>(2 * kMiB);
      const std::string bytes = pattern(9 * kMiB);
      const Instant begun = cluster.bus.now();
      const auto source = std::make_shared<MemorySource>(bytes, as_stream);
      const auto put = cluster.run(cluster.client.put(source, "/f", options));
      REQUIRE_MESSAGE(put.ok(), put.error().text);
      const Duration put_took = cluster.bus.now() - begun;
      CHECK(put_took >= seconds(4));
      CHECK(put_took < seconds(6));
      const auto sink = std::make_shared<MemorySink>(as_stream);
      options.rate = std::make_shared<RateLimit>(2 * kMiB);
      const auto got = cluster.run(cluster.client.get("/f", sink, options));
      REQUIRE_MESSAGE(got.ok(), got.error().text);
      CHECK(sink->bytes() == bytes);
      CHECK(got->elapsed >= seconds(4));
      CHECK(got->elapsed < seconds(5));
      CHECK(got->reads_hedged == 0);
    }
  }
}

}  // namespace dfs
