#include <algorithm>

#include "actors/lock/operations.h"

namespace dfs::lock {

namespace {

constexpr uint32_t kFirstUid = 1000;

bool is_live_admin(const UserRow& user) {
  return user.role == Role::admin && !user.locked;
}

Error no_such_user(const std::string& name) {
  return Error{Code::not_found, "there is no user " + name, {}, 0};
}

Result<UserRow> existing_user(PendingRows& rows, const std::string& name) {
  auto row = rows.get<UserRow>(keys::user(name));
  if (!row) return row.error();
  if (!*row) return no_such_user(name);
  return std::move(**row);
}

// The next one that nobody has, or had.
Result<uint32_t> free_uid(PendingRows& rows, UsersRow& all) {
  while (true) {
    const uint32_t uid = all.next_uid++;
    if (uid == kNobodyUid) continue;
    auto taken = rows.get<UidRow>(keys::uid(uid));
    if (!taken) return taken.error();
    if (!*taken) return uid;
  }
}

// Adds the user's rows; `user` needs its uid, unless the next one is wanted.
Result<UserRow> add(PendingRows& rows, const std::string& name, UserRow user) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  auto there = rows.get<UserRow>(keys::user(name));
  if (!there) return there.error();
  if (*there) return Error{Code::exists, "there is a user " + name + " already", {}, 0};
  if (all->users >= kUsersMax) {
    return Error{
        Code::no_space, "there are " + std::to_string(kUsersMax) + " users already", {}, 0};
  }
  if (user.uid == kNobodyUid) {
    auto uid = free_uid(rows, *all);
    if (!uid) return uid.error();
    user.uid = *uid;
  } else {
    auto taken = rows.get<UidRow>(keys::uid(user.uid));
    if (!taken) return taken.error();
    if (*taken) {
      return Error{Code::exists,
                   "uid " + std::to_string(user.uid) + " belongs, or belonged, to " +
                       (*taken)->user + "; choose another, or none",
                   {},
                   0};
    }
  }
  user.gid = user.uid;
  user.created_ms = rows.time_ms();
  user.password_index = rows.index();
  ++all->users;
  all->admins += is_live_admin(user) ? 1 : 0;
  rows.put(keys::users(), *all);
  rows.put(keys::uid(user.uid), UidRow{name});
  rows.put(keys::user(name), user);
  return user;
}

// A cluster that nobody can administer could not be helped any more.
Result<void> count_admin(PendingRows& rows, bool before, bool after) {
  if (before == after) return {};
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  if (before && all->admins <= 1) {
    return {Code::invalid, "this is the only administrator who can log in; make another one first"};
  }
  all->admins += after ? 1 : -1;
  rows.put(keys::users(), *all);
  return {};
}

std::string changes_of(const EditUser& command) {
  std::string what;
  const auto add = [&](const std::string& change) { what += (what.empty() ? "" : ", ") + change; };
  if (command.set_role) add(std::string("role ") + name_of(command.role));
  if (command.set_locked) add(command.locked ? "locked" : "unlocked");
  if (command.set_groups) add("groups");
  if (!command.password.empty()) add("password");
  return what;
}

}  // namespace

bool sees_everybody(const Ticket& asker) {
  return asker.role == Role::admin && asker.below.empty();
}

UserView view_of(const std::string& name, const UserRow& user) {
  UserView view;
  view.user = name;
  view.uid = user.uid;
  view.gid = user.gid;
  view.groups = user.groups;
  view.role = user.role;
  view.locked = user.locked;
  view.must_change = user.must_change;
  view.created_ms = user.created_ms;
  view.login_ms = user.login_ms;
  view.failures = static_cast<uint32_t>(std::min<uint64_t>(user.failures, UINT32_MAX));
  view.sessions = user.sessions;
  return view;
}

std::map<std::string, std::string> told(const std::string& user, const Origin& origin) {
  return {{"user", user}, {"by", origin.user}, {"source", origin.source}};
}

Result<Noted> found_users(PendingRows& rows, const FoundUsers& command) {
  auto there = rows.get<UsersRow>(keys::users());
  if (!there) return there.error();
  if (*there) return Error{Code::exists, "the users were founded already", {}, 0};
  UsersRow all;
  all.cluster = command.cluster;
  all.version = rows.index();
  all.key = 1;
  all.next_uid = kFirstUid;
  all.sign_up = command.sign_up;
  rows.put(keys::users(), all);
  rows.put(keys::ticket_key(1), KeyRow{command.secret, command.verify_key, rows.time_ms()});
  UserRow admin;
  admin.uid = kAdminUid;
  admin.role = Role::admin;
  admin.must_change = true;
  admin.password = command.password;
  auto added = add(rows, kAdminName, std::move(admin));
  if (!added) return added.error();
  rows.note("user-added", told(kAdminName, {}));
  return Noted{};
}

