// Files put together again from lists of blocks.
#include "actors/client/assembly.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "messages/crc32c.h"

using namespace dfs;

namespace {

constexpr uint64_t kMib = 1 << 20;

// A cluster of the past: what its nodes hold.
struct Past {
  struct Put {
    NodeId node;
    BlockView block;
  };

  void block(ObjectId object, uint32_t index, GroupId group, uint64_t length,
             std::vector<NodeId> nodes = {1, 2}, uint32_t crc = 7, bool bad = false) {
    for (const NodeId node : nodes) {
      BlockView view;
      view.object = object;
      view.index = index;
      view.group = group;
      view.length = length;
      view.crc32c = crc;
      view.bad = bad;
      view.created_ms = 1000 + index;
      puts.push_back({node, view});
    }
  }
  void hint(ObjectId object, const std::string& path, uint64_t size = UINT64_MAX,
            uint64_t block_bytes = kMib, uint32_t mode = 0600) {
    HintView& view = hints[object];
    view.found = true;
    view.object = object;
    view.path = path;
    view.file = {size, block_bytes, mode, 5000};
    view.epoch = 40 + object;
  }
  // A file of whole blocks and one of `tail` bytes, over `groups` in turn.
  void file(ObjectId object, const std::string& path, uint32_t whole, uint64_t tail,
            std::vector<GroupId> groups = {0}) {
    uint32_t index = 0;
    for (; index < whole; ++index) block(object, index, groups[index % groups.size()], kMib);
    if (tail > 0) block(object, index, groups[index % groups.size()], tail);
    hint(object, path, whole * kMib + tail);
  }

  Assembled assemble() {
    Assembly assembly;
    for (const Put& put : puts) assembly.add(put.node, put.block);
    asked = 0;
    for (auto wanted = assembly.hints_wanted(); !wanted.empty(); wanted = assembly.hints_wanted()) {
      for (const auto& [node, blocks] : wanted) {
        for (const BlockName& name : blocks) {
          ++asked;
          HintView none;
          none.object = name.object;
          const bool tells = hints.contains(name.object) && !mute.contains({name.object, node});
          assembly.add(node, tells ? hints[name.object] : none);
        }
      }
    }
    return assembly.assemble();
  }

  std::vector<Put> puts;
  std::map<ObjectId, HintView> hints;
  std::set<std::pair<ObjectId, NodeId>> mute;  // copies whose headers cannot be read
  size_t asked = 0;
};

const AssembledFile& only(const Assembled& assembled) {
  REQUIRE(assembled.files.size() == 1);
  return assembled.files.front();
}

}  // namespace

TEST_SUITE_BEGIN("client");

TEST_CASE("a whole file has its path, size, mode, time and the checksum of all its bytes") {
  Past past;
  const std::string bytes(2 * kMib + 5, 'x');
  for (uint32_t i = 0; i < 3; ++i) {
    const std::string part = bytes.substr(i * kMib, kMib);
    past.block(9, i, i, part.size(), {1, 2}, crc32c(part));
  }
  past.hint(9, "/a/b", bytes.size());
  const Assembled assembled = past.assemble();
  const AssembledFile& file = only(assembled);
  CHECK(file.guess == Guess::none);
  CHECK(file.found.path == "/a/b");
  CHECK(file.found.size == bytes.size());
  CHECK(file.found.crc32c == crc32c(bytes));
  CHECK(file.found.mode == 0600);
  CHECK(file.found.written_ms == 5000);
  CHECK(file.found.layout.object == 9);
  CHECK(file.found.layout.block_bytes == kMib);
  CHECK(file.found.layout.groups == std::vector<GroupId>{0, 1, 2});
  CHECK(file.found.layout.invalid() == nullptr);
  CHECK(assembled.highest == 9);
  CHECK(assembled.epoch == 49);
  CHECK(assembled.blocks == 3);
  CHECK(assembled.copies == 6);
}

TEST_CASE("the order of the lists does not matter") {
  Past past;
  past.file(1, "/f", 3, 7, {4, 2});
  past.file(2, "/f", 1, 0, {1});
  past.block(3, 5, 2, kMib);
  past.block(1, 0, 4, kMib, {3}, 8);  // of other content
  const Assembled one = past.assemble();
  std::reverse(past.puts.begin(), past.puts.end());
  const Assembled other = past.assemble();
  REQUIRE(one.files.size() == other.files.size());
  for (size_t i = 0; i < one.files.size(); ++i) {
    CHECK(same(one.files[i].found, other.files[i].found));
    CHECK(one.files[i].guess == other.files[i].guess);
  }
  REQUIRE(one.groups.size() == other.groups.size());
  for (size_t i = 0; i < one.groups.size(); ++i) CHECK(same(one.groups[i], other.groups[i]));
}

