// Passwords as people give them: never as an argument, which every user of the machine could see.
#pragma once

#include <string>

#include "messages/result.h"

namespace dfs::cli {

// The next password: the next line of `file` ("-": of stdin), or, without one, what is typed on the
// terminal after `prompt`, unseen. `usage` when there is no terminal, `local_io`.
class PasswordSource {
 public:
  explicit PasswordSource(std::string file) : file_(std::move(file)) {}
  Result<std::string> next(const std::string& prompt);
  // One that is to be set: on the terminal it is asked for twice.
  Result<std::string> next_new(const std::string& prompt);

 private:
  Result<std::string> next_line();

  const std::string file_;
  bool read_ = false;
  std::string rest_;  // of the file
};

}  // namespace dfs::cli
