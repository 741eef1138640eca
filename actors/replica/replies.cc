#include "actors/replica/replies.h"

#include "messages/message.h"

namespace dfs {

namespace {

struct ReplyRow {
  int64_t time_ms = 0;
  std::string client;
  uint64_t request = 0;
  Type type = Type::None;
  Blob body;
  DFS_FIELDS(time_ms, client, request, type, body)
};

constexpr std::string_view kPrefix("\0reply/", 7);

// Forgetting in small steps keeps every command cheap; two for each one added always catch up.
constexpr int kForgottenAtOnce = 4;

std::string key_of(LogIndex index) {
  std::string key(kPrefix);
  append_u64(key, index);
  return key;
}

}  // namespace

void Replies::add(LogIndex index, int64_t time_ms, Request request) {
  const auto place = by_request_.insert_or_assign(std::move(request), index).first;
  in_order_.push_back({index, time_ms, &place->first});
}

Result<void> Replies::load(Table& table) {
  by_request_.clear();
  in_order_.clear();
  Result<void> decoded;
  const auto scanned =
      table.scan(kPrefix, after_prefix(kPrefix), [&](std::string_view key, std::string_view value) {
        auto row = decode<ReplyRow>(value);
        if (!row || key.size() != kPrefix.size() + 8) {
          decoded = {Code::corrupt, "a remembered reply in the table does not decode"};
          return false;
        }
        add(read_u64(key, kPrefix.size()), row->time_ms, {std::move(row->client), row->request});
        return true;
      });
  if (!scanned) return scanned;
  return decoded;
}

Result<std::optional<Outcome>> Replies::find(Table& table, const Command& command) const {
  if (!identified(command)) return std::optional<Outcome>();
  const auto place = by_request_.find(RequestView(command.client, command.request));
  if (place == by_request_.end()) return std::optional<Outcome>();
  const auto value = table.get(key_of(place->second));
  if (!value) return value.error();
  if (!*value) return {Code::corrupt, "a remembered reply is missing from the table"};
  auto row = decode<ReplyRow>(**value);
  if (!row) return {Code::corrupt, "a remembered reply in the table does not decode"};
  return std::optional<Outcome>(Outcome{row->type, std::move(row->body.bytes)});
}

void Replies::remember(const Command& command, const Outcome& outcome, Batch& batch) {
  if (identified(command)) {
    const ReplyRow row{command.time_ms, command.client, command.request, outcome.type,
                       Blob{outcome.body}};
    batch.put(key_of(command.index), encode(row));
    add(command.index, command.time_ms, {command.client, command.request});
  }
  for (int i = 0; i < kForgottenAtOnce && !in_order_.empty(); ++i) {
    const Place& oldest = in_order_.front();
    const bool too_old = command.time_ms - oldest.time_ms > age_max_;
    if (in_order_.size() <= count_max_ && !too_old) break;
    batch.erase(key_of(oldest.index));
    by_request_.erase(by_request_.find(RequestView(*oldest.request)));
    in_order_.pop_front();
  }
}

}  // namespace dfs
