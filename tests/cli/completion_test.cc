#include "cli/completion.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>

#include "cli/command_line.h"

using namespace dfs::cli;

namespace {

// What is expected after these words of the real commands; a path here or there as HERE and THERE.
std::vector<std::string> after(const std::vector<std::string>& words) {
  Context context;
  CommandLine line(context);
  const Expected expected = expected_at(line.app(), words);
  std::vector<std::string> all;
  for (const Suggestion& suggestion : expected.words) all.push_back(suggestion.word);
  if (expected.local_path) all.push_back("HERE");
  if (expected.remote_path) all.push_back("THERE");
  return all;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("commands are completed, and those below them") {
    CHECK(after({"mkd"}) == Words{"mkdir"});
    CHECK(after({"cluster", "sta"}) == Words{"status"});
    CHECK(after({"--json", "mkd"}) == Words{"mkdir"});
    CHECK(after({"--timeout", "5s", "mkd"}) == Words{"mkdir"});
    CHECK(after({"nonsense", ""}).empty());
  }

  TEST_CASE("options are completed, those for all commands too") {
    CHECK(after({"put", "--dura"}) == Words{"--durability"});
    CHECK(after({"put", "--js"}) == Words{"--json"});
    CHECK(after({"put", "--", "--dura"}) == Words{"HERE"});
  }

  TEST_CASE("paths are of the side that the command takes them from") {
    CHECK(after({"ls", "x"}) == Words{"THERE"});
    CHECK(after({"put", "x"}) == Words{"HERE"});
    CHECK(after({"put", "x", "y"}) == Words{"HERE", "THERE"});
    CHECK(after({"upload", "x"}) == Words{"HERE"});
    CHECK(after({"get", "x"}) == Words{"THERE"});
    CHECK(after({"get", "x", "y"}) == Words{"HERE", "THERE"});
    CHECK(after({"login", "--password-file", "x"}) == Words{"HERE"});
    CHECK(after({"node", "drain", "x"}).empty());
  }

  TEST_CASE("an argument with few choices tells them") {
    CHECK(after({"user", "role", "ada", "a"}) == Words{"admin"});
    CHECK(after({"node", "token", "--require", "o"}) == Words{"on", "off"});
  }

  TEST_CASE("choices have a beginning in common, of whole characters") {
    CHECK(common_beginning({}).empty());
    CHECK(common_beginning({{"abc", ""}}) == "abc");
    CHECK(common_beginning({{"abc", ""}, {"abd", ""}}) == "ab");
    CHECK(common_beginning({{"x\xc3\xa4", ""}, {"x\xc3\xb6", ""}}) == "x");
  }
}
