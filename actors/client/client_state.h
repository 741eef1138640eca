// What the parts of Client share.
#pragma once

#include "actors/client/client.h"
#include "actors/client/part_buffers.h"
#include "actors/client/transfer.h"

namespace dfs {

struct Client::State {
  State(Bus& b, ClientSettings s) : bus(b), settings(s), calls(b) {}

  Workbench workbench() { return {bus, calls, buffers, settings.deadline}; }

  // The reply of the monitor, without the envelope around it.
  template <Request R>
  Task<Result<typename R::Reply>> ask(R request) {
    CallOptions options;
    options.deadline = settings.deadline;
    options.trace = bus.random();
    Task<Result<Answer<R>>> asking =
        calls.ask<R>("monitor", std::move(request), std::move(options));
    Result<Answer<R>> answer = co_await asking;
    if (!answer) co_return std::move(answer).error();
    co_return std::move(answer->message);
  }

  Bus& bus;
  ClientSettings settings;
  Calls calls;
  PartBuffers buffers;
  std::vector<std::function<void(const Event&)>> listeners;
  TaskScope scope;  // last: its flows use all of the above
};

}  // namespace dfs
