// The commands of dfsctl. Each add_… declares some of them; parsing the command line then leaves
// the chosen one in Context::run.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/client/client.h"
#include "actors/client/session.h"
#include "cli/exit_codes.h"
#include "cli/heads_view.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/security_options.h"
#include "cli/ticket_store.h"
#include "cli/user_directory.h"
#include "messages/users.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace dfs::cli {

struct GlobalOptions {
  std::vector<std::string> brokers = {"tcp://127.0.0.1:7000"};
  bool json = false;
  bool quiet = false;
  Duration timeout = std::chrono::seconds(30);
  uint32_t jobs = 4;
  std::string ticket;  // as text, or @FILE with that text
  std::string ticket_directory = TicketStore::default_directory();
  std::string log_level = "warn";
  SecurityOptions security_options = {};
  std::shared_ptr<Security> security = {};  // what follows from them
};

// What a command works with: the options, the cluster, and where its results go. One per process.
// fail(), warn() and print() may be called from any thread.
class Context {
 public:
  Context();
  ~Context();
  GlobalOptions options;
  std::string command;             // "put", "cluster status"
  bool stale = false;              // let any head answer
  bool waits_for_brokers = false;  // for as long as --timeout says, also while none is there at all
  Moment at = {};                  // show what was then
  std::function<int()> run;

  // Connects at first use. Aborts nothing: an unreachable cluster shows in the first request.
  Session& session();
  // The ticket that requests carry: that of the options, else the one that was kept; empty: none.
  const std::string& ticket();
  // Keeps what a log-in gave for the commands to come, or forgets it. `local_io`.
  Result<void> keep_ticket(const TicketReply& session);
  Result<void> drop_ticket();
  // Ends what is under way, from the thread that watches for Ctrl-C.
  void interrupt();
  bool interrupted() const { return interrupted_; }
  // For the shell, before each of its commands: forgets how the last one ended, but keeps the
  // connection and who is logged in.
  void begin_command();
  std::atomic<bool> in_shell = false;   // an interrupt ends a command, and not the program
  std::atomic<bool> at_prompt = false;  // nothing is under way that would have to be ended first
  std::atomic<bool> ending = false;     // by a signal that is for the program

  // Says on stderr what went wrong with `subject` (a path, or empty) and what to try; returns the
  // exit status, which is also kept as status() unless an earlier failure is.
  int fail(std::string_view subject, const Error& error);
  void warn(std::string_view text);
  void say(std::string_view line);  // on stderr, unless --quiet
  // A line of results on stdout. Its failure (a full disk, a closed pipe) ends in status().
  void print(std::string_view line);
  // The same for any bytes, such as many lines; false when it failed.
  bool write(std::string_view bytes);
  // The line that closes a transfer: on stdout, or on stderr when stdout carries the file.
  void summary(std::string_view line, bool stdout_is_data);

  int status() const { return status_; }
  bool json() const { return options.json; }
  // A name for people on a terminal, as it is for a pipe.
  static std::string shown(std::string_view name);

  // What the numbers in the namespace mean, and the other way round; asked for when needed.
  UserDirectory& users();

  Result<InodeInfo> stat(const std::string& path);
  Result<InodeInfo> stat(const std::string& path, Moment moment);
  // The kind of thing at the remote `path`; an absent one is no error.
  Result<TargetKind> kind_of(const std::string& path);

  // Remembers how old an answer may be, with --stale; the oldest of all is told by tell_freshness()
  // at the end.
  void note(const Freshness& freshness);
  void tell_freshness();
  JsonLine& add_freshness_to(JsonLine& line) const;  // what is known so far, if anything

 private:
  Error explained(Error error);
  Result<std::string> find_ticket();
  void renew_ticket();
  Duration wait_for_brokers();

  struct RenewalTarget;  // where a renewed ticket is kept
  std::unique_ptr<Session> session_;
  std::optional<std::string> ticket_;
  std::optional<StoredTicket> stored_;  // where it comes from, unless from the options
  std::shared_ptr<RenewalTarget> renewal_;
  std::atomic<Session*> live_session_ = nullptr;
  std::atomic<bool> interrupted_ = false;
  std::atomic<int> status_ = kExitOk;
  std::optional<Freshness> freshness_;
  std::unique_ptr<UserDirectory> users_;
};

void add_transfer_commands(CLI::App& app, Context& context);   // put get cat
void add_namespace_commands(CLI::App& app, Context& context);  // mkdir mv touch
void add_remove_command(CLI::App& app, Context& context);      // rm
void add_list_command(CLI::App& app, Context& context);        // ls
void add_find_commands(CLI::App& app, Context& context);       // tree find du
void add_peek_commands(CLI::App& app, Context& context);       // head tail
void add_sync_command(CLI::App& app, Context& context);        // sync
void add_inspect_commands(CLI::App& app, Context& context);    // stat checksum
void add_check_commands(CLI::App& app, Context& context);      // df fsck
void add_cluster_commands(CLI::App& app, Context& context);    // cluster version
void add_key_commands(CLI::App& app, Context& context);        // cluster rotate-keys; after those
void add_head_commands(CLI::App& app, Context& context);       // head
void add_event_commands(CLI::App& app, Context& context);      // events
void add_node_commands(CLI::App& app, Context& context);       // node scrub
void add_agent_commands(CLI::App& node, Context& context);     // node create, add, agents, token
void add_removal_command(CLI::App& node, Context& context);    // node remove
void add_pool_commands(CLI::App& app, Context& context);       // pool setattr
void add_rights_commands(CLI::App& app, Context& context);     // chmod chown chgrp acl
void add_task_commands(CLI::App& app, Context& context);       // tasks rebalance
void add_rebuild_command(CLI::App& app, Context& context);     // rebuild
void add_explain_command(CLI::App& app, Context& context);     // explain
void add_lock_commands(CLI::App& app, Context& context);       // lock
void add_copy_command(CLI::App& app, Context& context);        // cp
void add_history_commands(CLI::App& app, Context& context);    // history restore undelete
void add_diff_command(CLI::App& app, Context& context);        // diff
void add_login_commands(CLI::App& app, Context& context);      // signup login logout passwd whoami
void add_user_commands(CLI::App& app, Context& context);       // user
void add_token_commands(CLI::App& app, Context& context);      // token
void add_audit_command(CLI::App& app, Context& context);       // audit
void add_shell_command(CLI::App& app, Context& context);       // shell
void add_help_command(CLI::App& app, Context& context);        // help
void add_completion_command(CLI::App& app, Context& context);  // completion, complete
void add_man_command(CLI::App& app, Context& context);         // man

// The heads as any of them knows them, and what each says when it is asked directly; either takes
// at most `deadline`.
Result<HeadsView> look_at_heads(Context& context, Duration deadline);

// Declares --stale for a command that reads.
void add_stale_flag(CLI::App& command, Context& context);
// Declares --at for one that can read the past; it is then in Context::at.
CLI::Option* add_at_option(CLI::App& command, Context& context);
// A moment as a parameter named `name`; throws CLI::ValidationError when it makes no sense.
CLI::Option* add_moment_option(CLI::App& command, const std::string& name, Moment& moment,
                               const std::string& description);

// Calls `visit` for every entry of the remote directory, in order of names, page by page, until it
// returns false. The second form tells what was at a moment, whatever Context::at is.
Result<void> for_each_entry(Context& context, const std::string& directory,
                            const std::function<bool(const ListEntry&)>& visit);
Result<void> for_each_entry_at(Context& context, Moment at, const std::string& directory,
                               const std::function<bool(const ListEntry&)>& visit);

}  // namespace dfs::cli
