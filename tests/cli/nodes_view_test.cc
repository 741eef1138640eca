#include "cli/nodes_view.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

NodeStatus status_of(NodeState state, NodeStanding standing) {
  NodeStatus status;
  status.view.node = 3;
  status.view.host = "h";
  status.view.state = state;
  status.view.standing = standing;
  status.heartbeat.boot = 1;
  return status;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a node's state says whether it is heard, full, drained, given up, or missing disks") {
    CHECK(state_text(status_of(NodeState::up, NodeStanding::in)) == "up");
    CHECK(state_text(status_of(NodeState::up, NodeStanding::draining)) == "up, draining");
    CHECK(state_text(status_of(NodeState::down, NodeStanding::out)) == "down, out");
    NodeStatus full = status_of(NodeState::up, NodeStanding::in);
    full.heartbeat.accepts_writes = false;
    CHECK(state_text(full) == "full");
    full.heartbeat.directories = 3;
    full.heartbeat.directories_failed = 1;
    CHECK(state_text(full) == "full, 1 of 3 disks failed");
  }

  TEST_CASE("a table of tasks leaves open what is not known") {
    TaskView task;
    task.id = "drain/3";
    task.state = TaskState::paused;
    task.bytes_done = 1 << 20;
    task.text = "waits";
    const std::string table = task_table({task});
    CHECK(table.find("drain/3  paused") != std::string::npos);
    CHECK(table.find("1.00 MiB   -     -      -     -  waits") != std::string::npos);
    task.bytes_total = 2 << 20;
    task.eta_ms = 5000;
    CHECK(task_table({task}).find("2.00 MiB") != std::string::npos);
    CHECK(task_table({task}).find("5.0 s") != std::string::npos);
  }

  TEST_CASE("what confirms a loss is another for other groups and for another node") {
    const std::string word = loss_confirmation(5, {3, 17});
    CHECK(word.starts_with("5-2-"));
    CHECK(loss_confirmation(5, {3, 17}) == word);
    CHECK(loss_confirmation(5, {3, 18}) != word);
    CHECK(loss_confirmation(5, {31, 7}) != word);
    CHECK(loss_confirmation(6, {3, 17}) != word);
    CHECK(loss_confirmation(5, {}).starts_with("5-0-"));
  }

  TEST_CASE("a plan names the node that a copy comes from, if it comes from one") {
    const std::string table = plan_table({{5, 0, 2, 1 << 20}, {6, 1, 2, 0}});
    CHECK(table.find("    5     -   2") != std::string::npos);
    CHECK(table.find("    6     1   2") != std::string::npos);
  }
}
