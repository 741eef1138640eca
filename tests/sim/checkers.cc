#include "tests/sim/checkers.h"

#include <algorithm>

#include "tests/sim/network.h"
#include "tests/sim/sim_bus.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool Checkers::drive(Task<void> flow, const char* what) {
  bool done = false;
  const auto wrap = [](Task<void> inner, bool* over) -> Task<void> {
    co_await inner;
    *over = true;
  };
  Cluster::client(cluster_.checker()).scope().spawn(wrap(std::move(flow), &done));
  if (world_.run_until([&] { return done; }, seconds(300))) return true;
  findings_.fault(std::string(what) + " does not come to an end");
  return false;
}

// ---- health

bool Checkers::wait_until_healthy(Duration limit) {
  const Duration end = world_.now() + limit;
  bool healthy = false;
  std::string why = "the monitor was not asked";
  while (!healthy && world_.now() < end) {
    const std::string failure = cluster_.revive();
    if (!failure.empty()) {
      findings_.fault(failure);
      return false;
    }
    world_.run_for(milliseconds(100));
    if (!cluster_.all_ready()) {
      why = "not everybody is ready";
    } else if (!drive(ask_health(&healthy, &why), "asking for the health")) {
      return false;
    }
  }
  if (!healthy) findings_.fault("the cluster does not become healthy: " + why);
  return healthy;
}

Task<void> Checkers::ask_health(bool* healthy, std::string* why) {
  Task<Result<ClusterStatus>> asking = Cluster::client(cluster_.checker()).status();
  Result<ClusterStatus> status = co_await asking;
  if (!status) {
    *why = status.error().describe();
    co_return;
  }
  const auto up =
      std::count_if(status->nodes.begin(), status->nodes.end(),
                    [](const NodeStatus& node) { return node.view.state == NodeState::up; });
  *why = to_json(*status);
  const auto voters = std::count_if(
      status->heads.heads.begin(), status->heads.heads.end(),
      [](const HeadStatus& head) { return head.standing == Standing::voter && head.lag == 0; });
  const bool heads_healthy = status->heads.leader != 0 &&
                             static_cast<size_t>(voters) == cluster_.monitors().size() &&
                             status->heads.heads.size() == cluster_.monitors().size();
  *healthy = heads_healthy && static_cast<size_t>(up) == cluster_.storages_in_service() &&
             status->nodes.size() == cluster_.storages_in_service() && status->health == "ok" &&
             status->groups_healthy == status->pools.front().groups;
}

// ---- locks

bool Checkers::wait_until_unlocked() {
  const Duration end = world_.now() + 3 * options_.lock_lease;
  bool none = false;
  std::string why;
  while (!none && world_.now() < end) {
    if (!drive(ask_locks(&none, &why), "asking for the locks")) return false;
    if (!none) world_.run_for(milliseconds(200));
  }
  if (!none) findings_.fault("a lock outlives its lease: " + why);
  return none;
}

Task<void> Checkers::ask_locks(bool* none, std::string* why) {
  Task<Result<LockList>> asking = Cluster::client(cluster_.checker()).list_locks(ListLocks{});
  const Result<LockList> list = co_await asking;
  *none = list && list->locks.empty();
  if (*none) co_return;
  *why = list ? to_json(list->locks.front()) : list.error().describe();
}

// ---- files

void Checkers::check_files(Worker& worker) {
  Infos infos;
  if (!drive(walk(worker.model().home(), &infos), "the walk through all files")) return;
  if (findings_.good()) compare(worker, infos);
  for (const Checked& file : files_) {
    if (!findings_.good()) return;
    if (!is_within(file.path, worker.model().home())) continue;
    if (!drive(check_content(file.path, file.entry), "reading a file")) return;
  }
}

Task<void> Checkers::walk(std::string directory, Infos* infos) {
  Client& client = Cluster::client(cluster_.checker());
  std::string after;
  bool more = true;
  std::vector<std::string> below;
  while (more) {
    Task<Result<ListReply>> asking = client.list(directory, after, kListEntriesMax);
    Result<ListReply> page = co_await asking;
    if (!page) {
      findings_.fault("list of " + directory + ": " + page.error().describe());
      co_return;
    }
    for (const ListEntry& entry : page->entries) {
      const std::string path = directory + "/" + entry.name;
      (*infos)[path] = entry.info;
      after = entry.name;
      if (entry.info.type == FileType::directory) below.push_back(path);
    }
    more = page->more && !page->entries.empty();
  }
  for (const std::string& path : below) {
    Task<void> walking = walk(path, infos);
    co_await walking;
  }
}

