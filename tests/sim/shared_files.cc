#include "tests/sim/shared_files.h"

#include "tests/sim/content.h"

namespace dfs::sim {

namespace {

constexpr uint64_t kStepsMax = 2'000'000;  // of the search through one file's history
constexpr uint64_t kAny = UINT64_MAX;      // as expected version
const char* const kAbsent = "absent";

std::string present(uint64_t version, const Content& content) {
  return "version " + std::to_string(version) + ", " + std::to_string(content.size) + " bytes, " +
         std::to_string(content.crc32c());
}
std::string present(const InodeInfo& info) {
  return "version " + std::to_string(info.version) + ", " + std::to_string(info.size) + " bytes, " +
         std::to_string(info.crc32c);
}

uint64_t version_of(const State& state) {
  return state == kAbsent ? 0 : std::stoull(state.substr(sizeof("version ") - 1));
}

Effect finds(State seen) {
  return [seen = std::move(seen)](const State& state) {
    return state == seen ? std::optional<State>(state) : std::nullopt;
  };
}

Effect puts(Content content, uint64_t expected, uint64_t version) {
  return [=](const State& state) -> std::optional<State> {
    const uint64_t before = version_of(state);
    const bool fits = (expected == kAny || before == expected) && version == before + 1;
    return fits ? std::optional<State>(present(version, content)) : std::nullopt;
  };
}
Effect refused(uint64_t expected) {
  return [=](const State& state) {
    return version_of(state) != expected ? std::optional<State>(state) : std::nullopt;
  };
}
Effect may_put(Content content, uint64_t expected) {
  return [=](const State& state) -> std::optional<State> {
    const uint64_t before = version_of(state);
    return expected == kAny || before == expected ? present(before + 1, content) : state;
  };
}

Effect removes() {
  return [](const State& state) {
    return state != kAbsent ? std::optional<State>(kAbsent) : std::nullopt;
  };
}
Effect may_remove() {
  return [](const State&) { return std::optional<State>(kAbsent); };
}

}  // namespace

SharedFiles::SharedFiles(World& world, uint32_t files, Findings& findings)
    : world_(world), files_(files), findings_(findings) {}

Task<void> SharedFiles::operate(Client* client, Random* random, TransferOptions transfer,
                                bool strict) {
  const std::string path = "/shared " + std::to_string(random->between(1, files_));
  const uint64_t dice = random->below(10);
  if (dice < 4) return stat(client, path, strict);
  if (dice < 5) return remove(client, path, strict);
  return put(client, random, path, std::move(transfer), strict);
}

void SharedFiles::failed(const std::string& what, const Error& error, bool strict) {
  ++findings_.unknown;
  world_.trace("unknown", "shared", 0, what + ": " + error.describe());
  if (strict) findings_.fault(what + " must succeed in a healthy cluster: " + error.describe());
}

Task<void> SharedFiles::put(Client* client, Random* random, std::string path,
                            TransferOptions transfer, bool strict) {
  const Content content{random->next(), random->below(random->chance(0.7) ? 2000 : 100'000)};
  const uint64_t dice = random->below(3);
  const uint64_t expected = dice == 0 ? kAny : dice == 1 ? 0 : seen_version_;
  transfer.expected_version = expected;
  const std::string what = "put of " + std::to_string(content.crc32c()) +
                           (expected == kAny ? "" : " over version " + std::to_string(expected));
  const History::Id id = history_.begin(path, what, may_put(content, expected));
  Task<Result<TransferReport>> putting = client->put(make_source(content, false), path, transfer);
  Result<TransferReport> put = co_await putting;
  if (put) {
    seen_version_ = put->info.version;
    history_.end(id, "made version " + std::to_string(put->info.version),
                 puts(content, expected, put->info.version));
  } else if (expected != kAny && (put.code() == Code::conflict || put.code() == Code::exists)) {
    history_.end(id, name_of(put.code()), refused(expected));
  } else {
    failed(what + " to " + path, put.error(), strict);
  }
}

Task<void> SharedFiles::stat(Client* client, std::string path, bool strict) {
  const History::Id id = history_.begin(path, "stat", nullptr);
  Task<Result<InodeInfo>> asking = client->stat(path);
  Result<InodeInfo> info = co_await asking;
  if (info) {
    seen_version_ = info->version;
    history_.end(id, present(*info), finds(present(*info)));
  } else if (info.code() == Code::not_found) {
    history_.end(id, kAbsent, finds(kAbsent));
  } else {
    failed("stat of " + path, info.error(), strict);
  }
}

Task<void> SharedFiles::remove(Client* client, std::string path, bool strict) {
  const History::Id id = history_.begin(path, "remove", may_remove(), true);
  Task<Result<RemoveReply>> removing = client->remove(path, false);
  Result<RemoveReply> removed = co_await removing;
  if (removed) {
    history_.end(id, "done", removes());
  } else if (removed.code() == Code::not_found) {
    history_.end(id, kAbsent, finds(kAbsent));
  } else {
    failed("remove of " + path, removed.error(), strict);
  }
}

Task<void> SharedFiles::stat_all(Client* client) {
  for (uint32_t i = 1; i <= files_; ++i) {
    Task<void> asking = stat(client, "/shared " + std::to_string(i), true);
    co_await asking;
  }
}

void SharedFiles::check() {
  const History::Summary summary = history_.check(kAbsent, kStepsMax);
  for (const std::string& fault : summary.faults) findings_.fault(fault);
  undecided_ = summary.undecided;
}

}  // namespace dfs::sim
