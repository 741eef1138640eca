// Can all that clients saw be explained by one order of their operations, in which each takes
// effect at one instant between its call and its answer (Herlihy and Wing 1990)? The search is that
// of Wing and Gong (1993) with Lowe's improvements (2017): operations are taken out of a list of
// calls and answers and put back, and a configuration (operations done, state) is tried once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dfs::sim {

// Of one object, in whatever form its operations like.
using State = std::string;
// The state after an operation, or nothing when it would not have answered in this state as it did.
using Effect = std::function<std::optional<State>(const State& before)>;

struct Operation {
  static constexpr uint64_t kNever = UINT64_MAX;
  std::string what;    // for people: "write 7"
  uint64_t begin = 0;  // all moments of a history differ
  uint64_t end =
      kNever;          // never: whether it took effect is unknown; it may do so at any later time
  Effect effect;       // of unknown outcome: accepts every state
  bool blind = false;  // of unknown outcome: leaves the same state whatever was there before
};

struct Verdict {
  enum class Kind { linearizable, impossible, undecided };
  Kind kind = Kind::linearizable;
  uint64_t steps = 0;  // of the search
  std::string why;     // impossible: the furthest that any order came, and what does not follow
};

// `undecided` after `steps_max`.
Verdict check_linearizable(const std::vector<Operation>& operations, const State& initial,
                           uint64_t steps_max);

// Records what clients do to many objects, which are independent of each other (a history is
// linearizable when that of each object is).
class History {
 public:
  using Id = size_t;
  // Until it ends, the outcome is unknown. `effect` is what it does if it takes effect; none for
  // one that changes nothing.
  Id begin(const std::string& object, std::string what, Effect effect, bool blind = false);
  void end(Id id, const std::string& answer, Effect effect);
  void forget(Id id);  // it has certainly changed nothing, and nobody learned anything

  // The operations of one object that began and are not forgotten, in order of their calls.
  std::vector<Operation> of(const std::string& object) const;
  std::vector<std::string> objects() const;
  size_t size() const { return records_.size(); }

  struct Summary {
    std::vector<std::string> faults;
    uint64_t operations = 0;
    uint64_t steps = 0;
    uint64_t undecided = 0;  // objects
  };
  // Every object begins as `initial`.
  Summary check(const State& initial, uint64_t steps_max) const;

 private:
  struct Record {
    std::string object;
    Operation operation;
    bool forgotten = false;
  };
  std::vector<Record> records_;
  uint64_t last_moment_ = 0;
};

}  // namespace dfs::sim