std::string Checkers::difference(const std::string& path, const Entry& entry,
                                 const Infos& infos) const {
  const auto found = infos.find(path);
  if (found == infos.end()) return path + " is missing";
  const InodeInfo& info = found->second;
  if ((info.type == FileType::directory) != entry.directory) return path + " is of another kind";
  if (entry.ino != 0 && info.ino != entry.ino) return path + " has another ino";
  if (entry.directory) return {};
  if (info.size != entry.content.size) return path + " has another size";
  if (info.crc32c != entry.content.crc32c()) return path + " has another checksum";
  if (entry.version != 0 && info.version != entry.version) return path + " has another version";
  return {};
}

// Finds out for each change of unknown outcome whether it happened, and adds what came of it.
void Checkers::settle_unknown(Worker& worker, const Infos& infos, Tree& tree) {
  const auto mismatch = [&](const Change& change, const Tree& expected) -> std::string {
    for (const auto& [path, entry] : expected) {
      const std::string why = difference(path, entry, infos);
      if (!why.empty()) return why;
    }
    for (const auto& [path, info] : infos) {
      const auto covers = [&](const std::string& root) { return is_within(path, root); };
      if (std::any_of(change.roots.begin(), change.roots.end(), covers) &&
          !expected.contains(path)) {
        return path + " is there";
      }
    }
    return {};
  };
  for (const Change& change : worker.model().unknown()) {
    const std::string not_before = mismatch(change, change.before);
    const std::string not_after = mismatch(change, change.after);
    if (not_before.empty() || not_after.empty()) {
      const Tree& seen = not_before.empty() ? change.before : change.after;
      tree.insert(seen.begin(), seen.end());
    } else {
      findings_.fault(change.what + ", of unknown outcome, is half done: not undone as " +
                      not_before + "; not done as " + not_after);
    }
  }
}

void Checkers::check_links(const std::string& path, const InodeInfo& info, const Infos& infos) {
  uint64_t links = 1;
  if (info.type == FileType::directory) {
    links = 2;
    for (auto it = infos.lower_bound(path + "/");
         it != infos.end() && it->first.starts_with(path + "/"); ++it) {
      if (it->second.type == FileType::directory && parent_of(it->first) == path) ++links;
    }
  }
  if (info.links != links) {
    findings_.fault(path + " has " + std::to_string(info.links) + " links, not " +
                    std::to_string(links));
  }
}

void Checkers::compare(Worker& worker, const Infos& infos) {
  Tree tree = worker.model().tree();
  settle_unknown(worker, infos, tree);
  for (const auto& [path, entry] : tree) {
    if (path == worker.model().home()) continue;
    const std::string why = difference(path, entry, infos);
    if (!why.empty()) findings_.fault("an acknowledged change is lost: " + why);
    if (!entry.directory) files_.push_back({path, entry});
  }
  for (const auto& [path, info] : infos) {
    if (!tree.contains(path)) findings_.fault(path + " is there and nobody made it");
    check_links(path, info, infos);
  }
}

Task<void> Checkers::check_content(std::string path, Entry entry) {
  const Content content = entry.content;
  auto verdict = std::make_shared<SinkVerdict>();
  Task<Result<TransferReport>> getting =
      Cluster::client(cluster_.checker()).get(path, make_sink(content, false, verdict), {});
  Result<TransferReport> got = co_await getting;
  if (!got) {
    findings_.fault("a file cannot be read: " + path + ": " + got.error().describe());
  } else if (!verdict->fault.empty()) {
    findings_.fault(path + ": " + verdict->fault);
  } else if (!verdict->finished) {
    findings_.fault("get of " + path + " succeeded without finishing its file");
  }
  ++findings_.files_checked;
  findings_.bytes_read += content.size;
}

void Checkers::check_shared(SharedFiles& shared) {
  Client& client = Cluster::client(cluster_.checker());
  if (drive(shared.stat_all(&client), "looking at the shared files")) shared.check();
}

void Checkers::check_counter(const Counter& counter) {
  (void)drive(ask_counter(&counter), "asking for the counter");
}

