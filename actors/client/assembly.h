// Puts files together again from the blocks that storage nodes hold and from what the first block
// of each says of its file. Nobody is asked here: lists go in, files and groups come out, and the
// same lists make the same files, in whatever order they came.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "messages/rebuild.h"

namespace dfs {

// Why a file is not certain. The first of these that holds is told.
enum class Guess : uint8_t {
  none = 0,   // every block is there, and their number is what the writer meant to write
  no_path,    // no first block that says whose it is
  missing,    // some blocks are on no node
  damaged,    // some blocks have only copies that are known to be damaged
  differing,  // some blocks are there with different content
  lengths,    // the blocks' lengths do not fit each other, or not what the writer meant to write
  open_end,   // a stream that ends with a full block: more may have followed
  newer,      // complete, and a newer one of the same path is not: one of the two was the file
  older,      // complete, and so is a newer one of the same path
};
const char* name_of(Guess guess);  // "no-path"

struct AssembledFile {
  FoundFile found;   // `path` only where it is to have it
  std::string path;  // as the first block tells; empty: unknown
  Guess guess = Guess::none;
  std::string text;             // why, a sentence
  uint64_t blocks = 0;          // that there are
  uint64_t blocks_missing = 0;  // as far as is known
  uint64_t bytes = 0;           // of the blocks that there are
};

struct Assembled {
  std::vector<AssembledFile> files;   // by object
  std::vector<ObjectId> unplaceable;  // empty, or too scattered for a layout to say where they are
  std::vector<FoundGroup> groups;     // by number
  Epoch epoch = 0;                    // of the newest block whose header was read
  ObjectId highest = 0;
  uint64_t blocks = 0;
  uint64_t copies = 0;
  uint64_t copies_bad = 0;
};

// What a block is, by most of its good copies; by most of the damaged ones when there are no
// others.
struct ChosenBlock {
  GroupId group = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  bool good = false;
  bool differing = false;
};
using ChosenBlocks = std::map<uint32_t, ChosenBlock>;

class Assembly {
 public:
  void add(NodeId node, const BlockView& block);
  void add(NodeId node, const HintView& hint);
  // First blocks to ask each node for, because no copy has told yet: each copy is named once.
  std::map<NodeId, std::vector<BlockName>> hints_wanted();

  Assembled assemble() const;

 private:
  struct Copy {
    NodeId node = 0;
    GroupId group = 0;
    uint64_t length = 0;
    uint32_t crc32c = 0;
    bool bad = false;
    bool asked = false;  // for the hint
    int64_t created_ms = 0;
  };
  struct Object {
    std::map<uint32_t, std::vector<Copy>> blocks;
    HintView hint;  // with a path once one was found
  };
  // Per group and node: how many of the group's blocks it has.
  struct Holding {
    uint64_t blocks = 0;
    std::map<NodeId, uint64_t> nodes;
  };

  static ChosenBlock choose(const std::vector<Copy>& copies);
  static ChosenBlocks choose_all(const Object& object);
  static int64_t first_written_ms(const Object& object);
  static void hold(const Object& object, const ChosenBlocks& blocks,
                   std::map<GroupId, Holding>& holdings);
  static std::vector<FoundGroup> found_groups(const std::map<GroupId, Holding>& holdings);

  std::map<ObjectId, Object> objects_;
  Epoch epoch_ = 0;
};

}  // namespace dfs
