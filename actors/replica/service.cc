#include "actors/replica/service.h"

#include <algorithm>

namespace dfs {

namespace {

using std::chrono::milliseconds;

constexpr uint32_t kAskAgainMs = 20;

uint32_t rounded_up_ms(Duration age) {
  const int64_t ms = std::chrono::ceil<milliseconds>(age).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(ms, 0, UINT32_MAX));
}

}  // namespace

Error Service::not_serving() const {
  if (!opened) {
    return {Code::unavailable,
            "this head is starting: it reads its log; ask again in a moment",
            {},
            10 * kAskAgainMs};
  }
  if (service_replica_.leader() == service_replica_.id()) {
    return {
        Code::unavailable, "this head was just elected; ask again in a moment", {}, kAskAgainMs};
  }
  const std::string leader = service_replica_.leader_address();
  if (leader.empty()) {
    return {Code::not_leader,
            "no head leads at the moment: they elect one, or too few of them are in contact; ask "
            "again in a moment",
            {},
            2 * kAskAgainMs};
  }
  return {Code::not_leader,
          service_bus_.address() + " does not lead, " + leader + " does",
          {{"leader", leader}},
          0};
}

// Of what this member's rows say now.
Result<Freshness> Service::freshness_now() const {
  const std::optional<Duration> age =
      opened && founded() ? service_replica_.staleness() : std::nullopt;
  if (!age) {
    return Error{Code::unavailable,
                 "this head has not caught up with the others yet; ask again, or ask another",
                 {},
                 10 * kAskAgainMs};
  }
  return Freshness{*age > Duration::zero(), rounded_up_ms(*age), service_replica_.applied()};
}

void Service::change(const Envelope& envelope) {
  propose_for(
      envelope, envelope.header.type, envelope.body,
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

void Service::propose_for(const Envelope& envelope, Type type, std::string body, Proposed done) {
  const Header& header = envelope.header;
  Command command;
  command.type = type;
  command.body = std::move(body);
  command.client = header.request != 0 ? header.from : std::string();
  command.request = header.request;
  command.trace = header.trace;
  stamp(command);
  service_replica_.propose(
      std::move(command),
      [origin = Envelope{header, {}, {}, envelope.link},
       done = std::move(done)](const Result<Outcome>& outcome) { done(origin, outcome); });
}

void Service::refuse(const Envelope& request, Error error) {
  refused(request, error);
  if (request.header.request == 0) return;
  // The broker follows no advice that is older than what it knows.
  if (error.code == Code::not_leader) {
    error.cause["term"] = std::to_string(service_replica_.term());
  }
  (void)service_bus_.reply(reply_to(request, error));
}

void Service::answer(const Envelope& request, const Result<Outcome>& outcome) {
  if (!outcome) return refuse(request, outcome.error());
  if (outcome->type == Type::Error) {
    const auto error = decode<ErrorReply>(outcome->body);
    if (error) refused(request, error->to_error());
  }
  if (request.header.request == 0) return;
  Envelope reply = reply_to(request, ErrorReply());
  reply.header.type = outcome->type;
  reply.body = outcome->body;
  (void)service_bus_.reply(std::move(reply));
}

}  // namespace dfs
