// A load by several clients at once whose every outcome is checked against a model, for tests that
// do harm to a cluster meanwhile.
//
//   dfs_load BROKER[,BROKER…] DIRECTORY [--clients N] [--sessions N] [--readers N] [--names N]
//            [--bytes N] [--reads PERCENT] [--count N] [--deadline MS] [--seed N]
//            [--cluster-key KEY --ticket FILE]
//
// Each client makes, overwrites (under a condition or not), renames and removes files in a folder
// of its own and appends to a sequence there. Each reader asks only one of the brokers, whatever
// becomes of it, and must not be told anything older than what was acknowledged to anybody or told
// to any reader before it asked. Ends after --count changes, or with SIGTERM.
//
// stdout: every 100 ms a line {"acked": N, "errors": N}; at the end one with all that was seen:
// when there were no acknowledgements for 50 ms or more (`gaps`: begin and length in seconds of
// CLOCK_MONOTONIC), operations without an answer within the deadline (`errors`), wrong answers
// (`violations`), and what must be there now (`model`: for each name its possible [version, size,
// crc32c]; version 0 is no file). Exit status 1 when it cannot begin, else 0.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <thread>

#include "actors/client/session.h"
#include "broker/security.h"
#include "load_worker.h"

namespace {

using dfs::load::Floor;
using dfs::load::Plan;
using dfs::load::Reader;
using dfs::load::Record;
using dfs::load::Trouble;
using dfs::load::Worker;

constexpr double kGapSeconds = 0.05;
constexpr size_t kTroublesShown = 20;
// Short, so that a frozen broker has fresh questions waiting when it thaws.
constexpr uint64_t kReaderDeadlineMs = 500;

struct Options {
  std::vector<std::string> brokers;
  std::string directory;
  uint32_t clients = 16;
  uint32_t sessions = 0;  // 0: one per client
  uint32_t readers = 0;
  uint64_t deadline_ms = 10'000;
  uint64_t seed = 1;
  std::shared_ptr<dfs::Security> security = {};  // of --cluster-key
  std::string ticket = {};
};

std::atomic<bool> interrupted = false;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) words.push_back(word);
  return words;
}

bool parse(int argc, char** argv, Options& options, Plan& plan) {
  if (argc < 3 || argc % 2 == 0) return false;
  options.brokers = split(argv[1]);
  options.directory = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--cluster-key") {
      options.security = std::make_shared<dfs::Security>();
      options.security->own = dfs::make_key_pair();
      options.security->cluster_keys = {argv[i + 1]};
      continue;
    }
    if (flag == "--ticket") {
      std::ifstream in(argv[i + 1], std::ios::binary);
      options.ticket.assign(std::istreambuf_iterator<char>(in), {});
      continue;
    }
    const uint64_t value = std::stoull(argv[i + 1]);
    if (flag == "--clients") {
      options.clients = static_cast<uint32_t>(value);
    } else if (flag == "--sessions") {
      options.sessions = static_cast<uint32_t>(value);
    } else if (flag == "--readers") {
      options.readers = static_cast<uint32_t>(value);
    } else if (flag == "--names") {
      plan.names = static_cast<uint32_t>(value);
    } else if (flag == "--bytes") {
      plan.bytes_max = static_cast<uint32_t>(value);
    } else if (flag == "--reads") {
      plan.reads_percent = static_cast<uint32_t>(value);
    } else if (flag == "--count") {
      plan.left = static_cast<int64_t>(value);
    } else if (flag == "--deadline") {
      options.deadline_ms = value;
    } else if (flag == "--seed") {
      options.seed = value;
    } else {
      return false;
    }
  }
  if (options.sessions == 0) options.sessions = options.clients;
  return !options.brokers.empty() && options.clients > 0 && plan.names > 0;
}

std::unique_ptr<dfs::Session> connect(const Options& options, std::vector<std::string> brokers,
                                      uint64_t deadline_ms) {
  return std::make_unique<dfs::Session>(
      dfs::SessionSettings{.brokers = std::move(brokers),
                           .pool_threads = 1,
                           .deadline = std::chrono::milliseconds(deadline_ms),
                           .ticket = options.ticket,
                           .security = options.security});
}

// Everything of one run; its parts are used by the threads of the sessions.
struct Load {
  Options options;
  Plan plan;
  std::vector<Floor> floors;
  std::deque<Worker> workers;
  std::deque<Reader> readers;
  std::vector<std::unique_ptr<dfs::Session>> sessions;         // of the workers
  std::vector<std::unique_ptr<dfs::Session>> reader_sessions;  // one each
  double began = 0;
  double ended = 0;
};

dfs::Result<void> prepare(Load& load) {
  const Options& options = load.options;
  for (uint32_t i = 0; i < options.sessions; ++i) {
    load.sessions.push_back(connect(options, options.brokers, options.deadline_ms));
  }
  load.floors = std::vector<Floor>(options.clients);
  std::vector<std::string> directories;
  for (uint32_t i = 0; i < options.clients; ++i) {
    directories.push_back(options.directory + "/c" + std::to_string(i));
    DFS_CHECK(load.sessions[i % options.sessions]->make_dir(directories.back(), true));
    load.workers.emplace_back(directories.back(), load.plan, load.floors[i],
                              options.seed * 1000 + i);
  }
  for (uint32_t i = 0; i < options.readers; ++i) {
    const std::string& broker = options.brokers[i % options.brokers.size()];
    load.reader_sessions.push_back(connect(options, {broker}, kReaderDeadlineMs));
    load.readers.emplace_back(directories, load.plan, load.floors, options.seed * 7777 + i);
  }
  return {};
}

