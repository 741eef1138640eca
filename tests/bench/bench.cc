// Many small requests by several clients at once, through the client library. Each client has one
// request under way; bench.py runs this and shows the results.
//
//   dfs_bench BROKER[,BROKER…] OPERATION DIRECTORY --count N --clients C [--sessions S] [--bytes B]
//             [--passes P]
//
// Operations: create (files of B bytes), read, stat, list (the whole directory, N times), rename,
// remove, mkdir, lock (takes it and gives it back, which is two changes). Each but list works on N
// names, shared out among the clients; rename and remove need what create made. DFS_TICKET has the
// ticket to show. Prints one line of JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "actors/client/session.h"
#include "broker/security.h"
#include "cli/ticket_store.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> brokers;
  std::string operation;
  std::string directory;
  uint32_t count = 2000;
  uint32_t clients = 1;
  uint32_t sessions = 0;  // 0: one per client
  uint32_t bytes = 4096;
  uint32_t passes = 1;  // over the same names
  std::shared_ptr<dfs::Security> security;
  std::string ticket;
};

// Bytes in memory, to put.
class BytesSource : public dfs::Source {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  bool seekable() const override { return true; }
  dfs::Result<size_t> read(uint64_t offset, void* out, size_t size) override {
    const size_t left = bytes_.size() - std::min<uint64_t>(offset, bytes_.size());
    const size_t taken = std::min(size, left);
    std::memcpy(out, bytes_.data() + (bytes_.size() - left), taken);
    return taken;
  }

 private:
  std::string bytes_;
};

// Takes what was got and forgets it.
class NoSink : public dfs::Sink {
 public:
  bool seekable() const override { return true; }
  dfs::Result<void> prepare(uint64_t) override { return {}; }
  dfs::Result<void> write(uint64_t, const void*, size_t) override { return {}; }
  dfs::Result<void> finish() override { return {}; }
};

template <class T>
dfs::Result<void> outcome_of(dfs::Result<T> result) {
  if (!result) return std::move(result).error();
  return {};
}

dfs::Task<dfs::Result<void>> create(dfs::Client& client, std::string path, uint32_t bytes) {
  auto source = std::make_shared<BytesSource>(std::string(bytes, 'b'));
  dfs::Task<dfs::Result<dfs::TransferReport>> putting =
      client.put(std::move(source), std::move(path), dfs::TransferOptions());
  dfs::Result<dfs::TransferReport> report = co_await putting;
  co_return outcome_of(std::move(report));
}

dfs::Task<dfs::Result<void>> read(dfs::Client& client, std::string path) {
  dfs::Task<dfs::Result<dfs::TransferReport>> getting =
      client.get(std::move(path), std::make_shared<NoSink>(), dfs::TransferOptions());
  dfs::Result<dfs::TransferReport> report = co_await getting;
  co_return outcome_of(std::move(report));
}

dfs::Task<dfs::Result<void>> stat(dfs::Client& client, std::string path) {
  dfs::Task<dfs::Result<dfs::InodeInfo>> asking = client.stat(std::move(path));
  dfs::Result<dfs::InodeInfo> info = co_await asking;
  co_return outcome_of(std::move(info));
}

dfs::Task<dfs::Result<void>> list(dfs::Client& client, std::string path) {
  std::string after;
  while (true) {
    dfs::Task<dfs::Result<dfs::ListReply>> asking = client.list(path, after, dfs::kListEntriesMax);
    dfs::Result<dfs::ListReply> page = co_await asking;
    if (!page) co_return std::move(page).error();
    if (!page->more) co_return dfs::Result<void>();
    after = page->entries.back().name;
  }
}

dfs::Task<dfs::Result<void>> rename(dfs::Client& client, std::string path) {
  const std::string target = path + ".new";
  dfs::Task<dfs::Result<dfs::RenameReply>> asking = client.rename(std::move(path), target, true);
  dfs::Result<dfs::RenameReply> reply = co_await asking;
  co_return outcome_of(std::move(reply));
}

dfs::Task<dfs::Result<void>> remove(dfs::Client& client, std::string path) {
  dfs::Task<dfs::Result<dfs::RemoveReply>> asking = client.remove(std::move(path), false);
  dfs::Result<dfs::RemoveReply> reply = co_await asking;
  co_return outcome_of(std::move(reply));
}

dfs::Task<dfs::Result<void>> make_dir(dfs::Client& client, std::string path) {
  dfs::Task<dfs::Result<dfs::MakeDirReply>> asking = client.make_dir(std::move(path), false);
  dfs::Result<dfs::MakeDirReply> reply = co_await asking;
  co_return outcome_of(std::move(reply));
}

dfs::Task<dfs::Result<void>> lock(dfs::Client& client, std::string path) {
  dfs::LockOwner owner(client.locks());
  dfs::LockWish wish;
  wish.target.path = std::move(path);
  dfs::Task<dfs::Result<dfs::LockReply>> acquiring = owner.acquire(std::move(wish));
  const dfs::Result<dfs::LockReply> held = co_await acquiring;
  if (!held) co_return held.error();
  dfs::Task<dfs::Result<void>> releasing = owner.release(held->lock);
  dfs::Result<void> released = co_await releasing;
  co_return released;
}

using Operation = std::function<dfs::Task<dfs::Result<void>>(dfs::Client&, std::string)>;

