// Writes down what was refused, and forgets what is over.
#include <algorithm>

#include "actors/lock/operations.h"

namespace dfs::lock {

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

}  // namespace dfs::lock
