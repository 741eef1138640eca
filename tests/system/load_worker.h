// The clients of dfs_load: one that changes files of its own and knows what each of them must hold,
// and one that reads what the others write and must never be told an old state.
#pragma once

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "actors/client/client.h"

namespace dfs::load {

// Seconds of CLOCK_MONOTONIC, the same for every process of this machine.
double now();

struct Plan {
  uint32_t names = 8;        // files per worker that exist or not by turns
  uint32_t bytes_max = 300;  // of a file
  uint32_t reads_percent = 10;
  std::atomic<int64_t> left = INT64_MAX;  // changes to begin still
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> acked = 0;   // changes
  std::atomic<uint64_t> failed = 0;  // operations that got no answer in time
  bool over() const { return stop.load() || left.load() <= 0; }
};

struct Trouble {
  double at = 0;
  std::string what;
};

// What one client saw.
struct Record {
  std::vector<double> acked_at;     // of each change, in order
  std::vector<float> latency_ms;    // likewise
  std::vector<Trouble> errors;      // the cluster did not answer within the deadline
  std::vector<Trouble> violations;  // it answered, and the answer was wrong
  uint64_t reads = 0;
};

// What is at a name. A file that is not there has version 0.
struct Contents {
  uint64_t version = 0;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  bool operator==(const Contents&) const = default;
};

// The states that a name may be in: one, or two after a change that nobody answered. Such a name is
// left alone from then on, for the change may take effect at any later time.
using Model = std::map<std::string, std::vector<Contents>>;

// The oldest state of a worker's sequence that a read may show from now on. Any thread.
class Floor {
 public:
  struct State {
    uint32_t generation = 0;  // of the file: a new one after a change without an answer
    uint32_t version = 0;
  };
  State get() const;
  // To `state`, unless it is there or beyond.
  void raise(State state);

 private:
  std::atomic<uint64_t> packed_ = 0;
};

std::string sequence_name(uint32_t generation);

class Worker {
 public:
  // Works in `directory`, which exists and is nobody else's.
  Worker(std::string directory, Plan& plan, Floor& floor, uint64_t seed);

  Task<Result<bool>> run(Client& client);

  const std::string& directory() const { return directory_; }
  const Record& record() const { return record_; }
  const Model& model() const { return model_; }

 private:
  struct Change {
    std::string name;
    Contents after;
  };

  Task<void> step(Client& client);
  Task<void> look(Client& client, std::string name);
  Task<bool> put(Client& client, std::string name, std::string bytes, bool conditional);
  Task<void> remove(Client& client, std::string name);
  Task<void> rename(Client& client, std::string from, std::string to);
  Task<void> extend_sequence(Client& client);

  // True when the change was acknowledged.
  bool settle(const std::string& what, double began, const Result<void>& outcome,
              const std::vector<Change>& changes);
  void retire(const std::string& name);
  void wrong(std::string what);
  Contents state_of(const std::string& name) const;
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  uint32_t chance(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  const std::string directory_;
  Plan& plan_;
  Floor& floor_;
  std::mt19937_64 random_;
  std::vector<std::string> names_;
  uint32_t names_made_ = 0;
  std::string sequence_;  // the content of the sequence file
  uint32_t generation_ = 0;
  uint64_t serial_ = 0;
  Model model_;
  Record record_;
};

class Reader {
 public:
  Reader(std::vector<std::string> directories, Plan& plan, std::vector<Floor>& floors,
         uint64_t seed);

  // Until the plan is over, with a short pause after each read.
  Task<Result<bool>> run(Client& client);

  const Record& record() const { return record_; }

 private:
  void judge(size_t worker, Floor::State floor, const Result<InodeInfo>& info);

  const std::vector<std::string> directories_;
  Plan& plan_;
  std::vector<Floor>& floors_;
  std::mt19937_64 random_;
  Record record_;
};

}  // namespace dfs::load
