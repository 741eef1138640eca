#include <algorithm>

#include "actors/lock/operations.h"

namespace dfs::lock {

namespace {

constexpr uint32_t kSessionsOfUserMax = 1000;
// All that are told in one message (TicketKeys), with room for those that end together.
constexpr uint32_t kRevocationsMax = kBatchMax;
// Above this, all sessions of a user end instead of one, so that there is one for each user at
// most.
constexpr uint32_t kRevocationsMany = kRevocationsMax / 2;
// Likewise above so many of one user: nobody takes the room of the others.
constexpr size_t kRevocationsOfUser = 64;
// What administrators end finds room when nobody else does.
constexpr uint32_t kRevocationsKept = 1024;

Error wrong_password() {
  return Error{Code::denied,
               "the user and the password do not fit, or the user is locked",
               {{"reason", "password"}},
               0};
}

Error no_session() {
  return Error{Code::login_needed,
               "the session has ended; log in with: dfsctl login",
               {{"reason", "revoked"}},
               0};
}

struct Mark {
  uint64_t number = 0;
  SessionRow row;
};

Result<std::vector<Mark>> sessions_of(PendingRows& rows, const std::string& name) {
  std::vector<uint64_t> numbers;
  const std::string prefix = keys::sessions_of(name);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto) {
    numbers.push_back(read_u64(key, prefix.size()));
    return true;
  }));
  std::vector<Mark> found;
  for (const uint64_t number : numbers) {
    auto row = rows.require<SessionRow>(keys::session(number));
    if (!row) return row.error();
    found.push_back({number, std::move(*row)});
  }
  return found;
}

void put_session(PendingRows& rows, uint64_t number, const SessionRow& session) {
  rows.put(keys::session(number), session);
  rows.put(keys::session_of(session.user, number), MarkRow());
  rows.put(keys::expiry(session.expires_ms, number), MarkRow());
}

// Tickets of a user that ended: those that were issued up to `before_ms`, of which the last expires
// at `until_ms`.
void add_to(RevocationRow& revoked, const RevocationRow& more) {
  revoked.before_ms = std::max(revoked.before_ms, more.before_ms);
  revoked.until_ms = std::max(revoked.until_ms, more.until_ms);
}

RevocationRow tickets_of(const PendingRows& rows, const SessionRow& session) {
  const int64_t issued_ms = session.issued_ms == 0 ? rows.time_ms() : session.issued_ms;
  return {issued_ms, session.expires_ms};
}

// What ended of the user before, in the table as it was before this command.
struct Ended {
  std::vector<std::string> keys;
  RevocationRow all;
};
Result<Ended> ended_of(PendingRows& rows, const std::string& name) {
  Ended ended;
  const std::string prefix = keys::revocations_of(name);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    if (const auto row = decode<RevocationRow>(value)) add_to(ended.all, *row);
    ended.keys.emplace_back(key);
    return true;
  }));
  return ended;
}

// Of one session, or with 0 of all that the user had.
Result<void> revoke(PendingRows& rows, const std::string& name, uint64_t session,
                    const RevocationRow& revoked, By by) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  const uint32_t most = kRevocationsMax - (by == By::admin ? 0 : kRevocationsKept);
  if (all->revocations >= most) {
    return {Code::busy, "very many sessions ended lately; ask again later"};
  }
  ++all->revocations;
  all->version = rows.index();
  rows.put(keys::users(), *all);
  rows.put(keys::revocation(name, session), revoked);
  return {};
}

// One revocation for all that the user had, instead of those before.
Result<void> revoke_all(PendingRows& rows, const std::string& name, const Ended& before,
                        RevocationRow revoked, By by) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  for (const std::string& key : before.keys) rows.erase(key);
  all->revocations -= static_cast<uint32_t>(before.keys.size());
  rows.put(keys::users(), *all);
  add_to(revoked, before.all);
  return revoke(rows, name, 0, revoked, by);
}

