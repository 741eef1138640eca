// The inside of the Monitor actor. Its parts are in files by concern: monitor.cc (life cycle),
// beginning.cc (how a fresh directory becomes a head's), requests.cc (what clients ask),
// authority.cc (who they are), uploads.cc (object ids and plans), membership.cc (nodes and groups),
// heads.cc (its own kind), status.cc, news.cc (what is published), upkeep.cc (what the leader
// tidies up), administration.cc (tasks, nodes, pools). How copies are kept is in repairs.h.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "actors/gate.h"
#include "actors/leases.h"
#include "actors/monitor/agents.h"
#include "actors/monitor/commands.h"
#include "actors/monitor/members.h"
#include "actors/monitor/monitor.h"
#include "actors/monitor/monitor_machine.h"
#include "actors/monitor/repairs.h"
#include "actors/replica/identity.h"
#include "actors/replica/service.h"
#include "broker/announcer.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/grant.h"
#include "messages/grant_keys.h"
#include "messages/heads.h"
#include "messages/passes.h"
#include "messages/pool_keys.h"
#include "messages/rebuild.h"
#include "messages/reclaim.h"

namespace dfs {

// What a fresh directory has chosen to become, kept in a file until it is that: a crash meanwhile
// leaves neither half a cluster nor a head that the others know and that does not know itself.
struct Beginning {
  bool founds = false;
  std::string cluster;
  std::string uuid;  // empty: there is no such file
  bool rebuilds = false;
  DFS_FIELDS(founds, cluster, uuid, rebuilds)
};

// What grants are signed and judged with: the keys as the log has them.
struct GrantDesk {
  explicit GrantDesk(const std::string& its_keys) : keys(its_keys), signer(its_keys) {
    judge.learn(signer.verify_keys());
  }
  std::string keys;
  GrantSigner signer;
  GrantJudge judge;
};

struct Monitor::State : Service {
  struct Reign;
  // Something the leader does in batches, again and again.
  struct Sweep {
    bool running = false;  // a batch is on its way into the log
    Bus::TimerId timer = 0;
  };

  State(Bus& bus_, Disk& disk_, Table& table_, MonitorSettings settings_);
  ~State() override;

  // Life cycle (monitor.cc).
  void start(std::function<void(Result<void>)> ready);
  void open();
  void report_ready(Result<void> outcome);
  void lead();
  void create_cluster();
  void serve();
  void begin_work();
  void follow();
  void stop(std::function<void()> stopped);
  void cancel_timers();
  // A command of the leader's own was refused or lost.
  void command_failed(const char* name, const Error& error);

  // Beginning (beginning.cc).
  Task<void> begin();
  Task<Result<bool>> take_identity();
  Task<Result<void>> look_around();
  Task<Result<void>> check_cluster_is_gone();
  Task<Result<bool>> found(Beginning unfinished);
  Task<Result<bool>> join(Beginning unfinished);
  Task<Result<void>> settle(Beginning beginning, std::optional<Identity> who);
  Task<void> forget_beginning();

  // Requests (requests.cc).
  void receive(Envelope& envelope);
  void receive_consensus(const Envelope& envelope);
  void on(const Envelope& envelope, const Stat& request);
  void on(const Envelope& envelope, const List& request);
  void on(const Envelope& envelope, const OpenFile& request);
  void on(const Envelope& envelope, const MakeDir& request);
  void on(const Envelope& envelope, const Rename& request);
  void on(const Envelope& envelope, const Remove& request);
  void on(const Envelope& envelope, const CommitFile& request);
  void on(const Envelope& envelope, const ShowFence& request);
  void on(const Envelope& envelope, const GetHistory& request);
  void on(const Envelope& envelope, const CopyFile& request);
  void on(const Envelope& envelope, const GetMap& request);
  void on(const Envelope& envelope, const ReadEvents& request);
  void on(const Envelope& envelope, const Ping& request);

  // Who may ask (authority.cc).
  bool authenticates() const { return cluster().authentication() == Authentication::required; }
  // Finds out who asks; false when that was refused.
  bool is_let_in(const Envelope& envelope);
  Result<void> judge_asker(const Envelope& envelope);
  // Names the asker in the log.
  void stamp(Command& command) const override;
  void on(const Envelope& envelope, const GetNodePass& request);
  std::string own_pass();
  // The right to the blocks of an object, or the pass for object 0; empty where none is needed.
  Blob grant_for(ObjectId object, BlockRight right, const Requester& who);
  // The grant shows that the upload of the object is theirs.
  Result<void> check_upload_of(const Requester& who, ObjectId object, const Blob& grant);
  // The lock actor gave this fence to the asker. Answers when it did not.
  bool has_fence(const Envelope& envelope, const std::string& path, uint64_t fence,
                 const Blob& proof, bool subtree = false);
  Result<void> check_not_content(Rows& rows, const PlanFile& request) const;
  // Counts what was refused for want of a right or a ticket, and tells of it.
  void refused(const Envelope& request, const Error& error) override;
  void log_denials();

