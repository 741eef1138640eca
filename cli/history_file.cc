#include "cli/history_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace dfs::cli {

namespace {

Error io_error(const std::string& path) {
  return {Code::local_io, path + ": " + std::strerror(errno), {}, 0};
}

Result<void> write_lines(const std::string& path, int flags, const std::string& text) {
  const int file = ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return io_error(path);
  // One call per line: those of several shells do not mix.
  const ssize_t written = ::write(file, text.data(), text.size());
  const bool good = written == static_cast<ssize_t>(text.size()) && ::fchmod(file, 0600) == 0;
  const Error error = good ? Error() : io_error(path);
  (void)::close(file);
  if (!good) return error;
  return {};
}

}  // namespace

HistoryFile::HistoryFile(std::string directory)
    : directory_(std::move(directory)), path_(directory_.empty() ? "" : directory_ + "/history") {}

std::vector<std::string> HistoryFile::load() const {
  std::vector<std::string> lines;
  std::ifstream in(path_);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  if (lines.size() <= kLinesMax) return lines;
  const bool is_long = lines.size() > 2 * kLinesMax;
  lines.erase(lines.begin(), lines.end() - kLinesMax);
  if (is_long) (void)rewrite(lines);
  return lines;
}

Result<void> HistoryFile::rewrite(const std::vector<std::string>& lines) const {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::string fresh = path_ + "." + std::to_string(::getpid());
  DFS_CHECK(write_lines(fresh, O_TRUNC, text));
  if (::rename(fresh.c_str(), path_.c_str()) != 0) return io_error(path_);
  return {};
}

Result<void> HistoryFile::add(std::string_view line) const {
  const bool one_line = line.find('\n') == std::string_view::npos;
  if (directory_.empty() || line.empty() || !one_line) return {};
  std::error_code error;
  if (std::filesystem::create_directories(directory_, error)) {
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, error);
  }
  return write_lines(path_, O_APPEND, std::string(line) + "\n");
}

}  // namespace dfs::cli