// A ticket that is issued in the very millisecond in which others were revoked is none of those.
Result<int64_t> issue_time(PendingRows& rows, const std::string& name, int64_t now_ms) {
  auto revoked = rows.get<RevocationRow>(keys::revocation(name, 0));
  if (!revoked) return revoked.error();
  if (!*revoked) return now_ms;
  return std::max(now_ms, (*revoked)->before_ms + 1);
}

// A ticket of the session, which is put into the table with it.
Result<Granted> grant(PendingRows& rows, const UserRow& user, uint64_t number, SessionRow session,
                      int64_t now_ms) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  auto issued_ms = issue_time(rows, session.user, now_ms);
  if (!issued_ms) return issued_ms.error();
  session.issued_ms = std::max(session.issued_ms, *issued_ms);
  put_session(rows, number, session);
  Ticket ticket;
  ticket.cluster = all->cluster;
  ticket.key = all->key;
  ticket.user = session.user;
  ticket.uid = user.uid;
  ticket.gid = user.gid;
  ticket.groups = user.groups;
  ticket.role = user.role;
  ticket.issued_ms = *issued_ms;
  ticket.expires_ms = std::max(session.expires_ms, *issued_ms);
  ticket.session = number;
  ticket.below = session.below;
  ticket.read_only = session.read_only;
  ticket.must_change = user.must_change && !session.token;
  return Granted{std::move(ticket), rows.receipt()};
}

int64_t end_of(const SessionRow& session, int64_t expires_ms) {
  return session.token ? expires_ms : std::min(expires_ms, session.began_ms + kSessionMsMax);
}

std::optional<UserRow> user_who_may(const Result<std::optional<UserRow>>& row) {
  if (!row || !*row || (*row)->locked) return std::nullopt;
  return **row;
}

}  // namespace

int64_t time_of(const PendingRows& rows, int64_t now_ms) {
  return now_ms == 0 ? rows.time_ms() : std::min(now_ms, rows.time_ms());
}

void erase_session(PendingRows& rows, uint64_t number, const SessionRow& session) {
  rows.erase(keys::session(number));
  rows.erase(keys::session_of(session.user, number));
  rows.erase(keys::expiry(session.expires_ms, number));
}

Result<Granted> begin(PendingRows& rows, const std::string& name, UserRow& user,
                      const SessionStart& start, SessionRow session) {
  if (user.sessions >= kSessionsOfUserMax) {
    return Error{Code::no_space,
                 name + " has " + std::to_string(user.sessions) +
                     " sessions; end them with: dfsctl logout --everywhere",
                 {},
                 0};
  }
  auto taken = rows.get<SessionRow>(keys::session(start.session));
  if (!taken) return taken.error();
  if (*taken || start.session == 0) return Error{Code::unavailable, "ask again", {}, 1};
  ++user.sessions;
  rows.put(keys::user(name), user);
  const int64_t now_ms = time_of(rows, start.now_ms);
  session.user = name;
  session.began_ms = now_ms;
  session.expires_ms = end_of(session, now_ms + start.lasts_ms);
  return grant(rows, user, start.session, std::move(session), now_ms);
}

Result<void> end_all(PendingRows& rows, const std::string& name, UserRow& user, By by) {
  auto sessions = sessions_of(rows, name);
  if (!sessions) return sessions.error();
  if (sessions->empty()) return {};
  for (const Mark& mark : *sessions) erase_session(rows, mark.number, mark.row);
  user.sessions = 0;
  rows.put(keys::user(name), user);
  auto before = ended_of(rows, name);
  if (!before) return before.error();
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  // One by one they end whatever time it is. Together they end by the time at which they began, and
  // what the user begins next is later than that, be it that a clock was fast.
  const size_t many = sessions->size();
  if (before->keys.size() + many <= kRevocationsOfUser &&
      all->revocations + many <= kRevocationsMany) {
    for (const Mark& mark : *sessions) {
      DFS_CHECK(revoke(rows, name, mark.number, tickets_of(rows, mark.row), by));
    }
    return {};
  }
  RevocationRow revoked;
  for (const Mark& mark : *sessions) add_to(revoked, tickets_of(rows, mark.row));
  return revoke_all(rows, name, *before, revoked, by);
}

