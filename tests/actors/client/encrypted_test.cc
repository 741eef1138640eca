// Files of encrypted pools.
#include <doctest/doctest.h>

#include "messages/cipher.h"
#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

struct EncryptedCluster : FakeCluster {
  explicit EncryptedCluster(uint32_t count = 4) : FakeCluster(count) { encrypted = true; }

  std::string& block(NodeId node, uint32_t index) {
    for (auto& [id, bytes] : nodes[node].blocks) {
      if (std::get<1>(id) == index) return bytes;
    }
    REQUIRE_MESSAGE(false, "the node does not hold that block");
    return nodes[node].blocks.begin()->second;
  }
  std::vector<NodeId> holders(uint32_t index) const {
    std::vector<NodeId> found;
    for (const auto& [number, node] : nodes) {
      for (const auto& [id, bytes] : node.blocks) {
        if (std::get<1>(id) == index) found.push_back(number);
      }
    }
    return found;
  }
};

// Gives other bytes when they are read again.
struct ChangingSource : MemorySource {
  explicit ChangingSource(std::string bytes) : MemorySource(std::move(bytes)) {}
  Result<size_t> read(uint64_t offset, void* out, size_t size) override {
    auto got = MemorySource::read(offset, out, size);
    if (got && ++reads > 1) static_cast<char*>(out)[0] ^= 1;
    return got;
  }
  uint32_t reads = 0;
};

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("what is put into an encrypted pool comes back, whatever its length") {
    for (const size_t size : {size_t{4097}, kSealedPartBytes - 1, kSealedPartBytes,
                              kSealedPartBytes + 1, kMiB, 2 * kSealedPartBytes, 5 * kMiB + 123}) {
      CAPTURE(size);
      EncryptedCluster cluster;
      const std::string bytes = pattern(size);
      const auto report = cluster.put(bytes);
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(report->bytes == size);
      CHECK(report->info.crc32c == crc32c(bytes));
      CHECK(cluster.get() == bytes);
      const auto in_order = std::make_shared<MemorySink>(true);
      const auto got = cluster.run(cluster.client.get("/f", in_order, {}));
      REQUIRE_MESSAGE(got.ok(), got.error().text);
      CHECK(got->bytes == size);
      CHECK(in_order->bytes() == bytes);
      const CommitFile& commit = cluster.commits.back();
      CHECK(commit.size == size);
      CHECK(commit.seal.cipher == PartCipher::choice());
      uint64_t stored = 0;
      for (uint32_t i = 0; !cluster.holders(i).empty(); ++i) {
        const std::string& block = cluster.block(cluster.holders(i).front(), i);
        stored += block.size();
        CHECK(block.find(bytes.substr(i * 1000, 32)) == std::string::npos);
      }
      CHECK(stored == sealed_bytes(size));
    }
  }

  TEST_CASE("a stream is encrypted like a file, and a short one travels inline") {
    for (const size_t size :
         {size_t{1}, size_t{4096}, size_t{4097}, 3 * kSealedPartBytes, 3 * kMiB + 5}) {
      CAPTURE(size);
      EncryptedCluster cluster;
      const std::string bytes = pattern(size);
      const auto put =
          cluster.run(cluster.client.put(std::make_shared<MemorySource>(bytes, true), "/f", {}));
      REQUIRE_MESSAGE(put.ok(), put.error().text);
      CHECK(put->info.size == size);
      CHECK(cluster.commits.back().crc32c == crc32c(bytes));
      CHECK((cluster.commits.back().seal.cipher != Cipher::none) == (size > kInlineBytesMax));
      CHECK(cluster.get() == bytes);
    }
  }

  TEST_CASE("storage nodes are told no path, and what only a key opens") {
    EncryptedCluster cluster;
    std::vector<WriteBlock> first;
    cluster.on_part = [&](NodeId, const WriteBlock& part) {
      CHECK(encode(part).find("name-of-it") == std::string::npos);
      if (part.index == 0) first.push_back(part);
    };
    REQUIRE(cluster.put(pattern(2 * kMiB), {}, "/name-of-it").ok());
    REQUIRE(!first.empty());
    const FileHint& hint = first.front().file_hint;
    CHECK(first.front().path_hint.empty());
    const auto key =
        unwrap(cluster.pool_key, object_key_purpose(first.front().object), hint.seal.key.bytes);
    REQUIRE(key);
    const auto path =
        unwrap(key_of_paths(*key), path_purpose(first.front().object), hint.sealed_path.bytes);
    REQUIRE(path);
    CHECK(*path == "/name-of-it");
  }

  TEST_CASE("every file has a key of its own") {
    EncryptedCluster cluster;
    for (const char* path : {"/d/1", "/d/2", "/d/3", "/d/4"}) {
      REQUIRE(cluster.put(pattern(5000), {}, path).ok());
      CHECK(cluster.get({}, path) == pattern(5000));
    }
    std::set<std::string> keys;
    for (const auto& [path, file] : cluster.files) keys.insert(file.seal.key.bytes);
    CHECK(keys.size() == 4);
  }

  TEST_CASE("bytes with a right checksum and a wrong tag are found out, and another copy is read") {
    EncryptedCluster cluster;
    const std::string bytes = pattern(3 * kMiB);
    REQUIRE(cluster.put(bytes).ok());
    const std::vector<NodeId> holders = cluster.holders(1);
    REQUIRE(holders.size() == 2);
    // The node answers with a checksum of what it sends; one of two copies is forged.
    cluster.block(holders[0], 1)[1000] ^= 1;
    for (const NodeId from : holders) {
      TransferOptions options;
      options.from = from;
      CHECK(cluster.get(options) == bytes);
    }
    CHECK(cluster.logged("bad replica of a block, using another") == 1);
    cluster.block(holders[1], 1)[1000] ^= 1;
    const auto sink = std::make_shared<MemorySink>();
    const auto got = cluster.run(cluster.client.get("/f", sink, {}));
    REQUIRE(got.code() == Code::corrupt);
    for (const char* const word : {"block 1 of /f", "their tag is wrong", "storage/"}) {
      CHECK_MESSAGE(got.error().text.find(word) != std::string::npos, got.error().text);
    }
    CHECK_FALSE(sink->finished());
  }

  TEST_CASE("a node that answers with another block is found out") {
    EncryptedCluster cluster(2);
    REQUIRE(cluster.put(pattern(3 * kMiB)).ok());
    for (const NodeId node : {1u, 2u}) std::swap(cluster.block(node, 0), cluster.block(node, 1));
    const auto got = cluster.run(cluster.client.get("/f", std::make_shared<MemorySink>(), {}));
    CHECK(got.code() == Code::corrupt);
  }

  TEST_CASE("a block that is sent again is the same bytes, and a source that changed is not sent") {
    for (const bool changes : {false, true}) {
      CAPTURE(changes);
      EncryptedCluster cluster;
      const std::string bytes = pattern(kMiB / 2);
      uint32_t refusals = 1;
      std::set<uint32_t> sums;
      cluster.refuse_write = [&](NodeId, const WriteBlock& part) -> std::optional<Error> {
        sums.insert(part.crc32c);
        if (refusals == 0) return std::nullopt;
        --refusals;
        return Error{Code::io_error, "the disk failed", {}, 0};
      };
      std::shared_ptr<Source> source = std::make_shared<MemorySource>(bytes);
      if (changes) source = std::make_shared<ChangingSource>(bytes);
      const auto put = cluster.run(cluster.client.put(source, "/f", {}));
      CHECK(sums.size() == 1);
      CHECK(put.ok() == !changes);
      if (changes) CHECK(put.code() == Code::local_changed);
    }
  }
}

}  // namespace dfs
