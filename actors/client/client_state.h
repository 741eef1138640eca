// What the parts of Client share.
#pragma once

#include "actors/client/client.h"
#include "actors/client/locks.h"
#include "actors/client/part_buffers.h"
#include "actors/client/transfer.h"

namespace dfs {

struct Client::State {
  State(Bus& b, ClientSettings s)
      : bus(b), settings(std::move(s)), calls(b), locks(b, calls, settings.deadline) {
    calls.set_pass([this] { return pass; });
    take_ticket(settings.ticket);
  }
  ~State() {
    bus.cancel(ticket_timer);
    bus.cancel(pass_timer);
  }

  Workbench workbench() {
    return {bus, calls, buffers, spare_plan, locks, settings.random_bytes, settings.deadline};
  }

  // The reply of the heads, without the envelope around it.
  template <Request R>
  Task<Result<typename R::Reply>> ask(R request, Duration deadline = Duration::zero()) {
    const std::string service = service_of(request);
    return ask_service<R>(service, std::move(request), deadline);
  }
  template <Request R>
  Task<Result<typename R::Reply>> ask_service(std::string service, R request,
                                              Duration deadline = Duration::zero()) {
    CallOptions options;
    options.deadline = deadline != Duration::zero() ? deadline : settings.deadline;
    options.trace = bus.random();
    Task<Result<Answer<R>>> asking = calls.ask<R>(service, std::move(request), std::move(options));
    Result<Answer<R>> answer = co_await asking;
    if (!answer) co_return std::move(answer).error();
    co_return std::move(answer->message);
  }

  // The ticket to show from now on, and to renew (session_ticket.cc).
  void take_ticket(std::string ticket);
  Task<void> renew_ticket(Duration lasts);
  // Whoever asks storage nodes for more than blocks has a pass first, and keeps one.
  Task<Result<void>> take_pass();
  Task<void> renew_pass(Duration lasts);

  void hear(const Event& event);
  // Returns when there may be events after `since`.
  Task<void> await_event(LogIndex since);

  Bus& bus;
  ClientSettings settings;
  Calls calls;
  PartBuffers buffers;
  std::vector<std::function<void(const Event&)>> listeners;
  LogIndex event_published = 0;  // the highest of the log that was heard of
  Signal event_news;             // it grew, or it is time to look whether a publication was lost
  SparePlan spare_plan{calls, bus, settings.random_bytes};
  Locks locks;
  Bus::TimerId ticket_timer = 0;
  std::string pass;
  Bus::TimerId pass_timer = 0;
  TaskScope scope;  // last: its flows use all of the above
};

}  // namespace dfs
