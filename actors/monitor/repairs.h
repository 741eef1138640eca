// What the leader does so that every block is kept as often as its pool says: gives up nodes that
// are down for long, moves groups away from them and from nodes that are drained, has members
// filled that lack blocks, compares what members hold, and rebalances. Everything that must outlive
// the leader is in the log; this is the memory of one reign.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/monitor/cluster_view.h"
#include "actors/monitor/commands.h"
#include "actors/monitor/members.h"
#include "actors/monitor/monitor.h"
#include "actors/monitor/placement.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/repair.h"
#include "messages/tasks.h"

namespace dfs {

class Repairs {
 public:
  // All of it outlives the Repairs. `propose` calls back only while this reign lasts.
  struct World {
    Bus& bus;
    Calls& calls;
    Table& table;
    const ClusterView& cluster;
    const Members& members;
    const MonitorSettings& settings;
    std::function<LogIndex()> applied;
    std::function<void(Command, std::function<void(Result<Outcome>)>)> propose;
    // The groups of the map; one that an upload was just sent to counts as used.
    std::function<std::vector<GroupView>()> groups;
    std::function<void()> regroup;  // groups without data may have to change
  };
  explicit Repairs(World world);
  ~Repairs();
  Repairs(const Repairs&) = delete;
  Repairs& operator=(const Repairs&) = delete;

  void begin();
  // Those that are down for long enough are out. To be called when one goes down: with a
  // repair_after of zero it is due at once.
  void give_up_nodes();
  // What is under way, by the log and as far as this leader knows.
  std::vector<TaskView> tasks();
  // What a rebalance would move.
  std::vector<PlannedMove> plan() const;

  // Live holders of a group that have every block.
  static size_t complete_live(const ClusterView& cluster, const GroupView& group);

 private:
  using Key = std::pair<GroupId, NodeId>;
  struct Fill {
    uint64_t number = 0;
    FillGroup request;
    std::string task;
    bool counts = false;     // when it is done, the node is complete
    bool asking = false;     // an answer is awaited
    bool finishing = false;  // done, and on its way into the log
    uint32_t failures = 0;   // one after the other
    Instant again;           // when to ask next
    FillGroupReply last;
  };
  // A fill that failed, or did all it could and does not count, waits, each time longer, unless its
  // sources or the holders of its group change.
  struct Parked {
    Instant until;
    Duration pause{};
    std::vector<NodeId> sources;
    Epoch epoch = 0;  // of the group
    std::string why;
  };
  struct Progress {
    uint64_t blocks = 0;
    uint64_t bytes = 0;
    std::deque<std::pair<Instant, uint64_t>> recent;  // bytes, as they came
  };

  void tick();
  template <Message M>
  void propose(const M& command, std::function<void(Result<Outcome>)> done = {});

  // Nodes (repairs.cc).
  void look_for_losses();

  // Moves (repairs.cc).
  std::vector<PlacementNode> candidates() const;
  PoolWidths widths() const;
  bool is_wanting(const GroupView& group) const;
  std::vector<GroupMove> moves_wanted() const;
  void move_groups();
  std::vector<GroupMove> moves_to_balance() const;
  void rebalance();
  size_t moving_max() const;

  // Fills (repair_fills.cc).
  struct Wanted {
    size_t complete;  // live holders: the fewer, the sooner
    Key key;
    auto operator<=>(const Wanted&) const = default;
  };
  void tend_fills();
  void drop_stale_fills();
  bool refresh(const Key& key, Fill& fill);
  std::vector<Wanted> fills_wanted() const;
  void begin_fills();
  std::vector<FillSource> sources_for(const GroupView& group, NodeId node) const;
  bool may_wait(const Key& key, const std::vector<FillSource>& sources) const;
  Task<void> ask(Key key);
  void take_answer(const Key& key, Fill& fill, const Result<Answer<FillGroup>>& answer);
  void take_progress(Fill& fill, const FillGroupReply& reply);
  void take_done(const Key& key, Fill& fill, const FillGroupReply& reply);
  void park(const Key& key, Duration pause, const std::string& why);
  std::string why_parked(const std::string& task) const;
  void report_filled();

  // Digests (repair_digests.cc).
  using Digests = std::map<GroupId, std::map<NodeId, Digest>>;
  Task<void> compare_digests();
  Task<Digests> look(std::vector<GroupId> groups);
  std::vector<GroupId> comparable() const;
  void judge(const Digests& before, const Digests& now);

  // Tasks (repair_tasks.cc).
  void load_tasks();
  const TaskRow& task(const std::string& id) const;
  bool paused(const std::string& id) const { return task(id).paused; }
  uint64_t limit(const std::string& id) const;
  std::string task_of(const GroupView& group) const;
  void set_active(const std::string& id, bool active);
  void begin_and_end_tasks();
  uint64_t bytes_about(const GroupView& group) const;
  TaskView view_of(const std::string& id) const;
  void count_left(TaskView& view) const;
  void add_jobs(std::vector<TaskView>& views) const;
  std::vector<PlannedMove> described(const std::vector<GroupMove>& moves) const;

  World world_;
  Bus::TimerId timer_ = 0;
  std::map<NodeId, Instant> down_since_;
  std::set<std::string> proposed_;  // what is on its way into the log, by name
  uint64_t last_fill_ = 0;
  std::map<Key, Fill> fills_;
  std::map<Key, Parked> parked_;
  std::vector<GroupFilled> filled_;  // to be reported
  Instant digests_again_;
  bool comparing_ = false;
  std::map<std::string, TaskRow> tasks_;
  std::map<std::string, Progress> progress_;
  Instant repair_seen_;  // when there was last something to repair
  TaskScope scope_;      // last: its flows use all of the above
};

}  // namespace dfs