TEST_CASE("one copy is asked for its name, and the next when that one cannot tell") {
  Past past;
  past.file(1, "/f", 1, 7);
  past.assemble();
  CHECK(past.asked == 1);
  past.mute = {{1, 1}, {1, 2}};
  CHECK(only(past.assemble()).guess == Guess::no_path);
  CHECK(past.asked == 2);
  past.mute = {{1, 1}};
  CHECK(only(past.assemble()).guess == Guess::none);
  past.mute = {{1, 2}};
  CHECK(only(past.assemble()).guess == Guess::none);
}

TEST_CASE("what is not certain has no path, and a reason") {
  Past past;
  Guess guess = Guess::none;
  SUBCASE("no first block") {
    past.block(1, 1, 0, kMib);
    guess = Guess::no_path;
  }
  SUBCASE("a name that is no path") {
    past.file(1, "not/absolute", 0, 5000);
    guess = Guess::no_path;
  }
  SUBCASE("the root's name") {
    past.file(1, "/", 0, 5000);
    guess = Guess::no_path;
  }
  SUBCASE("the name of the directory of the lost") {
    past.file(1, kLostAndFound, 0, 5000);
    guess = Guess::no_path;
  }
  SUBCASE("a gap") {
    past.block(1, 0, 0, kMib);
    past.block(1, 2, 0, 7);
    past.hint(1, "/f", 2 * kMib + 7);
    guess = Guess::missing;
  }
  SUBCASE("no end, by the writer's word") {
    past.block(1, 0, 0, kMib);
    past.hint(1, "/f", 2 * kMib + 7);
    guess = Guess::missing;
  }
  SUBCASE("damaged copies alone") {
    past.block(1, 0, 0, 5000, {1, 2}, 7, true);
    past.hint(1, "/f", 5000);
    guess = Guess::damaged;
  }
  SUBCASE("copies of different content") {
    past.block(1, 0, 0, 5000, {1, 2}, 7);
    past.block(1, 0, 0, 5000, {3}, 8);
    past.hint(1, "/f", 5000);
    guess = Guess::differing;
  }
  SUBCASE("a short block in the middle") {
    past.block(1, 0, 0, 77);
    past.block(1, 1, 0, kMib);
    past.hint(1, "/f");
    guess = Guess::lengths;
  }
  SUBCASE("another length than the writer's") {
    past.block(1, 0, 0, 5000);
    past.hint(1, "/f", 5001);
    guess = Guess::lengths;
  }
  SUBCASE("a stream that ends with a full block") {
    past.block(1, 0, 0, kMib);
    past.hint(1, "/f");
    guess = Guess::open_end;
  }
  SUBCASE("a full block of an unknown block size") {
    past.block(1, 0, 0, 3 * kMib);
    past.hint(1, "/f", UINT64_MAX, 0);
    guess = Guess::open_end;
  }
  const Assembled assembled = past.assemble();
  const AssembledFile& file = only(assembled);
  CHECK(file.guess == guess);
  CHECK(file.found.path.empty());
  CHECK(!file.text.empty());
  CHECK(file.found.layout.invalid() == nullptr);
  ImportFiles request;
  request.files.push_back(file.found);
  CHECK(request.invalid() == nullptr);
}

TEST_CASE("a stream whose last block is short is certain, with or without a known block size") {
  Past past;
  past.block(1, 0, 0, 2 * kMib);
  past.block(1, 1, 0, 2 * kMib - 1);
  uint64_t block_bytes = 0;
  SUBCASE("known") {
    block_bytes = 2 * kMib;
  }
  SUBCASE("unknown") {}
  past.hint(1, "/f", UINT64_MAX, block_bytes);
  const Assembled assembled = past.assemble();
  CHECK(only(assembled).guess == Guess::none);
  CHECK(only(assembled).found.layout.block_bytes == 2 * kMib);
}

