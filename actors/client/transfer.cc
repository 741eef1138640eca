#include "actors/client/transfer.h"

#include <algorithm>

namespace dfs {

namespace {
TransferOptions within_limits(TransferOptions options, Bus& bus) {
  options.jobs = std::clamp(options.jobs, 1u, 64u);
  options.window_parts = std::clamp(options.window_parts, 1u, 64u);
  while (options.trace == 0) options.trace = bus.random();
  return options;
}
}  // namespace

Transfer::Transfer(Workbench workbench, TransferOptions wanted)
    : bench(workbench),
      options(within_limits(std::move(wanted), workbench.bus)),
      health(workbench.bus, options.trace),
      started_(workbench.bus.now()),
      last_progress_(started_) {}

Task<void> Transfer::take_slot() {
  while (slots_used_ >= kPartsInFlightMax) {
    Signal::Waiter freed = slot_free_.wait();
    co_await freed;
  }
  ++slots_used_;
}

void Transfer::give_slots(size_t count) {
  DFS_ASSERT(slots_used_ >= count);
  if (count == 0) return;
  slots_used_ -= count;
  slot_free_.notify();
}

Task<void> Transfer::pace(uint64_t bytes) {
  if (options.rate == nullptr) co_return;
  const Duration wait = options.rate->reserve(bench.bus.now(), bytes);
  if (wait == Duration::zero()) co_return;
  Task<void> pausing = sleep(bench.bus, wait);
  co_await pausing;
  not_stalled();
}

void Transfer::measure_stall() {
  longest_stall_ = std::max(longest_stall_, bench.bus.now() - last_progress_);
}

void Transfer::progressed(uint64_t fresh) {
  measure_stall();
  last_progress_ = bench.bus.now();
  done_bytes_ += fresh;
  if (options.progress) options.progress({done_bytes_, total_bytes});
}

void Transfer::fail(Error error) {
  if (!error_) error_ = std::move(error);
  changed.notify();
}

Task<void> Transfer::until(std::function<bool()> done) {
  while (!failed() && !done()) {
    Signal::Waiter step = changed.wait();
    co_await step;
  }
  // Whoever notified is still on the stack below us; go on from the bus's loop.
  Task<void> stepping_aside = sleep(bench.bus, Duration::zero());
  co_await stepping_aside;
}

Task<Result<void>> Transfer::on_pool(std::function<void()> work) {
  while (true) {
    Task<Result<void>> running = run(bench.bus, work);
    const Result<void> ran = co_await running;
    if (ran.code() != Code::busy) co_return ran;
    Task<void> pausing = sleep(bench.bus, std::chrono::milliseconds(1));
    co_await pausing;
  }
}

TransferReport Transfer::report() {
  measure_stall();
  TransferReport report;
  report.bytes = done_bytes_;
  report.longest_stall = longest_stall_;
  report.elapsed = bench.bus.now() - started_;
  return report;
}

}  // namespace dfs
