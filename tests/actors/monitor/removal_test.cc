// What keeps a node from being removed besides the groups that count on it.
#include "messages/tasks.h"
#include "tests/actors/monitor/storages.h"

using namespace dfs;
using namespace std::chrono_literals;

namespace {

enum class Damage { blocks, directory };

// Node 1 is drained, and holds blocks that the others may not have: node 2 has damage.
struct Drained : TestStorages {
  explicit Drained(Damage damage) {
    join_all(4);
    use_all("/f");
    REQUIRE(ask(ChangeNode{1, NodeAction::drain}).ok());
    REQUIRE(run_until([&] { return groups_of(1) == 0; }));
    nodes[1].blocks = 5;
    (damage == Damage::blocks) ? void(nodes[2].blocks_bad = 1)
                               : void(nodes[2].directories_failed = 1);
    run(1s);
    const auto refused = ask(ChangeNode{1, NodeAction::remove});
    REQUIRE(refused.code() == Code::conflict);
    CHECK(refused.error().cause.at("damaged") == "2");
    CHECK(refused.error().text.find("--accept-loss") != std::string::npos);
  }
  Code remove() { return ask(ChangeNode{1, NodeAction::remove}).code(); }
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("while others have damage, a node that is silent may be the last to have good copies") {
  for (const Damage damage : {Damage::blocks, Damage::directory}) {
    Drained test(damage);
    test.nodes[1].beats = false;
    test.run(5s);
    CHECK(test.remove() == Code::conflict);
    // An administrator who says so takes it out all the same.
    CHECK(test.ask(ChangeNode{1, NodeAction::remove, false, true}).ok());
  }
}

TEST_CASE("while others have damage, a node that has handed over all is removed") {
  for (const Damage damage : {Damage::blocks, Damage::directory}) {
    Drained test(damage);
    test.nodes[1].blocks = 0;
    test.run(1s);
    CHECK(test.remove() == Code::ok);
  }
}

TEST_CASE("a node that is not empty is removed when nobody has damage") {
  for (const Damage damage : {Damage::blocks, Damage::directory}) {
    Drained test(damage);
    test.nodes[2].blocks_bad = 0;
    test.nodes[2].directories_failed = 0;
    test.run(1s);
    CHECK(test.remove() == Code::ok);
  }
}

TEST_SUITE_END();
