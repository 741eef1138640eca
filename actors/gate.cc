#include "actors/gate.h"

#include <algorithm>

namespace dfs {

namespace {

constexpr Duration kAskDeadline = std::chrono::seconds(5);
constexpr uint32_t kAskAgainMs = 100;

constexpr std::string_view kOfCluster[] = {"storage", "monitor", "lock", "agent"};

}  // namespace

bool is_of_cluster(const Envelope& envelope) {
  const std::string& from = envelope.header.from;
  return std::any_of(std::begin(kOfCluster), std::end(kOfCluster), [&](std::string_view kind) {
    return from.starts_with(kind) && (from.size() == kind.size() || from[kind.size()] == '/');
  });
}

void Gate::begin(std::string cluster) {
  if (cluster == cluster_) return;
  cluster_ = std::move(cluster);
  bus_.subscribe(kTicketsTopic);
}

void Gate::observe(const Envelope& envelope) {
  auto keys = reply_as<TicketKeys>(envelope);
  if (keys) learn(std::move(*keys));
}

void Gate::learn(TicketKeys keys) {
  if (cluster_.empty() || keys.cluster != cluster_) return;
  judge_.learn(std::move(keys.cluster), keys.version, std::move(keys.keys),
               std::move(keys.revoked));
}

Result<Requester> Gate::judge(const Envelope& envelope) {
  // Who shows none is nobody, whatever the keys are.
  if (judge_.knows_keys() || envelope.header.ticket.empty()) {
    const auto ticket = judge_.judge(envelope.header.ticket, bus_.wall_ms());
    if (!ticket) return ticket.error();
    return requester_of(**ticket);
  }
  if (!std::exchange(asking_, true)) scope_.spawn(ask());
  return Error{Code::unavailable,
               bus_.address() + " does not know yet which tickets are good; ask again in a moment",
               {},
               kAskAgainMs};
}

Task<void> Gate::ask() {
  CallOptions options;
  options.deadline = kAskDeadline;
  auto asking = calls_.ask<GetTicketKeys>("lock", GetTicketKeys{}, std::move(options));
  Result<Answer<GetTicketKeys>> answer = co_await asking;
  asking_ = false;
  if (answer) learn(std::move(answer->message));
}

}  // namespace dfs
