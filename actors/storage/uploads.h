// Blocks that are on their way in: each part goes to the disk and down the chain at once, and is
// answered when both have it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/storage/volumes.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/blocks.h"

namespace dfs::storage {

struct UploadSettings {
  uint32_t writes_max = 256;
  uint64_t memory_bytes_max = 64ull << 20;
  Duration upload_idle_max = std::chrono::seconds(60);
  Duration forward_deadline = std::chrono::milliseconds(1500);
};

class Uploads {
 public:
  // `admit` says whether a write to a group under an epoch is allowed now.
  using Admit = std::function<Result<void>(GroupId, Epoch)>;
  // `known` says whether a node of a chain is where the writer says.
  using Known = std::function<Result<void>(const ChainNode&)>;
  Uploads(Bus& bus, Calls& calls, Volumes& store, UploadSettings settings, Admit admit,
          Known known);
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  // `uid`: whom the grant was made for; nothing where no grants are needed.
  void on(const Envelope& request, const WriteBlock& part, std::optional<uint32_t> uid = {});
  void on(const Envelope& request, const AbortBlock& abort);
  // The map has changed: unfinished blocks that would not be admitted any more fail as `stale_map`,
  // here and down the chain, even those whose last part is on its way to the disk.
  void map_changed();
  // What came over this link will not be continued.
  void link_down(const Link& link);

  void set_node(NodeId node) { node_ = node; }
  // Takes no new blocks from now on; calls `done` when none is under way.
  void stop(std::function<void()> done);

  size_t active() const { return attempts_.size(); }
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Key {
    BlockKey block;
    uint64_t upload = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct PartState {
    Envelope request;  // without payload
    uint64_t size = 0;
    uint32_t crc32c = 0;
    std::optional<Written> own;
    std::optional<WriteBlockReply> next;  // of the next node
    std::optional<Instant> forwarded;     // and not answered
  };
  struct Attempt {
    Key key;
    Epoch epoch = 0;
    std::string from;
    std::optional<uint32_t> uid;
    Link link;
    Volumes::WriteId write = 0;
    std::vector<ChainNode> chain;
    Blob grant;                           // for the next node
    std::map<uint64_t, PartState> parts;  // unanswered, by offset
    uint64_t next_offset = 0;
    Instant touched;
    bool closed = false;
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  Result<AttemptPtr> attempt_of(const Envelope& request, const WriteBlock& part,
                                std::optional<uint32_t> uid);
  Result<AttemptPtr> new_attempt(const Envelope& request, const WriteBlock& part,
                                 std::optional<uint32_t> uid);
  Result<void> check_room(std::optional<uint32_t> uid) const;
  bool answer_again(Attempt& attempt, const Envelope& request, const WriteBlock& part);
  Task<void> forward(AttemptPtr attempt, WriteBlock part, Payload payload, uint64_t trace);
  void next_answered(const AttemptPtr& attempt, uint64_t offset, Result<Answer<WriteBlock>> answer);
  void own_written(const AttemptPtr& attempt, uint64_t offset, Result<Written> written);
  void answer_if_complete(const AttemptPtr& attempt, uint64_t offset);
  void fail(const AttemptPtr& attempt, const Error& error, bool tell_next = true);
  void close(const AttemptPtr& attempt);
  void tell_next_to_abort(const Attempt& attempt);
  void watch();
  Error silent(const Attempt& attempt) const;

  Bus& bus_;
  Calls& calls_;
  Volumes& store_;
  const UploadSettings settings_;
  const Admit admit_;
  const Known known_;
  NodeId node_ = 0;
  std::map<Key, AttemptPtr> attempts_;
  std::map<Link, Instant> last_heard_;  // of the nodes we forward to
  uint64_t memory_bytes_ = 0;           // of parts taken in and not yet written
  Bus::TimerId watch_timer_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace dfs::storage
