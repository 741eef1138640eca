// Reads ranges of blocks from whichever replica gives good bytes first.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "actors/client/block_writer.h"
#include "actors/client/transfer.h"
#include "messages/blocks.h"
#include "messages/cipher.h"

namespace dfs {

struct BlockRange {
  uint32_t block = 0;
  uint64_t offset = 0;       // in the block
  uint32_t length = 0;       // at most kPartBytes
  uint64_t file_offset = 0;  // of its content in the file's
};

class BlockReader {
 public:
  BlockReader(Transfer& transfer, std::string path) : transfer_(transfer), path_(std::move(path)) {}

  // Takes the file's layout, routes and key, as OpenFile answered them.
  void begin(const OpenFileReply& opened);

  // Returns the bytes, checked against their checksum and, when `sink` is given, written there. Of
  // an encrypted file a range is a part, and what is returned its content, after its tag was found
  // right; tags are checked instead of the nodes' checksums.
  // A silent replica is hedged, a failed or corrupt one replaced. When all replicas fail it tries
  // again, with fresh routes the first time; fails with the last errors of each after the
  // transfer's deadline, or at once when every replica answered and none has good bytes.
  Task<Result<Part>> fetch(BlockRange range, std::shared_ptr<Sink> sink);

  uint32_t hedged() const { return hedged_; }
  uint32_t failed_over() const { return failed_over_; }

 private:
  struct Race;
  struct Acceptance;
  using RacePointer = std::shared_ptr<Race>;
  struct Arrival {
    NodeId node = 0;
    uint32_t crc = 0;
    Payload payload;
  };

  std::vector<GroupMember> order_of(const BlockRange& range) const;
  Task<Result<Part>> round(BlockRange range, RacePointer race, std::shared_ptr<Sink> sink);
  Task<void> ask(BlockRange range, RacePointer race, size_t entry, GroupMember member);
  Task<Result<Part>> accept(BlockRange range, Arrival arrival, std::shared_ptr<Sink> sink);
  Task<void> wait_a_little(RacePointer race);
  void judge_silence(Race& race);
  Task<void> confirm_silence(NodeId node);
  bool hedge_due(const Race& race) const;
  void report_corrupt(const BlockRange& range, NodeId node, const std::string& why);
  Task<Result<void>> reopen();
  Task<Result<bool>> renew_grant(RacePointer race, uint32_t opens, uint32_t* renewals);
  Error no_good_replica(const BlockRange& range, const Race& race) const;

  Transfer& transfer_;
  std::string path_;
  Layout layout_;
  std::shared_ptr<const PartCipher> cipher_;  // of an encrypted file
  Blob grant_;
  std::map<GroupId, GroupRoute> routes_;
  std::map<NodeId, uint32_t> asked_;           // requests without an answer yet
  std::set<std::pair<uint32_t, NodeId>> bad_;  // block and a node without a good copy of it
  uint32_t opens_ = 1;                         // how often the file was opened
  bool reopening_ = false;                     // one flow asks, the others wait
  Signal reopened_;
  uint32_t hedged_ = 0;
  uint32_t failed_over_ = 0;
};

}  // namespace dfs
