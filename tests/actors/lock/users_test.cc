#include "tests/actors/lock/machine.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

const Origin kAdmin{"admin", "here"};

EditUser edit(const std::string& user) {
  EditUser command;
  command.user = user;
  command.origin = kAdmin;
  return command;
}

std::vector<std::string> names(TestLockMachine& machine, const Ticket& asker, uint32_t limit = 2) {
  std::vector<std::string> found;
  ListUsers request;
  request.limit = limit;
  while (true) {
    Rows rows(machine.table);
    const auto page = list_users(rows, request, asker);
    REQUIRE(page.ok());
    for (const UserView& user : page->users) found.push_back(user.user);
    if (!page->more) return found;
    request.after = found.back();
  }
}

}  // namespace

TEST_SUITE("lock") {
  TEST_CASE("the cluster begins with one administrator who must choose a password") {
    TestLockMachine machine;
    const UserRow admin = machine.user("admin");
    CHECK(admin.role == dfs::Role::admin);
    CHECK(admin.uid == kAdminUid);
    CHECK(admin.must_change);
    CHECK(machine.all().admins == 1);
    const auto again = machine.tell<Noted>(FoundUsers{});
    CHECK(again.code() == Code::exists);
  }

  TEST_CASE("users get uids from 1000 on, and nobody ever gets one that somebody had") {
    TestLockMachine machine;
    CHECK(machine.add("ada")->user.uid == 1000);
    CHECK(machine.add("ben")->user.uid == 1001);
    REQUIRE(machine.tell<UserReply>(DeleteUser{"ben", kAdmin}).ok());
    CHECK(machine.add("cleo")->user.uid == 1002);
    CreateUser wanted;
    wanted.user = "dan";
    wanted.password = some_hash('p');
    wanted.uid = 1001;
    CHECK(machine.tell<UserReply>(wanted).code() == Code::exists);
    wanted.uid = 1003;
    CHECK(machine.tell<UserReply>(wanted)->user.uid == 1003);
    CHECK(machine.add("eva")->user.uid == 1004);
    CHECK(machine.add("ada").code() == Code::exists);
  }

  TEST_CASE("the last administrator who can log in stays one") {
    TestLockMachine machine;
    EditUser role = edit("admin");
    role.set_role = true;
    role.role = dfs::Role::user;
    EditUser locked = edit("admin");
    locked.set_locked = locked.locked = true;
    const DeleteUser gone{"admin", kAdmin};
    CHECK(machine.tell<UserReply>(role).code() == Code::invalid);
    CHECK(machine.tell<UserReply>(locked).code() == Code::invalid);
    CHECK(machine.tell<UserReply>(gone).code() == Code::invalid);
    REQUIRE(machine.add("root", dfs::Role::admin).ok());
    CHECK(machine.tell<UserReply>(locked).ok());
    CHECK(machine.tell<UserReply>(DeleteUser{"root", kAdmin}).code() == Code::invalid);
    locked.locked = false;
    CHECK(machine.tell<UserReply>(locked).ok());
    CHECK(machine.tell<UserReply>(DeleteUser{"root", kAdmin}).ok());
  }

  TEST_CASE("every change of a user ends their sessions, and nobody else's") {
    std::vector<EditUser> changes(4, edit("ada"));
    changes[0].set_role = true;
    changes[0].role = dfs::Role::admin;
    changes[1].set_locked = changes[1].locked = true;
    changes[2].set_groups = true;
    changes[2].groups = {5};
    changes[3].password = some_hash('q');
    for (const EditUser& change : changes) {
      TestLockMachine machine;
      REQUIRE(machine.add("ada").ok());
      REQUIRE(machine.add("ben").ok());
      const auto ada = machine.log_in("ada", 1);
      const auto ben = machine.log_in("ben", 2);
      REQUIRE(machine.judge(*ada) == "good");
      REQUIRE(machine.tell<UserReply>(change).ok());
      CHECK(machine.judge(*ada) == "revoked");
      CHECK(machine.judge(*ben) == "good");
      CHECK(machine.user("ada").sessions == 0);
      CHECK(machine.tell<Granted>(ExtendSession{1, 1000}).code() == Code::login_needed);
    }
  }

  TEST_CASE("a user who was removed is out, also when the name is given again") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto before = machine.log_in("ada", 1);
    REQUIRE(machine.tell<UserReply>(DeleteUser{"ada", kAdmin}).ok());
    CHECK(machine.judge(*before) == "revoked");
    REQUIRE(machine.add("ada").ok());
    const auto after = machine.log_in("ada", 2);
    CHECK(machine.judge(*before) == "revoked");
    CHECK(machine.judge(*after) == "good");
  }

  TEST_CASE("anybody may become a user only where signing up is open") {
    TestLockMachine machine;
    const EnrollUser enroll{"ada", some_hash('p'), 1, 1000, {"ada", "there"}};
    CHECK(machine.tell<Granted>(enroll).code() == Code::denied);
    REQUIRE(machine.tell<SetSignUpReply>(OpenSignUp{true, kAdmin}).ok());
    const auto granted = machine.tell<Granted>(enroll);
    REQUIRE(granted.ok());
    CHECK(granted->ticket.role == dfs::Role::user);
    CHECK_FALSE(granted->ticket.must_change);
    CHECK(machine.judge(granted->ticket) == "good");
    CHECK(machine.tell<Granted>(enroll).code() == Code::exists);
  }

  TEST_CASE("administrators see all users, page by page; others see themselves") {
    TestLockMachine machine;
    for (const char* name : {"dan", "ada", "cleo", "ben"}) REQUIRE(machine.add(name).ok());
    Ticket admin;
    admin.role = dfs::Role::admin;
    CHECK(names(machine, admin) == std::vector<std::string>{"ada", "admin", "ben", "cleo", "dan"});
    Ticket ada;
    ada.user = "ada";
    CHECK(names(machine, ada) == std::vector<std::string>{"ada"});
    admin.user = "admin";
    admin.below = "/photos";
    CHECK(names(machine, admin) == std::vector<std::string>{"admin"});
  }

  TEST_CASE("what happened is told, with who did it and from where") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    EditUser change = edit("ada");
    change.set_locked = change.locked = true;
    REQUIRE(machine.tell<UserReply>(change).ok());
    REQUIRE(machine.tell<UserReply>(DeleteUser{"ada", kAdmin}).ok());
    const auto events = machine.events();
    REQUIRE(events.size() == 4);
    CHECK(events[1].topic == "user-added");
    CHECK(events[2].topic == "user-changed");
    CHECK(events[2].fields.at("what") == "locked");
    CHECK(events[3].topic == "user-removed");
    CHECK(events[3].fields.at("user") == "ada");
    CHECK(events[3].fields.at("by") == "admin");
    CHECK(events[3].fields.at("source") == "here");
  }

  TEST_CASE("names of nobody who failed to log in are not written down") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine
                .tell<Noted>(NoteDenials{{{"ada", "x", "login-failed", "log-in", 3},
                                          {"hunter2hunter2", "x", "login-failed", "log-in", 1}},
                                         9})
                .ok());
    CHECK(machine.user("ada").failures == 3);
    const auto events = machine.events();
    for (const Event& event : events) CHECK(to_json(event).find("hunter2") == std::string::npos);
    CHECK(events.back().fields.at("count") == "9");
  }
}
