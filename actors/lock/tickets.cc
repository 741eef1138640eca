// Judging tickets, telling others how to, and what the leader tidies up.
#include "actors/lock/lock_state.h"
#include "actors/lock/operations.h"

namespace dfs {

namespace {

constexpr Duration kDenialsPeriod = std::chrono::seconds(1);
constexpr Duration kTidyAgain = std::chrono::milliseconds(10);
constexpr uint32_t kTidiedMax = 256;  // by one command

}  // namespace

Result<Ticket> Lock::State::asker_of(const Envelope& envelope, bool may_be_first) {
  auto judged = reign.judge.judge(envelope.header.ticket, bus.wall_ms(), may_be_first);
  if (judged) return **judged;
  const auto reason = judged.error().cause.find("reason");
  deny(envelope, {}, reason == judged.error().cause.end() ? "ticket" : reason->second);
  return std::move(judged).error();
}

Result<Ticket> Lock::State::admin_of(const Envelope& envelope) {
  auto asker = asker_of(envelope);
  if (!asker) return asker;
  // Whoever manages users could give themselves every other right.
  const bool whole = asker->below.empty() && !asker->read_only;
  if (asker->role == Role::admin && whole) return asker;
  deny(envelope, asker->user, "an administrator's request");
  return Error{Code::denied, "only administrators may do that", {{"reason", "role"}}, 0};
}

void Lock::State::deny(const Envelope& envelope, const std::string& user, const std::string& what) {
  reign.denials.add("denied", user, source_of(envelope.header), what);
  note_denials();
}

// A moment later, all together.
void Lock::State::note_denials() {
  if (stopping || !serving() || reign.noting || reign.denials.empty()) return;
  reign.noting = true;
  reign.denials_timer = bus.after(kDenialsPeriod, [this] {
    propose(reign.denials.take(), [this](const Result<Outcome>& outcome) {
      reign.noting = false;
      if (!outcome) return command_failed("NoteDenials", outcome.error());
      note_denials();
    });
  });
}

void Lock::State::learn_tickets() {
  Rows rows(table);
  auto keys = lock::ticket_keys(rows);
  if (!keys) return command_failed("reading the ticket keys", keys.error());
  reign.keys = std::move(*keys);
  reign.judge.learn(reign.keys.cluster, reign.keys.version, reign.keys.keys, reign.keys.revoked);
}

void Lock::State::publish_tickets() {
  if (stopping || !serving()) return;
  bus.cancel(reign.publish_timer);
  reign.publish_timer = bus.after(settings.publish_period, [this] { publish_tickets(); });
  bus.publish(kTicketsTopic, envelope_of(reign.keys));
}

// Every head sees every change; the one that leads tells the world.
void Lock::State::applied(const lock::LockMachine::Change& change) {
  if (!serving()) return;
  for (const Event& event : change.events) {
    bus.publish(kEventTopic + event.topic, envelope_of(event));
  }
  if (!change.tickets_changed) return;
  learn_tickets();
  publish_tickets();
}

void Lock::State::tidy() {
  if (stopping || !serving() || reign.tidying) return;
  bus.cancel(reign.tidy_timer);
  reign.tidy_timer = bus.after(settings.tidy_period, [this] { tidy(); });
  // Tickets may be believed for a little longer than they last.
  const int64_t before_ms = bus.wall_ms() - 2 * TicketJudge::kClockSkewMs;
  Rows rows(table);
  auto events = events_to_trim(
      rows, replica.applied(),
      {settings.events_entries_max, replica.logged_ms() - settings.events_ms_max, kTidiedMax});
  const auto over = lock::anything_over(rows, before_ms);
  if (!events || !over || (*events == 0 && !*over)) return;
  reign.tidying = true;
  propose(lock::TidyUsers{before_ms, *events, kTidiedMax}, [this](const Result<Outcome>& outcome) {
    reign.tidying = false;
    if (!outcome) return command_failed("TidyUsers", outcome.error());
    const auto tidied = decode<lock::Tidied>(outcome->body);
    if (!tidied || !tidied->more) return;
    bus.cancel(reign.tidy_timer);
    reign.tidy_timer = bus.after(kTidyAgain, [this] { tidy(); });
  });
}

}  // namespace dfs
