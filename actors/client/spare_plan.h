// A plan that is asked for ahead by a client that puts one small file after the other into a
// directory: while one is sent and committed, the monitor plans the next, which so waits for one
// round trip less.
#pragma once

#include <optional>
#include <string>

#include "broker/calls.h"
#include "broker/task.h"
#include "messages/key_wrap.h"
#include "messages/namespace.h"

namespace dfs {

class SparePlan {
 public:
  SparePlan(Calls& calls, Bus& bus, const RandomBytes& random)
      : calls_(calls), bus_(bus), random_(random) {}

  // The plan that `wanted` would be answered, when it is here. It was asked for with another key,
  // which `wanted` gets.
  std::optional<PlanFileReply> take(PlanFile& wanted);

  // `plan` is about to be used for a file. When files come in a row the one for the next is asked
  // for.
  void used(const PlanFile& file, const PlanFileReply& plan, Duration deadline);

  // The plan here, and one that is on its way, will not be used.
  void drop();

 private:
  bool in_a_row(const PlanFile& file) const;
  Task<void> ask(PlanFile next, Duration deadline, uint64_t round);

  Calls& calls_;
  Bus& bus_;
  const RandomBytes& random_;
  std::optional<PlanFileReply> plan_;
  Blob key_;         // that it was asked for with
  Instant until_{};  // plan_ is good
  bool asking_ = false;
  uint64_t round_ = 0;  // grows when plans on their way are of no use any more
  PlanFile last_;       // the last file planned
  Instant last_until_{};
  TaskScope scope_;
};

}  // namespace dfs
