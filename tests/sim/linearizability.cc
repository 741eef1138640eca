#include "tests/sim/linearizability.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

namespace dfs::sim {

namespace {

// The calls and answers that are still to be explained, in order of their moments. An operation is
// lifted out when it is given its place, and put back in reverse order.
class Search {
 public:
  Search(const std::vector<Operation>& operations, State initial)
      : operations_(operations), state_(std::move(initial)), done_(operations.size(), '0') {
    std::vector<std::pair<uint64_t, size_t>> moments;  // of nodes
    for (size_t i = 0; i < operations.size(); ++i) {
      moments.emplace_back(operations[i].begin, 2 * i);
      if (operations[i].end == Operation::kNever) continue;
      moments.emplace_back(operations[i].end, 2 * i + 1);
      ++known_left_;
    }
    std::sort(moments.begin(), moments.end());
    head_ = 2 * operations.size();
    nodes_.resize(head_ + 1, Node{head_, head_});
    size_t last = head_;
    for (const auto& [moment, node] : moments) {
      link(last, node);
      last = node;
    }
    link(last, head_);
  }

  Verdict run(uint64_t steps_max) {
    Verdict verdict;
    size_t at = nodes_[head_].next;
    while (known_left_ > 0) {
      if (++verdict.steps > steps_max) {
        verdict.kind = Verdict::Kind::undecided;
        return verdict;
      }
      if (is_call(at)) {
        at = place(at / 2) ? nodes_[head_].next : nodes_[at].next;
        continue;
      }
      // This answer was given, so its operation must have its place by now.
      note_failure(at / 2);
      if (order_.empty()) {
        verdict.kind = Verdict::Kind::impossible;
        verdict.why = std::move(failure_);
        return verdict;
      }
      at = nodes_[take_back()].next;
    }
    return verdict;
  }

 private:
  struct Node {
    size_t previous;
    size_t next;
  };
  struct Placed {
    size_t operation;
    State before;
  };

  bool is_call(size_t node) const { return node % 2 == 0; }
  bool known(size_t operation) const { return operations_[operation].end != Operation::kNever; }
  void link(size_t from, size_t to) {
    nodes_[from].next = to;
    nodes_[to].previous = from;
  }
  void lift(size_t node) { link(nodes_[node].previous, nodes_[node].next); }
  void put_back(size_t node) {
    nodes_[nodes_[node].previous].next = node;
    nodes_[nodes_[node].next].previous = node;
  }

  // True when the operation may come next, and that was not tried before.
  bool place(size_t operation) {
    std::optional<State> after = operations_[operation].effect(state_);
    if (!after) return false;
    // Of the orders that explain a history, those with the fewest operations of unknown outcome do
    // not have one that changes nothing, nor one whose change nobody could see.
    if (!known(operation)) {
      const bool unseen = !order_.empty() && !known(order_.back().operation);
      if (*after == state_ || (unseen && operations_[operation].blind)) return false;
    }
    done_[operation] = '1';
    if (!tried_.insert(done_ + *after).second) {
      done_[operation] = '0';
      return false;
    }
    order_.push_back({operation, std::exchange(state_, std::move(*after))});
    lift(2 * operation);
    if (known(operation)) {
      lift(2 * operation + 1);
      --known_left_;
    }
    return true;
  }

  size_t take_back() {
    Placed placed = std::move(order_.back());
    order_.pop_back();
    state_ = std::move(placed.before);
    done_[placed.operation] = '0';
    if (known(placed.operation)) {
      put_back(2 * placed.operation + 1);
      ++known_left_;
    }
    put_back(2 * placed.operation);
    return 2 * placed.operation;
  }

  // Keeps the failure that came furthest; it is the one that tells most.
  void note_failure(size_t operation) {
    if (!failure_.empty() && order_.size() <= furthest_) return;
    furthest_ = order_.size();
    failure_ = "[" + operations_[operation].what + "] does not follow";
    const size_t shown = std::min<size_t>(order_.size(), 12);
    if (shown < order_.size()) failure_ += " …";
    for (size_t i = order_.size() - shown; i < order_.size(); ++i) {
      failure_ += " [" + operations_[order_[i].operation].what + "]";
    }
    if (order_.empty()) failure_ += " from the beginning";
  }

  const std::vector<Operation>& operations_;
  State state_;
  std::string done_;         // one character per operation
  std::vector<Node> nodes_;  // 2 i: the call of operation i, 2 i + 1: its answer
  size_t head_ = 0;
  size_t known_left_ = 0;  // operations with an answer that have no place yet
  std::vector<Placed> order_;
  std::unordered_set<std::string> tried_;
  size_t furthest_ = 0;
  std::string failure_;
};

}  // namespace

Verdict check_linearizable(const std::vector<Operation>& operations, const State& initial,
                           uint64_t steps_max) {
  return Search(operations, initial).run(steps_max);
}

History::Id History::begin(const std::string& object, std::string what, Effect effect, bool blind) {
  records_.push_back(
      {object,
       {std::move(what), ++last_moment_, Operation::kNever, std::move(effect), blind},
       false});
  return records_.size() - 1;
}

void History::end(Id id, const std::string& answer, Effect effect) {
  Operation& operation = records_[id].operation;
  operation.what += ": " + answer;
  operation.end = ++last_moment_;
  operation.effect = std::move(effect);
}

void History::forget(Id id) {
  records_[id].forgotten = true;
}

std::vector<Operation> History::of(const std::string& object) const {
  std::vector<Operation> operations;
  for (const Record& record : records_) {
    const bool tells = !record.forgotten && record.operation.effect;
    if (record.object == object && tells) operations.push_back(record.operation);
  }
  return operations;
}

std::vector<std::string> History::objects() const {
  std::set<std::string> names;
  for (const Record& record : records_) names.insert(record.object);
  return {names.begin(), names.end()};
}

History::Summary History::check(const State& initial, uint64_t steps_max) const {
  Summary summary;
  for (const std::string& object : objects()) {
    const std::vector<Operation> operations = of(object);
    const Verdict verdict = check_linearizable(operations, initial, steps_max);
    summary.operations += operations.size();
    summary.steps += verdict.steps;
    if (verdict.kind == Verdict::Kind::undecided) ++summary.undecided;
    if (verdict.kind == Verdict::Kind::impossible) {
      summary.faults.push_back("what clients saw of " + object +
                               " is not linearizable: " + verdict.why);
    }
  }
  return summary;
}

}  // namespace dfs::sim
