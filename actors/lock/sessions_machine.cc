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

void erase_session(PendingRows& rows, uint64_t number, const SessionRow& session) {
  rows.erase(keys::session(number));
  rows.erase(keys::session_of(session.user, number));
  rows.erase(keys::expiry(session.expires_ms, number));
}

// The user's tickets up to now are void: those of one session, or with 0 all of them, of which the
// last expires at `until_ms`.
Result<void> revoke(PendingRows& rows, const std::string& name, uint64_t session,
                    int64_t until_ms) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  if (session == 0) {
    std::vector<std::string> narrower;
    const std::string prefix = keys::revocations_of(name);
    DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
      const auto row = decode<RevocationRow>(value);
      if (row) until_ms = std::max(until_ms, row->until_ms);
      narrower.emplace_back(key);
      return true;
    }));
    for (const std::string& key : narrower) rows.erase(key);
    all->revocations -= static_cast<uint32_t>(narrower.size());
  }
  if (all->revocations >= kRevocationsMax) {
    return {Code::busy, "very many sessions ended lately; ask again later"};
  }
  ++all->revocations;
  all->version = rows.index();
  rows.put(keys::users(), *all);
  rows.put(keys::revocation(name, session), RevocationRow{rows.time_ms(), until_ms});
  return {};
}

// A ticket that is issued in the very millisecond in which others were revoked is none of those.
Result<int64_t> issue_time(PendingRows& rows, const std::string& name) {
  auto revoked = rows.get<RevocationRow>(keys::revocation(name, 0));
  if (!revoked) return revoked.error();
  if (!*revoked) return rows.time_ms();
  return std::max(rows.time_ms(), (*revoked)->before_ms + 1);
}

Result<Granted> grant(PendingRows& rows, const UserRow& user, uint64_t number,
                      const SessionRow& session) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  auto issued_ms = issue_time(rows, session.user);
  if (!issued_ms) return issued_ms.error();
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

std::optional<UserRow> user_who_may(const Result<std::optional<UserRow>>& row) {
  if (!row || !*row || (*row)->locked) return std::nullopt;
  return **row;
}

}  // namespace

Result<Granted> begin(PendingRows& rows, const std::string& name, UserRow& user, uint64_t number,
                      SessionRow session) {
  if (user.sessions >= kSessionsOfUserMax) {
    return Error{Code::no_space,
                 name + " has " + std::to_string(user.sessions) +
                     " sessions; end them with: dfsctl logout --everywhere",
                 {},
                 0};
  }
  auto taken = rows.get<SessionRow>(keys::session(number));
  if (!taken) return taken.error();
  if (*taken || number == 0) return Error{Code::unavailable, "ask again", {}, 1};
  ++user.sessions;
  rows.put(keys::user(name), user);
  session.user = name;
  session.began_ms = rows.time_ms();
  put_session(rows, number, session);
  return grant(rows, user, number, session);
}

Result<void> end_all(PendingRows& rows, const std::string& name, UserRow& user) {
  auto sessions = sessions_of(rows, name);
  if (!sessions) return sessions.error();
  if (sessions->empty()) return {};
  int64_t until_ms = 0;
  for (const Mark& mark : *sessions) {
    until_ms = std::max(until_ms, mark.row.expires_ms);
    erase_session(rows, mark.number, mark.row);
  }
  user.sessions = 0;
  rows.put(keys::user(name), user);
  return revoke(rows, name, 0, until_ms);
}

Result<Granted> begin_session(PendingRows& rows, const BeginSession& command) {
  const auto row = rows.get<UserRow>(keys::user(command.user));
  if (!row) return row.error();
  auto user = user_who_may(row);
  if (!user || user->password_index != command.password_index) return wrong_password();
  user->login_ms = rows.time_ms();
  user->failures = 0;
  SessionRow session;
  session.source = command.source;
  session.expires_ms = rows.time_ms() + command.lasts_ms;
  auto granted = begin(rows, command.user, *user, command.session, std::move(session));
  if (granted) rows.note("login", told(command.user, Origin{command.user, command.source}));
  return granted;
}