  // Uploads (uploads.cc).
  void on(const Envelope& envelope, const PlanFile& request);
  void plan(const Envelope& envelope, const PlanFile& request, const Requester& who);
  Result<void> check_target(const PlanFile& request, const Requester& who);
  Result<std::vector<GroupRoute>> choose_groups(const PlanFile& request, const PoolView& pool,
                                                uint64_t block_bytes);
  Result<PoolView> pool_of_path(const std::string& path);
  GroupRoute route_for(GroupId group, const PlanFile& request, uint32_t copies) const;
  Error nowhere_to_write(const PoolView& pool, uint32_t copies) const;
  bool must_wait(const PlanFile& request) const;
  void retry_waiting_plans();
  void refuse_waiting_plans(const Error& error);
  void reserve_objects();

  // Keys of encrypted pools (pool_keys.cc).
  KeptKey keep(const WrappingKey& key) const;
  KeptKey make_pool_key() const;
  Result<WrappingKey> pool_key(Rows& rows, KeyId id) const;
  Result<WrappingKey> key_of(Rows& rows, const PoolView& pool) const;
  // The plan's key, for a file of an encrypted pool; empty for one of another.
  Result<Blob> wrap_key(const PlanFile& request, const PoolView& pool, ObjectId object) const;
  void commit(const Envelope& envelope, const CommitFile& request);
  Result<std::string> wrap_content(const CommitFile& request);
  Result<void> check_seal(const CommitFile& request) const;
  Result<void> unwrap_content(Rows& rows, const std::string& path, OpenFileReply& reply) const;
  Result<PoolKeyList> export_pool_keys(Rows& rows, const ExportPoolKeys& request) const;

  // The life and death of objects (judge_blocks.cc).
  void on(const Envelope& envelope, const RenewUploads& request);
  void on(const Envelope& envelope, const JudgeBlocks& request);
  Result<RenewUploadsReply> renew_uploads(Rows& rows, const RenewUploads& request,
                                          const Requester& who);
  Result<JudgeBlocksReply> judge_blocks(Rows& rows, const JudgeBlocks& request);
  bool given_up(ObjectId object) const;
  void declare_dead();
  uint32_t lease_ms() const;
  void tick_leases();
  ObjectId lowest_upload(Rows& rows);

  // Membership (membership.cc).
  void on(const Envelope& envelope, const Join& request);
  void count_refusal(const Result<Outcome>& outcome);
  void heartbeat(const Envelope& envelope);
  void judge_heartbeat(const Heartbeat& heartbeat, bool up);
  void check_nodes();
  void set_node_state(NodeId node, NodeState state, std::string reason);
  void regroup_soon();
  std::vector<GroupView> groups_to_place() const;
  void regroup_now();

  // Tasks, nodes and pools (administration.cc; what is read or logged as it came, in requests.cc).
  void on(const Envelope& envelope, const ListTasks& request);
  void on(const Envelope& envelope, const ConfirmSurplus& request);
  void on(const Envelope& envelope, const ControlTask& request);
  Result<void> check_others_undamaged(NodeId node) const;
  void on(const Envelope& envelope, const ChangeNode& request);
  void on(const Envelope& envelope, const SetPool& request);
  void on(const Envelope& envelope, const SetAttributes& request);
  void on(const Envelope& envelope, const RotatePoolKey& request);
  void on(const Envelope& envelope, const ExportPoolKeys& request);
  void on(const Envelope& envelope, const ImportPoolKeys& request);
  void on(const Envelope& envelope, const ListAgents& request);
  void on(const Envelope& envelope, const AddJoinToken& request);
  void on(const Envelope& envelope, const SetJoinRule& request);
  void on(const Envelope& envelope, const ListJoinTokens& request);
  Result<JoinTokenList> list_join_tokens(Rows& rows) const;
  Result<ConfirmSurplusReply> confirm_surplus(const ConfirmSurplus& request) const;
  Result<TaskList> list_tasks() const;
  void begin_repairs();

  // Rebuilding (rebuild.cc; requests in requests.cc).
  Result<RebuildStatus> rebuild_status(Rows& rows) const;
  void on(const Envelope& envelope, const GetRebuild& request);
  void on(const Envelope& envelope, const ImportGroups& request);
  void on(const Envelope& envelope, const ImportFiles& request);
  void on(const Envelope& envelope, const EndRebuild& request);
  bool is_refused_for_rebuild(const Envelope& envelope);
  void outgrow(Epoch known);

