// Clients at work: random operations, each compared with a model that knows what must come of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/client/client.h"
#include "tests/sim/findings.h"
#include "tests/sim/model.h"
#include "tests/sim/options.h"
#include "tests/sim/process.h"
#include "tests/sim/random.h"
#include "tests/sim/shared_files.h"

namespace dfs::sim {

// A file that all clients overwrite, each time only if it still is as they last saw it. Every
// success must have a version of its own: two of the same would be a lost update.
struct Counter {
  std::string path = "/counter";
  std::map<uint64_t, Content> acknowledged;  // by version
  uint64_t unknown = 0;
};

// Drives the client of one process. It is the only one that changes anything below its home.
class Worker {
 public:
  Worker(Process& process, std::string home, const Options& options, Random random,
         Counter& counter, SharedFiles& shared, Findings& findings);

  // Gives it so many operations to do, one after the other.
  void assign(uint32_t operations) { left_ += operations; }
  // To be called again and again: notices that the client died, goes to work when it runs.
  void poll();
  bool done() const { return left_ == 0 && !busy_; }
  bool strict = false;  // from now on every operation must have its outcome

  Process& process() { return process_; }
  Model& model() { return model_; }

 private:
  void begin();
  void abandon();  // the client died: what it was doing has an unknown outcome
  Task<void> work(Client* client);
  Task<void> make_home(Client* client);
  Task<void> operate(Client* client);

  Task<void> put(Client* client, std::string path, uint64_t expected_version, Code expected);
  Task<void> get(Client* client, std::string path);
  Task<void> get_missing(Client* client);
  Task<void> stat(Client* client, std::string path);
  Task<void> list(Client* client, std::string path);
  Task<void> make_dir(Client* client, std::string path, bool parents, Code expected);
  Task<void> rename(Client* client, std::string from, std::string to, bool replace, Code expected);
  Task<void> remove(Client* client, std::string path, bool recursive, Code expected);
  Task<void> count(Client* client);

  // Compares an outcome with what was expected. True when the change took effect.
  template <class T>
  bool settle(const Result<T>& result, Code expected);
  template <class T>
  bool settle_read(const Result<T>& result, const std::string& what);
  void fault(const std::string& what);
  void check_stall(const TransferReport& report, const std::string& what);

  std::string fresh_name();
  std::string fresh_path();  // in some directory that is there
  uint64_t some_size();
  TransferOptions some_transfer();

  Process& process_;
  const Options& options_;
  Random random_;
  Counter& counter_;
  SharedFiles& shared_;
  Findings& findings_;
  Model model_;
  bool counting_ = false;  // an overwrite of the counter is under way
  std::optional<Change> under_way_;
  uint64_t incarnation_ = 0;  // of the client that is at work
  uint32_t left_ = 0;
  bool busy_ = false;
  bool has_home_ = false;
  uint64_t names_ = 0;
};

}  // namespace dfs::sim