Operation operation_of(const Options& options) {
  const std::string& name = options.operation;
  if (name == "create") {
    return [bytes = options.bytes](dfs::Client& c, std::string path) {
      return create(c, std::move(path), bytes);
    };
  }
  if (name == "read") return read;
  if (name == "stat") return stat;
  if (name == "rename") return rename;
  if (name == "remove") return remove;
  if (name == "mkdir") return make_dir;
  if (name == "lock") return lock;
  if (name == "list") {
    return
        [directory = options.directory](dfs::Client& c, std::string) { return list(c, directory); };
  }
  return nullptr;
}

using Latencies = std::vector<double>;  // microseconds

// The names [begin, end), one after the other, `passes` times.
dfs::Task<dfs::Result<Latencies>> one_client(dfs::Client& client, Operation operation,
                                             std::string directory, uint32_t begin, uint32_t end,
                                             uint32_t passes) {
  Latencies latencies;
  const uint32_t names = end - begin;
  latencies.reserve(size_t{names} * passes);
  for (uint32_t k = 0; k < names * passes; ++k) {
    const auto started = Clock::now();
    dfs::Task<dfs::Result<void>> running =
        operation(client, directory + "/n" + std::to_string(begin + k % names));
    dfs::Result<void> done = co_await running;
    if (!done) co_return std::move(done).error();
    latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - started).count());
  }
  co_return latencies;
}

bool parse(int argc, char** argv, Options& options) {
  if (argc < 4) return false;
  std::istringstream brokers(argv[1]);
  for (std::string each; std::getline(brokers, each, ',');) options.brokers.push_back(each);
  options.operation = argv[2];
  options.directory = argv[3];
  for (int i = 4; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--cluster-key") {
      options.security = std::make_shared<dfs::Security>();
      options.security->own = dfs::make_key_pair();
      options.security->cluster_keys = {argv[i + 1]};
      continue;
    }
    const auto value = static_cast<uint32_t>(std::stoul(argv[i + 1]));
    if (flag == "--count") {
      options.count = value;
    } else if (flag == "--clients") {
      options.clients = value;
    } else if (flag == "--sessions") {
      options.sessions = value;
    } else if (flag == "--bytes") {
      options.bytes = value;
    } else if (flag == "--passes") {
      options.passes = value;
    } else {
      return false;
    }
  }
  if (options.sessions == 0) options.sessions = options.clients;
  return options.clients > 0 && options.sessions > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options) || !operation_of(options)) {
    std::fprintf(stderr,
                 "usage: dfs_bench BROKER[,BROKER...] OPERATION DIRECTORY --count N --clients C "
                 "[--sessions S] [--bytes B] [--passes P] [--cluster-key KEY]\n");
    return 2;
  }
  if (const char* const ticket = std::getenv("DFS_TICKET")) {
    const auto bytes = dfs::cli::ticket_of_text(ticket);
    if (!bytes) {
      std::fprintf(stderr, "dfs_bench: DFS_TICKET: %s\n", bytes.error().describe().c_str());
      return 2;
    }
    options.ticket = *bytes;
  }
  std::vector<std::unique_ptr<dfs::Session>> sessions;
  for (uint32_t i = 0; i < options.sessions; ++i) {
    sessions.push_back(
        std::make_unique<dfs::Session>(dfs::SessionSettings{.brokers = options.brokers,
                                                            .pool_threads = 1,
                                                            .ticket = options.ticket,
                                                            .security = options.security}));
    // The connection is made before the clock runs.
    const auto root = sessions.back()->stat("/");
    if (!root) {
      std::fprintf(stderr, "dfs_bench: %s\n", root.error().describe().c_str());
      return 1;
    }
  }
  std::vector<Latencies> latencies(options.clients);
  std::vector<std::string> problems(options.clients);
  std::vector<std::jthread> clients;
  const auto started = Clock::now();
  for (uint32_t c = 0; c < options.clients; ++c) {
    clients.emplace_back([&, c] {
      const auto share = [&](uint32_t part) {
        return static_cast<uint32_t>(uint64_t{options.count} * part / options.clients);
      };
      auto done = sessions[c % options.sessions]->run<Latencies>([&](dfs::Client& client) {
        return one_client(client, operation_of(options), options.directory, share(c), share(c + 1),
                          options.passes);
      });
      if (done) {
        latencies[c] = std::move(*done);
      } else {
        problems[c] = done.error().describe();
      }
    });
  }
  clients.clear();
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  for (const auto& problem : problems) {
    if (problem.empty()) continue;
    std::fprintf(stderr, "dfs_bench: %s %s: %s\n", options.operation.c_str(),
                 options.directory.c_str(), problem.c_str());
    return 1;
  }
  Latencies all;
  for (const auto& one : latencies) all.insert(all.end(), one.begin(), one.end());
  std::sort(all.begin(), all.end());
  const auto quantile = [&](double q) {
    return all.empty() ? 0.0 : all[static_cast<size_t>(q * static_cast<double>(all.size() - 1))];
  };
  std::printf(
      "{\"operation\":\"%s\",\"clients\":%u,\"count\":%zu,\"seconds\":%.6f,"
      "\"per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
      options.operation.c_str(), options.clients, all.size(), seconds,
      static_cast<double>(all.size()) / seconds, quantile(0.5), quantile(0.99), quantile(1.0));
  return 0;
}
