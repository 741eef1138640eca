#include "cli/arguments.h"

#include <doctest/doctest.h>

#include "cli/exit_codes.h"

using namespace dfs;
using namespace dfs::cli;

TEST_SUITE("cli") {
  TEST_CASE("names that are syntax to the parser come through as they were typed") {
    const char* argv[] = {"dfsctl", "put", "[a,b]", "{}", "++", "%%", "\x01x", "plain", "-r", ""};
    std::vector<std::string> arguments = shielded_arguments(10, argv);
    REQUIRE(arguments.size() == 9);
    for (const std::string& argument : arguments) {
      const char first = argument.empty() ? 'x' : argument[0];
      CHECK(first != '[');
      CHECK(first != '{');
      CHECK(first != '+');
      CHECK(first != '%');
    }
    CHECK(arguments[0] == "put");
    CHECK(arguments[6] == "plain");
    CHECK(arguments[7] == "-r");
    unshield(arguments);
    for (size_t i = 0; i < arguments.size(); ++i) CHECK(arguments[i] == argv[i + 1]);
  }

  TEST_CASE("only whole numbers that fit are numbers") {
    CHECK(not_a_number("0").empty());
    CHECK(not_a_number("18446744073709551615").empty());
    CHECK(not_a_number("1", 1).empty());
    for (const char* text : {"-1", "+1", "1.5", "1e3", "x", "", " 1", "18446744073709551616"}) {
      CHECK_FALSE(not_a_number(text).empty());
    }
    CHECK(not_a_number("0", 1) == "0 is not a whole number from 1 on");
  }

  TEST_CASE("exit codes tell what kind of failure it was") {
    CHECK(exit_code_of(Code::ok) == 0);
    CHECK(exit_code_of(Code::exists) == 1);
    CHECK(exit_code_of(Code::no_space) == 1);
    CHECK(exit_code_of(Code::local_io) == 1);
    CHECK(exit_code_of(Code::usage) == 2);
    CHECK(exit_code_of(Code::not_found) == 3);
    CHECK(exit_code_of(Code::unavailable) == 4);
    CHECK(exit_code_of(Code::timeout) == 4);
    CHECK(exit_code_of(Code::too_few_nodes) == 4);
    CHECK(exit_code_of(Code::denied) == 5);
    CHECK(exit_code_of(Code::corrupt) == 6);
    CHECK(exit_code_of(Code::no_such_block) == 6);
    CHECK(exit_code_of(Code::expired) == 7);
    CHECK(exit_code_of(Code::cancelled) == 130);
    CHECK(exit_code_of(static_cast<Code>(999)) == 1);
  }

  TEST_CASE("a hint is given where the text has none of its own") {
    const auto hint = [](Code code, const char* command) {
      return hint_for(Error{code, "no", {}, 0}, command, "/a/b");
    };
    CHECK(hint(Code::not_found, "cat") == "try dfsctl ls /a");
    CHECK(hint(Code::not_found, "put") == "try dfsctl mkdir -p /a");
    CHECK(hint(Code::not_empty, "rm") == "try -r");
    CHECK(hint(Code::is_directory, "get") == "try -r");
    CHECK(hint(Code::is_directory, "cat").empty());
    CHECK(hint_for(Error{Code::not_found, "no; look elsewhere", {}, 0}, "cat", "/a/b").empty());
    CHECK(hint(Code::malformed, "cat").empty());
    // Reading goes on without a leader, writing does not.
    const Error leaderless{Code::unavailable, "no head leads", {{"reason", "no_leader"}}, 0};
    CHECK(hint_for(leaderless, "ls", "/a").find("--stale") != std::string::npos);
    CHECK(hint_for(leaderless, "put", "/a").find("--stale") == std::string::npos);
    CHECK(hint_for(leaderless, "put", "/a").find("may take effect") != std::string::npos);
  }
}