Result<Granted> extend_session(PendingRows& rows, const ExtendSession& command) {
  auto session = rows.get<SessionRow>(keys::session(command.session));
  if (!session) return session.error();
  if (!*session || (*session)->expires_ms <= rows.time_ms()) return no_session();
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
  rows.erase(keys::expiry((*session)->expires_ms, command.session));
  (*session)->expires_ms = rows.time_ms() + command.lasts_ms;
  put_session(rows, command.session, **session);
  return grant(rows, *user, command.session, **session);
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
  if (one && all->revocations < kRevocationsMany) {
    erase_session(rows, command.session, *one);
    --user->sessions;
    rows.put(keys::user(name), *user);
    DFS_CHECK(revoke(rows, name, command.session, one->expires_ms));
  } else {
    DFS_CHECK(end_all(rows, name, *user));
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
  DFS_CHECK(end_all(rows, command.user, *user));
  rows.note("password-changed", told(command.user, Origin{command.user, command.source}));
  SessionRow session;
  session.source = command.source;
  session.expires_ms = rows.time_ms() + command.lasts_ms;
  return begin(rows, command.user, *user, command.session, std::move(session));
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
  session.expires_ms = rows.time_ms() + command.lasts_ms;
  auto granted = begin(rows, command.user, *user, command.session, std::move(session));
  if (!granted) return granted;
  auto fields = told(command.user, command.origin);
  fields["session"] = std::to_string(command.session);
  fields["label"] = command.label;
  fields["below"] = command.below;
  fields["right"] = command.read_only ? "read" : "all";
  rows.note("token-made", std::move(fields));
  return granted;
}

// Names of nobody are not written down: people type their password where the name belongs.
Result<Noted> note_denials(PendingRows& rows, const NoteDenials& command) {
  for (const Denial& denial : command.denials) {
    auto user = rows.get<UserRow>(keys::user(denial.user));
    if (!user) return user.error();
    const bool failed = denial.topic == "login-failed";
    if (*user && failed) {
      (*user)->failures += denial.count;
      rows.put(keys::user(denial.user), **user);
    }
    rows.note(denial.topic, {{"user", *user ? denial.user : ""},
                             {"known", *user ? "yes" : "no"},
                             {"source", denial.source},
                             {"what", denial.what},
                             {"count", std::to_string(denial.count)}});
  }
  if (command.left_out > 0) {
    rows.note("login-failed", {{"user", ""},
                               {"known", "no"},
                               {"source", ""},
                               {"what", "others, not told one by one"},
                               {"count", std::to_string(command.left_out)}});
  }
  return Noted{};
}

namespace {

// Sessions whose time is over.
Result<Tidied> forget_sessions(PendingRows& rows, int64_t before_ms, uint32_t limit) {
  Tidied tidied;
  std::vector<uint64_t> over;
  const std::string from(1, keys::kExpiry);
  DFS_CHECK(rows.scan(from, keys::expiry(before_ms, 0), [&](auto key, auto) {
    tidied.more = over.size() == limit;
    if (!tidied.more) over.push_back(read_u64(key, 1 + sizeof(int64_t)));
    return !tidied.more;
  }));
  for (const uint64_t number : over) {
    auto session = rows.require<SessionRow>(keys::session(number));
    if (!session) return session.error();
    erase_session(rows, number, *session);
    auto user = rows.require<UserRow>(keys::user(session->user));
    if (!user) return user.error();
    --user->sessions;
    rows.put(keys::user(session->user), *user);
  }
  tidied.rows = static_cast<uint32_t>(over.size());
  return tidied;
}

// Revocations of tickets that have all expired.
Result<uint32_t> forget_revocations(PendingRows& rows, int64_t before_ms) {
  std::vector<std::string> over;
  std::optional<Error> failed;
  const std::string prefix(1, keys::kRevocation);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<RevocationRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    if (row->until_ms < before_ms) over.emplace_back(key);
    return true;
  }));
  if (failed) return *failed;
  if (over.empty()) return uint32_t{0};
  for (const std::string& key : over) rows.erase(key);
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  all->revocations -= static_cast<uint32_t>(over.size());
  all->version = rows.index();
  rows.put(keys::users(), *all);
  return static_cast<uint32_t>(over.size());
}

}  // namespace

Result<Tidied> tidy_users(PendingRows& rows, const TidyUsers& command) {
  const int64_t before_ms = std::clamp<int64_t>(command.before_ms, 0, rows.time_ms());
  auto tidied = forget_sessions(rows, before_ms, command.limit);
  if (!tidied) return tidied;
  auto revocations = forget_revocations(rows, before_ms);
  if (!revocations) return revocations.error();
  tidied->rows += *revocations;
  auto signing = forget_ticket_keys(rows, before_ms);
  if (!signing) return signing.error();
  tidied->rows += *signing;
  if (command.events_before == 0) return tidied;
  auto events = trim_event_rows(rows, command.events_before, command.limit);
  if (!events) return events.error();
  tidied->rows += events->rows;
  tidied->more = tidied->more || events->more;
  return tidied;
}

Result<bool> anything_over(Rows& rows, int64_t before_ms) {
  bool over = false;
  DFS_CHECK(rows.scan(std::string(1, keys::kExpiry), keys::expiry(before_ms, 0), [&](auto, auto) {
    over = true;
    return false;
  }));
  const std::string prefix(1, keys::kRevocation);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    const auto row = decode<RevocationRow>(value);
    over = over || (row && row->until_ms < before_ms);
    return !over;
  }));
  if (over) return over;
  return any_ticket_key_over(rows, before_ms);
}

Result<SessionList> list_sessions(Rows& rows, const ListSessions& request, const Ticket& asker) {
  const std::string wanted = request.user.empty() ? asker.user : request.user;
  if (wanted != asker.user && asker.role != Role::admin) {
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
