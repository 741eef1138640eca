// Who may do what with one inode: a table of cases, and a comparison with a naive reading of POSIX
// and acl(5), over all modes and lists that a seed makes.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "actors/monitor/rights.h"

namespace dfs {
namespace {

Requester somebody(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups = {}) {
  Requester who;
  who.uid = uid;
  who.gid = gid;
  who.groups = std::move(groups);
  return who;
}

InodeRow inode_of(uint32_t uid, uint32_t gid, uint32_t mode, std::vector<AclEntry> acl = {}) {
  InodeRow inode;
  inode.uid = uid;
  inode.gid = gid;
  inode.mode = mode;
  inode.acl = std::move(acl);
  return inode;
}

// acl(5), "Access check algorithm", step by step as it is printed there. `acl` may be any valid
// list, one that says no more than a mode included.
bool allowed_by_manual(const Requester& who, uint32_t owner, uint32_t group,
                       const std::vector<AclEntry>& acl, uint32_t wanted) {
  if (who.admin) return true;
  const auto contains = [&](uint32_t rights) { return (rights & wanted) == wanted; };
  uint32_t mask = 7;
  for (const AclEntry& entry : acl) {
    if (entry.tag == AclTag::mask) mask = entry.rights;
  }
  for (const AclEntry& entry : acl) {
    if (entry.tag == AclTag::owner && who.uid == owner) return contains(entry.rights);
  }
  for (const AclEntry& entry : acl) {
    if (entry.tag == AclTag::user && entry.id == who.uid) return contains(entry.rights & mask);
  }
  bool matched = false;
  for (const AclEntry& entry : acl) {
    std::vector<uint32_t> own = who.groups;
    own.push_back(who.gid);
    const uint32_t id = entry.tag == AclTag::owning_group ? group : entry.id;
    if (entry.tag != AclTag::owning_group && entry.tag != AclTag::group) continue;
    if (std::count(own.begin(), own.end(), id) == 0) continue;
    matched = true;
    if (contains(entry.rights & mask)) return true;
  }
  if (matched) return false;
  for (const AclEntry& entry : acl) {
    if (entry.tag == AclTag::others) return contains(entry.rights);
  }
  return false;
}

std::vector<AclEntry> list_of_mode(uint32_t mode) {
  return {{AclTag::owner, 0, mode >> 6 & 7},
          {AclTag::owning_group, 0, mode >> 3 & 7},
          {AclTag::others, 0, mode & 7}};
}

std::vector<AclEntry> random_list(std::mt19937& random) {
  std::vector<AclEntry> acl = list_of_mode(random() & 0777);
  for (uint32_t id = 1; id <= 3; ++id) {
    if (random() % 2 == 0) acl.push_back({AclTag::user, id, static_cast<uint32_t>(random() % 8)});
    if (random() % 2 == 0) acl.push_back({AclTag::group, id, static_cast<uint32_t>(random() % 8)});
  }
  if (acl.size() > 3 || random() % 4 == 0) {
    acl.push_back({AclTag::mask, 0, static_cast<uint32_t>(random() % 8)});
  }
  std::shuffle(acl.begin(), acl.end(), random);
  return acl;
}

}  // namespace

TEST_SUITE("monitor") {
  TEST_CASE("the class of who asks decides, and only that: owner, group, others") {
    struct Case {
      const char* what;
      Requester who;
      uint32_t mode;
      uint32_t rights;
      bool granted;
    };
    const Requester owner = somebody(7, 70);
    const Requester of_group = somebody(8, 50);
    const Requester of_other_group = somebody(8, 80, {60, 50});
    const Requester other = somebody(9, 90);
    const Case cases[] = {
        {"the owner reads", owner, 0400, kMayRead, true},
        {"an owner without the bit is no member of the group", somebody(7, 50), 0070, kMayRead,
         false},
        {"an owner without the bit is none of the others", owner, 0007, kMayRead, false},
        {"the group reads", of_group, 0040, kMayRead, true},
        {"so does who is in it besides", of_other_group, 0040, kMayRead, true},
        {"a member without the bit is none of the others", of_group, 0707, kMayRead, false},
        {"others read", other, 0004, kMayRead, true},
        {"others have no more than their bits", other, 0770, kMayRead, false},
        {"all rights are needed that are asked for", other, 0006, kMayWrite | kMaySearch, false},
        {"and these suffice", other, 0003, kMayWrite | kMaySearch, true},
        {"an administrator needs none", superuser(), 0000, kMayRead | kMayWrite | kMaySearch, true},
        {"uid 0 alone is no administrator", somebody(0, 0), 0000, kMayRead, false},
    };
    for (const Case& each : cases) {
      CAPTURE(each.what);
      CHECK(may(each.who, inode_of(7, 50, each.mode), each.rights) == each.granted);
    }
  }

  TEST_CASE("every mode grants what the manual says, to everybody") {
    const Requester people[] = {somebody(7, 70), somebody(7, 50), somebody(8, 50),
                                somebody(8, 80, {1, 50}), somebody(9, 90)};
    for (uint32_t mode = 0; mode <= 0777; ++mode) {
      for (const Requester& who : people) {
        for (uint32_t rights = 1; rights <= 7; ++rights) {
          const bool granted = may(who, inode_of(7, 50, mode), rights);
          REQUIRE(granted == allowed_by_manual(who, 7, 50, list_of_mode(mode), rights));
        }
      }
    }
  }

  TEST_CASE("an access list grants what the manual says") {
    std::mt19937 random(20260101);
    size_t granted = 0, refused = 0;
    for (int round = 0; round < 20'000; ++round) {
      const std::vector<AclEntry> acl = random_list(random);
      REQUIRE(bad_acl(acl) == nullptr);
      InodeRow inode = inode_of(random() % 5, random() % 5, 0);
      change_acl(inode, superuser(), acl);
      Requester who = somebody(random() % 5, random() % 5);
      for (uint32_t group = 0; group < 5; ++group) {
        if (random() % 3 == 0) who.groups.push_back(group);
      }
      const uint32_t rights = 1 + random() % 7;
      const bool expected = allowed_by_manual(who, inode.uid, inode.gid, acl, rights);
      REQUIRE(may(who, inode, rights) == expected);
      ++(expected ? granted : refused);
    }
    CHECK(granted > 2000);
    CHECK(refused > 2000);
  }

  TEST_CASE("the mode and the list are kept in step") {
    InodeRow inode = inode_of(7, 50, 0640);
    const std::vector<AclEntry> acl = {{AclTag::owner, 0, 7},
                                       {AclTag::user, 9, 6},
                                       {AclTag::owning_group, 0, 5},
                                       {AclTag::mask, 0, 4},
                                       {AclTag::others, 0, 1}};
    change_acl(inode, superuser(), acl);
    CHECK(inode.mode == 0741);  // the group bits are those of the mask
    CHECK_FALSE(may(somebody(9, 90), inode, kMayWrite));
    change_mode(inode, superuser(), 0760);
    CHECK(may(somebody(9, 90), inode, kMayWrite));  // chmod has widened the mask
    CHECK_FALSE(may(somebody(8, 50), inode, kMayWrite));
    change_acl(inode, superuser(), {});
    CHECK(inode.acl.empty());
    CHECK(inode.mode == 0740);  // what the group itself had: its 5 within the mask's 6
    change_acl(inode, superuser(), list_of_mode(0604));
    CHECK(inode.acl.empty());  // says no more than a mode
    CHECK(inode.mode == 0604);
  }

  TEST_CASE("lists that make no sense are refused") {
    const auto with = [](std::vector<AclEntry> more) {
      std::vector<AclEntry> acl = list_of_mode(0644);
      acl.insert(acl.end(), more.begin(), more.end());
      return acl;
    };
    CHECK(bad_acl({}) == nullptr);
    CHECK(bad_acl(with({})) == nullptr);
    CHECK(bad_acl(with({{AclTag::user, 9, 6}, {AclTag::mask, 0, 7}})) == nullptr);
    CHECK(bad_acl(with({{AclTag::user, 9, 6}})) != nullptr);
    CHECK(bad_acl(with({{AclTag::owner, 0, 6}})) != nullptr);
    CHECK(bad_acl(with({{AclTag::mask, 0, 8}})) != nullptr);
    CHECK(bad_acl(with({{AclTag::mask, 3, 7}})) != nullptr);
    CHECK(bad_acl(with({{AclTag::user, 9, 6}, {AclTag::user, 9, 4}, {AclTag::mask, 0, 7}})) !=
          nullptr);
    CHECK(bad_acl(with({{static_cast<AclTag>(7), 0, 7}})) != nullptr);
    CHECK(bad_acl(with({{static_cast<AclTag>(0), 0, 7}})) != nullptr);
    CHECK(bad_acl({{AclTag::owner, 0, 7}, {AclTag::others, 0, 7}}) != nullptr);
    std::vector<AclEntry> long_one = with({{AclTag::mask, 0, 7}});
    for (uint32_t id = 0; long_one.size() <= kAclEntriesMax; ++id) {
      long_one.push_back({AclTag::user, id, 7});
    }
    CHECK(bad_acl(long_one) != nullptr);
    long_one.pop_back();
    CHECK(bad_acl(long_one) == nullptr);
  }

  TEST_CASE("what is made belongs to its maker, and to the group of a setgid directory") {
    const Requester who = somebody(7, 70, {50});
    InodeRow directory = inode_of(1, 50, 0775);
    directory.type = FileType::directory;
    InodeRow file;
    inherit(file, who, directory, 0100644);
    CHECK(file.uid == 7);
    CHECK(file.gid == 70);
    CHECK(file.mode == 0644);  // no bits but those of a mode
    directory.mode |= kSetGid;
    inherit(file, who, directory, 0644);
    CHECK(file.gid == 50);
    CHECK(file.mode == 0644);
    InodeRow below;
    below.type = FileType::directory;
    inherit(below, who, directory, 0755);
    CHECK(below.gid == 50);
    CHECK(below.mode == (kSetGid | 0755));
  }

  TEST_CASE("what is made takes the directory's default list, within the mode asked for") {
    InodeRow directory = inode_of(1, 50, 0775);
    directory.type = FileType::directory;
    directory.default_acl = in_order({{AclTag::owner, 0, 7},
                                      {AclTag::user, 9, 7},
                                      {AclTag::owning_group, 0, 5},
                                      {AclTag::mask, 0, 7},
                                      {AclTag::others, 0, 4}});
    InodeRow file;
    inherit(file, somebody(7, 70), directory, 0640);
    CHECK(file.mode == 0640);
    CHECK(file.default_acl.empty());
    CHECK(may(somebody(9, 90), file, kMayRead));
    CHECK_FALSE(may(somebody(9, 90), file, kMayWrite));  // the mask became the group bits
    CHECK_FALSE(may(somebody(5, 90), file, kMayRead));
    InodeRow below;
    below.type = FileType::directory;
    inherit(below, somebody(7, 70), directory, 0777);
    CHECK(below.mode == 0774);
    CHECK(below.default_acl == directory.default_acl);
    CHECK(may(somebody(9, 90), below, kMayWrite | kMaySearch));
  }

  TEST_CASE("a sticky directory lets only owners take something out of it") {
    InodeRow directory = inode_of(1, 50, 0777);
    const InodeRow file = inode_of(7, 70, 0666);
    CHECK(may_take_out(somebody(9, 90), directory, file));
    directory.mode |= kSticky;
    CHECK_FALSE(may_take_out(somebody(9, 90), directory, file));
    CHECK_FALSE(may_take_out(somebody(9, 70), directory, file));
    CHECK(may_take_out(somebody(7, 90), directory, file));
    CHECK(may_take_out(somebody(1, 90), directory, file));
    CHECK(may_take_out(superuser(), directory, file));
  }

  TEST_CASE("an owner gives a file to their own groups, and nobody lends a group's rights") {
    const InodeRow file = inode_of(7, 70, 0644);
    CHECK(may_give_to_group(somebody(7, 70, {50}), file, 50));
    CHECK(may_give_to_group(somebody(7, 50), file, 70));  // it stays what it is
    CHECK_FALSE(may_give_to_group(somebody(7, 70), file, 50));
    CHECK_FALSE(may_give_to_group(somebody(8, 50), file, 50));
    CHECK(may_give_to_group(superuser(), file, 12345));
    InodeRow changed = file;
    change_mode(changed, somebody(7, 50), kSetGid | kSetUid | 0755);
    CHECK(changed.mode == (kSetUid | 0755));
    change_mode(changed, somebody(7, 70), kSetGid | kSetUid | 0755);
    CHECK(changed.mode == (kSetGid | kSetUid | 0755));
    drop_set_id(changed, somebody(7, 70));
    CHECK(changed.mode == 0755);
  }

  TEST_CASE("a ticket for a directory is for what is below it, whatever the names are") {
    CHECK(is_within("/a/b", ""));
    CHECK(is_within("/a", "/a"));
    CHECK(is_within("/a/b", "/a"));
    CHECK(is_within("/a/b", "/"));
    CHECK(is_within("/", "/"));
    CHECK_FALSE(is_within("/ab", "/a"));
    CHECK_FALSE(is_within("/", "/a"));
    CHECK_FALSE(is_within("/A/b", "/a"));
    CHECK_FALSE(is_within("/b/a", "/a"));
    CHECK_FALSE(is_strictly_within("/a", "/a"));
    CHECK(is_strictly_within("/a/b", "/a"));
    CHECK_FALSE(is_strictly_within("/", "/"));
    CHECK(is_strictly_within("/b", "/"));
    // What could climb out is no path.
    for (const char* path : {"/a/../b", "/a/..", "/a/./b", "/a//b", "/a/", "a/b", ""}) {
      CHECK(bad_path(path) != nullptr);
    }
    CHECK(bad_path(std::string("/a/b\0c", 6)) != nullptr);
  }
}

}  // namespace dfs
