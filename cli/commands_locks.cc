// lock acquire release list break run
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>

#include "actors/client/locks.h"
#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/lock_choice.h"
#include "cli/output.h"

extern char** environ;

namespace dfs::cli {

namespace {

// Names the owner of the locks that a command runs under, so that it is not in its own way.
constexpr const char* kOwnerVariable = "DFS_LOCK_OWNER";
constexpr auto kLook = std::chrono::milliseconds(20);

std::string owner_from_environment() {
  const char* const owner = std::getenv(kOwnerVariable);
  return owner == nullptr ? "" : owner;
}

std::string who(const LockView& lock) {
  std::string text = lock.owner;
  if (!lock.user.empty()) text = lock.user + " (" + text + ")";
  if (!lock.label.empty()) text += ", " + lock.label + ",";
  return text;
}

std::string name_of(LockMode mode) {
  return mode == LockMode::shared ? "shared" : "exclusive";
}

struct LockArguments {
  std::string path;
  bool shared = false;
  bool subtree = false;
  std::string wait = "24h";
  std::vector<std::string> command;
  std::vector<uint64_t> locks;
};

// One owner, made and ended on the client's thread.
class Holding {
 public:
  explicit Holding(Context& context) : context_(context) {}
  ~Holding() {
    if (!owner_) return;
    std::promise<void> ended;
    context_.session().post([this, &ended](Client&) {
      owner_.reset();
      ended.set_value();
    });
    ended.get_future().wait();
  }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  Result<LockReply> acquire(const LockArguments& arguments, const std::string& label) {
    LockWish wish;
    auto path = normal_path(arguments.path);
    if (!path) return path.error();
    wish.target.path = *path;
    wish.target.subtree = arguments.subtree;
    wish.mode = arguments.shared ? LockMode::shared : LockMode::exclusive;
    auto wait = lock_wait(arguments.wait);
    if (!wait) return wait.error();
    wish.wait = *wait;
    wish.label = label;
    wish.waiting = tell_waiting(context_);
    wish.show = true;
    auto reply = context_.session().run<LockReply>([&](Client& client) {
      owner_ = std::make_shared<LockOwner>(client.locks(), owner_from_environment());
      return owner_->acquire(wish);
    });
    return reply;
  }

  const std::string& owner() const { return owner_->name(); }

  // Returns when the lock is lost, or with `cancelled` on Ctrl-C.
  Error wait_for_loss() {
    const auto outcome =
        context_.session().run<LockReply>([owner = owner_](Client&) { return loss_of(owner); });
    return outcome.error();
  }
  // Calls `lost` on the client's thread, if it comes to that.
  void watch(std::function<void(const Error&)> lost) {
    context_.session().post(
        [owner = owner_, lost](Client& client) { client.scope().spawn(tell_loss(owner, lost)); });
  }
  Result<LockReply> release(LockId lock) {
    return context_.session().run<LockReply>(
        [owner = owner_, lock](Client&) { return release_of(owner, lock); });
  }

 private:
  static Task<Result<LockReply>> loss_of(std::shared_ptr<LockOwner> owner) {
    while (!owner->lost()) {
      Signal::Waiter change = owner->changed.wait();
      co_await change;
    }
    co_return *owner->lost();
  }
  static Task<void> tell_loss(std::shared_ptr<LockOwner> owner,
                              std::function<void(const Error&)> lost) {
    while (!owner->lost()) {
      Signal::Waiter change = owner->changed.wait();
      co_await change;
    }
    lost(*owner->lost());
  }
  static Task<Result<LockReply>> release_of(std::shared_ptr<LockOwner> owner, LockId lock) {
    Task<Result<void>> releasing = owner->release(lock);
    const Result<void> released = co_await releasing;
    if (!released) co_return released.error();
    co_return LockReply{};
  }

  Context& context_;
  std::shared_ptr<LockOwner> owner_;
};

int acquire(Context& context, const LockArguments& arguments) {
  Holding holding(context);
  const auto held = holding.acquire(arguments, "lock acquire");
  if (!held) return context.fail(arguments.path, held.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("path", arguments.path).add("lock", held->lock);
    context.print(line.add("fence", held->fence).add("owner", holding.owner()).str());
  } else {
    context.print("lock " + std::to_string(held->lock) + " on " + printable(arguments.path) +
                  ", fence " + std::to_string(held->fence) +
                  ": held until Ctrl-C, or: dfsctl lock release " + std::to_string(held->lock));
  }
  const Error over = holding.wait_for_loss();
  if (over.code == Code::cancelled) return kExitInterrupted;
  return context.fail(arguments.path, over);
}

// The command gets the signals as they would have come to it, and the owner to work under.
Result<pid_t> start(const std::vector<std::string>& command, const std::string& owner) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string setting = std::string(kOwnerVariable) + "=" + owner;
  std::vector<char*> environment;
  const std::string prefix = std::string(kOwnerVariable) + "=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(prefix)) environment.push_back(*entry);
  }
  environment.push_back(const_cast<char*>(setting.c_str()));
  environment.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t ignored;
  sigemptyset(&none);
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, words[0], nullptr, &attributes, words.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  if (failed == 0) return child;
  return Error{Code::local_io, command[0] + " cannot be run: " + std::strerror(failed), {}, 0};
}

