// Every request of the namespace, asked by those who may and those who may not.
#include <doctest/doctest.h>

#include "tests/actors/monitor/machine.h"

namespace dfs {
namespace {

Requester user(uint32_t uid, std::vector<uint32_t> groups = {}) {
  Requester who;
  who.user = "user" + std::to_string(uid);
  who.uid = uid;
  who.gid = uid;
  who.groups = std::move(groups);
  return who;
}

struct Town : TestMachine {
  Town() {
    make("/home", 0, 0755);
    make("/home/ada", 1, 0750);
    make("/home/bob", 2, 0700);
    make("/tmp", 0, kSticky | 0777);
  }
  void make(const std::string& path, uint32_t uid, uint32_t mode) {
    as(superuser());
    REQUIRE(make_dir(path).ok());
    REQUIRE(own(path, uid, mode) == Code::ok);
  }
  Code own(const std::string& path, uint32_t uid, uint32_t mode) {
    SetAttributes request;
    request.path = path;
    request.set_mode = request.set_owner = request.set_group = true;
    request.mode = mode;
    request.uid = request.gid = uid;
    return ask(request).code();
  }
  Town& as(Requester requester) {
    who = std::move(requester);
    return *this;
  }
  Code chmod(const std::string& path, uint32_t mode) {
    SetAttributes request;
    request.path = path;
    request.set_mode = true;
    request.mode = mode;
    return ask(request).code();
  }
  Code chown(const std::string& path, uint32_t uid) {
    SetAttributes request;
    request.path = path;
    request.set_owner = true;
    request.uid = uid;
    return ask(request).code();
  }
  Code chgrp(const std::string& path, uint32_t gid) {
    SetAttributes request;
    request.path = path;
    request.set_group = true;
    request.gid = gid;
    return ask(request).code();
  }
};

const Requester ada = user(1);
const Requester bob = user(2);

}  // namespace

TEST_SUITE("monitor") {
  TEST_CASE("every directory on the way must let who comes search it") {
    Town town;
    REQUIRE(town.as(bob).put("/home/bob/f", "x").ok());
    const auto found = town.as(ada).stat("/home/bob/f");
    REQUIRE(found.code() == Code::denied);
    const Error& error = found.error();
    CHECK(error.cause.at("at") == "/home/bob");
    CHECK(error.cause.at("path") == "/home/bob/f");
    CHECK(error.cause.at("right") == "search");
    CHECK(error.cause.at("owner") == "2");
    CHECK(error.text.find("user1 (uid 1) may not search /home/bob") != std::string::npos);
    CHECK(error.text.find("mode 0700") != std::string::npos);
    // Whether something is there at all is not told either.
    CHECK(town.stat("/home/bob/none").code() == Code::denied);
    CHECK(town.stat("/home/none").code() == Code::not_found);
    CHECK(town.open("/home/bob/f").code() == Code::denied);
    CHECK(town.list("/home/bob").code() == Code::denied);
    CHECK(town.make_dir("/home/bob/d").code() == Code::denied);
    CHECK(town.make_dir("/home/bob/d/e", true).code() == Code::denied);
    CHECK(town.put("/home/bob/f", "y").code() == Code::denied);
    CHECK(town.remove("/home/bob/f") == Code::denied);
    CHECK(town.rename("/home/bob/f", "/home/ada/f") == Code::denied);
    CHECK(town.chmod("/home/bob/f", 0777) == Code::denied);
    CHECK(town.as(superuser()).stat("/home/bob/f").ok());
    CHECK(town.as(bob).stat("/home/bob/f").ok());
  }

  TEST_CASE("what somebody makes is theirs") {
    Town town;
    town.as(ada);
    REQUIRE(town.make_dir("/home/ada/d/e", true).ok());
    REQUIRE(town.put("/home/ada/d/f", "x").ok());
    for (const char* path : {"/home/ada/d", "/home/ada/d/e", "/home/ada/d/f"}) {
      CHECK(town.stat(path)->uid == 1);
      CHECK(town.stat(path)->gid == 1);
    }
    REQUIRE(town.as(superuser()).put("/home/ada/d/f", "y").ok());
    CHECK(town.stat("/home/ada/d/f")->uid == 1);  // content alone was replaced
  }

  TEST_CASE("who makes and removes needs to write to the directory") {
    Town town;
    town.as(bob);
    CHECK(town.put("/home/f", "x").code() == Code::denied);
    CHECK(town.make_dir("/home/d").code() == Code::denied);
    CHECK(town.remove("/home/bob", true) == Code::denied);
    CHECK(town.rename("/home/bob", "/home/rob") == Code::denied);
    CHECK(town.rename("/home/bob", "/tmp/bob") == Code::denied);
    CHECK(town.put("/f", "x").code() == Code::denied);
    CHECK(town.as(superuser()).put("/f", "x").ok());
  }

  TEST_CASE("who replaces content needs to write to the file, and not to the directory") {
    Town town;
    REQUIRE(town.as(superuser()).put("/home/shared", "x").ok());
    CHECK(town.as(ada).put("/home/shared", "y").code() == Code::denied);
    REQUIRE(town.as(superuser()).chmod("/home/shared", 0666) == Code::ok);
    CHECK(town.as(ada).put("/home/shared", "y").ok());
    REQUIRE(town.as(superuser()).chmod("/home/shared", 0622) == Code::ok);
    CHECK(town.as(ada).open("/home/shared").code() == Code::denied);
    CHECK(town.stat("/home/shared").ok());
  }

  TEST_CASE("a sticky directory keeps what others put there") {
    Town town;
    REQUIRE(town.as(ada).put("/tmp/a", "x").ok());
    REQUIRE(town.as(ada).make_dir("/tmp/d").ok());
    town.as(bob);
    REQUIRE(town.put("/tmp/b", "x").ok());
    CHECK(town.remove("/tmp/a") == Code::denied);
    CHECK(town.remove("/tmp/d") == Code::denied);
    CHECK(town.rename("/tmp/a", "/home/bob/a") == Code::denied);
    CHECK(town.rename("/tmp/b", "/tmp/a") == Code::denied);  // it would replace hers
    CHECK(town.remove("/tmp/b") == Code::ok);
    CHECK(town.as(ada).rename("/tmp/a", "/tmp/c") == Code::ok);
    CHECK(town.as(superuser()).remove("/tmp/c") == Code::ok);
  }

  TEST_CASE("a directory that gets another parent is written to") {
    Town town;
    town.make("/a", 1, 0777);
    town.make("/b", 1, 0777);
    town.make("/a/d", 2, 0555);
    CHECK(town.as(ada).rename("/a/d", "/b/d") == Code::denied);
    CHECK(town.as(ada).rename("/a/d", "/a/e") == Code::ok);
    town.make("/a/f", 2, 0777);
    CHECK(town.as(ada).rename("/a/f", "/b/f") == Code::ok);
  }

  TEST_CASE("a tree goes at once only when each of its parts could go") {
    Town town;
    town.as(ada);
    REQUIRE(town.make_dir("/home/ada/t/u/v", true).ok());
    REQUIRE(town.put("/home/ada/t/u/v/f", "x").ok());
    REQUIRE(town.as(superuser()).own("/home/ada/t/u/v", 2, 0755) == Code::ok);
    CHECK(town.as(ada).remove("/home/ada/t", true) == Code::denied);
    CHECK(town.stat("/home/ada/t/u/v/f").ok());
    REQUIRE(town.as(superuser()).own("/home/ada/t/u/v", 2, 0777) == Code::ok);
    CHECK(town.as(ada).remove("/home/ada/t", true) == Code::ok);
    // An empty directory of others is as good as a file of theirs.
    REQUIRE(town.make_dir("/home/ada/t/u", true).ok());
    REQUIRE(town.as(superuser()).own("/home/ada/t/u", 2, 0700) == Code::ok);
    CHECK(town.as(ada).remove("/home/ada/t", true) == Code::ok);
    // What a sticky bit below protects stays.
    REQUIRE(town.make_dir("/home/ada/t").ok());
    town.make("/home/ada/t/s", 2, kSticky | 0777);
    REQUIRE(town.as(superuser()).own("/home/ada", 1, 0755) == Code::ok);
    REQUIRE(town.as(bob).put("/home/ada/t/s/f", "x").ok());
    CHECK(town.as(ada).remove("/home/ada/t", true) == Code::denied);
  }

  TEST_CASE("to list is to read, and to see more is to search") {
    Town town;
    town.make("/d", 1, 0755);
    REQUIRE(town.as(ada).put("/d/f", "content").ok());
    REQUIRE(town.as(bob).list("/d").ok());
    CHECK(town.list("/d")->entries[0].info.size == 7);
    REQUIRE(town.as(ada).chmod("/d", 0754) == Code::ok);
    const auto names = town.as(bob).list("/d");
    REQUIRE(names.ok());
    CHECK(names->entries[0].name == "f");
    CHECK(names->entries[0].info.type == FileType::file);
    CHECK(names->entries[0].info.size == 0);
    REQUIRE(town.as(ada).chmod("/d", 0751) == Code::ok);
    CHECK(town.as(bob).list("/d").code() == Code::denied);
    CHECK(town.as(bob).stat("/d/f").ok());
  }

  TEST_CASE("the mode is the owner's to change, the owner an administrator's") {
    Town town;
    REQUIRE(town.as(ada).put("/tmp/f", "x").ok());
    CHECK(town.as(bob).chmod("/tmp/f", 0777) == Code::denied);
    CHECK(town.as(ada).chmod("/tmp/f", 0640) == Code::ok);
    CHECK(town.stat("/tmp/f")->mode == 0640);
    CHECK(town.as(ada).chown("/tmp/f", 2) == Code::denied);
    CHECK(town.as(ada).chown("/tmp/f", 1) == Code::ok);  // it is theirs already
    CHECK(town.as(ada).chgrp("/tmp/f", 50) == Code::denied);
    CHECK(town.as(user(1, {50})).chgrp("/tmp/f", 50) == Code::ok);
    CHECK(town.as(user(2, {50})).chgrp("/tmp/f", 2) == Code::denied);
    CHECK(town.as(superuser()).chown("/tmp/f", 2) == Code::ok);
    CHECK(town.stat("/tmp/f")->uid == 2);
    CHECK(town.stat("/tmp/f")->gid == 50);
    // What a set-id bit would lend ends with its owner.
    REQUIRE(town.as(superuser()).own("/tmp/f", 1, 06755) == Code::ok);
    CHECK(town.as(user(1, {50})).chgrp("/tmp/f", 50) == Code::ok);
    CHECK(town.stat("/tmp/f")->mode == 0755);
  }

  TEST_CASE("the pool of a directory is an administrator's to choose") {
    Town town;
    SetAttributes request;
    request.path = "/home/ada";
    request.set_pool = true;
    request.pool = kDefaultPool;
    CHECK(town.as(ada).ask(request).code() == Code::denied);
    CHECK(town.as(superuser()).ask(request).ok());
  }

  TEST_CASE("an access list opens a file to one more, and a default one what will be made") {
    Town town;
    SetAttributes request;
    request.path = "/home/ada";
    request.set_acl = request.set_default_acl = true;
    request.acl = {{AclTag::owner, 0, 7},
                   {AclTag::user, 2, 5},
                   {AclTag::owning_group, 0, 5},
                   {AclTag::mask, 0, 7},
                   {AclTag::others, 0, 0}};
    request.default_acl = {{AclTag::owner, 0, 7},
                           {AclTag::user, 2, 4},
                           {AclTag::owning_group, 0, 0},
                           {AclTag::mask, 0, 7},
                           {AclTag::others, 0, 0}};
    CHECK(town.as(bob).ask(request).code() == Code::denied);
    REQUIRE(town.as(ada).ask(request).ok());
    CHECK(town.stat("/home/ada")->has_acl);
    CHECK(town.stat("/home/ada")->mode == 0770);
    REQUIRE(town.put("/home/ada/f", "x").ok());
    CHECK(town.stat("/home/ada/f")->mode == 0640);
    CHECK(town.as(bob).open("/home/ada/f").ok());
    CHECK(town.as(bob).put("/home/ada/f", "y").code() == Code::denied);
    CHECK(town.as(user(3)).stat("/home/ada/f").code() == Code::denied);
    request.path = "/home/ada/f";
    CHECK(town.as(ada).ask(request).code() == Code::not_directory);
    request.set_default_acl = false;
    request.acl.clear();
    REQUIRE(town.as(ada).ask(request).ok());
    CHECK(town.as(bob).open("/home/ada/f").code() == Code::denied);
  }

  TEST_CASE("a ticket for a directory changes only what is below it, and one to read nothing") {
    Town town;
    town.make("/home/ada/in", 1, 0755);
    Requester robot = ada;
    robot.below = "/home/ada/in";
    REQUIRE(town.as(ada).put("/home/ada/f", "x").ok());
    town.as(robot);
    CHECK(town.put("/home/ada/in/f", "x").ok());
    CHECK(town.stat("/home/ada/in").ok());
    CHECK(town.list("/home/ada/in").ok());
    for (const char* path : {"/home/ada/f", "/home/ada", "/", "/home/ada/inn"}) {
      CHECK(town.stat(path).code() == Code::denied);
      CHECK(town.list(path).code() == Code::denied);
      CHECK(town.open(path).code() == Code::denied);
      CHECK(town.put(path, "y").code() == Code::denied);
      CHECK(town.make_dir(path).code() == Code::denied);
      CHECK(town.make_dir(path, true).code() == Code::denied);
      CHECK(town.chmod(path, 0777) == Code::denied);
      CHECK(town.remove(path, true) == Code::denied);
    }
    CHECK(town.remove("/home/ada/in", true) == Code::denied);
    CHECK(town.chmod("/home/ada/in", 0777) == Code::denied);
    CHECK(town.rename("/home/ada/in/f", "/home/ada/f") == Code::denied);
    CHECK(town.rename("/home/ada/f", "/home/ada/in/g") == Code::denied);
    CHECK(town.rename("/home/ada/in/f", "/home/ada/in/g") == Code::ok);
    robot.read_only = true;
    town.as(robot);
    CHECK(town.open("/home/ada/in/g").ok());
    CHECK(town.put("/home/ada/in/g", "z").code() == Code::denied);
    CHECK(town.make_dir("/home/ada/in/d", true).code() == Code::denied);
    CHECK(town.remove("/home/ada/in/g") == Code::denied);
    CHECK(town.rename("/home/ada/in/g", "/home/ada/in/h") == Code::denied);
    CHECK(town.chmod("/home/ada/in/g", 0600) == Code::denied);
    // An administrator's narrow ticket is as narrow.
    Requester narrow = superuser();
    narrow.below = "/home/ada/in";
    CHECK(town.as(narrow).stat("/home/bob").code() == Code::denied);
  }

  TEST_CASE("whoever makes a directory with its parents can go on in them") {
    Town town;
    town.as(ada);
    MakeDir request{"/home/ada/x/y/z", true, 0400};
    REQUIRE(town.ask(request).ok());
    CHECK(town.stat("/home/ada/x")->mode == 0700);
    CHECK(town.stat("/home/ada/x/y")->mode == 0700);
    CHECK(town.stat("/home/ada/x/y/z")->mode == 0400);
    CHECK(town.make_dir("/home/ada/x/y/z/a", true).code() == Code::denied);
  }

  TEST_CASE("a requester that cannot be read may do nothing") {
    Command command;
    command.requester = "nonsense";
    const Requester nobody = requester_in(command);
    CHECK_FALSE(nobody.admin);
    CHECK(nobody.uid == kNobodyUid);
    command.requester.clear();
    CHECK(requester_in(command).admin);
    command.requester = encode(bob);
    CHECK(requester_in(command) == bob);
  }

  TEST_CASE("events of changes say on whose behalf they were") {
    Town town;
    REQUIRE(town.as(ada).put("/tmp/f", "x").ok());
    Rows rows(*town.table);
    const auto event = rows.get<EventRow>(keys::event(town.index, 0));
    REQUIRE(event.ok());
    REQUIRE(event->has_value());
    CHECK((*event)->fields.at("by") == "user1");
  }
}

}  // namespace dfs
