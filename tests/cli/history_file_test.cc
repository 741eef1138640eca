#include "cli/history_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

using namespace dfs::cli;

namespace {

struct Folder {
  std::string path = "/tmp/dfs_history_test_XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("what is typed into the shell is kept for its owner alone") {
    const Folder folder;
    const HistoryFile history(folder.path + "/state/zdfs");
    CHECK(history.load().empty());
    REQUIRE(history.add("ls -l"));
    REQUIRE(HistoryFile(folder.path + "/state/zdfs").add("put 'a b' /"));
    REQUIRE(history.add(""));
    REQUIRE(history.add("two\nlines"));
    CHECK(history.load() == std::vector<std::string>{"ls -l", "put 'a b' /"});
    struct stat info {};
    REQUIRE(stat(history.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }

  TEST_CASE("the history is bounded, and loses the oldest first") {
    const Folder folder;
    const HistoryFile history(folder.path);
    {
      std::ofstream out(history.path());
      for (size_t i = 0; i < 3 * HistoryFile::kLinesMax; ++i) out << "line " << i << "\n";
    }
    const auto lines = history.load();
    CHECK(lines.size() == HistoryFile::kLinesMax);
    CHECK(lines.back() == "line " + std::to_string(3 * HistoryFile::kLinesMax - 1));
    std::ifstream in(history.path());
    size_t kept = 0;
    for (std::string line; std::getline(in, line);) ++kept;
    CHECK(kept == HistoryFile::kLinesMax);
  }

  TEST_CASE("without a place for it the history is not kept") {
    const HistoryFile history("");
    CHECK(history.add("ls"));
    CHECK(history.load().empty());
  }
}
