#include "actors/client/spare_plan.h"

#include <algorithm>

namespace dfs {

namespace {

// Nodes that failed meanwhile are soon planned around.
constexpr Duration kLife = std::chrono::seconds(2);

std::string_view directory_of(std::string_view path) {
  return path.substr(0, path.rfind('/') + 1);
}

bool of_one_block(const PlanFile& file, const PlanFileReply& plan) {
  return file.size <= plan.block_bytes;
}

}  // namespace

bool SparePlan::in_a_row(const PlanFile& file) const {
  return bus_.now() < last_until_ && file.block_bytes == last_.block_bytes &&
         directory_of(file.path) == directory_of(last_.path);
}

std::optional<PlanFileReply> SparePlan::take(PlanFile& wanted) {
  const bool good =
      plan_ && bus_.now() < until_ && in_a_row(wanted) && of_one_block(wanted, *plan_);
  if (!good) return std::nullopt;
  wanted.key = std::exchange(key_, {});
  return std::exchange(plan_, std::nullopt);
}

void SparePlan::used(const PlanFile& file, const PlanFileReply& plan, Duration deadline) {
  const bool next = in_a_row(file) && of_one_block(file, plan);
  if (!next) drop();
  last_ = file;
  last_.key = {};
  last_until_ = bus_.now() + kLife;
  if (!next || plan_ || asking_) return;
  asking_ = true;
  scope_.spawn(ask(file, deadline, round_));
}

void SparePlan::drop() {
  plan_.reset();
  ++round_;
}

// The file's own name serves: only its directory matters to the plan.
Task<void> SparePlan::ask(PlanFile next, Duration deadline, uint64_t round) {
  CallOptions options;
  options.deadline = deadline;
  options.trace = bus_.random();
  const Instant asked = bus_.now();
  next.key.bytes = random_(kKeyBytes);
  Blob key = next.key;
  Task<Result<Answer<PlanFile>>> asking =
      calls_.ask<PlanFile>("monitor", std::move(next), std::move(options));
  Result<Answer<PlanFile>> answer = co_await asking;
  asking_ = false;
  if (!answer || round != round_) co_return;
  plan_ = std::move(answer->message);
  key_ = std::move(key);
  // Most of its lease is for the upload itself.
  const Duration lease = std::chrono::milliseconds(plan_->lease_ms);
  until_ = asked + (lease > Duration::zero() ? std::min<Duration>(kLife, lease / 8) : kLife);
}

}  // namespace dfs
