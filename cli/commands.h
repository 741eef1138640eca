// The commands of dfsctl. Each add_… declares some of them; parsing the command line then leaves
// the chosen one in Context::run.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/client/client.h"
#include "actors/client/session.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/paths.h"

namespace CLI {
class App;
}

namespace dfs::cli {

struct GlobalOptions {
  std::vector<std::string> brokers = {"tcp://127.0.0.1:7000"};
  bool json = false;
  bool quiet = false;
  Duration timeout = std::chrono::seconds(30);
  uint32_t jobs = 4;
  std::string log_level = "warn";
};

// What a command works with: the options, the cluster, and where its results go. One per process.
// fail(), warn() and print() may be called from any thread.
class Context {
 public:
  GlobalOptions options;
  std::string command;  // "put", "cluster status"
  std::function<int()> run;

  // Connects at first use. Aborts nothing: an unreachable cluster shows in the first request.
  Session& session();
  // Ends what is under way, from the thread that watches for Ctrl-C.
  void interrupt();
  bool interrupted() const { return interrupted_; }

  // Says on stderr what went wrong with `subject` (a path, or empty) and what to try; returns the
  // exit status, which is also kept as status() unless an earlier failure is.
  int fail(std::string_view subject, const Error& error);
  void warn(std::string_view text);
  // A line of results on stdout. Its failure (a full disk, a closed pipe) ends in status().
  void print(std::string_view line);
  // The line that closes a transfer: on stdout, or on stderr when stdout carries the file.
  void summary(std::string_view line, bool stdout_is_data);

  int status() const { return status_; }
  bool json() const { return options.json; }
  // A name for people on a terminal, as it is for a pipe.
  static std::string shown(std::string_view name);

  // The kind of thing at the remote `path`; an absent one is no error.
  Result<TargetKind> kind_of(const std::string& path);

 private:
  std::unique_ptr<Session> session_;
  std::atomic<Session*> live_session_ = nullptr;
  std::atomic<bool> interrupted_ = false;
  std::atomic<int> status_ = kExitOk;
};

void add_transfer_commands(CLI::App& app, Context& context);   // put get cat
void add_namespace_commands(CLI::App& app, Context& context);  // ls mkdir mv rm
void add_inspect_commands(CLI::App& app, Context& context);    // stat checksum
void add_cluster_commands(CLI::App& app, Context& context);    // cluster events version

// Calls `visit` for every entry of the remote directory, in order of names, page by page, until it
// returns false.
Result<void> for_each_entry(Session& session, const std::string& directory,
                            const std::function<bool(const ListEntry&)>& visit);

}  // namespace dfs::cli
