// Tickets and passes of a client that lives longer than they do.
#include <algorithm>

#include "actors/client/client_state.h"
#include "messages/passes.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;

constexpr Duration kRenewAgainMin = std::chrono::seconds(1);

}  // namespace

void Client::State::take_ticket(std::string ticket) {
  bus.cancel(std::exchange(ticket_timer, 0));
  const auto known = unverified_ticket(ticket);
  calls.set_ticket(std::move(ticket));
  if (!known || known->must_change) return;
  const Duration lasts = milliseconds(known->expires_ms - known->issued_ms);
  const Duration left = milliseconds(known->expires_ms - bus.wall_ms());
  const Duration wait = std::max<Duration>(left - lasts / 2, kRenewAgainMin);
  ticket_timer = bus.after(wait, [this, lasts] { scope.spawn(renew_ticket(lasts)); });
}

// A ticket of a program cannot be renewed, nor one of a session that ended: that is for whoever
// uses it to notice.
Task<void> Client::State::renew_ticket(Duration lasts) {
  Task<Result<TicketReply>> asking = ask_service(kLockService, RenewTicket{});
  const Result<TicketReply> renewed = co_await asking;
  if (renewed) {
    take_ticket(renewed->ticket.bytes);
    if (settings.ticket_renewed) settings.ticket_renewed(*renewed);
  } else if (is_retryable(renewed.code())) {
    const Duration wait = std::max<Duration>(lasts / 16, kRenewAgainMin);
    ticket_timer = bus.after(wait, [this, lasts] { scope.spawn(renew_ticket(lasts)); });
  }
}

// Where nobody is logged in, either none is needed or none is given.
Task<Result<void>> Client::State::take_pass() {
  if (!calls.has_ticket() || pass_timer != 0) co_return Result<void>();
  // Any head will do: nodes are to be looked at while none leads, too.
  Task<Result<NodePass>> asking = ask_service("monitor-replica", GetNodePass{});
  Result<NodePass> given = co_await asking;
  if (!given) co_return std::move(given).error();
  pass = std::move(given->pass.bytes);
  if (pass.empty()) co_return Result<void>();
  const Duration lasts = milliseconds(given->lasts_ms);
  bus.cancel(pass_timer);
  pass_timer = bus.after(lasts / 2, [this, lasts] { scope.spawn(renew_pass(lasts)); });
  co_return Result<void>();
}

// One that is out of date is refused by the nodes, which tells why.
Task<void> Client::State::renew_pass(Duration lasts) {
  pass_timer = 0;
  Task<Result<void>> taking = take_pass();
  const Result<void> taken = co_await taking;
  if (taken || !is_retryable(taken.code()) || pass_timer != 0) co_return;
  const Duration wait = std::max<Duration>(lasts / 16, kRenewAgainMin);
  pass_timer = bus.after(wait, [this, lasts] { scope.spawn(renew_pass(lasts)); });
}

}  // namespace dfs
