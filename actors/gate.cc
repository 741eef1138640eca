#include "actors/gate.h"

#include <algorithm>
#include <span>

namespace dfs {

namespace {

constexpr Duration kAskDeadline = std::chrono::seconds(5);
constexpr uint32_t kAskAgainMs = 100;

// A node that has not joined yet is "storage", without a number: of no cluster.
constexpr std::string_view kOfHead[] = {"monitor/", "lock/", "head/"};
constexpr std::string_view kOfOthers[] = {"storage/", "agent/"};

bool is_one_of(const std::string& from, std::span<const std::string_view> kinds) {
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](std::string_view kind) { return from.starts_with(kind); });
}

}  // namespace

bool is_of_head(const Envelope& envelope) {
  return is_one_of(envelope.header.from, kOfHead);
}

bool is_of_cluster(const Envelope& envelope) {
  return is_of_head(envelope) || is_one_of(envelope.header.from, kOfOthers);
}

void Gate::begin(std::string cluster) {
  if (cluster == cluster_) return;
  cluster_ = std::move(cluster);
  bus_.subscribe(kTicketsTopic);
}

void Gate::observe(const Envelope& envelope) {
  auto keys = reply_as<TicketKeys>(envelope);
  if (keys) learn(std::move(*keys), bus_.now());
}

// One who led before and does not know better tells less than is known.
void Gate::learn(TicketKeys keys, Instant at) {
  if (cluster_.empty() || keys.cluster != cluster_ || keys.version < judge_.version()) return;
  hearing_.heard(at);
  judge_.learn(std::move(keys.cluster), keys.version, std::move(keys.keys),
               std::move(keys.revoked));
}

Result<Requester> Gate::judge(const Envelope& envelope) {
  const Instant now = bus_.now();
  const bool knows = judge_.knows_keys() && !hearing_.is_stale(now);
  // Who shows none is nobody, whatever the keys are.
  const bool shows_none = envelope.header.ticket.empty();
  if (!shows_none && (!knows || hearing_.is_aging(now)) && !std::exchange(asking_, true)) {
    scope_.spawn(ask());
  }
  if (knows || shows_none) {
    const auto ticket = judge_.judge(envelope.header.ticket, bus_.wall_ms());
    if (!ticket) return ticket.error();
    return requester_of(**ticket);
  }
  if (judge_.knows_keys()) return hearing_.unheard(bus_.address(), "another head", now);
  return Error{Code::unavailable,
               bus_.address() + " does not know yet which tickets are good; ask again in a moment",
               {},
               kAskAgainMs};
}

Task<void> Gate::ask() {
  CallOptions options;
  options.deadline = kAskDeadline;
  const Instant asked = bus_.now();
  auto asking = calls_.ask<GetTicketKeys>("lock", GetTicketKeys{}, std::move(options));
  Result<Answer<GetTicketKeys>> answer = co_await asking;
  asking_ = false;
  if (answer) learn(std::move(answer->message), asked);
}

}  // namespace dfs
