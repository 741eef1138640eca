// Who may leave a group, and when: moves, fills, losses and degraded writes.
#include "actors/monitor/guard.h"

#include "messages/tasks.h"
#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

using Nodes = std::vector<NodeId>;

// Five nodes; group 0 is on 1 and 2 and holds a file.
struct Moves : TestMachine {
  explicit Moves(uint32_t replicas = 2, uint32_t min_copies = 1)
      : TestMachine(std::make_unique<MemTable>(), 8, replicas, min_copies) {
    for (const char uuid : {'1', '2', '3', '4', '5'}) join(uuid, std::string("tcp://n:") + uuid);
    const Nodes members = replicas == 3 ? Nodes{1, 2, 3} : Nodes{1, 2};
    SetGroups command;
    for (GroupId id = 0; id < 8; ++id) command.groups.push_back({id, members});
    REQUIRE(tell(command).ok());
    REQUIRE(put_block("/f", 0, members).ok());
  }
  void move(const Nodes& members, GroupId id = 0) {
    REQUIRE(tell(MoveGroups{{{id, group(id).epoch, members}}, "test"}).ok());
  }
  void fill(NodeId node, const Nodes& sources, LogIndex as_of = 0, GroupId id = 0) {
    REQUIRE(tell(SetFilled{{{id, node, as_of != 0 ? as_of : index, sources}}}).ok());
  }
  GroupRow row(GroupId id = 0) {
    Rows rows(*table);
    return *rows.require<GroupRow>(keys::group(id));
  }
};

