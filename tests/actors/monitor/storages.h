// Storage nodes as the monitor sees them, for tests of repair: they beat, and they answer what the
// leader asks of them, after as many polls as the test says.
#pragma once

#include <deque>
#include <functional>

#include "messages/repair.h"
#include "messages/tasks.h"
#include "tests/actors/monitor/test_monitor.h"

namespace dfs {

struct TestStorages : TestMonitor {
  explicit TestStorages(MonitorSettings its_settings = small()) : TestMonitor(its_settings) {
    bus.on_sent = [this](const FakeBus::Sent& sent) {
      if (sent.envelope.header.to.starts_with("storage/")) asked.push_back(sent);
    };
  }
  static MonitorSettings small() {
    MonitorSettings settings;
    settings.groups = 8;
    settings.repair_after = 10s;
    settings.digest_period = {};
    return settings;
  }

  struct Filling {
    FillGroup request;
    int polls = 0;
    bool done = false;
  };
  using Key = std::pair<NodeId, GroupId>;

  // Lets time pass while nodes beat and answer.
  void run(Duration time) {
    const Instant end = bus.now() + time;
    for (Instant beats = bus.now(); bus.now() < end;) {
      if (bus.now() >= beats) {
        for (const auto& [node, state] : nodes) {
          if (state.beats) beat(node);
        }
        beats += 500ms;
      }
      bus.advance(50ms);
      pump();
    }
    settle();
  }
  bool run_until(const std::function<bool()>& good, Duration limit = 120s) {
    for (const Instant end = bus.now() + limit; bus.now() < end;) {
      if (good()) return true;
      run(500ms);
    }
    return good();
  }
  void pump() {
    for (int i = 0; i < 10; ++i) {
      bus.advance();
      for (const auto& sent : std::exchange(asked, {})) answer(sent);
    }
  }
  void answer(const FakeBus::Sent& sent) {
    const NodeId node = static_cast<NodeId>(std::stoul(sent.envelope.header.to.substr(8)));
    if (!nodes[node].beats) return;
    if (sent.envelope.header.type == Type::FillGroup) {
      const auto request = decode<FillGroup>(sent.envelope.body);
      REQUIRE(request.ok());
      monitor->receive(FakeBus::answer(sent, fill(node, *request)));
    } else if (sent.envelope.header.type == Type::GetDigests) {
      const auto request = decode<GetDigests>(sent.envelope.body);
      DigestList list;
      for (const GroupId group : request->groups) {
        list.digests.push_back(digests.contains({node, group}) ? digests[{node, group}]
                                                               : Digest{group, 5, 50, 1, 2});
      }
      monitor->receive(FakeBus::answer(sent, list));
    }
  }
  FillGroupReply fill(NodeId node, const FillGroup& request) {
    Filling& filling = fillings[{node, request.group}];
    const auto places = [](const FillGroup& of) {
      std::vector<NodeId> out;
      for (const FillSource& source : of.sources) out.push_back(source.node);
      return out;
    };
    const bool anew = filling.polls == 0 || request.epoch != filling.request.epoch ||
                      places(request) != places(filling.request) ||
                      (filling.done && request.as_of > filling.request.as_of);
    if (anew) {
      filling = Filling{request, 0, false};
      began.push_back({node, request});
    }
    last_limit = request.bytes_per_second;
    filling.done = ++filling.polls > polls_needed;
    FillGroupReply reply;
    reply.group = request.group;
    reply.epoch = filling.request.epoch;
    reply.as_of = filling.request.as_of;
    reply.bytes_total = 1000;
    reply.bytes_done = filling.done ? 1000 : 10 * static_cast<uint64_t>(filling.polls);
    reply.blocks_unreadable = unreadable;
    reply.state = failing.contains(node) ? FillState::failed
                  : filling.done         ? FillState::done
                                         : FillState::running;
    if (reply.state == FillState::failed) reply.why = "its disk is gone";
    running_most = std::max(running_most, running(node));
    return reply;
  }
  size_t running(NodeId node) const {
    return static_cast<size_t>(std::count_if(fillings.begin(), fillings.end(), [&](auto& entry) {
      return entry.first.first == node && !entry.second.done;
    }));
  }

  // A file with a block in every group of the map, acknowledged by all live members but `without`.
  void use_all(const std::string& path, NodeId without = 0) {
    const auto plan = ask(plan_of(path, 1));
    REQUIRE(plan.ok());
    const ClusterMap now = map();
    CommitFile commit;
    commit.path = path;
    commit.layout.object = plan->object;
    commit.layout.block_bytes = plan->block_bytes;
    commit.size = now.groups.size() * plan->block_bytes;
    for (const GroupView& group : now.groups) {
      commit.layout.groups.push_back(group.group);
      GroupWrites writes{group.group, group.epoch, {}};
      for (const NodeId node : group.members) {
        if (node != without && now.nodes[node - 1].state == NodeState::up) {
          writes.nodes.push_back(node);
        }
      }
      commit.writes.push_back(writes);
    }
    const auto committed = ask(commit);
    REQUIRE_MESSAGE(committed.ok(), committed.error().describe());
  }
  // Every group has `replicas` members that are complete, and nobody is leaving.
  bool whole(size_t replicas) {
    const ClusterMap now = map();
    return std::all_of(now.groups.begin(), now.groups.end(), [&](const GroupView& group) {
      return group.members.size() == replicas && group.lacking.empty() && group.leaving.empty();
    });
  }
  size_t groups_of(NodeId node) {
    const ClusterMap now = map();
    return static_cast<size_t>(
        std::count_if(now.groups.begin(), now.groups.end(),
                      [&](const GroupView& group) { return group.holds(node); }));
  }
  size_t lacking_groups() {
    const ClusterMap now = map();
    return static_cast<size_t>(
        std::count_if(now.groups.begin(), now.groups.end(),
                      [](const GroupView& group) { return !group.lacking.empty(); }));
  }
  // The node finds that it lost blocks, and tells.
  void lose(NodeId node) {
    ++nodes[node].losses;
    beat(node);
  }
  std::vector<TaskView> tasks() { return ask(ListTasks())->tasks; }

  std::deque<FakeBus::Sent> asked;
  std::map<Key, Filling> fillings;
  std::vector<std::pair<NodeId, FillGroup>> began;  // in order
  std::map<Key, Digest> digests;                    // others hold five blocks
  std::set<NodeId> failing;
  int polls_needed = 2;
  uint32_t unreadable = 0;
  uint64_t last_limit = 0;
  size_t running_most = 0;  // of one node
};

}  // namespace dfs
