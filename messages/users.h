// The conversation "users": who may come in. The lock actor answers, as service "lock".
//
//   anyone → lock:         SignUp, LogIn → TicketReply;  of the cluster: GetTicketKeys → TicketKeys
//   with a ticket → lock:  RenewTicket → TicketReply, LogOut, ChangePassword, AddServiceToken →
//                          TicketReply, ListSessions, EndSession, ListUsers (of oneself)
//   admin → lock:          AddUser, ChangeUser, RemoveUser, ListUsers, SetSignUp,
//                          RotateTicketKey
//   lock ⇒ topic "tickets":  TicketKeys, whenever something changed and again and again
//
// A password travels only inside these requests, over an encrypted connection; what is kept of it
// is argon2id (RFC 9106), with the parameters it was made with. Whoever fails to log in waits
// longer each time: `busy` with retry_after_ms, by user and by source. Errors of a log-in never
// tell whether the user exists. What a ticket says of its holder holds until it expires: so a
// change of role, groups or password, and a lock, end the sessions of the user. A request that
// changes something may be repeated with the same `from` and `request`; it is done once and
// answered the same.
//
// The audit is the events of the lock actor's log (events.h; actor "lock", index of that log), read
// with ReadEvents at this service: login, login-failed, denied, user-added, user-changed,
// user-removed, password-changed, session-ended, token-made, sign-up-set, ticket-key-added.
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/ticket.h"

