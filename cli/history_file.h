// The lines that were typed into the shell, kept from one session to the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace dfs::cli {

// A file of lines that only its owner may read. Each line is appended as soon as it is typed, so
// several shells at once lose nothing, nor does one that is killed.
class HistoryFile {
 public:
  static constexpr size_t kLinesMax = 1000;

  // In `directory`, which is made when something is added; without one nothing is kept.
  explicit HistoryFile(std::string directory);

  // The latest lines, the oldest first, at most kLinesMax; none when there is no such file. A file
  // with twice as many is shortened to these.
  std::vector<std::string> load() const;
  // `local_io`.
  Result<void> add(std::string_view line) const;

  const std::string& path() const { return path_; }

 private:
  Result<void> rewrite(const std::vector<std::string>& lines) const;

  std::string directory_;
  std::string path_;
};

}  // namespace dfs::cli
