// The keys that tickets are signed with, and how one follows the other.
#include <algorithm>

#include "actors/lock/lock_state.h"
#include "actors/lock/operations.h"

namespace dfs {

namespace lock {

namespace {

struct NumberedKey {
  std::string key;  // of the row
  KeyRow row;
};

Result<std::vector<NumberedKey>> all_keys(Rows& rows) {
  std::vector<NumberedKey> found;
  std::optional<Error> failed;
  const std::string prefix(1, keys::kTicketKey);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<KeyRow>(value);
    if (row) {
      found.push_back({std::string(key), std::move(*row)});
    } else {
      failed = row.error();
    }
    return !failed;
  }));
  if (failed) return *failed;
  return found;
}

// Of the sessions there are, which are marked by the time at which they end.
Result<int64_t> last_end(Rows& rows) {
  int64_t last_ms = 0;
  const std::string prefix(1, keys::kExpiry);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto) {
    last_ms = std::max(last_ms, static_cast<int64_t>(read_u64(key, 1)));
    return true;
  }));
  return last_ms;
}

bool is_over(const KeyRow& row, int64_t before_ms) {
  return row.ends_ms != 0 && row.ends_ms < before_ms;
}

}  // namespace

Result<RotateTicketKeyReply> add_ticket_key(PendingRows& rows, const AddTicketKey& command) {
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  auto known = all_keys(rows);
  if (!known) return known.error();
  auto ends_ms = last_end(rows);
  if (!ends_ms) return ends_ms.error();
  RotateTicketKeyReply reply;
  for (NumberedKey& old : *known) {
    if (command.at_once) {
      rows.erase(old.key);
      continue;
    }
    // Every ticket there is was signed with a key from before.
    if (old.row.ends_ms == 0) old.row.ends_ms = std::max(*ends_ms, rows.time_ms());
    reply.until_ms = std::max(reply.until_ms, old.row.ends_ms);
    rows.put(old.key, old.row);
  }
  reply.key = ++all->key;
  all->version = rows.index();
  rows.put(keys::ticket_key(all->key), KeyRow{command.secret, command.verify_key, rows.time_ms()});
  rows.put(keys::users(), *all);
  auto fields = told(command.origin.user, command.origin);
  fields["key"] = std::to_string(reply.key);
  fields["at_once"] = command.at_once ? "true" : "false";
  rows.note("ticket-key-added", std::move(fields));
  reply.receipt = rows.receipt();
  return reply;
}

Result<uint32_t> forget_ticket_keys(PendingRows& rows, int64_t before_ms) {
  auto known = all_keys(rows);
  if (!known) return known.error();
  uint32_t forgotten = 0;
  for (const NumberedKey& key : *known) {
    if (!is_over(key.row, before_ms)) continue;
    rows.erase(key.key);
    ++forgotten;
  }
  if (forgotten == 0) return forgotten;
  auto all = rows.require<UsersRow>(keys::users());
  if (!all) return all.error();
  all->version = rows.index();
  rows.put(keys::users(), *all);
  return forgotten;
}

Result<bool> any_ticket_key_over(Rows& rows, int64_t before_ms) {
  auto known = all_keys(rows);
  if (!known) return known.error();
  return std::any_of(known->begin(), known->end(),
                     [&](const NumberedKey& key) { return is_over(key.row, before_ms); });
}

}  // namespace lock

void Lock::State::on(const Envelope& envelope, const RotateTicketKey& request) {
  const auto admin = admin_of(envelope);
  if (!admin) return refuse(envelope, admin.error());
  const SignKeys pair = make_sign_keys(settings.random_bytes(kSeedBytes));
  lock::AddTicketKey command;
  command.secret.bytes = pair.secret;
  command.verify_key.bytes = pair.verify_key;
  command.at_once = request.at_once;
  command.origin = {admin->user, source_of(envelope.header)};
  propose_for(envelope, command.kType, encode(command),
              [this](const Envelope& origin, const Result<Outcome>& o) { answer(origin, o); });
}

}  // namespace dfs
