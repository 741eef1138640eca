// What uploads and downloads have in common: limits, progress, background flows.
#pragma once

#include <functional>
#include <optional>

#include "actors/client/client.h"
#include "actors/client/locks.h"
#include "actors/client/node_health.h"
#include "actors/client/part_buffers.h"
#include "actors/client/spare_plan.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/key_wrap.h"

namespace dfs {

// What flows of the client work with.
struct Workbench {
  Bus& bus;
  Calls& calls;
  PartBuffers& buffers;
  SparePlan& spare_plan;
  Locks& locks;
  const RandomBytes& random_bytes;
  Duration ask_deadline;
};

// Who is asked: the head that leads, or any when the answer may be stale.
template <Request R>
std::string service_of(const R& request) {
  if constexpr (R::kType >= Type::AcquireLock && R::kType <= Type::LockList) return "lock";
  if constexpr (requires { request.stale; }) {
    if (request.stale) return "monitor-replica";
  }
  return "monitor";
}

class Transfer {
 public:
  // Parts in memory at once, whatever the number of jobs: the bound of the client's memory.
  static constexpr size_t kPartsInFlightMax = 64;

  Transfer(Workbench bench, TransferOptions options);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // One of kPartsInFlightMax places for a part; waits for one.
  Task<void> take_slot();
  void give_slots(size_t count);

  // Waits until so many bytes may move, where there is a limit to that.
  Task<void> pace(uint64_t bytes);

  // Some bytes arrived where they belong; `fresh` of them for the first time.
  void progressed(uint64_t fresh);
  // Time spent waiting for the local source or sink is no stall of the transfer.
  void not_stalled() { last_progress_ = bench.bus.now(); }
  bool out_of_time() const { return bench.bus.now() - last_progress_ >= options.deadline; }
  Duration since_progress() const { return bench.bus.now() - last_progress_; }

  void fail(Error error);  // the first one counts
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

  // Waits until `done()`, which is looked at whenever `changed` is notified, or until a failure.
  // The caller may destroy the scope then: it does not run on the stack of one of its flows.
  Task<void> until(std::function<bool()> done);

  // Runs `work` on the pool, later when the pool is full just now. Fails when there is no pool.
  Task<Result<void>> on_pool(std::function<void()> work);

  template <Request R>
  Task<Result<Answer<R>>> ask_monitor(R request) {
    CallOptions call;
    call.deadline = bench.ask_deadline;
    call.trace = options.trace;
    const std::string service = service_of(request);
    return bench.calls.ask<R>(service, std::move(request), std::move(call));
  }

  TransferReport report();  // with the fields that are known here

  Workbench bench;
  TransferOptions options;
  NodeHealth health;
  uint64_t total_bytes = Source::kUnknownSize;
  Signal changed;   // a block or the transfer took a step
  TaskScope scope;  // cleared by the owner before anything its flows use is destroyed

 private:
  void measure_stall();

  Signal slot_free_;
  size_t slots_used_ = 0;
  uint64_t done_bytes_ = 0;
  Instant started_;
  Instant last_progress_;
  Duration longest_stall_{0};
  std::optional<Error> error_;
};

}  // namespace dfs
