#include "actors/storage/scrubber.h"

#include <algorithm>

namespace dfs::storage {

namespace {

constexpr Duration kLook = std::chrono::seconds(1);  // for a pass that is due, or was asked for
constexpr int kTries = 3;                            // at a block that is out of reach
constexpr uint64_t kBusyPart = 4;

int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Scrubber::Scrubber(Bus& bus, Volumes& volumes, ScrubSettings settings, Notify notify,
                   std::function<bool()> busy)
    : bus_(bus),
      volumes_(volumes),
      settings_(settings),
      notify_(std::move(notify)),
      busy_(std::move(busy)),
      last_(volumes.size()),
      saved_(volumes.size()) {}

void Scrubber::begin() {
  for (size_t i = 0; i < volumes_.size(); ++i) scope_.spawn(scrub(i));
}

void Scrubber::stop() {
  scope_.clear();
  for (size_t i = 0; i < volumes_.size(); ++i) {
    if (BlockStore* store = volumes_.store(i)) store->save_scrub();
  }
}

int64_t Scrubber::due_ms(const ScrubRow& row) const {
  return row.began_ms == 0 ? 0 : row.began_ms + milliseconds(settings_.period);
}

Task<void> Scrubber::wait_until_due(size_t number) {
  while (BlockStore* store = volumes_.store(number)) {
    ScrubRow row = store->scrub();
    if (!row.paused && row.running) co_return;
    if (!row.paused && bus_.wall_ms() >= due_ms(row)) {
      begin_pass(row);
      store->set_scrub(row);
      store->save_scrub();
      co_return;
    }
    last_[number] = nullptr;
    Task<void> waiting = sleep(bus_, kLook);
    co_await waiting;
  }
}

Task<void> Scrubber::scrub(size_t number) {
  while (true) {
    Task<void> waiting = wait_until_due(number);
    co_await waiting;
    BlockStore* store = volumes_.store(number);
    if (store == nullptr) co_return;  // the directory failed
    const ScrubRow& row = store->scrub();
    const auto after = row.moved ? std::optional(row.position()) : std::nullopt;
    const auto found = store->next_block(after);
    if (!found) {
      Task<void> pausing = sleep(bus_, kLook);
      co_await pausing;
    } else if (!found->has_value()) {
      end_pass(*store);
    } else {
      Task<void> verifying = verify(number, (*found)->first, (*found)->second);
      co_await verifying;
    }
  }
}

Task<void> Scrubber::verify(size_t number, BlockKey key, BlockRow row) {
  for (int tries = 1;; ++tries) {
    BlockStore* store = volumes_.store(number);
    if (store == nullptr) co_return;
    const std::shared_ptr<ReadJob> job = store->check_of(key, row, last_[number]);
    last_[number] = job;
    Result<void> outcome;
    do {
      Task<void> paying = take(std::min<uint64_t>(kPartBytes, row.bytes()));
      co_await paying;
      store = volumes_.store(number);
      if (store == nullptr) co_return;
      Completion<Result<void>> checked;
      store->check(job, checked.fire());
      outcome = co_await checked;
    } while (outcome && job->offset < row.length);
    job->buffer = nullptr;
    store = volumes_.store(number);
    if (store == nullptr) co_return;
    const bool gone = outcome.code() == Code::no_such_block;
    if (outcome && row.bad) store->absolve(key, row);
    if (outcome || gone || job->damaged || tries == kTries) {
      advance(number, key, row, row.bad || !job->damaged);
      co_return;
    }
    job->file = nullptr;
    Task<void> pausing = sleep(bus_, kLook);
    co_await pausing;
  }
}

// Pays before it reads, so that the reads of all directories together keep to the limit.
Task<void> Scrubber::take(uint64_t bytes) {
  if (settings_.bytes_per_second == 0) co_return;
  const uint64_t part = busy_ && busy_() ? kBusyPart : 1;
  const double seconds =
      static_cast<double>(bytes * part) / static_cast<double>(settings_.bytes_per_second);
  const Instant now = bus_.now();
  const Instant turn = std::max(now, next_);
  next_ = turn + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  if (turn == now) co_return;
  Task<void> waiting = sleep(bus_, turn - now);
  co_await waiting;
}

void Scrubber::begin_pass(ScrubRow& row) const {
  row.running = true;
  row.previous_began_ms = row.began_ms;
  row.began_ms = bus_.wall_ms();
  row.moved = false;
  row.bytes_done = row.blocks_done = row.bad_found = 0;
}

void Scrubber::advance(size_t number, const BlockKey& key, const BlockRow& row, bool good) {
  BlockStore& store = *volumes_.store(number);
  ScrubRow now = store.scrub();
  now.moved = true;
  now.object = key.object;
  now.index = key.index;
  now.group = key.group;
  now.bytes_done += row.bytes();
  ++now.blocks_done;
  if (!good) ++now.bad_found;
  store.set_scrub(now);
  if (bus_.now() - saved_[number] < settings_.save_period) return;
  saved_[number] = bus_.now();
  store.save_scrub();
}

void Scrubber::end_pass(BlockStore& store) {
  ScrubRow row = store.scrub();
  row.running = false;
  row.moved = false;
  ++row.passes;
  row.finished_ms = bus_.wall_ms();
  store.set_scrub(row);
  store.save_scrub();
  bus_.log(Level::info, "scrub finished",
           {{"pass", row.passes}, {"blocks", row.blocks_done}, {"bad", row.bad_found}});
  notify_("scrub-finished", {{"pass", std::to_string(row.passes)},
                             {"blocks", std::to_string(row.blocks_done)},
                             {"bytes", std::to_string(row.bytes_done)},
                             {"bad", std::to_string(row.bad_found)}});
}

ScrubStatus Scrubber::control(ScrubAction action) {
  for (size_t i = 0; i < volumes_.size(); ++i) {
    BlockStore* store = volumes_.store(i);
    if (store == nullptr || action == ScrubAction::status) continue;
    ScrubRow row = store->scrub();
    row.paused = action == ScrubAction::pause;
    if (!row.paused && !row.running) begin_pass(row);
    store->set_scrub(row);
    store->save_scrub();
    store->flush([] {});
  }
  return status();
}

ScrubStatus Scrubber::status() const {
  ScrubStatus status;
  status.bytes_per_second = settings_.bytes_per_second;
  bool first = true;
  bool running = false;
  bool paused = false;
  for (size_t i = 0; i < volumes_.size(); ++i) {
    const BlockStore* store = volumes_.store(i);
    if (store == nullptr) continue;
    const ScrubRow& row = store->scrub();
    const BlockStoreStats stats = store->stats();
    status.pass = first ? row.passes : std::min(status.pass, row.passes);
    status.bytes_done += row.bytes_done;
    status.bytes_total += stats.live_bytes;
    status.blocks_done += row.blocks_done;
    status.bad_found += row.bad_found;
    status.bad_now += stats.bad;
    status.pass_began_ms = std::max(status.pass_began_ms, row.began_ms);
    status.last_finished_ms = std::max(status.last_finished_ms, row.finished_ms);
    const int64_t next = row.running ? 0 : due_ms(row);
    status.next_ms = first ? next : std::min(status.next_ms, next);
    running = running || row.running;
    paused = paused || row.paused;
    first = false;
  }
  status.state = paused ? "paused" : running ? "running" : "waiting";
  return status;
}

NodeJob Scrubber::job() const {
  const ScrubStatus now = status();
  NodeJob job;
  job.kind = "scrub";
  job.state = now.state;
  job.done = now.bytes_done;
  job.total = now.bytes_total;
  job.found = now.bad_found;
  job.until_ms = now.next_ms;
  return job;
}

}  // namespace dfs::storage
