// Lock table and namespace together: clients that are late by any time, cut off, or wrong about
// the time, and so go on with locks that ended long ago.
#include <map>
#include <random>

#include "tests/actors/lock/lock_bench.h"
#include "tests/actors/monitor/machine.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

const std::vector<std::string> kFiles{"/d/f", "/d/g", "/h"};

// What a client believes to hold.
struct Belief {
  std::string client;
  std::string path;
  bool subtree = false;
  LockId lock = 0;
  Fence fence = 0;
};

class Fencing {
 public:
  explicit Fencing(uint64_t seed) : random_(seed) { make_directory(); }

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        return acquire();
      case 3:
        // Its lease runs out, and it does not know.
        locks_.apply(EndOwners{{client()}});
        return;
      case 4:
        return release();
      default:
        return use();
    }
  }
  uint32_t refused() const { return refused_; }
  uint32_t done() const { return done_; }

 private:
  uint64_t below(uint64_t end) { return random_() % end; }
  std::string client() { return std::string(1, static_cast<char>('a' + below(4))); }
  void make_directory() { (void)names_.ask(MakeDir{"/d"}); }

  void acquire() {
    Belief belief;
    belief.client = client();
    belief.subtree = below(4) == 0;
    belief.path = belief.subtree ? "/d" : kFiles[below(kFiles.size())];
    TakeLock take = LockBench::request(belief.client, belief.path, LockMode::exclusive, 0);
    take.target.subtree = belief.subtree;
    const auto held = locks_.take(take);
    if (!held) return;
    belief.lock = held->lock;
    belief.fence = held->fence;
    // Whoever takes what it has once more goes on under the later fence.
    std::erase_if(beliefs_, [&](const Belief& old) {
      const bool below = belief.subtree && old.path.starts_with(belief.path + "/");
      const bool above = old.subtree && belief.path.starts_with(old.path + "/");
      return old.client == belief.client && (below || above || old.path == belief.path);
    });
    beliefs_.push_back(belief);
  }

  void release() {
    if (beliefs_.empty()) return;
    const Belief belief = beliefs_[below(beliefs_.size())];
    (void)locks_.release(belief.lock, belief.client);
  }

  // Whether the lock is held indeed, and under that fence.
  bool is_valid(const Belief& belief) const {
    return locks_.granted(belief.lock) && locks_.locks.find(belief.lock)->fence == belief.fence;
  }

  void use() {
    if (beliefs_.empty()) return;
    const Belief belief = beliefs_[below(beliefs_.size())];
    const bool removes = belief.subtree || below(4) == 0;
    const Code code = removes ? remove(belief) : put(belief);
    if (code == Code::not_found) return;
    CAPTURE(belief.path);
    CAPTURE(belief.fence);
    CAPTURE(seen_[belief.path]);
    if (code == Code::ok) {
      // Nobody who had the lock later has changed anything there before.
      REQUIRE(belief.fence >= seen_[belief.path]);
      if (belief.subtree) {
        for (const auto& [path, fence] : seen_) {
          if (path.starts_with(belief.path + "/")) REQUIRE(belief.fence >= fence);
        }
      }
      see(belief);
      ++done_;
    } else {
      REQUIRE(name_of(code) == name_of(Code::fenced));
      REQUIRE_FALSE(is_valid(belief));
      ++refused_;
    }
    make_directory();
  }
  void see(const Belief& belief) {
    for (const std::string& file : kFiles) {
      const bool its = file == belief.path || (belief.subtree && file.starts_with("/d/"));
      if (its) seen_[file] = std::max(seen_[file], belief.fence);
    }
    seen_[belief.path] = std::max(seen_[belief.path], belief.fence);
  }
  Code put(const Belief& belief) {
    CommitFile commit;
    commit.path = belief.path;
    commit.fence = belief.fence;
    return names_.ask(commit).code();
  }
  Code remove(const Belief& belief) {
    return names_.ask(Remove{belief.path, belief.subtree, belief.fence}).code();
  }

  std::mt19937_64 random_;
  LockBench locks_;
  TestMachine names_;
  std::vector<Belief> beliefs_;
  std::map<std::string, Fence> seen_;
  uint32_t refused_ = 0;
  uint32_t done_ = 0;
};

}  // namespace

TEST_SUITE_BEGIN("locks");

TEST_CASE("who holds a lock is never refused, who lost it never spoils what a later one did") {
  uint32_t refused = 0;
  uint32_t done = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Fencing fencing(seed);
    for (int i = 0; i < 60; ++i) fencing.step();
    refused += fencing.refused();
    done += fencing.done();
  }
  CHECK(refused > 100);
  CHECK(done > 1000);
}

TEST_SUITE_END();