template <class Someone>
std::jthread set_to_work(dfs::Session& session, Someone& someone, std::atomic<uint32_t>& working) {
  ++working;
  return std::jthread([&] {
    (void)session.run<bool>([&](dfs::Client& client) { return someone.run(client); });
    --working;
  });
}

void run(Load& load) {
  std::atomic<uint32_t> working = 0;
  std::vector<std::jthread> threads;
  load.began = dfs::load::now();
  for (size_t i = 0; i < load.workers.size(); ++i) {
    threads.push_back(
        set_to_work(*load.sessions[i % load.sessions.size()], load.workers[i], working));
  }
  for (size_t i = 0; i < load.readers.size(); ++i) {
    threads.push_back(set_to_work(*load.reader_sessions[i], load.readers[i], working));
  }
  while (working > 0) {
    if (interrupted) load.plan.stop = true;
    std::printf("{\"acked\": %llu, \"errors\": %llu}\n",
                static_cast<unsigned long long>(load.plan.acked.load()),
                static_cast<unsigned long long>(load.plan.failed.load()));
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  load.ended = dfs::load::now();
}

// --- the report ----------------------------------------------------------------------------------

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}

// "errors": how many, and the first of them as [time, text].
std::string troubles(const std::string& name, std::vector<Trouble> all) {
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.at < b.at; });
  std::ostringstream out;
  out.precision(15);
  out << quoted(name + "_count") << ": " << all.size() << ", " << quoted(name) << ": [";
  for (size_t i = 0; i < std::min(all.size(), kTroublesShown); ++i) {
    out << (i == 0 ? "" : ", ") << "[" << all[i].at << ", " << quoted(all[i].what) << "]";
  }
  out << "]";
  return out.str();
}

// `times` are all acknowledgements, in order.
std::string gaps(const Load& load, const std::vector<double>& times) {
  std::ostringstream out;
  out.precision(15);
  double last = load.began;
  for (const double at : times) {
    if (at - last >= kGapSeconds) {
      out << (out.tellp() == 0 ? "" : ", ") << "[" << last << ", " << at - last << "]";
    }
    last = at;
  }
  return "\"gaps\": [" + out.str() + "]";
}

std::string model_of(const Worker& worker) {
  std::ostringstream out;
  for (const auto& [name, possible] : worker.model()) {
    out << (out.tellp() == 0 ? "" : ", ") << quoted(name) << ": [";
    for (size_t i = 0; i < possible.size(); ++i) {
      const dfs::load::Contents& state = possible[i];
      out << (i == 0 ? "[" : ", [") << state.version << ", " << state.size << ", " << state.crc32c
          << "]";
    }
    out << "]";
  }
  return quoted(worker.directory()) + ": {" + out.str() + "}";
}

template <class T>
void append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

void report(const Load& load) {
  Record all, readers;
  std::string models;
  for (const Worker& worker : load.workers) {
    append(all.acked_at, worker.record().acked_at);
    append(all.latency_ms, worker.record().latency_ms);
    append(all.errors, worker.record().errors);
    append(all.violations, worker.record().violations);
    all.reads += worker.record().reads;
    models += (models.empty() ? "" : ", ") + model_of(worker);
  }
  for (const Reader& reader : load.readers) {
    append(readers.errors, reader.record().errors);
    append(all.violations, reader.record().violations);
    readers.reads += reader.record().reads;
  }
  std::sort(all.acked_at.begin(), all.acked_at.end());
  std::sort(all.latency_ms.begin(), all.latency_ms.end());
  const auto quantile = [&](double q) {
    if (all.latency_ms.empty()) return 0.0F;
    return all.latency_ms[static_cast<size_t>(q * static_cast<double>(all.latency_ms.size() - 1))];
  };
  const double seconds = load.ended - load.began;
  const size_t changes = all.acked_at.size();
  std::printf(
      "{\"changes\": %zu, \"reads\": %llu, \"seconds\": %.3f, \"per_second\": %.1f, "
      "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"worst_ms\": %.3f, \"reader_reads\": %llu, "
      "%s, %s, %s, %s, \"model\": {%s}}\n",
      changes, static_cast<unsigned long long>(all.reads), seconds,
      static_cast<double>(changes) / seconds, quantile(0.5), quantile(0.99), quantile(1),
      static_cast<unsigned long long>(readers.reads), troubles("errors", all.errors).c_str(),
      troubles("reader_errors", readers.errors).c_str(),
      troubles("violations", all.violations).c_str(), gaps(load, all.acked_at).c_str(),
      models.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  if (!parse(argc, argv, load.options, load.plan)) {
    std::fprintf(stderr,
                 "usage: dfs_load BROKER[,BROKER...] DIRECTORY [--clients N] [--sessions N] "
                 "[--readers N] [--names N] [--bytes N] [--reads PERCENT] [--count N] "
                 "[--deadline MS] [--seed N]\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { interrupted = true; });
  std::signal(SIGINT, [](int) { interrupted = true; });
  const dfs::Result<void> prepared = prepare(load);
  if (!prepared) {
    std::fprintf(stderr, "dfs_load: %s\n", prepared.error().describe().c_str());
    return 1;
  }
  run(load);
  report(load);
  return 0;
}