Task<void> Checkers::ask_counter(const Counter* counter) {
  Task<Result<InodeInfo>> asking = Cluster::client(cluster_.checker()).stat(counter->path);
  Result<InodeInfo> info = co_await asking;
  const auto& acknowledged = counter->acknowledged;
  const uint64_t version = info ? info->version : 0;
  if (!info && info.code() != Code::not_found) {
    findings_.fault("stat of " + counter->path + ": " + info.error().describe());
  }
  if (version < acknowledged.size() || version > acknowledged.size() + counter->unknown ||
      (!acknowledged.empty() && version < acknowledged.rbegin()->first)) {
    findings_.fault(counter->path + " is at version " + std::to_string(version) + " after " +
                    std::to_string(acknowledged.size()) + " acknowledged updates and " +
                    std::to_string(counter->unknown) + " of unknown outcome");
  }
  const auto last = acknowledged.find(version);
  if (last == acknowledged.end() || !findings_.good()) co_return;
  Entry entry;
  entry.content = last->second;
  Task<void> checking = check_content(counter->path, entry);
  co_await checking;
}

// ---- copies

void Checkers::check_copies() {
  Holders holders;
  if (!drive(ask_holders(&holders), "asking the nodes for their blocks")) return;
  for (const Checked& file : files_) {
    if (!findings_.good()) return;
    if (!drive(check_copies_of(file, &holders), "checking the copies")) return;
  }
}

Task<void> Checkers::ask_holders(Holders* holders) {
  for (Process* storage : cluster_.storages()) {
    Task<Result<std::vector<BlockView>>> asking =
        Cluster::prober(cluster_.prober()).blocks(storage->settings().listen, "storage");
    Result<std::vector<BlockView>> blocks = co_await asking;
    if (!blocks) {
      findings_.fault(storage->name() + " does not list its blocks: " + blocks.error().describe());
      co_return;
    }
    for (const BlockView& block : *blocks) {
      (*holders)[{block.object, block.index, block.group}].push_back(block);
    }
  }
}

Task<void> Checkers::check_copies_of(Checked file, const Holders* holders) {
  Task<Result<OpenFileReply>> opening = Cluster::client(cluster_.checker()).open(file.path);
  Result<OpenFileReply> opened = co_await opening;
  if (!opened) {
    findings_.fault("open of " + file.path + ": " + opened.error().describe());
    co_return;
  }
  const Layout& layout = opened->layout;
  if (opened->info.object == 0) co_return;
  uint64_t offset = 0;
  for (uint32_t index = 0; offset < file.entry.content.size; ++index) {
    const uint64_t length = std::min(layout.block_bytes, file.entry.content.size - offset);
    const uint32_t crc = file.entry.content.crc32c(offset, length);
    const auto found = holders->find({layout.object, index, layout.group_of(index)});
    size_t copies = 0;
    if (found != holders->end()) {
      for (const BlockView& block : found->second) {
        copies += block.length == length && block.crc32c == crc ? 1 : 0;
      }
    }
    ++findings_.blocks_checked;
    const size_t promised = std::max(file.entry.copies, 1u);
    if (copies < promised) {
      findings_.fault("block " + std::to_string(index) + " of " + file.path + " (object " +
                      std::to_string(layout.object) + ", group " +
                      std::to_string(layout.group_of(index)) + ") has " + std::to_string(copies) +
                      " good copies, promised were " + std::to_string(promised));
    }
    offset += length;
  }
}

void Checkers::check_limits() {
  // Windows and deadlines bound what is on its way long before a link's limit does.
  const size_t queued = world_.network().queued_max();
  if (queued > 1000) findings_.fault(std::to_string(queued) + " messages waited on one link");
  const size_t processes = world_.processes().size();
  if (world_.network().connections() > processes * processes) {
    findings_.fault(std::to_string(world_.network().connections()) + " connections are open");
  }
  for (const auto& process : world_.processes()) {
    if (!process->running()) continue;
    if (process->bus().jobs_max() > process->settings().pool_jobs_max / 2) {
      findings_.fault(process->name() + " had " + std::to_string(process->bus().jobs_max()) +
                      " jobs in its pool");
    }
    if (process->bus().timers() > 1000) {
      findings_.fault(process->name() + " has " + std::to_string(process->bus().timers()) +
                      " timers when all is quiet");
    }
  }
}

}  // namespace dfs::sim
