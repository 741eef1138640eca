// Groups in which everything goes wrong that may, at random: the checker watches each step. At the
// end nothing goes wrong any more, and then the group must soon be of one mind.
//
//   DFS_RAFT_SEEDS=20000 test_raft -tc='a group*'    more seeds
//   DFS_RAFT_SEED=17 test_raft -tc='a group*'        one seed, told step by step
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "tests/actors/raft/describe.h"
#include "tests/actors/raft/group.h"
#include "tests/sim/random.h"

namespace dfs::raft {
namespace {

constexpr int kSteps = 400;
constexpr uint64_t kSeeds = 1500;
constexpr MemberId kMembersMax = 7;
constexpr size_t kWireMax = 300;

// How bad the world of a seed is.
struct World {
  explicit World(sim::Random& random) {
    static constexpr size_t kVoters[] = {1, 2, 3, 3, 3, 3, 4, 5};
    voters = kVoters[random.below(std::size(kVoters))];
    drop = random.chance(0.5) ? 0.0 : random.unit() * 0.3;
    repeat = random.chance(0.5) ? 0.0 : random.unit() * 0.2;
    reach = random.chance(0.5) ? 1 : random.between(uint64_t{2}, 40);
    slow_disks = random.chance(0.3);
    for (int* harm : {&crashes, &cuts, &changes, &transfers, &compactions}) {
      *harm = random.chance(0.4) ? 0 : static_cast<int>(random.between(uint64_t{1}, 8));
    }
  }

  size_t voters;
  double drop;    // of a message
  double repeat;  // likewise
  size_t reach;   // a message overtakes so many others at most
  bool slow_disks;
  int crashes, cuts, changes, transfers, compactions;  // how often, against the others
};

Settings random_settings(sim::Random& random) {
  Settings settings;
  if (random.chance(0.6)) settings.append_bytes_max = random.below(800);
  if (random.chance(0.6)) settings.flights_max = random.between(uint64_t{1}, 4);
  if (random.chance(0.3)) settings.flying_bytes_max = random.between(uint64_t{1}, 300);
  if (random.chance(0.6)) settings.cache_bytes_max = random.below(2000);
  if (random.chance(0.2)) settings.unstable_bytes_max = random.below(2000);
  return settings;
}

class Trial {
 public:
  explicit Trial(uint64_t seed)
      : random_(seed), world_(random_), group_(random_.next(), random_settings(random_)) {
    if (std::getenv("DFS_RAFT_SEED") != nullptr) {
      narrate(group_, [](const std::string& line) { std::cerr << "  " << line << '\n'; });
    }
    group_.found(world_.voters);
    // The clocks of any two members differ in rate by at most half of clock_drift_max.
    for (auto& [id, node] : group_.nodes()) draw_clock(node);
  }

  void safety() {
    for (int i = 0; i < kSteps; ++i) step();
  }

  void liveness() {
    say("all is well from here on");
    group_.heal();
    for (auto& [id, node] : group_.nodes()) {
      if (!node.up()) group_.start(id);
    }
    for (int tries = 0; tries < 20; ++tries) {
      const bool leads = group_.run_until([&] { return group_.leader() != 0; }, 20s);
      if (!leads) throw Violation("nobody leads, though nothing keeps them from it");
      if (!group_.propose(group_.leader(), "the end")) {
        group_.run(100ms);
        continue;
      }
      if (group_.run_until([&] { return agreed(); }, 20s)) return;
    }
    throw Violation("the members do not come to the same state");
  }

 private:
  void draw_clock(Node& node) {
    node.clock_rate = 1.0 + random_.unit() * group_.settings.clock_drift_max / 2;
  }
  void say(const std::string& what) {
    if (group_.observer.sent) std::cerr << what << '\n';
  }

  MemberId any() {
    auto at = group_.nodes().begin();
    std::advance(at, random_.below(group_.nodes().size()));
    return at->first;
  }
  MemberId any_up() {
    const MemberId id = any();
    return group_[id].up() ? id : 0;
  }
  MemberId any_leader() {
    std::vector<MemberId> leaders;
    for (const auto& [id, node] : group_.nodes()) {
      if (node.leads()) leaders.push_back(id);
    }
    return leaders.empty() ? 0 : random_.pick(leaders);
  }

  void step() {
    const uint64_t chance = random_.below(1000);
    const auto weigh = [](int weight) { return static_cast<uint64_t>(weight); };
    uint64_t bound = 0;
    const auto happens = [&](uint64_t weight) { return chance < (bound += weight); };
    if (happens(70)) return pass_time();
    if (happens(70)) return propose();
    if (happens(20)) return read();
    if (happens(weigh(world_.crashes))) return crash();
    if (happens(20)) return start();
    if (happens(weigh(world_.cuts))) return cut();
    if (happens(5)) return group_.heal();
    if (happens(weigh(3 * world_.changes))) return change();
    if (happens(weigh(world_.transfers))) return transfer();
    if (happens(weigh(3 * world_.compactions))) return compact();
    if (happens(world_.slow_disks ? 60 : 250)) return finish_disk_work();
    deliver();
  }

