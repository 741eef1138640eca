// What the lock actor's leader writes into its log. These commands never travel on a socket; like
// messages they evolve by adding fields with defaults. Whatever chance there is in them (session
// numbers, keys, hashes) the leader made.
#pragma once

#include <string>
#include <vector>

#include "messages/message.h"
#include "messages/password.h"
#include "messages/ticket.h"
#include "messages/users.h"

namespace dfs::lock {

// Who asked, and from where.
struct Origin {
  std::string user;  // empty: nobody that is known
  std::string source;
  DFS_FIELDS(user, source)
};

// The first command of every log: the cluster, its first ticket key, its first administrator.
struct FoundUsers {
  std::string cluster;  // uuid, 32 hex digits
  Blob secret;
  Blob verify_key;
  PasswordHash password;  // of the administrator, to be changed at once
  bool sign_up = false;
  DFS_MESSAGE(FoundUsers, cluster, secret, verify_key, password, sign_up)
};

// Answered by UserReply.
struct CreateUser {
  std::string user;
  PasswordHash password;
  Role role = Role::user;
  bool must_change = true;
  uint32_t uid = kNobodyUid;  // kNobodyUid: the next one
  Origin origin;
  DFS_MESSAGE(CreateUser, user, password, role, must_change, uid, origin)
};

// What the leader signs a ticket from: the outcome of every command that begins a session or goes
// on with one.
struct Granted {
  Ticket ticket;
  Receipt receipt;
  DFS_FIELDS(ticket, receipt)
};

// Commands that begin a session, or go on with one, say what time it is by the leader's clock:
// `now_ms`, 0 in the log of an earlier version. The log's own time never goes back, so a clock that
// was wrong once would decide for how long tickets last until it is right again.

// Somebody signed up, and is logged in. Answered by Granted.
struct EnrollUser {
  std::string user;
  PasswordHash password;
  uint64_t session = 0;
  int64_t lasts_ms = 0;
  Origin origin;
  int64_t now_ms = 0;
  DFS_MESSAGE(EnrollUser, user, password, session, lasts_ms, origin, now_ms)
};

// Answered by UserReply.
struct EditUser {
  std::string user;
  bool set_role = false;
  Role role = Role::user;
  bool set_locked = false;
  bool locked = false;
  bool set_groups = false;
  std::vector<uint32_t> groups;
  PasswordHash password;  // empty: stays
  Origin origin;
  DFS_MESSAGE(EditUser, user, set_role, role, set_locked, locked, set_groups, groups, password,
              origin)
};

// Answered by UserReply.
struct DeleteUser {
  std::string user;
  Origin origin;
  DFS_MESSAGE(DeleteUser, user, origin)
};

// Answered by SetSignUpReply.
struct OpenSignUp {
  bool open = false;
  Origin origin;
  DFS_MESSAGE(OpenSignUp, open, origin)
};

// The password was right, when it was the user's `password_index`-th. Answered by Granted.
struct BeginSession {
  std::string user;
  LogIndex password_index = 0;
  uint64_t session = 0;
  int64_t lasts_ms = 0;
  std::string source;
  int64_t now_ms = 0;
  DFS_MESSAGE(BeginSession, user, password_index, session, lasts_ms, source, now_ms)
};

// Answered by Granted.
struct ExtendSession {
  uint64_t session = 0;
  int64_t lasts_ms = 0;
  int64_t now_ms = 0;
  DFS_MESSAGE(ExtendSession, session, lasts_ms, now_ms)
};

// Ends one session, or with 0 all of the origin's user. Answered by LogOutReply.
struct FinishSessions {
  uint64_t session = 0;
  bool admin = false;  // anybody's may be ended
  Origin origin;
  DFS_MESSAGE(FinishSessions, session, admin, origin)
};

// All sessions of the user end and a new one begins. Answered by Granted.
struct ReplacePassword {
  std::string user;
  LogIndex password_index = 0;  // of the one that is replaced
  PasswordHash password;
  uint64_t session = 0;
  int64_t lasts_ms = 0;
  std::string source;
  int64_t now_ms = 0;
  DFS_MESSAGE(ReplacePassword, user, password_index, password, session, lasts_ms, source, now_ms)
};

// A service token of `user`, who is the origin's unless that is an administrator. Answered by
// Granted.
struct IssueToken {
  std::string user;
  std::string label;
  std::string below;
  bool read_only = false;
  uint64_t session = 0;
  int64_t lasts_ms = 0;
  uint64_t by_session = 0;  // of the asker
  Origin origin;
  int64_t now_ms = 0;
  DFS_MESSAGE(IssueToken, user, label, below, read_only, session, lasts_ms, by_session, origin,
              now_ms)
};

// What was refused in a short time, for whoever reads the events.
struct Denial {
  std::string user;
  std::string source;
  std::string topic;  // "login-failed" or "denied"
  std::string what;
  uint64_t count = 1;
  DFS_FIELDS(user, source, topic, what, count)
};
struct NoteDenials {
  std::vector<Denial> denials;
  uint64_t left_out = 0;
  DFS_MESSAGE(NoteDenials, denials, left_out)
};

// Tickets are signed with this pair from now on. Answered by RotateTicketKeyReply.
struct AddTicketKey {
  Blob secret;
  Blob verify_key;
  bool at_once = false;  // the pairs before it are forgotten, and their tickets void
  Origin origin;
  DFS_MESSAGE(AddTicketKey, secret, verify_key, at_once, origin)
};

// Forgets sessions, revocations and keys that ended before `before_ms`, and events of entries
// before `events_before`; at most `limit` rows of each. Answered by Tidied.
struct TidyUsers {
  int64_t before_ms = 0;
  LogIndex events_before = 0;
  uint32_t limit = 256;
  DFS_MESSAGE(TidyUsers, before_ms, events_before, limit)
};
struct Tidied {
  uint32_t rows = 0;
  bool more = false;
  DFS_FIELDS(rows, more)
};

// The outcome of a command that has nothing to tell.
struct Noted {
  DFS_FIELDS()
};

}  // namespace dfs::lock
