// The inside of the Monitor actor. Its parts are in files by concern: monitor.cc (life cycle),
// requests.cc (what clients ask), uploads.cc (object ids and plans), membership.cc (nodes and
// groups), status.cc, news.cc (what is published).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "actors/monitor/commands.h"
#include "actors/monitor/members.h"
#include "actors/monitor/monitor.h"
#include "actors/monitor/monitor_machine.h"
#include "broker/announcer.h"
#include "messages/dispatch.h"
#include "messages/events.h"

namespace dfs {

struct Monitor::State {
  State(Bus& bus_, Disk& disk, Table& table_, MonitorSettings settings_);
  ~State();

  // Life cycle (monitor.cc).
  void start(std::function<void(Result<void>)> ready);
  void opened(std::function<void(Result<void>)> ready);
  void lead();
  void stop(std::function<void()> stopped);
  void cancel_timers();
  // The replica refused or lost a command of the leader's own: nothing works without its log.
  void command_failed(const char* name, const Error& error);
  template <Message M>
  void propose(const M& command, std::function<void(Result<Outcome>)> done) {
    replica.propose(Command{0, 0, 0, M::kType, encode(command), {}, 0, 0}, std::move(done));
  }

  // Requests (requests.cc).
  void receive(const Envelope& envelope);
  void on(const Envelope& envelope, const Stat& request);
  void on(const Envelope& envelope, const List& request);
  void on(const Envelope& envelope, const OpenFile& request);
  void on(const Envelope& envelope, const MakeDir& request);
  void on(const Envelope& envelope, const Rename& request);
  void on(const Envelope& envelope, const Remove& request);
  void on(const Envelope& envelope, const CommitFile& request);
  void on(const Envelope& envelope, const GetMap& request);
  void on(const Envelope& envelope, const Ping& request);
  void change(const Envelope& envelope);
  void answer(const Envelope& request, const Result<Outcome>& outcome);
  void refuse(const Envelope& request, const Error& error);
  template <Message T>
  void answer_with(const Envelope& request, const Result<T>& reply) {
    if (!reply) return refuse(request, reply.error());
    if (request.header.request == 0) return;
    // A client that is gone needs no answer; a retry will find the remembered one.
    (void)bus.reply(reply_to(request, *reply));
  }

  // Uploads (uploads.cc).
  void on(const Envelope& envelope, const PlanFile& request);
  void plan(const Envelope& envelope, const PlanFile& request);
  Result<void> check_target(const PlanFile& request);
  Result<std::vector<GroupRoute>> choose_groups(const PlanFile& request, uint64_t block_bytes);
  GroupRoute route_for(GroupId group, const PlanFile& request) const;
  Error nowhere_to_write() const;
  bool must_wait(const PlanFile& request) const;
  void retry_waiting_plans();
  void refuse_waiting_plans(const Error& error);
  void reserve_objects();

  // Membership (membership.cc).
  void on(const Envelope& envelope, const Join& request);
  void heartbeat(const Envelope& envelope);
  void check_nodes();
  void set_node_state(NodeId node, NodeState state, std::string reason);
  void regroup_soon();
  std::vector<GroupView> groups_to_place();
  void regroup_now();
  void prune_orphans();

  // Status (status.cc).
  void on(const Envelope& envelope, const GetStatus& request);
  std::string health(ClusterStatus& status) const;

  // News (news.cc).
  void applied(const Command& command, const Outcome& outcome, const ClusterView& before);
  void publish_map();
  void publish_event(Event event);
  void publish_map_changes(const Command& command, const ClusterView& before);

  const ClusterView& cluster() const { return machine.cluster(); }

  Bus& bus;
  Table& table;
  const MonitorSettings settings;
  MonitorMachine machine;
  Replica replica;
  std::optional<Announcer> announcer;
  bool leading = false;
  bool stopping = false;
  Instant started;

  Members members;
  Instant last_check;
  Bus::TimerId check_timer = 0;
  std::set<NodeId> changing;       // a change of state is on its way into the log
  std::set<NodeId> strangers;      // unknown nodes whose heartbeats were logged once
  Bus::TimerId regroup_timer = 0;  // not 0: groups are to be set soon
  bool regrouping = false;         // SetGroups is on its way into the log
  Instant map_published;
  std::map<GroupId, Instant> planned;      // groups handed to uploads, and when last
  Instant regroup_again = Instant::max();  // groups that were in such use may change then

  ObjectRange ids;       // to hand out next
  ObjectRange next_ids;  // after those
  bool reserving = false;
  struct WaitingPlan {
    Envelope envelope;
    PlanFile request;
  };
  std::deque<WaitingPlan> waiting_plans;  // for ids or for groups

  bool pruning = false;
  Bus::TimerId prune_timer = 0;
};

}  // namespace dfs
