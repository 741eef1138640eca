// What the rules of the tree have in common: files, and complaints about their lines.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace dfs::tidy {

struct SourceFile {
  std::string path;  // from the top of the tree, '/'-separated
  std::string text;
};
using Files = std::vector<SourceFile>;
using Complaints = std::vector<std::string>;
using Words = std::vector<std::string>;

inline Words words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

inline bool starts_with_any(std::string_view text, const Words& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& p) { return text.starts_with(p); });
}
inline bool ends_with_any(std::string_view text, const Words& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](const std::string& s) { return text.ends_with(s); });
}
inline bool is_cxx(const std::string& path) {
  return ends_with_any(path, {".h", ".cc"});
}
inline bool is_program(const std::string& path) {
  return is_cxx(path) || ends_with_any(path, {".py", ".sh"});
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Calls check(line) for each line; what it returns, unless empty, is a complaint about that line.
template <class Check>
void each_line(const SourceFile& file, Complaints& complaints, Check&& check) {
  size_t number = 0;
  for (const std::string& line : lines_of(file.text)) {
    ++number;
    const std::string why = check(line);
    if (!why.empty()) complaints.push_back(file.path + ":" + std::to_string(number) + ": " + why);
  }
}

// Every text file of the tree; not what a build, an editor or a test run leaves behind.
inline Files tree() {
  namespace fs = std::filesystem;
  const fs::path top = DFS_SOURCE_DIR;
  const Words suffixes = {".h",    ".cc",      ".py",   ".sh",     ".md",       ".txt",
                          ".json", ".service", ".conf", "LICENSE", "Dockerfile"};
  const Words skipped = {"build", ".git", "golden", "corpus", "__pycache__"};
  Files files;
  for (auto i = fs::recursive_directory_iterator(top); i != fs::recursive_directory_iterator();
       ++i) {
    const std::string name = i->path().filename().string();
    if (i->is_directory()) {
      if (std::count(skipped.begin(), skipped.end(), name) > 0) i.disable_recursion_pending();
      continue;
    }
    if (!ends_with_any(name, suffixes)) continue;
    std::ifstream in(i->path(), std::ios::binary);
    files.push_back(
        {fs::relative(i->path(), top).generic_string(), {std::istreambuf_iterator<char>(in), {}}});
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

inline void expect_none(const Complaints& complaints) {
  for (const std::string& complaint : complaints) FAIL_CHECK(complaint);
}

}  // namespace dfs::tidy
