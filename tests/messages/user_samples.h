// Samples of the messages about users, and of the commands they become.
#pragma once

#include "actors/lock/commands.h"
#include "actors/monitor/commands.h"
#include "messages/users.h"

namespace dfs::samples {

template <class T>
T sample();

inline Receipt user_receipt() {
  return {.index = 4711, .term = 2, .synced = true, .replicas = 3};
}
inline UserView user_view() {
  return {.user = "ada",
          .uid = 1001,
          .gid = 1002,
          .groups = {100, 200},
          .role = Role::admin,
          .locked = true,
          .must_change = true,
          .created_ms = 1'700'000'000'000,
          .login_ms = 1'700'000'000'123,
          .failures = 3,
          .sessions = 2};
}
inline PasswordHash password_hash() {
  return {.salt = {std::string(16, 's')},
          .hash = {std::string(32, 'h')},
          .passes = 2,
          .memory_bytes = 64 << 20};
}
inline lock::Origin origin() {
  return {.user = "ada", .source = "127.0.0.1"};
}

template <>
inline TicketReply sample() {
  return {.ticket = {std::string("\x00\xff ticket", 9)},
          .user = "ada",
          .role = Role::admin,
          .expires_ms = 1'700'000'000'123,
          .lasts_ms = 43'200'000,
          .must_change = true,
          .receipt = user_receipt()};
}
template <>
inline SignUp sample() {
  return {.user = "ada", .password = {"correct horse"}};
}
template <>
inline LogIn sample() {
  return {.user = "ada", .password = {"correct horse"}};
}
template <>
inline RenewTicket sample() {
  return {};
}
template <>
inline LogOut sample() {
  return {.everywhere = true};
}
template <>
inline LogOutReply sample() {
  return {.receipt = user_receipt()};
}
template <>
inline ChangePassword sample() {
  return {.old_password = {"correct horse"}, .new_password = {"battery staple"}};
}
template <>
inline AddUser sample() {
  return {.user = "ada",
          .password = {"correct horse"},
          .role = Role::admin,
          .must_change = false,
          .uid = 1001};
}
template <>
inline UserReply sample() {
  return {.user = user_view(), .receipt = user_receipt()};
}
template <>
inline ChangeUser sample() {
  return {.user = "ada",
          .set_role = true,
          .role = Role::admin,
          .set_locked = true,
          .locked = true,
          .set_groups = true,
          .groups = {100},
          .password = {"correct horse"}};
}
template <>
inline RemoveUser sample() {
  return {.user = "ada"};
}
template <>
inline UserList sample() {
  return {.users = {user_view()}, .more = true, .sign_up = true};
}
template <>
inline ListUsers sample() {
  return {.after = "ada", .limit = 100};
}
template <>
inline SetSignUp sample() {
  return {.open = true};
}
template <>
inline SetSignUpReply sample() {
  return {.receipt = user_receipt()};
}
template <>
inline AddServiceToken sample() {
  return {.user = "ada",
          .label = "backup",
          .below = "/photos",
          .read_only = true,
          .lasts_ms = 86'400'000};
}
template <>
inline ListSessions sample() {
  return {.user = "ada", .after = 17, .limit = 100};
}
template <>
inline SessionList sample() {
  return {.sessions = {{.session = 0x1122334455667788,
                        .user = "ada",
                        .label = "backup",
                        .source = "127.0.0.1",
                        .below = "/photos",
                        .read_only = true,
                        .began_ms = 1'700'000'000'000,
                        .expires_ms = 1'700'000'000'123}},
          .more = true};
}
template <>
inline EndSession sample() {
  return {.session = 0x1122334455667788};
}
template <>
inline GetTicketKeys sample() {
  return {};
}
template <>
inline TicketKeys sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210",
          .version = 4711,
          .keys = {{.key = 2, .verify_key = {std::string(32, 'v')}}},
          .revoked = {{.user = "ada", .before_ms = 1'700'000'000'000, .session = 17}}};
}
template <>
inline GetGrantKeys sample() {
  return {.verify_key = {std::string(32, '\x81')}};
}
template <>
inline GrantKeys sample() {
  return {.keys = {std::string(64, '\x80')}, .warrant = {"warrant"}};
}
template <>
inline RotateGrantKey sample() {
  return {};
}
template <>
inline RotateGrantKeyReply sample() {
  return {.from_ms = 1'700'000'015'000, .until_ms = 1'700'000'675'000, .receipt = user_receipt()};
}
template <>
inline RotateTicketKey sample() {
  return {.at_once = true};
}
template <>
inline RotateTicketKeyReply sample() {
  return {.key = 3, .until_ms = 1'700'000'675'000, .receipt = user_receipt()};
}