// Its exit status, as a shell tells it. What ends this program ends the command first.
int wait_for(Context& context, pid_t child) {
  int status = 0;
  bool told = false;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (context.interrupted() && !std::exchange(told, true)) kill(child, SIGTERM);
    std::this_thread::sleep_for(kLook);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run(Context& context, const LockArguments& arguments) {
  Holding holding(context);
  const auto held = holding.acquire(arguments, "lock run " + arguments.command[0]);
  if (!held) return context.fail(arguments.path, held.error());
  const auto lost = std::make_shared<std::atomic<bool>>(false);
  holding.watch([&context, lost, path = arguments.path](const Error& error) {
    *lost = true;
    context.fail(path, error);
  });
  const auto child = start(arguments.command, holding.owner());
  if (!child) return context.fail("", child.error());
  const int status = wait_for(context, *child);
  if (context.interrupted()) return status != 0 ? status : kExitInterrupted;
  const auto released = holding.release(held->lock);
  if (!released)
    context.warn("the lock was not released and ends by itself: " + released.error().text);
  if (*lost && status == 0) return kExitFailed;
  return status;
}

int release(Context& context, const LockArguments& arguments) {
  for (const LockId lock : arguments.locks) {
    const auto found = context.session().run<LockList>([&](Client& client) {
      return client.list_locks(ListLocks{"", lock - 1, 1});
    });
    if (!found) return context.fail("", found.error());
    if (found->locks.empty() || found->locks[0].lock != lock) {
      context.fail("", Error{Code::not_found,
                             "there is no lock " + std::to_string(lock) +
                                 " (any more); see: dfsctl lock list",
                             {},
                             0});
      continue;
    }
    const auto released = context.session().run<ReleaseLockReply>(
        [&](Client& client) { return client.release_lock(lock, found->locks[0].owner); });
    if (!released) context.fail("", released.error());
  }
  return context.status();
}

int break_locks(Context& context, const LockArguments& arguments) {
  for (const LockId lock : arguments.locks) {
    const auto broken = context.session().run<ReleaseLockReply>(
        [&](Client& client) { return client.break_lock(lock); });
    if (!broken) context.fail("", broken.error());
  }
  return context.status();
}

std::string shown(const LockTarget& target) {
  std::string what = printable(target.path);
  if (target.subtree) what += target.path == "/" ? "**" : "/**";
  if (target.from != 0 || target.until != UINT64_MAX) {
    what += " [" + std::to_string(target.from) + ", " +
            (target.until == UINT64_MAX ? "end" : std::to_string(target.until)) + ")";
  }
  return what;
}

std::string heard(const LockView& lock) {
  if (lock.silent_ms <= 0) return "just now";
  return human_duration(std::chrono::milliseconds(lock.silent_ms)) + " ago";
}

int list(Context& context, const LockArguments& arguments) {
  ListLocks request;
  if (!arguments.path.empty()) {
    auto path = normal_path(arguments.path);
    if (!path) return context.fail(arguments.path, path.error());
    request.below = *path;
  }
  TextTable table({{"LOCK", TextTable::Align::right},
                   {"MODE"},
                   {"STATE"},
                   {"SINCE"},
                   {"USER"},
                   {"OWNER"},
                   {"HEARD", TextTable::Align::right},
                   {"FOR"},
                   {"PATH"}});
  while (true) {
    const auto page =
        context.session().run<LockList>([&](Client& client) { return client.list_locks(request); });
    if (!page) return context.fail(arguments.path, page.error());
    for (const LockView& lock : page->locks) {
      if (context.json()) {
        context.print(to_json(lock));
        continue;
      }
      table.add({std::to_string(lock.lock), name_of(lock.mode),
                 lock.state == LockState::granted ? "held" : "waits", human_time(lock.since_ms),
                 lock.user.empty() ? "-" : printable(lock.user), printable(lock.owner), heard(lock),
                 lock.label.empty() ? "-" : printable(lock.label), shown(lock.target)});
    }
    if (!page->more) break;
    request.after = page->next;
  }
  if (context.json()) return context.status();
  std::string text = table.str();
  text.pop_back();
  context.print(text);
  return context.status();
}

void add_wish(CLI::App& command, LockArguments& arguments) {
  command.add_flag("-s,--shared", arguments.shared, "with others that are shared");
  command.add_flag_callback(
      "-x,--exclusive", [&arguments] { arguments.shared = false; }, "alone; the default");
  command.add_flag("-r,--recursive", arguments.subtree, "the path and all below it");
  command.add_option("--wait", arguments.wait, "longest wait for those who have it; 0s: none");
}

}  // namespace