TEST_CASE("a good copy outvotes any number of damaged ones") {
  Past past;
  past.block(1, 0, 3, 5000, {1, 2, 3}, 8, true);
  past.block(1, 0, 4, 5000, {4}, 7);
  past.hint(1, "/f", 5000);
  const Assembled assembled = past.assemble();
  CHECK(only(assembled).guess == Guess::none);
  CHECK(only(assembled).found.crc32c == 7);
  CHECK(only(assembled).found.layout.groups == std::vector<GroupId>{4});
  CHECK(assembled.copies_bad == 3);
}

TEST_CASE("the newest whole file has the path, and is a guess when a newer one is not whole") {
  Past past;
  past.file(1, "/f", 1, 0);
  past.file(2, "/f", 2, 5);
  Assembled assembled = past.assemble();
  REQUIRE(assembled.files.size() == 2);
  CHECK(assembled.files[0].guess == Guess::older);
  CHECK(assembled.files[0].found.path.empty());
  CHECK(assembled.files[0].found.name == "f");
  CHECK(assembled.files[1].guess == Guess::none);
  CHECK(assembled.files[1].found.path == "/f");

  past.block(3, 0, 0, kMib);
  past.hint(3, "/f", 9 * kMib);
  assembled = past.assemble();
  REQUIRE(assembled.files.size() == 3);
  CHECK(assembled.files[0].guess == Guess::older);
  CHECK(assembled.files[1].guess == Guess::newer);
  CHECK(assembled.files[1].found.path == "/f");
  CHECK(assembled.files[2].guess == Guess::missing);
  CHECK(assembled.files[2].found.path.empty());
}

TEST_CASE("a long file gets the width that its blocks show, and overrides for the rest") {
  Past past;
  std::vector<GroupId> groups;
  for (GroupId group = 0; group < 20; ++group) groups.push_back(group * 3);
  past.file(1, "/long", 500, 9, groups);
  // A block that was sent to another group after a failure, and one that was lost.
  std::erase_if(past.puts, [](const Past::Put& put) {
    return put.block.index == 123 || put.block.index == 77;
  });
  past.block(1, 123, 999, kMib);
  const Assembled assembled = past.assemble();
  const FoundFile& found = only(assembled).found;
  CHECK(only(assembled).blocks_missing == 1);
  CHECK(found.layout.groups == groups);
  REQUIRE(found.layout.overrides.size() == 1);
  CHECK(found.layout.overrides[0].index == 123);
  CHECK(found.layout.overrides[0].group == 999);
}

TEST_CASE("what no layout can describe is left alone, and keeps its nodes") {
  Past past;
  for (uint32_t i = 0; i < kLayoutGroupsMax + 2 * kOverridesMax; ++i) {
    past.block(1, i, (i * 2654435761u >> 16) % 4096, kMib);
  }
  past.hint(1, "/scattered");
  const Assembled assembled = past.assemble();
  CHECK(assembled.files.empty());
  CHECK(assembled.unplaceable == std::vector<ObjectId>{1});
  CHECK(!assembled.groups.empty());
}

TEST_CASE("holders of a group are complete when they have all that any of them has") {
  Past past;
  past.block(1, 0, 5, 5000, {1, 2, 3});
  past.block(2, 0, 5, 5000, {1, 2});
  past.block(3, 0, 5, 5000, {1, 3});
  past.block(3, 0, 5, 5000, {2}, 7, true);
  past.block(4, 0, 5, 5000, {1}, 7, true);  // nobody has it, so nobody lacks it
  past.block(5, 0, 6, 5000, {4});
  const Assembled assembled = past.assemble();
  REQUIRE(assembled.groups.size() == 2);
  const FoundGroup& group = assembled.groups[0];
  CHECK(group.group == 5);
  REQUIRE(group.holders.size() == 3);
  CHECK(group.holders[0].node == 1);
  CHECK(group.holders[0].complete);
  CHECK_FALSE(group.holders[1].complete);
  CHECK_FALSE(group.holders[2].complete);
  CHECK(assembled.groups[1].holders[0].complete);
}

TEST_CASE("copies that stayed behind in another group make nobody a holder there") {
  Past past;
  past.block(1, 0, 5, 5000, {1, 2});
  past.block(1, 0, 6, 5000, {3});
  past.hint(1, "/f", 5000);
  const Assembled assembled = past.assemble();
  CHECK(only(assembled).found.layout.groups == std::vector<GroupId>{5});
  REQUIRE(assembled.groups.size() == 1);
  CHECK(assembled.groups[0].group == 5);
}

TEST_SUITE_END();
