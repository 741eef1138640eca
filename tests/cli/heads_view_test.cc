#include "cli/heads_view.h"

#include <doctest/doctest.h>

#include "cli/endpoints.h"

using namespace dfs;
using namespace dfs::cli;

namespace {

HeadStatus head(MemberId id, HeadRole role, Standing standing = Standing::voter) {
  HeadStatus status;
  status.head = id;
  status.endpoint = "tcp://h" + std::to_string(id) + ":7003";
  status.broker = "tcp://h" + std::to_string(id) + ":7000";
  status.role = role;
  status.standing = standing;
  status.term = 5;
  status.commit = 120;
  status.applied = 119;
  status.silent_ms = 40;
  return status;
}

// Three heads, as the second of them, which leads, sees them.
HeadList three() {
  HeadList list;
  list.leader = list.from = 2;
  list.term = 5;
  list.heads = {head(1, HeadRole::follower), head(2, HeadRole::leader),
                head(3, HeadRole::follower)};
  return list;
}

HeadsView leaderless(std::vector<MemberId> answering) {
  HeadsView view;
  view.list = three();
  view.list.leader = 0;
  view.asked = true;
  for (const MemberId id : answering) {
    view.answers.push_back(view.list);
    view.answers.back().from = id;
  }
  return view;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("the table of the heads tells role, term, places in the log and contact") {
    HeadsView view{three(), {}, false};
    view.list.heads[2].lag = 7;
    view.list.heads[2].silent_ms = UINT32_MAX;
    CHECK(heads_table(view) ==
          "HEAD  ROLE      TERM  COMMIT  APPLIED  LAG      HEARD  BROKER         ENDPOINT\n"
          "   1  follower     5     120      119    0  40 ms ago  tcp://h1:7000  tcp://h1:7003\n"
          "   2  leader       5     120      119    0    answers  tcp://h2:7000  tcp://h2:7003\n"
          "   3  follower     5     120      119    7      never  tcp://h3:7000  tcp://h3:7003\n");
    CHECK(leader_text(view.list) == "head 2 leads in term 5");
    view.list.heads[0].term = 0;  // not heard since this leader began
    CHECK(heads_table(view).find("not for 40 ms") != std::string::npos);
  }

  TEST_CASE("a role says what is about to change") {
    CHECK(role_text(head(1, HeadRole::follower)) == "follower");
    CHECK(role_text(head(1, HeadRole::follower, Standing::leaving)) == "follower, is leaving");
    HeadStatus learner = head(1, HeadRole::learner, Standing::learner);
    learner.installing = true;
    CHECK(role_text(learner) == "learner, fetches a snapshot");
    CHECK(role_text(head(1, HeadRole::unknown, Standing::learner)) == "learner");
    CHECK(role_text(head(1, HeadRole::unknown)) == "unknown");
  }

  TEST_CASE("without a leader each head speaks for itself, and silence is shown as such") {
    HeadsView view = leaderless({3});
    view.list.heads[0].term = 0;  // never heard of
    view.answers[0].heads[2].role = HeadRole::candidate;
    view.answers[0].heads[2].applied = 130;
    CHECK(heads_table(view) ==
          "HEAD  ROLE       TERM  COMMIT  APPLIED  LAG      HEARD  BROKER         ENDPOINT\n"
          "   1  unknown       -       -        -    -  no answer  tcp://h1:7000  tcp://h1:7003\n"
          "   2  unknown       5     120      119    -  no answer  tcp://h2:7000  tcp://h2:7003\n"
          "   3  candidate     5     120      130    -    answers  tcp://h3:7000  "
          "tcp://h3:7003\n");
    CHECK(leader_text(view.list) == "none leads");
  }

  TEST_CASE("why nobody leads is told by who answers") {
    CHECK(no_leader_text(leaderless({3})) ==
          "no head leads: only head 3 of 3 answers, and 2 must agree");
    CHECK(no_leader_text(leaderless({})) == "no head leads: none of 3 heads answers");
    CHECK(no_leader_text(leaderless({1, 3})) ==
          "no head leads just now, an election is under way: 2 of 3 heads answer");
    HeadsView five = leaderless({1, 4});
    five.list.heads.push_back(head(4, HeadRole::follower));
    five.list.heads.push_back(head(5, HeadRole::follower));
    // One that only learns does not count.
    five.list.heads.push_back(head(6, HeadRole::learner, Standing::learner));
    CHECK(no_leader_text(five) ==
          "no head leads: only heads 1 and 4 of 5 answer, and 3 must agree");
  }

  TEST_CASE("an answer that may be stale says by how much") {
    CHECK(freshness_text({true, 1200, 7}) ==
          "the answer may be stale: changes of the last 1.2 s may be missing (the state after log "
          "entry 7)");
    CHECK(freshness_text({false, 0, 7}) ==
          "the answer is up to date (the state after log entry 7)");
    CHECK(freshness_text({true, UINT32_MAX, 7}).find("no leader") != std::string::npos);
    JsonLine known;
    CHECK(add_freshness(known, {true, 1200, 7}).str() ==
          R"({"stale":true,"stale_ms":1200,"applied":7})");
    JsonLine unknown;
    CHECK(add_freshness(unknown, {true, UINT32_MAX, 7}).str() ==
          R"({"stale":true,"stale_ms":null,"applied":7})");
  }

  TEST_CASE("the port for the other heads is found from the broker's") {
    CHECK(raft_endpoint_of("tcp://10.0.0.1:7000") == "tcp://10.0.0.1:7003");
    CHECK(raft_endpoint_of("tcp://[::1]:7000") == "tcp://[::1]:7003");
    CHECK(raft_endpoint_of("tcp://10.0.0.1:65532") == "tcp://10.0.0.1:65535");
    CHECK(raft_endpoint_of("tcp://10.0.0.1:65533").empty());
    CHECK(raft_endpoint_of("10.0.0.1:7000").empty());
    CHECK(raft_endpoint_of("tcp://:7000").empty());
    CHECK(raft_endpoint_of("tcp://10.0.0.1:70x").empty());
    CHECK(raft_endpoint_of("tcp://10.0.0.1:0").empty());
    CHECK(lock_endpoint_of("tcp://10.0.0.1:7003") == "tcp://10.0.0.1:7004");
    CHECK(lock_endpoint_of("tcp://10.0.0.1:65535").empty());
    CHECK(lock_endpoint_of("").empty());
  }
}