Result<Granted> begin_session(PendingRows& rows, const BeginSession& command) {
  const auto row = rows.get<UserRow>(keys::user(command.user));
  if (!row) return row.error();
  auto user = user_who_may(row);
  if (!user || user->password_index != command.password_index) return wrong_password();
  user->login_ms = time_of(rows, command.now_ms);
  user->failures = 0;
  SessionRow session;
  session.source = command.source;
  const SessionStart start{command.session, command.now_ms, command.lasts_ms};
  auto granted = begin(rows, command.user, *user, start, std::move(session));
  if (granted) rows.note("login", told(command.user, Origin{command.user, command.source}));
  return granted;
}

Result<Granted> extend_session(PendingRows& rows, const ExtendSession& command) {
  auto session = rows.get<SessionRow>(keys::session(command.session));
  if (!session) return session.error();
  const int64_t now_ms = time_of(rows, command.now_ms);
  if (!*session) return no_session();
  if (!(*session)->token && (*session)->began_ms + kSessionMsMax <= now_ms) {
    return Error{
        Code::login_needed,
        "the log-in was 30 days ago, and goes on no longer; log in again with: dfsctl login",
        {{"reason", "expired"}},
        0};
  }
  if ((*session)->expires_ms <= now_ms) return no_session();
  if ((*session)->token) {
    return Error{Code::denied,
                 "a service token ends when it was said that it would; make another with: dfsctl "
                 "token create",
                 {{"reason", "token"}},
                 0};
  }
  const auto row = rows.get<UserRow>(keys::user((*session)->user));
  if (!row) return row.error();
  const auto user = user_who_may(row);
  if (!user) return no_session();
  SessionRow next = **session;
  rows.erase(keys::expiry(next.expires_ms, command.session));
  if (next.issued_ms == 0) next.issued_ms = rows.time_ms();
  // Never less: those that were given out by a clock that was fast end with the session too.
  next.expires_ms = std::max(next.expires_ms, end_of(next, now_ms + command.lasts_ms));
  return grant(rows, *user, command.session, std::move(next), now_ms);
}

Result<LogOutReply> finish_sessions(PendingRows& rows, const FinishSessions& command) {
  std::string name = command.origin.user;
  std::optional<SessionRow> one;
  if (command.session != 0) {
    auto session = rows.get<SessionRow>(keys::session(command.session));
    if (!session) return session.error();
    one = std::move(*session);
    if (!one || (one->user != name && !command.admin)) {
      return Error{Code::not_found,
                   "there is no session " + std::to_string(command.session) + " (any more)",
                   {},
                   0};
    }
    name = one->user;
  }
  auto user = rows.require<UserRow>(keys::user(name));
  if (!user) return user.error();
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  auto before = ended_of(rows, name);
  if (!before) return before.error();
  const By by = command.admin && name != command.origin.user ? By::admin : By::user;
  if (one && all->revocations < kRevocationsMany && before->keys.size() < kRevocationsOfUser) {
    erase_session(rows, command.session, *one);
    --user->sessions;
    rows.put(keys::user(name), *user);
    DFS_CHECK(revoke(rows, name, command.session, tickets_of(rows, *one), by));
  } else {
    DFS_CHECK(end_all(rows, name, *user, by));
    one.reset();
  }
  auto fields = told(name, command.origin);
  fields["session"] = one ? std::to_string(command.session) : "all";
  rows.note("session-ended", std::move(fields));
  return LogOutReply{rows.receipt()};
}

Result<Granted> replace_password(PendingRows& rows, const ReplacePassword& command) {
  const auto row = rows.get<UserRow>(keys::user(command.user));
  if (!row) return row.error();
  auto user = user_who_may(row);
  if (!user || user->password_index != command.password_index) return wrong_password();
  user->password = command.password;
  user->password_index = rows.index();
  user->must_change = false;
  user->failures = 0;
  DFS_CHECK(end_all(rows, command.user, *user, By::user));
  rows.note("password-changed", told(command.user, Origin{command.user, command.source}));
  SessionRow session;
  session.source = command.source;
  const SessionStart start{command.session, command.now_ms, command.lasts_ms};
  return begin(rows, command.user, *user, start, std::move(session));
}