  // Keys of grants (grant_keys.cc).
  void turn_grant_key();
  // With the keys that the log has now; there are some.
  GrantDesk& grant_desk();
  // For a node that signs with this key, or none.
  GrantKeys grant_keys_for(NodeId node, const Blob& verify_key);
  void on(const Envelope& envelope, const GetGrantKeys& request);
  void on(const Envelope& envelope, const RotateGrantKey& request);

  // Heads (heads.cc).
  Result<void> check_not_removed(const std::string& uuid);
  void on(const Envelope& envelope, const AddHead& request);
  void on(const Envelope& envelope, const RemoveHead& request);
  void on(const Envelope& envelope, const TransferLead& request);
  void on(const Envelope& envelope, const ListHeads& request);
  void heads_changed();

  // Status (status.cc).
  void on(const Envelope& envelope, const GetStatus& request);
  Result<ClusterStatus> status(Rows& rows);
  void list_nodes(ClusterStatus& status);
  std::string health(ClusterStatus& status) const;

  // News (news.cc).
  void applied(const MonitorMachine::Change& change);
  void publish_map();
  void publish_event(const Event& event);

  // Upkeep (upkeep.cc).
  void prune_orphans();
  void trim_events();
  Result<LogIndex> events_to_trim();
  void expire_history();
  void forget_objects();
  template <Message M>
  void propose_sweep(const char* name, const M& command, Sweep Reign::*sweep,
                     void (State::*again)());

  const ClusterView& cluster() const { return machine.cluster(); }
  bool founded() const override { return cluster().exists(); }

  Bus& bus;
  Disk& disk;
  Table& table;
  const MonitorSettings settings;
  MonitorMachine machine;
  Replica replica;
  Calls calls;
  Gate gate;
  Requester asker = superuser();  // of the request that is being received
  bool asker_is_cluster = true;   // one of its nodes or heads
  std::optional<GrantDesk> desk;  // once it was needed
  uint64_t denied = 0;            // requests refused for want of a right, or a ticket
  Identity identity;
  std::function<void(Result<void>)> ready;  // until it was called
  bool founder = false;                     // its cluster may have to be created yet
  bool rebuilds = false;                    // and to be rebuilt
  bool begun = false;                       // replica.open() was called
  bool stopping = false;
  Instant started;
  std::optional<Announcer> announcer;  // that it serves whoever can do with a replica
  bool told_removed = false;
  std::optional<Instant> told_foreign;
  std::optional<Event> leader_event;  // the last, of any leader
  Members members;
  Agents agents;

  // What a leader keeps in memory. It begins afresh with each reign, and ends with it.
  struct WaitingPlan {
    Envelope envelope;
    PlanFile request;
    Requester who;
  };
  struct Reign {
    std::unique_ptr<Announcer> announcer;
    std::unique_ptr<Repairs> repairs;
    Instant last_check;
    Bus::TimerId check_timer = 0;
    std::set<NodeId> changing;       // a change of state is on its way into the log
    std::set<NodeId> strangers;      // unknown nodes whose heartbeats were logged once
    Bus::TimerId regroup_timer = 0;  // not 0: groups are to be set soon
    bool turning = false;            // TurnGrantKey is on its way into the log
    bool regrouping = false;         // SetGroups is on its way into the log
    Instant map_published;
    std::map<GroupId, Instant> planned;      // groups handed to uploads, and when last
    Instant regroup_again = Instant::max();  // groups that were in such use may change then
    ObjectRange ids;                         // to hand out next
    ObjectRange next_ids;                    // after those
    bool reserving = false;
    std::deque<WaitingPlan> waiting_plans;  // for ids or for groups
    bool pruning = false;
    Bus::TimerId prune_timer = 0;
    Sweep trim;
    Sweep expiry;
    Sweep forgetting;
    Leases<ObjectId> leases;  // of uploads under way
    Bus::TimerId lease_timer = 0;
    std::map<std::string, uint64_t> refusals;  // of nodes that wanted to join, by reason
    std::set<ObjectId> doomed;  // to be declared dead: on their way into the log, or about to be
    bool declaring = false;
    bool raising = false;         // RaiseEpoch is on its way into the log
    std::vector<Denial> denials;  // to be logged
    uint64_t denials_left_out = 0;
    Bus::TimerId denials_timer = 0;  // not 0: they will be soon
  };
  Reign reign;

  TaskScope scope;  // last: its flows use all of the above
};

}  // namespace dfs
