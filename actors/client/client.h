// The client library (libzdfs): files in, files out. Client is an actor; its operations are flows
// to be awaited on its thread. Session (session.h) offers the same to ordinary blocking code.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/client/fsck.h"
#include "actors/client/locks.h"
#include "actors/client/rate_limit.h"
#include "actors/client/rebuild.h"
#include "actors/client/survey.h"
#include "actors/disk.h"
#include "broker/actor.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/agents.h"
#include "messages/cluster.h"
#include "messages/events.h"
#include "messages/grant_keys.h"
#include "messages/key_wrap.h"
#include "messages/namespace.h"
#include "messages/pool_keys.h"
#include "messages/repair.h"
#include "messages/tasks.h"
#include "messages/user_names.h"
#include "messages/users.h"

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

// With how few copies of each block on stable storage a put may report success. Every block goes to
// all live members of its group, whatever the level, and no level goes below the pool's min_copies.
enum class CopyLevel : uint8_t {
  standard = 0,  // the pool's min_copies
  one = 1,       // the same, said aloud
  quorum = 2,    // more than half of the pool's replicas
  all = 3,       // every replica
};

// Bytes of a file, as far as it has them.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = UINT64_MAX;
};

struct TransferOptions {
  uint32_t jobs = 4;          // blocks under way at once, 1…64
  uint64_t block_bytes = 0;   // put; 0: the cluster's choice
  uint32_t window_parts = 4;  // parts unacknowledged per block stream
  NodeId from = 0;            // get: read from this node where it has a replica; 0: automatic
  uint64_t expected_version = UINT64_MAX;  // put: see CommitFile; get: `conflict` if it is another
  uint32_t mode = 0644;
  CopyLevel copies = CopyLevel::standard;        // put
  bool stale = false;                            // get: any head may tell where the file is
  Moment at = {};                                // get: what was then
  ByteRange range = {};                          // get; a part of the file comes in order
  std::shared_ptr<RateLimit> rate = {};          // none: as fast as it goes
  Duration deadline = std::chrono::seconds(60);  // without any progress
  Duration hedge_after = std::chrono::milliseconds(400);  // get: then another replica is asked too
  Duration part_deadline = std::chrono::milliseconds(1500);  // then the replica is given up
  std::function<void(const Progress&)> progress;             // on the client's thread, per part
  uint64_t trace = 0;
  LockOptions lock = {};  // put: exclusive; get: shared
};

// What a put or get did and what the system promises about it.
struct TransferReport {
  InodeInfo info;
  Receipt receipt;      // put
  Freshness freshness;  // get: of what was told about the file
  uint64_t bytes = 0;
  uint32_t blocks = 0;
  uint32_t copies_min = 0;         // fewest durable copies of any block
  uint32_t copies_wanted = 0;      // put: the pool's replicas; fewer copies are to be completed
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
  // Shown with every request to a service; empty: nobody is logged in. It is renewed when half of
  // its time has passed, for as long as the client lives; who wants to keep it is told then.
  std::string ticket = {};
  std::function<void(const TicketReply&)> ticket_renewed = {};
  RandomBytes random_bytes = secure_random;  // of which keys are made
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
  Task<Result<MakeDirReply>> make_dir(MakeDir request);
  Task<Result<RenameReply>> rename(std::string from, std::string to, bool replace);
  Task<Result<RemoveReply>> remove(std::string path, bool recursive);
  Task<Result<OpenFileReply>> open(std::string path);
  // The same with all that the request can say. One that may be `stale` is answered by any head,
  // also while none leads.
  Task<Result<StatReply>> stat(Stat request);
  Task<Result<ListReply>> list(List request);
  Task<Result<OpenFileReply>> open(OpenFile request);
  Task<Result<HistoryList>> history(GetHistory request);
  // What the nodes hold of this file, copy by copy.
  Task<Result<FileSurvey>> survey(std::string path, bool stale = false);
  // Compares the namespace below a path with what the nodes hold (fsck.h). Changes nothing.
  Task<Result<FsckSummary>> fsck(FsckOptions options);
  // Gives a cluster that lost all its heads its files back (rebuild.h).
  Task<Result<RebuildSummary>> rebuild(RebuildOptions options);
  // Which nodes have a good copy of each block of this file.
  Task<Result<std::vector<BlockLocation>>> locate(std::string path, bool stale = false);
  Task<Result<ClusterMap>> map();
  // Here and below, a deadline of 0 is that of the settings.
  Task<Result<ClusterStatus>> status(bool stale = false, Duration deadline = Duration::zero());

