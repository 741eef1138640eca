// Who may become a storage node.
#include <algorithm>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// A spent token is remembered for so long, to tell whoever shows it what became of it.
constexpr int64_t kRememberedMs = 24 * 3600 * int64_t{1000};

bool is_spent(const JoinTokenRow& token, int64_t now_ms) {
  return token.used >= token.uses || token.expires_ms <= now_ms;
}

struct Token {
  std::string key;
  JoinTokenRow row;
};

Result<std::vector<Token>> all_tokens(Rows& rows) {
  std::vector<Token> tokens;
  std::optional<Error> failed;
  const std::string prefix(1, keys::kJoinToken);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<JoinTokenRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    tokens.push_back({std::string(key), std::move(*row)});
    return true;
  }));
  if (failed) return *failed;
  return tokens;
}

Error not_let_in(const char* reason, const std::string& what) {
  return Error{Code::denied,
               "this cluster takes new storage nodes only with a token, and " + what +
                   "; have an administrator make one with: dfsctl node token, and start the node "
                   "with --join-token",
               {{"reason", reason}},
               0};
}

}  // namespace

Result<AddJoinTokenReply> add_join_token(VersionedRows& rows, const AddJoinToken& request) {
  const std::string key = keys::join_token(request.hash);
  auto there = rows.get<JoinTokenRow>(key);
  if (!there) return there.error();
  if (*there) return Error{Code::exists, "this token was made before; make another", {}, 0};
  auto tokens = all_tokens(rows);
  if (!tokens) return tokens.error();
  // When there are many, those that are of no use any more are forgotten sooner.
  const bool crowded = tokens->size() >= kJoinTokensMax / 2;
  size_t kept = 0;
  for (const Token& token : *tokens) {
    const bool old = token.row.expires_ms + kRememberedMs <= rows.time_ms();
    if (old || (crowded && is_spent(token.row, rows.time_ms()))) {
      rows.erase<JoinTokenRow>(token.key);
    } else {
      ++kept;
    }
  }
  if (kept >= kJoinTokensMax) {
    return Error{Code::busy,
                 "there are " + std::to_string(kept) +
                     " tokens already that nobody has used; wait until some expire",
                 {},
                 0};
  }
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  const int64_t expires_ms = rows.time_ms() + request.lasts_ms;
  rows.put(key,
           JoinTokenRow{rows.time_ms(), expires_ms, request.uses, 0, 0, rows.requester().user});
  rows.note("join-token-made",
            {{"uses", std::to_string(request.uses)}, {"expires_ms", std::to_string(expires_ms)}});
  return AddJoinTokenReply{expires_ms, cluster->join_rule, rows.receipt()};
}

Result<SetJoinRuleReply> set_join_rule(VersionedRows& rows, const SetJoinRule& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (cluster->join_rule != request.rule) {
    cluster->join_rule = request.rule;
    rows.put(keys::cluster(), std::move(*cluster));
    rows.note("join-rule-set", {{"rule", request.rule == JoinRule::token ? "token" : "open"}});
  }
  return SetJoinRuleReply{rows.receipt()};
}

Result<std::string> let_in(VersionedRows& rows, JoinRule rule, const std::string& token,
                           NodeId node) {
  const bool needed = rule == JoinRule::token;
  if (token.empty()) {
    if (!needed) return std::string();
    return not_let_in(kTokenMissing, "this one showed none");
  }
  const std::string key = keys::join_token(token);
  auto row = rows.get<JoinTokenRow>(key);
  if (!row) return row.error();
  if (!*row || is_spent(**row, rows.time_ms())) {
    if (!needed) return std::string();
    if (!*row) return not_let_in(kTokenUnknown, "that of this one is not known");
    if ((*row)->used >= (*row)->uses) {
      return not_let_in(kTokenUsed, "that of this one was used already, last by storage/" +
                                        std::to_string((*row)->last_node));
    }
    return not_let_in(kTokenExpired, "that of this one has expired");
  }
  ++(*row)->used;
  (*row)->last_node = node;
  std::string by = (*row)->by;
  rows.put(key, std::move(**row));
  return by;
}

Result<JoinTokenList> Monitor::State::list_join_tokens(Rows& rows) const {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  auto tokens = all_tokens(rows);
  if (!tokens) return tokens.error();
  JoinTokenList list;
  list.rule = cluster->join_rule;
  for (const Token& token : *tokens) {
    const JoinTokenRow& row = token.row;
    if (is_spent(row, bus.wall_ms())) continue;
    list.tokens.push_back(
        {token.key.substr(1), row.created_ms, row.expires_ms, row.uses, row.used});
  }
  const auto refused = [this](const char* reason) {
    const auto found = reign.refusals.find(reason);
    return found == reign.refusals.end() ? 0 : found->second;
  };
  list.refused_missing = refused(kTokenMissing);
  list.refused_unknown = refused(kTokenUnknown);
  list.refused_expired = refused(kTokenExpired);
  list.refused_used = refused(kTokenUsed);
  return list;
}

void Monitor::State::count_refusal(const Result<Outcome>& outcome) {
  if (!serving() || !outcome || outcome->type != Type::Error) return;
  const auto error = decode<ErrorReply>(outcome->body);
  if (!error) return;
  const auto reason = error->cause.find("reason");
  if (reason != error->cause.end()) ++reign.refusals[reason->second];
}

}  // namespace dfs
