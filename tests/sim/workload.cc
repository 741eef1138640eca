#include "tests/sim/workload.h"

#include <algorithm>

#include "tests/sim/cluster.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;

namespace {

// True when an error with this code leaves no doubt that nothing has changed.
bool is_refusal(Code code) {
  switch (code) {
    case Code::malformed:
    case Code::too_large:
    case Code::unsupported:
    case Code::invalid:
    case Code::not_found:
    case Code::exists:
    case Code::not_directory:
    case Code::is_directory:
    case Code::not_empty:
    case Code::bad_name:
    case Code::loop:
    case Code::conflict:
    case Code::denied:
    case Code::corrupt:
    case Code::no_such_block:
    case Code::local_io:
    case Code::local_changed:
    case Code::usage:
      return true;
    default:
      return false;
  }
}

}  // namespace

Worker::Worker(Process& process, std::string home, const Options& options, Random random,
               Counter& counter, SharedFiles& shared, Findings& findings)
    : process_(process),
      options_(options),
      random_(random),
      counter_(counter),
      shared_(shared),
      findings_(findings),
      model_(std::move(home)) {}

void Worker::poll() {
  if (busy_ && process_.incarnation() != incarnation_) abandon();
  if (!busy_ && left_ > 0 && process_.ready()) begin();
}

void Worker::begin() {
  busy_ = true;
  incarnation_ = process_.incarnation();
  Client& client = Cluster::client(process_);
  client.scope().spawn(work(&client));
}

void Worker::abandon() {
  busy_ = false;
  if (std::exchange(counting_, false)) ++counter_.unknown;
  if (!under_way_) return;
  ++findings_.unknown;
  model_.leave_unknown(std::move(*under_way_));
  under_way_.reset();
}

void Worker::fault(const std::string& what) {
  findings_.fault(process_.name() + ": " + what);
}

Task<void> Worker::work(Client* client) {
  while (!has_home_ && findings_.good()) {
    Task<void> making = make_home(client);
    co_await making;
  }
  while (left_ > 0 && findings_.good()) {
    --left_;
    ++findings_.operations;
    Task<void> operating = operate(client);
    co_await operating;
    Task<void> pausing = sleep(client->bus(), random_.between(Duration(0), options_.pause_max));
    co_await pausing;
  }
  busy_ = false;
}

Task<void> Worker::make_home(Client* client) {
  Task<Result<MakeDirReply>> making = client->make_dir(model_.home(), false);
  Result<MakeDirReply> made = co_await making;
  has_home_ = made || made.code() == Code::exists;
  if (!has_home_ && is_refusal(made.code())) {
    fault("cannot make " + model_.home() + ": " + made.error().describe());
  }
  Task<void> pausing = sleep(client->bus(), milliseconds(200));
  co_await pausing;
}

template <class T>
bool Worker::settle(const Result<T>& result, Code expected) {
  Change change = std::move(*under_way_);
  under_way_.reset();
  if (result) {
    if (expected == Code::ok) {
      model_.apply(change);
      return true;
    }
    fault(change.what + " succeeded; it should be refused as " + name_of(expected));
    return false;
  }
  const Error& error = result.error();
  if (is_refusal(error.code)) {
    ++findings_.refused;
    if (error.code != expected) {
      fault(change.what + " should be " + name_of(expected) + "; it ended as " + error.describe());
    }
    return false;
  }
  ++findings_.unknown;
  process_.world().trace("unknown", process_.name(), 0, change.what + ": " + error.describe());
  if (strict) fault(change.what + " must succeed in a healthy cluster: " + error.describe());
  if (expected == Code::ok) model_.leave_unknown(std::move(change));
  return false;
}

template <class T>
bool Worker::settle_read(const Result<T>& result, const std::string& what) {
  if (result) return true;
  const Error& error = result.error();
  if (strict || is_refusal(error.code)) fault(what + ": " + error.describe());
  ++findings_.unknown;
  process_.world().trace("unknown", process_.name(), 0, what + ": " + error.describe());
  return false;
}