  void deliver() {
    if (group_.wire.empty()) return pass_time();
    while (group_.wire.size() > kWireMax) group_.wire.pop_front();
    const size_t at = random_.below(std::min(world_.reach, group_.wire.size()));
    if (random_.chance(world_.repeat)) group_.wire.push_back(group_.wire[at]);
    if (random_.chance(world_.drop)) {
      group_.wire.erase(group_.wire.begin() + static_cast<ptrdiff_t>(at));
    } else {
      say(describe(group_.wire[at]) + ": arrives");
      group_.deliver(at);
    }
  }

  void pass_time() {
    group_.pass(random_.between(Duration(0), Duration(120ms)));
    for (auto& [id, node] : group_.nodes()) {
      if (node.up() && node.core->wake_at() <= node.now && random_.chance(0.8)) group_.tick(id);
    }
  }

  void finish_disk_work() {
    const MemberId id = any_up();
    if (id == 0) return;
    say("the disk of " + std::to_string(id) + " is done");
    group_.save(id);
    if (random_.chance(0.7)) group_.fetch(id);
    if (random_.chance(0.5)) group_.install(id);
  }

  void propose() {
    const MemberId id = any_leader();
    if (id == 0) return;
    for (uint64_t left = random_.between(uint64_t{1}, 3); left > 0; --left) {
      const std::string body = "change " + std::to_string(++proposals_);
      static_cast<void>(group_.propose(id, body + std::string(random_.below(200), '.')));
    }
  }

  void read() {
    const MemberId id = any_leader();
    if (id != 0) static_cast<void>(group_.read(id));
  }

  void crash() {
    const MemberId id = any_up();
    if (id == 0) return;
    say(std::to_string(id) + " crashes");
    if (random_.chance(0.5)) group_.flush_table(id);
    group_.crash(id, random_.below(4));
  }

  void start() {
    const MemberId id = any();
    if (group_[id].up()) return;
    say(std::to_string(id) + " starts");
    group_.start(id);
    draw_clock(group_[id]);
  }

  void cut() {
    say("a cut");
    if (random_.chance(0.5)) return group_.isolate(any());
    group_.cut(any(), any());
  }

  void change() {
    const MemberId leader = any_leader();
    if (leader == 0) return;
    std::vector<Member> wanted = group_.core(leader).members().members;
    for (uint64_t left = random_.between(uint64_t{1}, 3); left > 0; --left) alter(wanted);
    ChangeMembers members;
    members.members = wanted;
    say(std::to_string(leader) + " shall have " + describe(members));
    static_cast<void>(group_.change(leader, wanted));
  }

  void alter(std::vector<Member>& wanted) {
    const MemberId id = random_.between(uint64_t{1}, kMembersMax);
    const auto at = std::find_if(wanted.begin(), wanted.end(),
                                 [&](const Member& member) { return member.id == id; });
    if (at == wanted.end()) {
      const bool learns = random_.chance(0.5);
      wanted.push_back(make_member(id, learns ? Standing::learner : Standing::voter));
      if (!group_.nodes().contains(id)) draw_clock(group_.add(id));
    } else if (at->standing == Standing::learner && random_.chance(0.7)) {
      at->standing = Standing::voter;
    } else if (wanted.size() > 1) {
      wanted.erase(at);
    }
  }

  void transfer() {
    const MemberId leader = any_leader();
    if (leader == 0) return;
    const MemberId to = random_.chance(0.5) ? 0 : any();
    say(std::to_string(leader) + " shall hand over to " + std::to_string(to));
    static_cast<void>(group_.transfer(leader, to));
  }

  void compact() {
    const MemberId id = any_up();
    if (id == 0) return;
    say(std::to_string(id) + " compacts");
    group_.flush_table(id);
    const Table& table = group_[id].table;
    group_.compact(id, random_.between(group_[id].disk.base, table.applied) + 1);
  }

  // All members have applied the same, and no change of the members is under way.
  bool agreed() {
    const MemberId leader = group_.leader();
    if (leader == 0) return false;
    const Node& node = group_[leader];
    if (node.table.applied != node.core->log().last()) return false;
    if (node.core->quorum().joint()) return false;
    const auto& members = node.core->members().members;
    return std::all_of(members.begin(), members.end(), [&](const Member& member) {
      const Table& table = group_[member.id].table;
      return table.applied == node.table.applied && table.hash == node.table.hash;
    });
  }

  sim::Random random_;
  World world_;
  Group group_;
  uint64_t proposals_ = 0;
};

void run_seed(uint64_t seed) {
  INFO("to see it step by step: DFS_RAFT_SEED=" << seed);
  try {
    Trial trial(seed);
    trial.safety();
    trial.liveness();
  } catch (const Violation& violation) {
    FAIL(std::string(violation.what()));
  }
}

}  // namespace

TEST_SUITE("raft") {
  TEST_CASE("a group keeps every promise under any faults, and recovers when they end") {
    if (const char* seed = std::getenv("DFS_RAFT_SEED")) return run_seed(std::stoull(seed));
    const char* more = std::getenv("DFS_RAFT_SEEDS");
    const uint64_t seeds = more == nullptr ? kSeeds : std::stoull(more);
    for (uint64_t seed = 1; seed <= seeds; ++seed) run_seed(seed);
  }
}

}  // namespace dfs::raft