Result<Granted> issue_token(PendingRows& rows, const IssueToken& command) {
  auto by = rows.get<SessionRow>(keys::session(command.by_session));
  if (!by) return by.error();
  if (!*by) return no_session();
  if ((*by)->token) {
    return Error{Code::denied, "a service token makes no others; log in", {{"reason", "token"}}, 0};
  }
  const auto row = rows.get<UserRow>(keys::user(command.user));
  if (!row) return row.error();
  auto user = user_who_may(row);
  if (!user) {
    return Error{Code::not_found, "there is no user " + command.user + ", or it is locked", {}, 0};
  }
  SessionRow session;
  session.token = true;
  session.label = command.label;
  session.source = command.origin.source;
  session.below = command.below;
  session.read_only = command.read_only;
  const SessionStart start{command.session, command.now_ms, command.lasts_ms};
  auto granted = begin(rows, command.user, *user, start, std::move(session));
  if (!granted) return granted;
  auto fields = told(command.user, command.origin);
  fields["session"] = std::to_string(command.session);
  fields["label"] = command.label;
  fields["below"] = command.below;
  fields["right"] = command.read_only ? "read" : "all";
  rows.note("token-made", std::move(fields));
  return granted;
}

Result<SessionList> list_sessions(Rows& rows, const ListSessions& request, const Ticket& asker) {
  const std::string wanted = request.user.empty() ? asker.user : request.user;
  if (wanted != asker.user && !sees_everybody(asker)) {
    return Error{Code::denied, "only administrators see the sessions of others", {}, 0};
  }
  SessionList list;
  std::optional<Error> failed;
  const bool everybody = wanted == "*";
  const std::string prefix = everybody ? std::string(1, keys::kSession) : keys::sessions_of(wanted);
  std::string from = prefix;
  append_u64(from, request.after);
  DFS_CHECK(rows.scan(from + '\0', after_prefix(prefix), [&](auto key, auto) {
    if (list.sessions.size() >= request.limit) {
      list.more = true;
      return false;
    }
    const uint64_t number = read_u64(key, prefix.size());
    auto row = rows.require<SessionRow>(keys::session(number));
    if (!row) {
      failed = row.error();
      return false;
    }
    list.sessions.push_back({number, row->user, row->label, row->source, row->below, row->read_only,
                             row->began_ms, row->expires_ms});
    return true;
  }));
  if (failed) return *failed;
  return list;
}

Result<TicketKeys> ticket_keys(Rows& rows) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  TicketKeys told;
  told.cluster = all->cluster;
  told.version = all->version;
  const std::string keys_from(1, keys::kTicketKey);
  DFS_CHECK(rows.scan(keys_from, after_prefix(keys_from), [&](auto key, auto value) {
    const auto row = decode<KeyRow>(value);
    uint32_t number = 0;
    for (size_t i = 1; i < key.size(); ++i) {
      number = number << 8 | static_cast<unsigned char>(key[i]);
    }
    if (row) told.keys.push_back({number, row->verify_key});
    return true;
  }));
  const std::string prefix(1, keys::kRevocation);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    const auto row = decode<RevocationRow>(value);
    const size_t end = key.find('\0');
    if (!row || end == key.npos) return true;
    told.revoked.push_back(
        {std::string(key.substr(1, end - 1)), row->before_ms, read_u64(key, end + 1)});
    return true;
  }));
  return told;
}

Result<TicketReply> signed_ticket(Rows& rows, const Granted& granted) {
  const Ticket& ticket = granted.ticket;
  auto key = rows.require<KeyRow>(keys::ticket_key(ticket.key));
  if (!key) return key.error();
  TicketReply reply;
  reply.ticket.bytes = sign_ticket(ticket, key->secret.bytes);
  reply.user = ticket.user;
  reply.role = ticket.role;
  reply.expires_ms = ticket.expires_ms;
  reply.must_change = ticket.must_change;
  reply.receipt = granted.receipt;
  return reply;
}

}  // namespace dfs::lock