GroupRow group_of(Nodes members, Nodes leaving, Nodes lacking, bool used = true) {
  GroupRow group;
  group.members = std::move(members);
  group.leaving = std::move(leaving);
  for (const NodeId node : lacking) become_lacking(group, node, 1);
  group.used = used;
  return group;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("the guard lets a holder leave only when no block has fewer copies for it") {
  const auto may = [](const GroupRow& before, const GroupRow& after, uint32_t replicas) {
    return may_replace(7, before, after, replicas).code();
  };
  const GroupRow moved = group_of({2, 3}, {1}, {});
  CHECK(may(moved, group_of({2, 3}, {}, {}), 2) == Code::ok);
  // A member that lacks something, or came from nowhere.
  CHECK(may(group_of({2, 3}, {1}, {3}), group_of({2, 3}, {}, {3}), 2) == Code::conflict);
  CHECK(may(group_of({2, 3}, {1}, {3}), group_of({2, 3}, {}, {}), 2) == Code::conflict);
  CHECK(may(group_of({1, 2}, {}, {}), group_of({2, 3}, {}, {}), 2) == Code::conflict);
  // Fewer copies than the pool wants, and than there were.
  CHECK(may(group_of({1, 2}, {}, {}), group_of({2}, {}, {}), 2) == Code::conflict);
  CHECK(may(group_of({1, 2, 3}, {}, {}), group_of({2, 3}, {}, {}), 3) == Code::conflict);
  CHECK(may(group_of({1}, {}, {}), group_of({}, {}, {}), 1) == Code::conflict);
  // One that is not complete may still have a copy of almost everything.
  CHECK(may(group_of({1, 2, 3}, {}, {3}), group_of({1, 2}, {}, {}), 3) == Code::conflict);
  CHECK(may(group_of({1, 2}, {3}, {3}), group_of({1, 2}, {}, {}), 2) == Code::ok);
  // More than the pool wants.
  CHECK(may(group_of({1, 2, 3}, {}, {}), group_of({2, 3}, {}, {}), 2) == Code::ok);
  // Nobody leaves, or there is no data.
  CHECK(may(group_of({1, 2}, {}, {2}), group_of({2, 3}, {1}, {2, 3}), 2) == Code::ok);
  CHECK(may(group_of({1, 2}, {}, {}, false), group_of({4}, {}, {}, false), 2) == Code::ok);
  const auto refused = may_replace(7, group_of({1, 2}, {}, {}), group_of({2}, {}, {}), 2);
  CHECK(refused.error().cause.at("groups") == "7");
}

TEST_CASE("a loss lets just the lost holder go, where nobody else is known to have everything") {
  LossRow loss;
  loss.groups = {7};
  const auto may = [&](const GroupRow& before, const GroupRow& after, NodeId node, GroupId id = 7) {
    return may_give_up(id, before, after, node, loss).code();
  };
  const GroupRow before = group_of({2, 3}, {1}, {2, 3});
  CHECK(may(before, group_of({2, 3}, {}, {2, 3}), 1) == Code::ok);
  CHECK(may(before, group_of({2, 3}, {}, {2, 3}), 1, 8) == Code::conflict);  // not accepted
  CHECK(may(before, group_of({2}, {}, {2}), 1) == Code::conflict);
  CHECK(may(before, group_of({3}, {1}, {3}), 2) == Code::conflict);  // 1 has everything
  CHECK(may(group_of({2, 3}, {1}, {3}), group_of({2, 3}, {}, {3}), 1) == Code::conflict);
  CHECK(may(group_of({1}, {}, {}), group_of({}, {}, {}), 1) == Code::ok);
  // Nobody has everything, whatever it lacks itself.
  CHECK(may(group_of({1, 2}, {}, {1, 2}), group_of({2}, {}, {2}), 1) == Code::ok);
  CHECK(is_last_complete(before, 1));
  CHECK_FALSE(is_last_complete(before, 2));
  CHECK_FALSE(is_last_complete(group_of({1, 2}, {}, {2}, false), 1));
}

TEST_CASE("a move keeps who leaves until the new members are complete") {
  Moves test;
  const Epoch before = test.group(0).epoch;
  test.move({2, 3});
  const Epoch moved = test.group(0).epoch;
  CHECK(moved > before);
  CHECK(test.group(0).members == Nodes{2, 3});
  CHECK(test.group(0).leaving == Nodes{1});
  CHECK(test.lacking(0) == Nodes{3});
  CHECK(test.row().fenced < moved);  // writes under way stay good
  test.fill(3, {1, 2});
  CHECK(test.group(0).members == Nodes{2, 3});
  CHECK(test.group(0).leaving.empty());
  CHECK(test.group(0).lacking.empty());
  CHECK(test.group(0).epoch > moved);
  CHECK(test.group(0).epoch == test.machine.cluster().map().epoch);
  CHECK(test.row().fenced == moved);
}

TEST_CASE("a move that is no longer about the group as it is changes nothing") {
  Moves test;
  const Epoch epoch = test.group(0).epoch;
  const auto ignored = [&](const GroupMove& move) {
    REQUIRE(test.tell(MoveGroups{{move}, ""}).ok());
    return test.changes == 0;
  };
  CHECK(ignored({0, epoch - 1, {2, 3}}));
  CHECK(ignored({0, epoch, {1, 2}}));
  CHECK(ignored({0, epoch, {}}));
  CHECK(ignored({0, epoch, {1, 1}}));
  CHECK(ignored({0, epoch, {2, 9}}));
  CHECK(ignored({0, epoch, {1, 2, 3, 4}}));
  CHECK(ignored({99, epoch, {2, 3}}));
  CHECK(!ignored({0, epoch, {3, 4}}));
}

TEST_CASE("a fill counts only when it saw what the node lacks, from somebody who had everything") {
  Moves test;
  test.move({2, 3});
  const LogIndex moved = test.index;
  test.fill(3, {2}, moved - 1);
  CHECK(test.lacking(0) == Nodes{3});
  test.fill(3, {4, 5});  // no holders at all
  CHECK(test.lacking(0) == Nodes{3});
  test.fill(1, {2});  // lacks nothing
  CHECK(test.changes == 0);
  test.fill(3, {2}, moved);
  CHECK(test.lacking(0).empty());

  // A loss that came after the fill had looked is not mended by it.
  REQUIRE(test.tell(SetLacking{3, {0}, "test"}).ok());
  test.fill(3, {2}, test.index - 1);
  CHECK(test.lacking(0) == Nodes{3});
}

TEST_CASE("when nobody is complete, a fill from all others counts, and one from some does not") {
  Moves test(3, 1);
  for (const NodeId node : {1, 2, 3}) REQUIRE(test.tell(SetLacking{node, {0}, "test"}).ok());
  CHECK(test.lacking(0) == Nodes{1, 2, 3});
  test.fill(1, {2});
  CHECK(test.lacking(0) == Nodes{1, 2, 3});
  test.fill(1, {3, 2});
  CHECK(test.lacking(0) == Nodes{2, 3});
  // Now one is complete, and suffices; the other does not.
  test.fill(2, {3});
  CHECK(test.lacking(0) == Nodes{2, 3});
  test.fill(2, {1});
  CHECK(test.lacking(0) == Nodes{3});
}

TEST_CASE("a member that did not acknowledge a commit lacks it from then on") {
  Moves test(3, 1);
  const Epoch epoch = test.machine.cluster().map().epoch;
  REQUIRE(test.put_block("/a", 0, {1, 2, 3}).ok());
  CHECK(test.group(0).lacking.empty());
  CHECK(test.machine.cluster().map().epoch == epoch);
  REQUIRE(test.put_block("/b", 0, {1, 2}).ok());
  CHECK(test.lacking(0) == Nodes{3});
  CHECK(test.group(0).lacking[0].since == test.index);
  CHECK(test.machine.cluster().map().epoch == epoch + 1);
  // Again: what a fill saw before this does not count.
  const LogIndex between = test.index;
  REQUIRE(test.put_block("/c", 0, {1, 2}).ok());
  CHECK(test.group(0).lacking[0].since == test.index);
  CHECK(test.machine.cluster().map().epoch == epoch + 1);
  test.fill(3, {1, 2}, between);
  CHECK(test.lacking(0) == Nodes{3});
  MonitorMachine restarted(*test.table);
  REQUIRE(restarted.loaded(*test.table).ok());
  CHECK(same(restarted.cluster().map(), test.machine.cluster().map()));
  test.fill(3, {1, 2});
  CHECK(test.lacking(0).empty());
}

TEST_CASE("a write from before a move is good during it and makes the new member lack it") {
  Moves test;
  const Epoch old = test.group(0).epoch;
  test.move({2, 3});
  test.fill(3, {1}, test.index - 1);  // too early, and so not the end
  REQUIRE(test.put_block("/a", 0, {1, 2}, old).ok());
  CHECK(test.group(0).lacking[0].since == test.index);
  // Even when both that acknowledged it are leaving.
  test.move({4, 3});
  CHECK(test.group(0).leaving == Nodes{1, 2});
  REQUIRE(test.put_block("/b", 0, {1, 2}, old).ok());
  CHECK(test.lacking(0) == Nodes{3, 4});
  // A write of the new members makes those who leave lack it; nobody has everything then.
  REQUIRE(test.put_block("/c", 0, {3, 4}).ok());
  CHECK(test.lacking(0) == Nodes{1, 2, 3, 4});
  test.fill(3, {1, 4});
  CHECK(test.lacking(0) == Nodes{1, 2, 3, 4});
  test.fill(3, {1, 2, 4});
  test.fill(4, {3});
  CHECK(test.group(0).leaving.empty());
  CHECK(test.group(0).members == Nodes{4, 3});
  // After the move only what was written to its members may be committed.
  const Epoch fenced = test.row().fenced;
  CHECK(test.put_block("/d", 0, {4, 3}, fenced - 1).code() == Code::stale_map);
  CHECK(test.put_block("/d", 0, {4, 3}, fenced).ok());
}

TEST_CASE("a move is not over while fewer copies than before would be left") {
  Moves test(3, 1);
  test.move({1, 2});
  CHECK(test.group(0).leaving == Nodes{3});
  CHECK(test.group(0).lacking.empty());
  test.move({1, 2, 4});
  CHECK(test.group(0).leaving == Nodes{3});
  test.fill(4, {1});
  CHECK(test.group(0).leaving.empty());
}

TEST_CASE("a move back to nodes that lack nothing is over at once") {
  Moves test;
  test.move({2, 3});
  test.move({2, 1});
  CHECK(test.group(0).leaving.empty());
  CHECK(test.group(0).lacking.empty());
  CHECK(test.group(0).epoch == test.machine.cluster().map().epoch);
}

TEST_CASE("a writer that wants more copies than there are is told to write again") {
  Moves test;
  CHECK(test.put_block("/a", 0, {1}, 0, 2).code() == Code::stale_map);
  CHECK(test.put_block("/a", 0, {1, 2}, 0, 2).ok());
  CHECK(test.put_block("/b", 0, {1}).ok());
}

TEST_CASE("losses make a node lack in all its groups, or those named, and in no other") {
  Moves test;
  test.move({3, 4}, 5);
  REQUIRE(test.tell(SetLacking{1, {}, "a directory failed"}).ok());
  for (GroupId id = 0; id < 8; ++id) {
    CHECK((test.group(id).lacks(1) == true));
  }
  REQUIRE(test.tell(SetLacking{5, {}, "test"}).ok());
  CHECK(test.changes == 0);
  REQUIRE(test.tell(SetLacking{2, {3, 99}, "test"}).ok());
  CHECK(test.lacking(3) == Nodes{1, 2});
  CHECK(test.lacking(4) == Nodes{1});
}

TEST_CASE("the same commands make the same rows on every head") {
  const auto play = [] {
    Moves test(3, 2);
    test.move({2, 3, 4});
    REQUIRE(test.put_block("/b", 0, {2, 3}).ok());
    REQUIRE(test.tell(SetLacking{2, {}, "x"}).ok());
    REQUIRE(test.tell(SetNodeState{1, NodeState::down, "x"}).ok());
    REQUIRE(test.tell<ChangeNodeReply>(SetStanding{1, NodeStanding::out, false, ""}).ok());
    test.fill(4, {3});
    test.fill(2, {3});
    std::string all;
    REQUIRE(test.table
                ->scan("", std::string(8, '\xff'),
                       [&](auto key, auto value) {
                         all.append(key).append("=").append(value).append(";");
                         return true;
                       })
                .ok());
    return all;
  };
  CHECK(play() == play());
}

TEST_SUITE_END();