  Task<Result<HeadList>> heads(bool stale = false, Duration deadline = Duration::zero());
  // Asks each of these heads directly; in the order of their numbers, those that answer in time.
  Task<Result<std::vector<HeadList>>> ask_heads(std::vector<HeadStatus> heads, Duration deadline);
  Task<Result<AddHeadReply>> add_head(std::string endpoint, std::string broker);
  Task<Result<RemoveHeadReply>> remove_head(MemberId head);
  Task<Result<TransferLeadReply>> transfer_lead(MemberId to);  // 0: to whoever is furthest

  // Nodes, pools and tasks (tasks.h).
  Task<Result<TaskList>> tasks();
  Task<Result<ControlTaskReply>> control_task(ControlTask request);
  Task<Result<ChangeNodeReply>> change_node(NodeId node, NodeAction action);
  Task<Result<ChangeNodeReply>> change_node(ChangeNode request);
  Task<Result<SetPoolReply>> set_pool(SetPool request);
  Task<Result<RotatePoolKeyReply>> rotate_pool_key(std::string pool);
  Task<Result<PoolKeyList>> export_pool_keys(std::string pool);
  Task<Result<ImportPoolKeysReply>> import_pool_keys(std::vector<PoolKeyView> keys);
  Task<Result<SetAttributesReply>> set_attributes(SetAttributes request);
  // Of one storage node, asked directly.
  Task<Result<ScrubStatus>> control_scrub(NodeView node, ScrubAction action);

  // Calls `heard` on the client's thread for each event that is published from now on.
  void listen(std::function<void(const Event&)> heard);
  // Reads the events of the log after `query.since`, page after page, and when all are read waits
  // for more, until `heard` returns false. Each event comes once and in order, whichever heads
  // answer; once the first page was there, the heads may be away for any time. Fails with what
  // kept the first page away, or when events are gone that should come next (`expired`).
  Task<Result<void>> follow(ReadEvents query, std::function<bool(const ReadEventsReply&)> heard);

  // Agents and who may join (agents.h).
  Task<Result<AgentList>> agents();
  Task<Result<CreateNodeReply>> create_node(std::string host, CreateNode request);
  Task<Result<AddJoinTokenReply>> add_join_token(AddJoinToken request);
  Task<Result<SetJoinRuleReply>> set_join_rule(JoinRule rule);
  Task<Result<JoinTokenList>> join_tokens();

  // Locks (messages/locks.h). Of rename and remove: exclusive, on all that they touch; of copy, on
  // the target.
  Task<Result<RenameReply>> rename(Rename request, LockOptions lock);
  Task<Result<RemoveReply>> remove(Remove request, LockOptions lock);
  Task<Result<CopyFileReply>> copy(CopyFile request, LockOptions lock);
  Task<Result<LockList>> list_locks(ListLocks request);
  Task<Result<ReleaseLockReply>> break_lock(LockId lock);
  Task<Result<ReleaseLockReply>> release_lock(LockId lock, std::string owner);
  Locks& locks();

  // Users (users.h). Whoever got a ticket by one of these uses it with set_ticket().
  void set_ticket(std::string ticket);
  Task<Result<TicketReply>> sign_up(SignUp request);
  Task<Result<TicketReply>> log_in(LogIn request);
  Task<Result<TicketReply>> renew_ticket();
  Task<Result<TicketReply>> change_password(ChangePassword request);
  Task<Result<TicketReply>> add_service_token(AddServiceToken request);
  Task<Result<LogOutReply>> log_out(bool everywhere);
  Task<Result<LogOutReply>> end_session(uint64_t session);
  Task<Result<RotateTicketKeyReply>> rotate_ticket_key(bool at_once);
  Task<Result<RotateGrantKeyReply>> rotate_grant_key();
  Task<Result<SessionList>> sessions(ListSessions request);
  Task<Result<UserReply>> add_user(AddUser request);
  Task<Result<UserReply>> change_user(ChangeUser request);
  Task<Result<UserReply>> remove_user(std::string user);
  Task<Result<UserList>> users(ListUsers request);
  Task<Result<UserNames>> user_names(GetUserNames request, Duration deadline = Duration::zero());
  Task<Result<SetSignUpReply>> set_sign_up(bool open);
  // A page of the events of the lock actor's log.
  Task<Result<ReadEventsReply>> audit(ReadEvents request);
  Task<Result<ReadEventsReply>> read_events(ReadEvents request);  // likewise of the monitor's

  // For flows of the owner (Session, tests): run until done, ended with the client.
  TaskScope& scope();
  Bus& bus();
  Calls& calls();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The starting assignment of `blocks` blocks to `streams` streams: contiguous, sizes differ by at
// most one, the larger first (18 over 4: 5, 5, 4, 4). Element i is the first block of stream i;
// one more element is the end.
std::vector<uint32_t> even_plan(uint32_t blocks, uint32_t streams);

}  // namespace dfs