Result<Duration> lock_wait(const std::string& text) {
  auto wait = parse_duration(text);
  if (wait && *wait <= std::chrono::milliseconds(kLockWaitMsMax)) return wait;
  return Error{Code::usage, "--wait: not a time up to 24h, such as 90s", {}, 0};
}

std::function<void(const LockReply&)> tell_waiting(Context& context) {
  return [&context](const LockReply& reply) {
    if (reply.blockers.empty()) return context.say("waiting for a lock");
    const LockView& first = reply.blockers.front();
    std::string text = "waiting for " + printable(first.target.path) + ": " + who(first);
    text += first.state == LockState::granted ? " has held" : " has waited for";
    text += " it since " + human_time(first.since_ms);
    if (reply.ahead > 1) text += "; " + std::to_string(reply.ahead) + " are before this one";
    context.say(text);
  };
}

std::shared_ptr<LockChoice> add_lock_options(CLI::App& command, bool by_default) {
  auto choice = std::make_shared<LockChoice>();
  choice->take = by_default;
  if (by_default) {
    command.add_flag_callback(
        "--no-lock", [choice] { choice->take = false; }, "whoever holds a lock on it");
  } else {
    command.add_flag("--lock", choice->take, "under a shared lock, so that nobody changes it");
  }
  command.add_option("--wait", choice->wait, "longest wait for those who have a lock; 0s: none");
  return choice;
}

Result<LockOptions> lock_options(Context& context, const LockChoice& choice) {
  LockOptions options;
  options.take = choice.take;
  options.owner = owner_from_environment();
  options.waiting = tell_waiting(context);
  auto wait = lock_wait(choice.wait);
  if (!wait) return wait.error();
  options.wait = *wait;
  return options;
}

void add_lock_commands(CLI::App& app, Context& context) {
  auto* lock = app.add_subcommand("lock", "who holds what: take, show and end locks");
  lock->require_subcommand(1);
  auto arguments = std::make_shared<LockArguments>();

  auto* acquire_app = lock->add_subcommand("acquire", "hold a lock until Ctrl-C");
  acquire_app->add_option("PATH", arguments->path, "what to lock; it need not exist")->required();
  add_wish(*acquire_app, *arguments);
  acquire_app->callback([&context, arguments] {
    arguments->path = unshielded(arguments->path);
    context.run = [&context, arguments] { return acquire(context, *arguments); };
  });

  auto* run_app = lock->add_subcommand("run", "run a command while a lock is held, as flock(1)");
  run_app->add_option("PATH", arguments->path, "what to lock; it need not exist")->required();
  run_app->add_option("COMMAND", arguments->command, "the command, after --")
      ->required()
      ->expected(1, CLI::detail::expected_max_vector_size);
  add_wish(*run_app, *arguments);
  run_app->callback([&context, arguments] {
    arguments->path = unshielded(arguments->path);
    unshield(arguments->command);
    context.run = [&context, arguments] { return run(context, *arguments); };
  });

  auto* list_app = lock->add_subcommand("list", "locks that are held or waited for");
  list_app->add_option("PATH", arguments->path, "only those at or below it");
  list_app->callback([&context, arguments] {
    arguments->path = unshielded(arguments->path);
    context.run = [&context, arguments] { return list(context, *arguments); };
  });

  auto* release_app = lock->add_subcommand("release", "give own locks back");
  release_app->add_option("LOCK", arguments->locks, "their numbers")->required();
  release_app->callback([&context, arguments] {
    context.run = [&context, arguments] { return release(context, *arguments); };
  });

  auto* break_app = lock->add_subcommand("break", "end locks of others; they are told");
  break_app->add_option("LOCK", arguments->locks, "their numbers")->required();
  break_app->callback([&context, arguments] {
    context.run = [&context, arguments] { return break_locks(context, *arguments); };
  });
}

}  // namespace dfs::cli
