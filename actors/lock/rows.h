// The rows of the lock actor's table: their formats and their keys (drawn in README.md). Keys of
// users begin with a small letter, those of locks with a capital.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/replica/event_rows.h"
#include "actors/replica/rows.h"
#include "messages/password.h"
#include "messages/ticket.h"

namespace dfs::lock {

struct UserRow {
  uint32_t uid = kNobodyUid;
  uint32_t gid = kNobodyUid;
  std::vector<uint32_t> groups;
  Role role = Role::user;
  bool locked = false;
  bool must_change = false;
  int64_t created_ms = 0;
  int64_t login_ms = 0;
  uint64_t failures = 0;  // since then
  uint32_t sessions = 0;  // that have a row
  PasswordHash password;
  LogIndex password_index = 0;  // of the entry that set it
  DFS_FIELDS(uid, gid, groups, role, locked, must_change, created_ms, login_ms, failures, sessions,
             password, password_index)
};

// A uid that was given out. Nobody else ever gets it.
struct UidRow {
  std::string user;
  DFS_FIELDS(user)
};

struct SessionRow {
  std::string user;
  bool token = false;  // a service token: it cannot go on
  std::string label;
  std::string source;
  std::string below;
  bool read_only = false;
  int64_t began_ms = 0;
  int64_t expires_ms = 0;  // of the ticket that lasts longest
  int64_t issued_ms = 0;   // of the latest ticket; 0: of an earlier version
  DFS_FIELDS(user, token, label, source, below, read_only, began_ms, expires_ms, issued_ms)
};

// See Revocation; user and session are in the key.
struct RevocationRow {
  int64_t before_ms = 0;
  int64_t until_ms = 0;  // then the last ticket that it ends has expired
  DFS_FIELDS(before_ms, until_ms)
};

struct KeyRow {
  Blob secret;
  Blob verify_key;
  int64_t made_ms = 0;
  int64_t ends_ms = 0;  // the last ticket it signed expires then; 0: it signs those of today
  DFS_FIELDS(secret, verify_key, made_ms, ends_ms)
};

// Of all users.
struct UsersRow {
  std::string cluster;
  LogIndex version = 0;  // entry of the last change of keys or revocations
  uint32_t key = 0;      // that tickets are signed with
  uint32_t next_uid = 0;
  uint32_t users = 0;
  uint32_t admins = 0;  // that are not locked
  uint32_t revocations = 0;
  bool sign_up = false;
  DFS_FIELDS(cluster, version, key, next_uid, users, admins, revocations, sign_up)
};

// The members of the group, as the log last said.
struct GroupRow {
  uint32_t voters = 0;
  DFS_FIELDS(voters)
};

// A row that says all in its key.
struct MarkRow {
  DFS_FIELDS()
};

namespace keys {

inline constexpr char kUser = 'u';
inline constexpr char kUid = 'i';
inline constexpr char kSession = 's';
inline constexpr char kSessionOfUser = 'o';
inline constexpr char kExpiry = 'x';
inline constexpr char kRevocation = 'y';
inline constexpr char kTicketKey = 'k';

std::string user(std::string_view name);
std::string uid(uint32_t uid);
std::string session(uint64_t session);
std::string sessions_of(std::string_view user);  // the prefix of their marks
std::string session_of(std::string_view user, uint64_t session);
std::string expiry(int64_t expires_ms, uint64_t session);
std::string revocations_of(std::string_view user);  // the prefix
std::string revocation(std::string_view user, uint64_t session);
std::string ticket_key(uint32_t number);
std::string users();
std::string group();

}  // namespace keys

}  // namespace dfs::lock