namespace dfs {

inline constexpr const char* kLockService = "lock";
inline constexpr const char* kTicketsTopic = "tickets";
inline constexpr const char* kAdminName = "admin";  // of the first administrator

inline constexpr size_t kUserBytesMax = 64;
inline constexpr size_t kPasswordBytesMin = 8;
inline constexpr size_t kPasswordBytesMax = 1024;
inline constexpr size_t kUsersMax = 100'000;

// Says why `name` cannot be a user's or a group's, or returns nullptr: a letter or '_', then
// letters, digits, '-', '_' and '.', at most 64 bytes.
const char* bad_user(const std::string& name);
const char* bad_password(const std::string& password);

// A ticket, and what its holder should know of it.
struct TicketReply {
  Blob ticket;
  std::string user;
  Role role = Role::user;
  int64_t expires_ms = 0;
  uint32_t lasts_ms = 0;     // from now on; renew it when half of that has passed
  bool must_change = false;  // the password is a first one: nothing else is allowed before
  Receipt receipt;
  DFS_MESSAGE(TicketReply, ticket, user, role, expires_ms, lasts_ms, must_change, receipt)
};

// Errors: `denied`, sign-up is closed; `exists`; `invalid`.
struct SignUp {
  std::string user;
  Blob password;
  using Reply = TicketReply;
  const char* invalid() const;
  DFS_MESSAGE(SignUp, user, password)
};
// Errors: `denied`, the user and the password do not fit, or the user is locked; `busy`.
struct LogIn {
  std::string user;
  Blob password;
  using Reply = TicketReply;
  const char* invalid() const;
  DFS_MESSAGE(LogIn, user, password)
};
// The session of the request's ticket goes on. `login_needed` when it has ended, when the user is
// locked or gone, or when the ticket expired.
struct RenewTicket {
  using Reply = TicketReply;
  DFS_MESSAGE(RenewTicket)
};
struct LogOutReply {
  Receipt receipt;
  DFS_MESSAGE(LogOutReply, receipt)
};
struct LogOut {
  bool everywhere = false;  // all sessions of the user end
  using Reply = LogOutReply;
  DFS_MESSAGE(LogOut, everywhere)
};
// All other sessions of the user end; this one gets a new ticket.
struct ChangePassword {
  Blob old_password;
  Blob new_password;
  using Reply = TicketReply;
  const char* invalid() const;
  DFS_MESSAGE(ChangePassword, old_password, new_password)
};

struct UserView {
  std::string user;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  Role role = Role::user;
  bool locked = false;
  bool must_change = false;
  int64_t created_ms = 0;
  int64_t login_ms = 0;   // the last one that succeeded; 0: none
  uint32_t failures = 0;  // since then
  uint32_t sessions = 0;  // that go on
  DFS_FIELDS(user, uid, gid, groups, role, locked, must_change, created_ms, login_ms, failures,
             sessions)
};
struct UserReply {
  UserView user;
  Receipt receipt;
  DFS_MESSAGE(UserReply, user, receipt)
};
// Errors: `exists` (the name or the uid), `no_space` (kUsersMax).
struct AddUser {
  std::string user;
  Blob password;
  Role role = Role::user;
  bool must_change = true;
  uint32_t uid = kNobodyUid;  // kNobodyUid: the next one, from 1000 on
  using Reply = UserReply;
  const char* invalid() const;
  DFS_MESSAGE(AddUser, user, password, role, must_change, uid)
};
// Changes what is given; all sessions of the user end. Errors: `not_found`; `invalid`, nobody would
// be an administrator any more who can log in.
struct ChangeUser {
  std::string user;
  bool set_role = false;
  Role role = Role::user;
  bool set_locked = false;
  bool locked = false;
  bool set_groups = false;
  std::vector<uint32_t> groups;
  Blob password;  // not empty: a new one, to be changed at the next log-in
  using Reply = UserReply;
  const char* invalid() const;
  DFS_MESSAGE(ChangeUser, user, set_role, role, set_locked, locked, set_groups, groups, password)
};
// Their sessions end; their files stay, with their uid, which nobody gets again.
struct RemoveUser {
  std::string user;
  using Reply = UserReply;
  const char* invalid() const { return bad_user(user); }
  DFS_MESSAGE(RemoveUser, user)
};
struct UserList {
  std::vector<UserView> users;  // by name
  bool more = false;            // ask again with `after` = the last name
  bool sign_up = false;         // open
  DFS_MESSAGE(UserList, users, more, sign_up)
};
// Whoever is no administrator is told of themselves alone.
struct ListUsers {
  std::string after;
  uint32_t limit = kListEntriesMax;
  using Reply = UserList;
  const char* invalid() const {
    return limit == 0 || limit > kListEntriesMax ? "limit is not between 1 and 1000" : nullptr;
  }
  DFS_MESSAGE(ListUsers, after, limit)
};
struct SetSignUpReply {
  Receipt receipt;
  DFS_MESSAGE(SetSignUpReply, receipt)
};
struct SetSignUp {
  bool open = false;
  using Reply = SetSignUpReply;
  DFS_MESSAGE(SetSignUp, open)
};

// A ticket for a program: of the asker, narrower, until it ends; it cannot be renewed. An
// administrator may make one for somebody else. `ends_ms` at most a year ahead.
struct AddServiceToken {
  std::string user;   // empty: the asker
  std::string label;  // for people, at most 255 bytes
  std::string below;  // a directory; empty: everything
  bool read_only = false;
  int64_t lasts_ms = 0;
  using Reply = TicketReply;
  const char* invalid() const;
  DFS_MESSAGE(AddServiceToken, user, label, below, read_only, lasts_ms)
};
struct SessionView {
  uint64_t session = 0;
  std::string user;
  std::string label;  // of a service token; empty: a log-in
  std::string source;
  std::string below;
  bool read_only = false;
  int64_t began_ms = 0;
  int64_t expires_ms = 0;
  DFS_FIELDS(session, user, label, source, below, read_only, began_ms, expires_ms)
};
struct SessionList {
  std::vector<SessionView> sessions;  // by number
  bool more = false;
  DFS_MESSAGE(SessionList, sessions, more)
};
struct ListSessions {
  std::string user;  // empty: the asker; "*": everybody, for administrators
  uint64_t after = 0;
  uint32_t limit = kListEntriesMax;
  using Reply = SessionList;
  const char* invalid() const {
    return limit == 0 || limit > kListEntriesMax ? "limit is not between 1 and 1000" : nullptr;
  }
  DFS_MESSAGE(ListSessions, user, after, limit)
};
// One's own, or anybody's for an administrator.
struct EndSession {
  uint64_t session = 0;
  using Reply = LogOutReply;
  const char* invalid() const { return session == 0 ? "session is missing" : nullptr; }
  DFS_MESSAGE(EndSession, session)
};

struct RotateTicketKeyReply {
  uint32_t key = 0;      // number of the new one
  int64_t until_ms = 0;  // when the last ticket of the old one ends; 0: they all ended
  Receipt receipt;
  DFS_MESSAGE(RotateTicketKeyReply, key, until_ms, receipt)
};
// From now on tickets are signed with a new key. Those there are stay good, unless `at_once`: then
// everybody logs in anew, and service tokens are void. Of administrators.
struct RotateTicketKey {
  bool at_once = false;
  using Reply = RotateTicketKeyReply;
  DFS_MESSAGE(RotateTicketKey, at_once)
};

// All that is needed to judge tickets. Replaces what was known when `version` is higher.
struct TicketKeys {
  std::string cluster;
  uint64_t version = 0;  // entry of the lock actor's log
  std::vector<TicketKey> keys;
  std::vector<Revocation> revoked;  // those whose tickets may not have expired yet
  DFS_MESSAGE(TicketKeys, cluster, version, keys, revoked)
};
struct GetTicketKeys {
  using Reply = TicketKeys;
  DFS_MESSAGE(GetTicketKeys)
};

}  // namespace dfs
