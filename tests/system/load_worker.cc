#include "load_worker.h"

#include <algorithm>
#include <chrono>

#include "actors/client/memory_files.h"
#include "messages/crc32c.h"

namespace dfs::load {

namespace {

constexpr size_t kSequenceBytesMax = 2000;
constexpr uint32_t kSequencePercent = 10;
constexpr Duration kReaderPause = std::chrono::milliseconds(2);

// Nothing is wrong with the request, but nobody answered it in time.
bool is_absence(Code code) {
  return static_cast<unsigned>(code) / 100 == 2;
}

template <class T>
Result<void> outcome_of(const Result<T>& result) {
  if (!result) return result.error();
  return {};
}

std::string text_of(const Contents& contents) {
  if (contents.version == 0) return "nothing";
  return "version " + std::to_string(contents.version) + " of " + std::to_string(contents.size) +
         " bytes";
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Floor::State Floor::get() const {
  const uint64_t packed = packed_.load();
  return {static_cast<uint32_t>(packed >> 32), static_cast<uint32_t>(packed)};
}

void Floor::raise(State state) {
  const uint64_t wanted = uint64_t{state.generation} << 32 | state.version;
  uint64_t seen = packed_.load();
  while (seen < wanted && !packed_.compare_exchange_weak(seen, wanted)) {
  }
}

std::string sequence_name(uint32_t generation) {
  return "sequence-" + std::to_string(generation);
}

Worker::Worker(std::string directory, Plan& plan, Floor& floor, uint64_t seed)
    : directory_(std::move(directory)), plan_(plan), floor_(floor), random_(seed) {
  for (uint32_t i = 0; i < plan.names; ++i) names_.push_back("n" + std::to_string(names_made_++));
}

Task<Result<bool>> Worker::run(Client& client) {
  while (!plan_.over()) {
    Task<void> stepping = step(client);
    co_await stepping;
  }
  co_return true;
}

Task<void> Worker::step(Client& client) {
  const std::string name = names_[chance(plan_.names)];
  const uint32_t roll = chance(100);
  if (roll < plan_.reads_percent) {
    Task<void> looking = look(client, name);
    co_await looking;
    co_return;
  }
  if (plan_.left.fetch_sub(1) <= 0) co_return;
  if (roll < plan_.reads_percent + kSequencePercent) {
    Task<void> extending = extend_sequence(client);
    co_await extending;
    co_return;
  }
  const std::string other = names_[chance(plan_.names)];
  const uint32_t kind = chance(8);
  if (state_of(name).version != 0 && kind == 0) {
    Task<void> removing = remove(client, name);
    co_await removing;
  } else if (state_of(name).version != 0 && kind == 1 && state_of(other).version == 0) {
    Task<void> renaming = rename(client, name, other);
    co_await renaming;
  } else {
    // Without a condition an overwrite that is applied twice shows in the version after it.
    std::string bytes(chance(plan_.bytes_max + 1), static_cast<char>('a' + chance(26)));
    Task<bool> putting = put(client, name, std::move(bytes), kind % 2 == 0);
    co_await putting;
  }
}

Task<void> Worker::look(Client& client, std::string name) {
  Task<Result<InodeInfo>> asking = client.stat(path_of(name));
  const Result<InodeInfo> info = co_await asking;
  Contents seen;
  if (info) {
    seen = {info->version, info->size, info->crc32c};
  } else if (info.code() != Code::not_found) {
    settle("stat " + path_of(name), now(), outcome_of(info), {});
    co_return;
  }
  ++record_.reads;
  const Contents wanted = state_of(name);
  if (seen != wanted) {
    wrong("stat " + path_of(name) + " told " + text_of(seen) + ", acknowledged was " +
          text_of(wanted));
  }
}

Task<bool> Worker::put(Client& client, std::string name, std::string bytes, bool conditional) {
  const Contents before = state_of(name);
  const Contents after{before.version + 1, bytes.size(), crc32c(bytes)};
  TransferOptions options;
  if (conditional) options.expected_version = before.version;
  const double began = now();
  Task<Result<TransferReport>> putting =
      client.put(std::make_shared<MemorySource>(std::move(bytes)), path_of(name), options);
  const Result<TransferReport> report = co_await putting;
  if (report && report->info.version != after.version) {
    wrong("put " + path_of(name) + " made version " + std::to_string(report->info.version) +
          " out of " + std::to_string(before.version));
  }
  co_return settle("put " + path_of(name), began, outcome_of(report), {{name, after}});
}

Task<void> Worker::remove(Client& client, std::string name) {
  const double began = now();
  Task<Result<RemoveReply>> asking = client.remove(path_of(name), false);
  const Result<RemoveReply> reply = co_await asking;
  settle("remove " + path_of(name), began, outcome_of(reply), {{name, Contents()}});
}

Task<void> Worker::rename(Client& client, std::string from, std::string to) {
  const Contents moved = state_of(from);
  const double began = now();
  Task<Result<RenameReply>> asking = client.rename(path_of(from), path_of(to), false);
  const Result<RenameReply> reply = co_await asking;
  settle("rename " + path_of(from) + " " + path_of(to), began, outcome_of(reply),
         {{from, Contents()}, {to, moved}});
}

// Reads the file, which must end with what was appended last, and appends the next number.
Task<void> Worker::extend_sequence(Client& client) {
  const std::string name = sequence_name(generation_);
  if (state_of(name).version != 0) {
    auto sink = std::make_shared<MemorySink>();
    Task<Result<TransferReport>> getting = client.get(path_of(name), sink, TransferOptions());
    const Result<TransferReport> got = co_await getting;
    if (!got) {
      settle("get " + path_of(name), now(), outcome_of(got), {});
      co_return;
    }
    ++record_.reads;
    if (sink->bytes() != sequence_) {
      wrong("get " + path_of(name) + " told \"" + sink->bytes() + "\", acknowledged was \"" +
            sequence_ + "\"");
    }
  }
  std::string longer = sequence_.size() < kSequenceBytesMax ? sequence_ : "";
  longer += std::to_string(++serial_) + " ";
  Task<bool> putting = put(client, name, longer, true);
  const bool done = co_await putting;
  if (done) {
    sequence_ = std::move(longer);
  } else {
    sequence_.clear();
    ++generation_;
  }
  floor_.raise({generation_, static_cast<uint32_t>(state_of(sequence_name(generation_)).version)});
}

bool Worker::settle(const std::string& what, double began, const Result<void>& outcome,
                    const std::vector<Change>& changes) {
  if (outcome) {
    for (const Change& change : changes) model_[change.name] = {change.after};
    record_.acked_at.push_back(now());
    record_.latency_ms.push_back(static_cast<float>((now() - began) * 1e3));
    ++plan_.acked;
    return true;
  }
  for (const Change& change : changes) {
    model_[change.name] = {state_of(change.name), change.after};
    retire(change.name);
  }
  if (is_absence(outcome.code())) {
    record_.errors.push_back({now(), what + ": " + outcome.error().describe()});
    ++plan_.failed;
  } else {
    wrong(what + ": " + outcome.error().describe());
  }
  return false;
}

void Worker::retire(const std::string& name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) *found = "n" + std::to_string(names_made_++);
}

void Worker::wrong(std::string what) {
  record_.violations.push_back({now(), std::move(what)});
}

Contents Worker::state_of(const std::string& name) const {
  const auto found = model_.find(name);
  return found == model_.end() ? Contents() : found->second.front();
}

Reader::Reader(std::vector<std::string> directories, Plan& plan, std::vector<Floor>& floors,
               uint64_t seed)
    : directories_(std::move(directories)), plan_(plan), floors_(floors), random_(seed) {}

Task<Result<bool>> Reader::run(Client& client) {
  while (!plan_.over()) {
    const size_t worker = random_() % directories_.size();
    const Floor::State floor = floors_[worker].get();
    Task<Result<InodeInfo>> asking =
        client.stat(directories_[worker] + "/" + sequence_name(floor.generation));
    const Result<InodeInfo> info = co_await asking;
    judge(worker, floor, info);
    Task<void> pausing = sleep(client.bus(), kReaderPause);
    co_await pausing;
  }
  co_return true;
}

// What one read has shown, no read that begins later may take back.
void Reader::judge(size_t worker, Floor::State floor, const Result<InodeInfo>& info) {
  if (!info && is_absence(info.code())) {
    record_.errors.push_back({now(), "stat: " + info.error().describe()});
    return;
  }
  ++record_.reads;
  const bool absent = !info && info.code() == Code::not_found;
  const uint64_t version = info ? info->version : 0;
  const std::string what = "stat " + directories_[worker] + "/" + sequence_name(floor.generation);
  if (!info && !absent) {
    record_.violations.push_back({now(), what + ": " + info.error().describe()});
  } else if (version < floor.version) {
    record_.violations.push_back({now(), what + " told version " + std::to_string(version) +
                                             " after version " + std::to_string(floor.version) +
                                             " had been acknowledged or told"});
  } else {
    floors_[worker].raise({floor.generation, static_cast<uint32_t>(version)});
  }
}

}  // namespace dfs::load
