#include "actors/replica/snapshot_fetch.h"

#include <utility>

#include "messages/crc32c.h"

namespace dfs {

namespace {

constexpr Duration kPartDeadline = std::chrono::seconds(3);
constexpr Duration kRetry = std::chrono::milliseconds(100);
constexpr Duration kGiveUp = std::chrono::seconds(10);
constexpr size_t kNameMax = 128;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= kNameMax && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Result<void> make_files(Disk& disk, const std::string& directory, const InstallSnapshot& offer) {
  DFS_CHECK(disk.remove_tree(directory));
  DFS_CHECK(disk.make_directories(directory));
  for (const SnapshotFile& file : offer.files) {
    auto made = disk.open(directory + "/" + file.name, OpenOptions{true, false, false});
    if (!made) return made.error();
    // Refused now rather than after most of it has come.
    if (file.bytes > 0) DFS_CHECK((*made)->allocate(0, file.bytes));
  }
  return {};
}

Result<void> sync_files(Disk& disk, const std::string& directory, const InstallSnapshot& offer) {
  for (const SnapshotFile& file : offer.files) {
    auto open = disk.open(directory + "/" + file.name, OpenOptions{});
    if (!open) return open.error();
    DFS_CHECK((*open)->sync());
  }
  return disk.sync_directory(directory);
}

}  // namespace

SnapshotFetch::SnapshotFetch(Bus& bus, Calls& calls, Disk& disk, InstallSnapshot offer,
                             Settings settings)
    : bus_(bus),
      calls_(calls),
      disk_(disk),
      offer_(std::move(offer)),
      settings_(std::move(settings)),
      jobs_(bus) {}

void SnapshotFetch::start(std::function<void(Result<void>)> done) {
  done_ = std::move(done);
  progress_at_ = bus_.now();
  outcome_ = check();
  if (!outcome_) return finish();
  tasks_.spawn(flow());
}

Result<void> SnapshotFetch::check() const {
  if (offer_.files.empty()) return {Code::malformed, "the snapshot has no files"};
  for (const SnapshotFile& file : offer_.files) {
    if (!is_plain_name(file.name))
      return {Code::malformed, "a file of the snapshot has a bad name"};
  }
  return {};
}

Task<void> SnapshotFetch::flow() {
  Task<Result<void>> making = work([&disk = disk_, directory = settings_.directory,
                                    offer = offer_] { return make_files(disk, directory, offer); });
  outcome_ = co_await making;
  if (!outcome_) {
    finish();
    co_return;
  }
  fetching_ = settings_.parts_in_flight;
  for (size_t i = 0; i < settings_.parts_in_flight; ++i) tasks_.spawn(fetch_parts());
}

Task<void> SnapshotFetch::fetch_parts() {
  while (outcome_) {
    const std::optional<Part> part = next_part();
    if (!part) break;
    Task<Result<void>> fetching = fetch(*part);
    const Result<void> fetched = co_await fetching;
    if (!fetched && outcome_) outcome_ = fetched;
  }
  if (--fetching_ > 0) co_return;
  if (outcome_) {
    Task<Result<void>> syncing =
        work([&disk = disk_, directory = settings_.directory, offer = offer_] {
          return sync_files(disk, directory, offer);
        });
    outcome_ = co_await syncing;
  }
  finish();
}

std::optional<SnapshotFetch::Part> SnapshotFetch::next_part() {
  while (next_.file < offer_.files.size()) {
    const uint64_t left = offer_.files[next_.file].bytes - next_.offset;
    if (left == 0) {
      next_ = {next_.file + 1, 0, 0};
      continue;
    }
    Part part = next_;
    part.length = static_cast<uint32_t>(std::min(left, settings_.part_bytes));
    next_.offset += part.length;
    return part;
  }
  return std::nullopt;
}

Task<Result<void>> SnapshotFetch::fetch(Part part) {
  ReadSnapshot read;
  read.group = offer_.group;
  read.snapshot = offer_.snapshot;
  read.name = offer_.files[part.file].name;
  read.offset = part.offset;
  read.length = part.length;
  for (;;) {
    CallOptions options;
    options.deadline = kPartDeadline;
    Task<Result<Answer<ReadSnapshot>>> asking =
        calls_.call(settings_.link(), settings_.to, read, std::move(options));
    Result<Answer<ReadSnapshot>> answer = co_await asking;
    const bool sound = answer && answer->payload.size() == part.length &&
                       crc32c(answer->payload.view()) == answer->message.crc32c;
    if (sound) {
      Task<Result<void>> storing = store(part, std::move(answer->payload));
      Result<void> stored = co_await storing;
      progress_at_ = bus_.now();
      if (stored) ++parts_;
      co_return stored;
    }
    if (answer.code() == Code::not_found || answer.code() == Code::invalid) {
      co_return answer.error();
    }
    if (bus_.now() - progress_at_ >= kGiveUp) {
      co_return Error{Code::unavailable, "nothing of the snapshot arrived for a while", {}, 0};
    }
    ++repeats_;
    Task<void> pause = sleep(bus_, kRetry);
    co_await pause;
    if (!outcome_) co_return outcome_;
  }
}

Task<Result<void>> SnapshotFetch::store(Part part, Payload payload) {
  const std::string path = settings_.directory + "/" + offer_.files[part.file].name;
  Task<Result<void>> writing =
      work([&disk = disk_, path, offset = part.offset, payload]() -> Result<void> {
        auto file = disk.open(path, OpenOptions{});
        if (!file) return file.error();
        return (*file)->write_at(offset, payload.data(), payload.size());
      });
  Result<void> written = co_await writing;
  co_return written;
}

Task<Result<void>> SnapshotFetch::work(std::function<Result<void>()> job) {
  auto outcome = std::make_shared<Result<void>>();
  Completion<bool> completion;
  jobs_.run([outcome, job = std::move(job)] { *outcome = job(); },
            [fire = completion.fire()] { fire(true); });
  [[maybe_unused]] const bool ran = co_await completion;
  co_return *outcome;
}

// The flow that got here must be over before its owner may destroy it.
void SnapshotFetch::finish() {
  jobs_.after(Duration::zero(), [this] {
    const auto done = std::move(done_);
    done(outcome_);
  });
}

}  // namespace dfs
