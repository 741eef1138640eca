// What a committed command does to the rows. An operation either changes rows and returns its
// reply, or returns an error, and then its changes are dropped. It depends on nothing but rows and
// command.
#pragma once

#include "actors/lock/commands.h"
#include "actors/lock/rows.h"
#include "messages/raft.h"
#include "messages/user_names.h"

namespace dfs::lock {

// A log-in that is extended again and again ends so long after it began. Service tokens have an end
// of their own.
inline constexpr int64_t kSessionMsMax = 30 * 24 * 3'600'000LL;

// Users (users_machine.cc).
Result<Noted> found_users(PendingRows& rows, const FoundUsers& command);
Result<UserReply> create_user(PendingRows& rows, const CreateUser& command);
Result<Granted> enroll_user(PendingRows& rows, const EnrollUser& command);
Result<UserReply> edit_user(PendingRows& rows, const EditUser& command);
Result<UserReply> delete_user(PendingRows& rows, const DeleteUser& command);
Result<SetSignUpReply> open_sign_up(PendingRows& rows, const OpenSignUp& command);

// Sessions (sessions_machine.cc).
Result<Granted> begin_session(PendingRows& rows, const BeginSession& command);
Result<Granted> extend_session(PendingRows& rows, const ExtendSession& command);
Result<LogOutReply> finish_sessions(PendingRows& rows, const FinishSessions& command);
Result<Granted> replace_password(PendingRows& rows, const ReplacePassword& command);
Result<Granted> issue_token(PendingRows& rows, const IssueToken& command);

// What was refused, and what is over (tidy_machine.cc).
Result<Noted> note_denials(PendingRows& rows, const NoteDenials& command);
Result<Tidied> tidy_users(PendingRows& rows, const TidyUsers& command);

// Keys that tickets are signed with (ticket_keys.cc).
Result<RotateTicketKeyReply> add_ticket_key(PendingRows& rows, const AddTicketKey& command);
// Those whose tickets have all expired; how many they were.
Result<uint32_t> forget_ticket_keys(PendingRows& rows, int64_t before_ms);

// Of the log itself.
Result<Noted> change_members(PendingRows& rows, const ChangeMembers& command);

// Questions, answered from the rows alone.
Result<UserList> list_users(Rows& rows, const ListUsers& request, const Ticket& asker);
Result<UserNames> user_names(Rows& rows, const GetUserNames& request);
Result<SessionList> list_sessions(Rows& rows, const ListSessions& request, const Ticket& asker);
Result<TicketKeys> ticket_keys(Rows& rows);
// The ticket as its holder gets it.
Result<TicketReply> signed_ticket(Rows& rows, const Granted& granted);

// Whether TidyUsers of that time would find something.
Result<bool> anything_over(Rows& rows, int64_t before_ms);
Result<bool> any_ticket_key_over(Rows& rows, int64_t before_ms);

// What several of them share (sessions_machine.cc).

// What a command's `now_ms` says, which is never later than the log's time.
int64_t time_of(const PendingRows& rows, int64_t now_ms);
// How long a session is to last, from when, and what it has for a number.
struct SessionStart {
  uint64_t session = 0;
  int64_t now_ms = 0;
  int64_t lasts_ms = 0;
};
// Begins a session of `user`, whose row it changes too. Errors: `no_space`.
Result<Granted> begin(PendingRows& rows, const std::string& name, UserRow& user,
                      const SessionStart& start, SessionRow session);
void erase_session(PendingRows& rows, uint64_t number, const SessionRow& session);
// All sessions of the user end, and so do their tickets. Errors: `busy`, when very many ended.
enum class By { user, admin };
Result<void> end_all(PendingRows& rows, const std::string& name, UserRow& user, By by);

// Whether users and sessions of others are shown: to administrators, but not by a token of theirs
// that is for one directory.
bool sees_everybody(const Ticket& asker);
UserView view_of(const std::string& name, const UserRow& user);
std::map<std::string, std::string> told(const std::string& user, const Origin& origin);

}  // namespace dfs::lock