// entries of the lock actor's log

template <>
inline lock::FoundUsers sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210",
          .secret = {std::string(64, 'k')},
          .verify_key = {std::string(32, 'v')},
          .password = password_hash(),
          .sign_up = true};
}
template <>
inline lock::CreateUser sample() {
  return {.user = "ada",
          .password = password_hash(),
          .role = Role::admin,
          .must_change = false,
          .uid = 1001,
          .origin = origin()};
}
template <>
inline lock::EnrollUser sample() {
  return {.user = "ada",
          .password = password_hash(),
          .session = 17,
          .lasts_ms = 43'200'000,
          .origin = origin(),
          .now_ms = 1'700'000'000'000};
}
template <>
inline lock::EditUser sample() {
  return {.user = "ada",
          .set_role = true,
          .role = Role::admin,
          .set_locked = true,
          .locked = true,
          .set_groups = true,
          .groups = {100},
          .password = password_hash(),
          .origin = origin()};
}
template <>
inline lock::DeleteUser sample() {
  return {.user = "ada", .origin = origin()};
}
template <>
inline lock::OpenSignUp sample() {
  return {.open = true, .origin = origin()};
}
template <>
inline lock::BeginSession sample() {
  return {.user = "ada",
          .password_index = 12,
          .session = 17,
          .lasts_ms = 43'200'000,
          .source = "127.0.0.1",
          .now_ms = 1'700'000'000'000};
}
template <>
inline lock::ExtendSession sample() {
  return {.session = 17, .lasts_ms = 43'200'000, .now_ms = 1'700'000'000'000};
}
template <>
inline lock::FinishSessions sample() {
  return {.session = 17, .admin = true, .origin = origin()};
}
template <>
inline lock::ReplacePassword sample() {
  return {.user = "ada",
          .password_index = 12,
          .password = password_hash(),
          .session = 17,
          .lasts_ms = 43'200'000,
          .source = "127.0.0.1",
          .now_ms = 1'700'000'000'000};
}
template <>
inline lock::IssueToken sample() {
  return {.user = "ada",
          .label = "backup",
          .below = "/photos",
          .read_only = true,
          .session = 18,
          .lasts_ms = 86'400'000,
          .by_session = 17,
          .origin = origin(),
          .now_ms = 1'700'000'000'000};
}
template <>
inline lock::NoteDenials sample() {
  return {.denials = {{.user = "ada",
                       .source = "127.0.0.1",
                       .topic = "login-failed",
                       .what = "log-in",
                       .count = 5}},
          .left_out = 7};
}
template <>
inline lock::AddTicketKey sample() {
  return {.secret = {std::string(64, 'k')},
          .verify_key = {std::string(32, 'v')},
          .at_once = true,
          .origin = {.user = "ada", .source = "127.0.0.1"}};
}
template <>
inline lock::TidyUsers sample() {
  return {.before_ms = 1'700'000'000'000, .events_before = 4000, .limit = 100};
}

template <>
inline AddGrantKey sample() {
  return {.key = {.bytes = std::string(32, '\x80')},
          .from_ms = 1'790'000'015'000,
          .until_ms = 1'790'000'675'000,
          .source = "10.0.0.7"};
}
template <>
inline TurnGrantKey sample() {
  return {.now_ms = 1'790'000'015'000};
}

}  // namespace dfs::samples
