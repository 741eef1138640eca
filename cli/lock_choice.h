// --no-lock, --lock and --wait of the commands that work on files.
#pragma once

#include <memory>
#include <string>

#include "cli/commands.h"

namespace dfs::cli {

struct LockChoice {
  bool take = true;
  std::string wait = "60s";
};

// Declares --no-lock, or --lock where no lock is taken by default, and --wait.
std::shared_ptr<LockChoice> add_lock_options(CLI::App& command, bool by_default);
// What was chosen. Waiting is told on stderr, with who holds what since when.
Result<LockOptions> lock_options(Context& context, const LockChoice& choice);
// The same, for who needs the time alone; `usage` when it cannot be read.
Result<Duration> lock_wait(const std::string& text);
std::function<void(const LockReply&)> tell_waiting(Context& context);

}  // namespace dfs::cli
