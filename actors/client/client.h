// The client library (libzdfs): files in, files out. Client is an actor; its operations are flows
// to be awaited on its thread. Session (session.h) offers the same to ordinary blocking code.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "broker/actor.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/events.h"
#include "messages/namespace.h"

namespace dfs {

// Bytes to upload. read() is called on the pool, one call at a time per source unless `seekable`.
class Source {
 public:
  virtual ~Source() = default;
  static constexpr uint64_t kUnknownSize = UINT64_MAX;
  virtual uint64_t size() const = 0;  // kUnknownSize for a stream
  virtual bool seekable() const = 0;  // parts may be read again and in any order
  // Bytes read; fewer than `size` only at the end. A stream is read at ascending offsets.
  virtual Result<size_t> read(uint64_t offset, void* out, size_t size) = 0;
  // Asked when all was read: `local_changed` when what was read may be a mix of old and new.
  virtual Result<void> unchanged() { return {}; }
};

// Where downloaded bytes go. All calls on the pool. finish() makes the result visible (renames
// NAME.part); a sink destroyed without it leaves nothing behind.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool seekable() const = 0;  // false: write() is called at ascending offsets only
  virtual Result<void> prepare(uint64_t size) = 0;
  virtual Result<void> write(uint64_t offset, const void* data, size_t size) = 0;
  virtual Result<void> finish() = 0;
};

struct Progress {
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // Source::kUnknownSize for a stream
};

struct TransferOptions {
  uint32_t jobs = 4;          // blocks under way at once, 1…64
  uint64_t block_bytes = 0;   // put; 0: the cluster's choice
  uint32_t window_parts = 4;  // parts unacknowledged per block stream
  NodeId from = 0;            // get: read from this node where it has a replica; 0: automatic
  uint64_t expected_version = UINT64_MAX;  // put; see CommitFile
  uint32_t mode = 0644;
  Duration deadline = std::chrono::seconds(60);           // without any progress
  Duration hedge_after = std::chrono::milliseconds(400);  // get: then another replica is asked too
  Duration part_deadline = std::chrono::milliseconds(1500);  // then the replica is given up
  std::function<void(const Progress&)> progress;             // on the client's thread, per part
  uint64_t trace = 0;
};

// What a put or get did and what the system promises about it.
struct TransferReport {
  InodeInfo info;
  Receipt receipt;  // put
  uint64_t bytes = 0;
  uint32_t blocks = 0;
  uint32_t copies_min = 0;         // fewest durable copies of any block
  uint32_t blocks_resent = 0;      // to other nodes, after a failure
  uint32_t reads_hedged = 0;       // asked of a second replica
  uint32_t reads_failed_over = 0;  // answered by another replica than the first
  Duration longest_stall{0};       // longest time without progress
  Duration elapsed{0};
};

// Where one block is, as the nodes themselves say.
struct BlockLocation {
  uint32_t index = 0;
  GroupId group = 0;
  uint64_t length = 0;
  std::vector<NodeId> nodes;  // hold it, checksum equal
};

struct ClientSettings {
  Duration deadline = std::chrono::seconds(30);  // of one namespace request, retries included
};

class Client : public Actor {
 public:
  Client(Bus& bus, ClientSettings settings);
  ~Client() override;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void observe(const std::string& topic, Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

  Task<Result<TransferReport>> put(std::shared_ptr<Source> source, std::string path,
                                   TransferOptions options);
  Task<Result<TransferReport>> get(std::string path, std::shared_ptr<Sink> sink,
                                   TransferOptions options);
  Task<Result<InodeInfo>> stat(std::string path);
  Task<Result<ListReply>> list(std::string path, std::string after, uint32_t limit);
  Task<Result<MakeDirReply>> make_dir(std::string path, bool parents);
  Task<Result<RenameReply>> rename(std::string from, std::string to, bool replace);
  Task<Result<RemoveReply>> remove(std::string path, bool recursive);
  Task<Result<OpenFileReply>> open(std::string path);
  // Asks every node that should have a block of this file whether it does.
  Task<Result<std::vector<BlockLocation>>> locate(std::string path);
  Task<Result<ClusterMap>> map();
  Task<Result<ClusterStatus>> status();

  // Calls `heard` on the client's thread for each event from now on.
  void listen(std::function<void(const Event&)> heard);

  // For flows of the owner (Session, tests): run until done, ended with the client.
  TaskScope& scope();
  Bus& bus();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The starting assignment of `blocks` blocks to `streams` streams: contiguous, sizes differ by at
// most one, the larger first (18 over 4: 5, 5, 4, 4). Element i is the first block of stream i;
// one more element is the end.
std::vector<uint32_t> even_plan(uint32_t blocks, uint32_t streams);

}  // namespace dfs