Result<UserReply> create_user(PendingRows& rows, const CreateUser& command) {
  UserRow user;
  user.uid = command.uid;
  user.role = command.role;
  user.must_change = command.must_change;
  user.password = command.password;
  auto added = add(rows, command.user, std::move(user));
  if (!added) return added.error();
  auto fields = told(command.user, command.origin);
  fields["role"] = name_of(command.role);
  fields["uid"] = std::to_string(added->uid);
  rows.note("user-added", std::move(fields));
  return UserReply{view_of(command.user, *added), rows.receipt()};
}

Result<Granted> enroll_user(PendingRows& rows, const EnrollUser& command) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  if (!all->sign_up) {
    return Error{Code::denied,
                 "signing up is closed here; an administrator adds users with: dfsctl user add",
                 {{"reason", "closed"}},
                 0};
  }
  UserRow user;
  user.password = command.password;
  auto added = add(rows, command.user, std::move(user));
  if (!added) return added.error();
  auto fields = told(command.user, Origin{command.user, command.origin.source});
  fields["uid"] = std::to_string(added->uid);
  rows.note("user-added", std::move(fields));
  SessionRow session;
  session.source = command.origin.source;
  return begin(rows, command.user, *added, {command.session, command.now_ms, command.lasts_ms},
               std::move(session));
}

Result<UserReply> edit_user(PendingRows& rows, const EditUser& command) {
  auto user = existing_user(rows, command.user);
  if (!user) return user.error();
  const bool was_admin = is_live_admin(*user);
  if (command.set_role) user->role = command.role;
  if (command.set_locked) user->locked = command.locked;
  if (command.set_groups) user->groups = command.groups;
  if (!command.password.empty()) {
    user->password = command.password;
    user->password_index = rows.index();
    user->must_change = true;
    user->failures = 0;
  }
  DFS_CHECK(count_admin(rows, was_admin, is_live_admin(*user)));
  DFS_CHECK(end_all(rows, command.user, *user, By::admin));
  rows.put(keys::user(command.user), *user);
  auto fields = told(command.user, command.origin);
  fields["what"] = changes_of(command);
  rows.note("user-changed", std::move(fields));
  return UserReply{view_of(command.user, *user), rows.receipt()};
}

Result<UserReply> delete_user(PendingRows& rows, const DeleteUser& command) {
  auto user = existing_user(rows, command.user);
  if (!user) return user.error();
  DFS_CHECK(count_admin(rows, is_live_admin(*user), false));
  DFS_CHECK(end_all(rows, command.user, *user, By::admin));
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  --all->users;
  rows.put(keys::users(), *all);
  rows.erase(keys::user(command.user));
  rows.note("user-removed", told(command.user, command.origin));
  return UserReply{view_of(command.user, *user), rows.receipt()};
}

Result<SetSignUpReply> open_sign_up(PendingRows& rows, const OpenSignUp& command) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  if (all->sign_up != command.open) {
    all->sign_up = command.open;
    rows.put(keys::users(), *all);
    rows.note("sign-up-set", {{"open", command.open ? "yes" : "no"},
                              {"by", command.origin.user},
                              {"source", command.origin.source}});
  }
  return SetSignUpReply{rows.receipt()};
}

Result<UserList> list_users(Rows& rows, const ListUsers& request, const Ticket& asker) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  UserList list;
  list.sign_up = all->sign_up;
  std::optional<Error> failed;
  const bool everybody = sees_everybody(asker);
  const std::string own = keys::user(asker.user);
  const std::string from = everybody ? keys::user(request.after) + '\0' : own;
  const std::string until = everybody ? after_prefix(std::string(1, keys::kUser)) : own + '\0';
  DFS_CHECK(rows.scan(from, until, [&](auto key, auto value) {
    if (list.users.size() >= request.limit) {
      list.more = true;
      return false;
    }
    auto user = decode<UserRow>(value);
    if (!user) {
      failed = user.error();
      return false;
    }
    list.users.push_back(view_of(std::string(key.substr(1)), *user));
    return true;
  }));
  if (failed) return *failed;
  return list;
}

Result<UserNames> user_names(Rows& rows, const GetUserNames& request) {
  UserNames found;
  const auto add = [&](const std::string& name) -> Result<void> {
    const auto user = rows.get<UserRow>(keys::user(name));
    if (!user) return user.error();
    if (*user) found.names.push_back({name, (*user)->uid, (*user)->gid});
    return {};
  };
  for (const uint32_t uid : request.uids) {
    const auto holder = rows.get<UidRow>(keys::uid(uid));
    if (!holder) return holder.error();
    if (*holder) DFS_CHECK(add((*holder)->user));
  }
  for (const std::string& name : request.users) {
    if (bad_user(name) == nullptr) DFS_CHECK(add(name));
  }
  return found;
}

Result<Noted> change_members(PendingRows& rows, const ChangeMembers& command) {
  GroupRow group;
  for (const Member& member : command.members) {
    group.voters += member.standing == Standing::learner ? 0 : 1;
  }
  rows.put(keys::group(), group);
  return Noted{};
}

}  // namespace dfs::lock