void Worker::check_stall(const TransferReport& report, const std::string& what) {
  if (!strict || report.longest_stall <= options_.stall_max) return;
  fault(what + " stood still for " +
        std::to_string(std::chrono::duration_cast<milliseconds>(report.longest_stall).count()) +
        " ms");
}

std::string Worker::fresh_name() {
  const std::string number = std::to_string(++names_);
  switch (random_.below(8)) {
    case 0:
      return " " + number + " 'with\" spaces\n";
    case 1:
      return "-" + number + ".tar.gz";
    case 2:
      return "日本" + number + "é";
    case 3:
      return number + std::string(kNameBytesMax - number.size(), 'x');
    default:
      return "name" + number;
  }
}

std::string Worker::fresh_path() {
  std::vector<std::string> parents = model_.directories(false);
  // Deep enough; a chain of the longest names would outgrow the longest path.
  std::erase_if(parents, [](const std::string& path) {
    return std::count(path.begin(), path.end(), '/') > 4;
  });
  parents.push_back(model_.home());
  return random_.pick(parents) + "/" + fresh_name();
}

uint64_t Worker::some_size() {
  const uint64_t part = kPartBytes;
  const uint64_t edges[] = {
      0,        1,       kInlineBytesMax - 1, kInlineBytesMax, kInlineBytesMax + 1, part - 1, part,
      part + 1, 2 * part};
  if (random_.chance(0.3)) return std::min(edges[random_.below(9)], options_.file_bytes_max);
  if (random_.chance(0.3)) return random_.below(kInlineBytesMax);
  if (random_.chance(0.4)) return random_.below(200'000);
  return random_.below(options_.file_bytes_max);
}

TransferOptions Worker::some_transfer() {
  TransferOptions transfer;
  transfer.jobs = static_cast<uint32_t>(random_.between(1, 5));
  transfer.window_parts = static_cast<uint32_t>(random_.between(1, 4));
  transfer.block_bytes = random_.below(3) << 20;
  transfer.deadline = milliseconds(random_.between(5000, 30000));
  return transfer;
}

Task<void> Worker::operate(Client* client) {
  const std::vector<std::string> files = model_.files();
  const std::vector<std::string> directories = model_.directories(true);
  const std::string file = files.empty() ? std::string() : random_.pick(files);
  const std::string directory = directories.empty() ? std::string() : random_.pick(directories);
  const uint64_t dice = random_.below(100);
  const bool any = !file.empty();
  const bool some = !directory.empty();
  const bool shared = random_.chance(0.2);

  Task<void> task = [&]() -> Task<void> {
    if (shared) return shared_.operate(client, &random_, some_transfer(), strict);
    if (dice < 25 || (!any && dice < 50)) {
      const uint64_t version = random_.chance(0.3) ? 0 : UINT64_MAX;
      return put(client, fresh_path(), version, Code::ok);
    }
    if (dice < 35 && any) {
      const uint64_t version = model_.tree().at(file).version;
      return put(client, file, version != 0 && random_.chance(0.5) ? version : UINT64_MAX,
                 Code::ok);
    }
    if (dice < 37 && any && model_.tree().at(file).version != 0) {
      if (random_.chance(0.5)) return put(client, file, 0, Code::exists);
      return put(client, file, model_.tree().at(file).version + 1, Code::conflict);
    }
    if (dice < 38 && some) return put(client, directory, UINT64_MAX, Code::is_directory);
    if (dice < 54 && any) return get(client, file);
    if (dice < 56) return get_missing(client);
    if (dice < 62 && any) return stat(client, file);
    if (dice < 66) return list(client, some ? directory : model_.home());
    if (dice < 74) {
      const bool parents = random_.chance(0.3);
      std::string path = fresh_path();
      if (parents) path += "/" + fresh_name();
      return make_dir(client, path, parents, Code::ok);
    }
    if (dice < 75) return make_dir(client, fresh_path() + "/deep", false, Code::not_found);
    if (dice < 76 && any) return make_dir(client, file, false, Code::exists);
    if (dice < 82 && any) return rename(client, file, fresh_path(), true, Code::ok);
    if (dice < 85 && any) {
      const std::string target = files[random_.below(files.size())];
      if (target == file) return stat(client, file);
      const bool replace = random_.chance(0.7);
      return rename(client, file, target, replace, replace ? Code::ok : Code::exists);
    }
    if (dice < 88 && some) {
      const std::string target = fresh_path();
      const bool inside = is_within(target, directory);
      return rename(client, directory, target, true, inside ? Code::loop : Code::ok);
    }
    if (dice < 89 && any && some) {
      if (is_within(file, directory)) {
        return rename(client, file, directory, true, Code::is_directory);
      }
      return random_.chance(0.5) ? rename(client, file, directory, true, Code::is_directory)
                                 : rename(client, directory, file, true, Code::not_directory);
    }
    if (dice < 95 && any) return remove(client, file, false, Code::ok);
    if (dice < 96) return remove(client, fresh_path(), random_.chance(0.5), Code::not_found);
    if (dice < 98) return count(client);
    if (some) {
      const bool recursive = random_.chance(0.5);
      const bool refused = !recursive && !model_.children(directory).empty();
      return remove(client, directory, recursive, refused ? Code::not_empty : Code::ok);
    }
    return list(client, model_.home());
  }();
  co_await task;
}

// ---- the operations

Task<void> Worker::put(Client* client, std::string path, uint64_t expected_version, Code expected) {
  const bool stream = random_.chance(0.2);
  const Content content{random_.next(), some_size()};
  const auto old = model_.tree().find(path);
  Entry entry;
  entry.content = content;
  if (old != model_.tree().end()) entry.ino = old->second.ino;
  const uint64_t old_version = old != model_.tree().end() ? old->second.version : 0;
  under_way_ = model_.change("put of " + std::to_string(content.size) + " bytes to " + path, {path},
                             Tree{{path, entry}});
  TransferOptions transfer = some_transfer();
  transfer.expected_version = expected_version;
  Task<Result<TransferReport>> putting = client->put(make_source(content, stream), path, transfer);
  Result<TransferReport> put = co_await putting;
  if (!settle(put, expected)) co_return;
  check_stall(*put, "put of " + path);

  findings_.bytes_written += content.size;
  Entry& now = model_.tree().at(path);
  const InodeInfo& info = put->info;
  now.version = info.version;
  now.copies = put->copies_min;
  const bool inline_content = content.size <= kInlineBytesMax;
  if (info.size != content.size || info.version <= old_version || put->bytes != content.size ||
      (entry.ino != 0 && info.ino != entry.ino) || !put->receipt.synced ||
      (!inline_content && now.copies == 0)) {
    fault("the report of a put to " + path + " is wrong: " + to_json(info) + " " +
          to_json(put->receipt) + ", " + std::to_string(put->copies_min) + " copies");
  }
  now.ino = info.ino;
}

Task<void> Worker::get(Client* client, std::string path) {
  const Entry entry = model_.tree().at(path);
  const bool stream = random_.chance(0.3);
  auto verdict = std::make_shared<SinkVerdict>();
  Task<Result<TransferReport>> getting =
      client->get(path, make_sink(entry.content, stream, verdict), some_transfer());
  Result<TransferReport> got = co_await getting;
  if (!verdict->fault.empty()) fault("get of " + path + ": " + verdict->fault);
  // What is whole may be on nodes that are away.
  const bool away = got.code() == Code::corrupt && options_.harms_media() && !strict;
  if (away || !settle_read(got, "get of " + path)) co_return;
  findings_.bytes_read += entry.content.size;
  check_stall(*got, "get of " + path);
  if (!verdict->finished) fault("get of " + path + " succeeded without finishing its file");
  if (got->info.size != entry.content.size ||
      (entry.version != 0 && got->info.version != entry.version)) {
    fault("get of " + path + " found " + to_json(got->info));
  }
}

Task<void> Worker::get_missing(Client* client) {
  const std::string path = fresh_path();
  auto verdict = std::make_shared<SinkVerdict>();
  Task<Result<TransferReport>> getting =
      client->get(path, make_sink({}, false, verdict), some_transfer());
  Result<TransferReport> got = co_await getting;
  if (got || verdict->finished) fault("get of " + path + ", which does not exist, succeeded");
  if (!got && got.code() != Code::not_found) (void)settle_read(got, "get of missing " + path);
}

Task<void> Worker::stat(Client* client, std::string path) {
  const Entry entry = model_.tree().at(path);
  Task<Result<InodeInfo>> asking = client->stat(path);
  Result<InodeInfo> info = co_await asking;
  if (!settle_read(info, "stat of " + path)) co_return;
  if (info->type != FileType::file || info->size != entry.content.size || info->links != 1 ||
      (entry.version != 0 && info->version != entry.version) ||
      (entry.ino != 0 && info->ino != entry.ino)) {
    fault("stat of " + path + " found " + to_json(*info));
  }
}

Task<void> Worker::list(Client* client, std::string path) {
  const std::vector<std::string> expected = model_.children(path);
  std::vector<std::string> found;
  std::string after;
  bool more = true;
  while (more) {
    const auto limit = static_cast<uint32_t>(random_.between(1, 20));
    Task<Result<ListReply>> asking = client->list(path, after, limit);
    Result<ListReply> page = co_await asking;
    if (!settle_read(page, "list of " + path)) co_return;
    for (const ListEntry& entry : page->entries) {
      if (model_.known(path + "/" + entry.name)) found.push_back(entry.name);
      after = entry.name;
    }
    more = page->more && !page->entries.empty();
  }
  if (found == expected) co_return;
  std::string text = "list of " + path + " found";
  for (const std::string& name : found) text += " [" + name + "]";
  text += ", not";
  for (const std::string& name : expected) text += " [" + name + "]";
  fault(text);
}

Task<void> Worker::make_dir(Client* client, std::string path, bool parents, Code expected) {
  Entry directory;
  directory.directory = true;
  Tree after{{path, directory}};
  std::string root = path;
  if (parents) after[root = parent_of(path)] = directory;
  under_way_ = model_.change("mkdir of " + path, {root}, std::move(after));
  Task<Result<MakeDirReply>> making = client->make_dir(path, parents);
  Result<MakeDirReply> made = co_await making;
  if (settle(made, expected)) model_.tree().at(path).ino = made->ino;
}

Task<void> Worker::rename(Client* client, std::string from, std::string to, bool replace,
                          Code expected) {
  Tree after;
  for (const auto& [path, entry] : subtree(model_.tree(), from)) {
    after[to + path.substr(from.size())] = entry;
  }
  under_way_ = model_.change("rename of " + from + " to " + to, {from, to}, std::move(after));
  Task<Result<RenameReply>> renaming = client->rename(from, to, replace);
  Result<RenameReply> renamed = co_await renaming;
  (void)settle(renamed, expected);
}

Task<void> Worker::remove(Client* client, std::string path, bool recursive, Code expected) {
  under_way_ = model_.change("remove of " + path, {path}, {});
  Task<Result<RemoveReply>> removing = client->remove(path, recursive);
  Result<RemoveReply> removed = co_await removing;
  (void)settle(removed, expected);
}

Task<void> Worker::count(Client* client) {
  Task<Result<InodeInfo>> asking = client->stat(counter_.path);
  Result<InodeInfo> info = co_await asking;
  const bool first = info.code() == Code::not_found;
  if (!first && !settle_read(info, "stat of " + counter_.path)) co_return;

  const Content content{random_.next(), random_.below(2 * kInlineBytesMax)};
  TransferOptions transfer = some_transfer();
  transfer.expected_version = first ? 0 : info->version;
  counting_ = true;
  Task<Result<TransferReport>> putting =
      client->put(make_source(content, false), counter_.path, transfer);
  Result<TransferReport> put = co_await putting;
  counting_ = false;
  if (put) {
    const uint64_t version = put->info.version;
    if (version != transfer.expected_version + 1 ||
        !counter_.acknowledged.emplace(version, content).second) {
      fault("an update of " + counter_.path + " was lost: two made version " +
            std::to_string(version));
    }
  } else if (put.code() != Code::conflict && put.code() != Code::exists) {
    ++counter_.unknown;
    (void)settle_read(put, "update of " + counter_.path);
  }
}

}  // namespace dfs::sim
