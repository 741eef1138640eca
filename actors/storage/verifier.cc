#include "actors/storage/verifier.h"

#include <algorithm>

namespace dfs::storage {

namespace {

// One of kAtOnce turns, given back with the end of the flow.
class Turn {
 public:
  Turn(size_t& taken, Signal& over) : taken_(taken), over_(over) { ++taken_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    --taken_;
    over_.notify();
  }

 private:
  size_t& taken_;
  Signal& over_;
};

}  // namespace

Task<bool> Verifier::verify(BlockKey key, uint64_t length, uint32_t crc32c, Instant until) {
  if (!store_.has_good(key, length, crc32c)) co_return false;
  while (verifying_ >= kAtOnce) co_await over_.wait();
  const Turn turn(verifying_, over_);
  Task<bool> reading = read_all(key, until);
  const bool right = co_await reading;
  // It may have been removed or replaced meanwhile.
  co_return right&& store_.has_good(key, length, crc32c);
}

Task<bool> Verifier::read_all(BlockKey key, Instant until) {
  BlockStore* store = store_.holder_of(key);
  if (store == nullptr) co_return false;
  const Result<std::optional<BlockRow>> row = store->find(key);
  if (!row || !row->has_value()) co_return false;
  const uint64_t length = (*row)->length;
  const std::shared_ptr<ReadJob> job = store->check_of(key, **row, nullptr);
  do {
    Task<void> pacing = pacer_.take(std::min<uint64_t>(kPartBytes, (*row)->bytes()));
    co_await pacing;
    // Its directory may have failed meanwhile; and who asked does not wait for ever.
    store = store_.holder_of(key);
    if (store == nullptr || bus_.now() >= until) co_return false;
    Completion<Result<void>> checked;
    store->check(job, checked.fire());
    const Result<void> outcome = co_await checked;
    if (!outcome) {
      bus_.log(Level::info, "a copy cannot be vouched for",
               {{"block", to_string(key)}, {"error", outcome.error().describe()}});
      co_return false;
    }
  } while (job->offset < length);
  co_return true;
}

}  // namespace dfs::storage
