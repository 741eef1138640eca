#include "cli/user_directory.h"

#include <doctest/doctest.h>

#include <vector>

namespace dfs::cli {

TEST_SUITE("cli") {
  TEST_CASE("users have names, and groups that of whose own they are, each asked for once") {
    std::vector<uint32_t> asked;
    UserDirectory users([&](const GetUserNames& request) -> Result<UserNames> {
      asked.insert(asked.end(), request.uids.begin(), request.uids.end());
      UserNames found;
      if (request.uids == std::vector<uint32_t>{1001}) found.names = {{"ada", 1001, 1001}};
      if (request.uids == std::vector<uint32_t>{1002}) found.names = {{"ben", 1002, 50}};
      return found;
    });
    CHECK(users.user(1001) == "ada");
    CHECK(users.group(1001) == "ada");
    CHECK(users.user(1002) == "ben");
    CHECK(users.group(1002) == "1002");
    CHECK(users.user(7) == "7");
    CHECK(users.user(7) == "7");
    CHECK(asked == std::vector<uint32_t>{1001, 1002, 7});
  }

  TEST_CASE("where nobody tells names there are numbers, after one question") {
    int asked = 0;
    UserDirectory users([&](const GetUserNames&) -> Result<UserNames> {
      ++asked;
      return Error{Code::login_needed, "who are you?", {}, 0};
    });
    CHECK(users.user(1001) == "1001");
    CHECK(users.group(1002) == "1002");
    CHECK(asked == 1);
    CHECK(users.find("ada").code() == Code::login_needed);
  }

  TEST_CASE("a user is found by name, and nobody else") {
    UserDirectory users([](const GetUserNames& request) -> Result<UserNames> {
      UserNames found;
      if (request.users == std::vector<std::string>{"ada"}) found.names = {{"ada", 1001, 1002}};
      if (request.users == std::vector<std::string>{"eva"}) found.names = {{"ada", 1001, 1002}};
      return found;
    });
    CHECK(users.find("ada")->gid == 1002);
    CHECK(users.find("eva").code() == Code::not_found);
    CHECK(users.find("ben").code() == Code::not_found);
  }
}

}  // namespace dfs::cli
