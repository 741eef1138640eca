#include "actors/client/local_files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    char name[] = "/tmp/dfs-client-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string at(const std::string& name) const { return path + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  std::string path;
};

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_SUITE("client") {
  TEST_CASE("a local file is read at any place, short only at its end") {
    const Folder folder;
    write_file(folder.at("a"), "0123456789");
    const auto source = open_source(folder.at("a"));
    REQUIRE(source.ok());
    CHECK((*source)->size() == 10);
    CHECK((*source)->seekable());
    char bytes[8];
    const Result<size_t> got = (*source)->read(4, bytes, sizeof bytes);
    REQUIRE(got.ok());
    CHECK(std::string(bytes, *got) == "456789");
    CHECK((*source)->unchanged().ok());
    write_file(folder.at("a"), "01234567890");
    CHECK((*source)->unchanged().code() == Code::local_changed);
  }

  TEST_CASE("a missing file and a directory are refused with their name") {
    const Folder folder;
    const auto missing = open_source(folder.at("nothing"));
    REQUIRE(missing.code() == Code::local_io);
    CHECK(missing.error().text.find("nothing") != std::string::npos);
    CHECK(open_source(folder.path).code() == Code::local_io);
  }

  TEST_CASE("a pipe is a stream of unknown size, read to its end") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], "abc", 3) == 3);
    REQUIRE(::write(ends[1], "def", 3) == 3);
    ::close(ends[1]);
    const auto source = stream_source(ends[0], "stdin");
    CHECK(source->size() == Source::kUnknownSize);
    char bytes[16];
    const Result<size_t> got = source->read(0, bytes, sizeof bytes);
    REQUIRE(got.ok());
    CHECK(std::string(bytes, *got) == "abcdef");
    ::close(ends[0]);
  }

  TEST_CASE("a file appears under its name only when it is finished") {
    const Folder folder;
    const auto sink = file_sink(folder.at("b"), {.sync = true});
    REQUIRE(sink->prepare(6).ok());
    CHECK(fs::exists(folder.at("b.part")));
    REQUIRE(sink->write(3, "def", 3).ok());
    REQUIRE(sink->write(0, "abc", 3).ok());
    CHECK(!fs::exists(folder.at("b")));
    REQUIRE(sink->finish().ok());
    CHECK(content(folder.at("b")) == "abcdef");
    CHECK(folder.files() == 1);
  }

  TEST_CASE("an unfinished file leaves nothing, and the old one as it was") {
    const Folder folder;
    write_file(folder.at("b"), "old");
    {
      const auto sink = file_sink(folder.at("b"));
      REQUIRE(sink->prepare(6).ok());
      REQUIRE(sink->write(0, "abc", 3).ok());
    }
    CHECK(content(folder.at("b")) == "old");
    CHECK(folder.files() == 1);
  }

  TEST_CASE("two writers of one name do not disturb each other; the last to finish stays") {
    const Folder folder;
    const auto one = file_sink(folder.at("b"));
    const auto two = file_sink(folder.at("b"));
    REQUIRE(one->prepare(3).ok());
    REQUIRE(two->prepare(3).ok());
    REQUIRE(one->write(0, "one", 3).ok());
    REQUIRE(two->write(0, "two", 3).ok());
    REQUIRE(one->finish().ok());
    CHECK(content(folder.at("b")) == "one");
    REQUIRE(two->finish().ok());
    CHECK(content(folder.at("b")) == "two");
    CHECK(folder.files() == 1);
  }

  TEST_CASE("what a dead writer left is taken over") {
    const Folder folder;
    write_file(folder.at("b.part"), std::string(100, 'x'));
    const auto sink = file_sink(folder.at("b"));
    REQUIRE(sink->prepare(3).ok());
    REQUIRE(sink->write(0, "abc", 3).ok());
    REQUIRE(sink->finish().ok());
    CHECK(content(folder.at("b")) == "abc");
    CHECK(folder.files() == 1);
  }

  TEST_CASE("a directory is not overwritten, a name of 255 bytes is no problem") {
    const Folder folder;
    CHECK(file_sink(folder.path)->prepare(1).code() == Code::local_io);
    CHECK(file_sink(folder.at("none/b"))->prepare(1).code() == Code::local_io);
    const std::string name(255, 'n');
    const auto sink = file_sink(folder.at(name));
    REQUIRE(sink->prepare(0).ok());
    REQUIRE(sink->finish().ok());
    CHECK(fs::exists(folder.at(name)));
  }

  TEST_CASE("a get whose checksum is wrong leaves no file, not even in part") {
    const Folder folder;
    FakeCluster cluster;
    REQUIRE(cluster.put(pattern(3 << 20)).ok());
    cluster.files["/f"].info.crc32c ^= 1;
    const Result<TransferReport> report =
        cluster.run(cluster.client.get("/f", file_sink(folder.at("f")), {}));
    CHECK(report.code() == Code::corrupt);
    cluster.bus.advance(seconds(20));
    CHECK(folder.files() == 0);
  }

  TEST_CASE("a local file goes in and comes out the same") {
    const Folder folder;
    const std::string bytes = pattern((5 << 20) + 17);
    write_file(folder.at("in"), bytes);
    FakeCluster cluster;
    const auto source = open_source(folder.at("in"));
    REQUIRE(source.ok());
    REQUIRE(cluster.run(cluster.client.put(*source, "/f", {})).ok());
    REQUIRE(cluster.run(cluster.client.get("/f", file_sink(folder.at("out")), {})).ok());
    CHECK(content(folder.at("out")) == bytes);
  }
}

}  // namespace
}  // namespace dfs
