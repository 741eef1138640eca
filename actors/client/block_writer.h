// Writes one block to the nodes of one group, once; and watches those nodes meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "actors/client/placement.h"
#include "messages/blocks.h"

namespace dfs {

// One part of the source, with its checksum.
struct Part {
  Payload payload;
  uint32_t crc = 0;
};

// Parts that were sent and not acknowledged yet, but for the last one of a block, which waits for
// the disks. Shared by the blocks of one stream.
struct SendWindow {
  uint32_t used = 0;
  Signal changed;
};

// Whose blocks are written, and what shows that they may be.
struct ObjectToWrite {
  ObjectId object = 0;
  Blob grant;
};

// What the first block says of its file.
struct FileName {
  std::string path;
  FileHint hint;
};

// A block on its way.
struct Block {
  uint32_t index = 0;
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;
  std::vector<Part> kept;     // a stream's bytes, for sending again; empty when seekable
  std::set<GroupId> shunned;  // did not work out for this block
  uint64_t counted = 0;       // of its bytes in the transfer's progress
  std::shared_ptr<SendWindow> window = std::make_shared<SendWindow>();
  std::function<void()> on_all_sent;  // called once: the stream may begin its next block
};

class BlockWriter {
 public:
  // Reads the part at `offset` of a block. An error in the 600s ends the upload.
  using ReadPart = std::function<Task<Result<Part>>(std::shared_ptr<Block>, uint64_t offset)>;

  BlockWriter(Transfer& transfer, ReadPart read_part)
      : transfer_(transfer), read_part_(std::move(read_part)) {}

  // Returns the receipt of the whole chain once the block is durable there, its length and checksum
  // compared. Fails with the chain's error, or with `timeout` when a node is silent; the nodes to
  // blame are marked in the transfer's health then, and the attempt is called off at the others.
  Task<Result<WriteBlockReply>> write(std::shared_ptr<Block> block, BlockTarget target,
                                      ObjectToWrite object, FileName name);

  // Looks after the attempts under way; runs in the transfer's scope until that is cleared.
  Task<void> watch();

  // Gives up every attempt under way and tells the nodes.
  void abort_all(const Error& error);

 private:
  struct Attempt;
  using AttemptPointer = std::shared_ptr<Attempt>;

  Task<bool> enter_window(AttemptPointer attempt, bool last);
  void leave_window(Attempt& attempt, uint32_t parts);
  Task<void> send_part(AttemptPointer attempt, WriteBlock part, Payload payload);
  void acknowledged(Attempt& attempt, const WriteBlock& part, uint64_t length,
                    const WriteBlockReply& reply);
  void fail(Attempt& attempt, Error error);
  void blame(const Attempt& attempt, const Error& error);
  void node_silent(NodeId node, const Error& error);
  void call_off(const Attempt& attempt);
  Task<void> probe(GroupMember member);

  Transfer& transfer_;
  ReadPart read_part_;
  std::vector<AttemptPointer> running_;  // in the order they began
  std::set<NodeId> probing_;
};

}  // namespace dfs
