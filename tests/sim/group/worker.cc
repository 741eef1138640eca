#include "tests/sim/group/worker.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string number(uint64_t value) {
  return std::to_string(value);
}

std::string name_of(const ChangeRegister& change) {
  switch (change.change) {
    case Change::write:
      return "write " + number(change.value);
    case Change::swap:
      return "write " + number(change.value) + " over " + number(change.expected);
    case Change::add:
      return "add " + number(change.value);
    case Change::remove:
      return "remove";
  }
  return "?";
}

Effect effect_of(const ChangeRegister& change, std::optional<ChangeRegisterReply> reply = {}) {
  return [change, reply](const State& state) -> std::optional<State> {
    const uint64_t before = std::stoull(state);
    const uint64_t after = change.after(before);
    if (reply && (reply->before != before || reply->after != after)) return std::nullopt;
    return number(after);
  };
}

Effect found(uint64_t value) {
  return [value](const State& state) {
    return state == number(value) ? std::optional<State>(state) : std::nullopt;
  };
}

}  // namespace

GroupWorker::GroupWorker(World& world, const Group& group, Process& process,
                         const GroupOptions& options, Random random, History& history,
                         Findings& findings)
    : world_(world),
      group_(group),
      process_(process),
      options_(options),
      random_(random),
      history_(history),
      findings_(findings),
      reads_share_(random_.chance(0.4) ? 0.98 : random_.unit()),
      values_(process.index() * 1'000'000) {}

void GroupWorker::poll() {
  // What it was doing when it died has an unknown outcome.
  if (busy_ && process_.incarnation() != incarnation_) busy_ = false;
  if (busy_ || left_ + reads_ == 0 || !process_.ready()) return;
  busy_ = true;
  incarnation_ = process_.incarnation();
  Caller& caller = Group::caller(process_);
  caller.scope().spawn(work(&caller));
}

Task<void> GroupWorker::work(Caller* caller) {
  while (left_ > 0 && findings_.good()) {
    --left_;
    ++findings_.operations;
    Task<void> operating = operate(caller);
    co_await operating;
    Task<void> pausing = sleep(caller->bus(), random_.between(Duration(0), options_.pause_max));
    co_await pausing;
  }
  while (reads_ > 0 && findings_.good()) {
    Task<void> reading = read(caller, "register-" + number(reads_--));
    co_await reading;
  }
  busy_ = false;
}

std::string GroupWorker::some_register() {
  return "register-" + number(random_.between(1, options_.registers));
}

Task<void> GroupWorker::operate(Caller* caller) {
  if (random_.chance(0.05)) return read_stale(caller, some_register());
  if (random_.chance(reads_share_)) return read(caller, some_register());
  const uint64_t dice = random_.below(100);
  ChangeRegister request;
  request.name = some_register();
  request.padding = std::string(random_.below(options_.padding_max + 1), 'x');
  if (dice < 40) {
    request.change = Change::write;
    request.value = ++values_;
  } else if (dice < 65) {
    request.change = Change::swap;
    request.value = ++values_;
    request.expected = last_seen_;
  } else if (dice < 88) {
    // Odd amounts, so that a sum tells what it is made of.
    request.change = Change::add;
    request.value = 1'000'000'000 + random_.below(1'000'000'000);
  } else {
    request.change = Change::remove;
  }
  return change(caller, std::move(request));
}

void GroupWorker::failed(const std::string& what, const Error& error) {
  ++findings_.unknown;
  world_.trace("unknown", process_.name(), 0, what + ": " + error.describe());
  if (strict) {
    findings_.fault(process_.name() + ": " + what +
                    " must succeed in a healthy group: " + error.describe());
  }
}

Task<void> GroupWorker::change(Caller* caller, ChangeRegister change) {
  const std::string what = name_of(change);
  const History::Id id =
      history_.begin(change.name, what, effect_of(change),
                     change.change == Change::write || change.change == Change::remove);
  bool surely_not = false;
  Asker::Options options;
  options.deadline = milliseconds(strict ? 10'000 : random_.between(500, 10'000));
  Task<Result<ChangeRegisterReply>> asking = caller->asker().ask(change, options, &surely_not);
  Result<ChangeRegisterReply> reply = co_await asking;
  if (reply) {
    last_seen_ = reply->after;
    history_.end(id, number(reply->before) + " became " + number(reply->after),
                 effect_of(change, *reply));
    co_return;
  }
  if (surely_not) history_.forget(id);
  failed(what, reply.error());
}

Task<void> GroupWorker::read(Caller* caller, std::string name) {
  const History::Id id = history_.begin(name, "read", nullptr);
  bool surely_not = false;
  Task<Result<ReadRegisterReply>> asking =
      caller->asker().ask(ReadRegister{name, false}, {}, &surely_not);
  Result<ReadRegisterReply> reply = co_await asking;
  if (!reply) {
    failed("read of " + name, reply.error());
    co_return;
  }
  last_seen_ = reply->value;
  history_.end(id, number(reply->value), found(reply->value));
}

// From any member, which may apply what is committed before the leader does, and says how old its
// answer is. It counts from when it heard its leader: what it heard may have been long on its way,
// and the leader may have been none any more, unless all is well.
Task<void> GroupWorker::read_stale(Caller* caller, std::string name) {
  bool surely_not = false;
  Asker::Options options;
  options.anyone = true;
  Task<Result<ReadRegisterReply>> asking =
      caller->asker().ask(ReadRegister{name, true}, options, &surely_not);
  Result<ReadRegisterReply> reply = co_await asking;
  if (!reply) {
    failed("stale read of " + name, reply.error());
    co_return;
  }
  const Duration since(static_cast<int64_t>(strict ? reply->since_ns : 0));
  if (group_.timeline().held(name, reply->value, since)) co_return;
  findings_.fault(process_.name() + ": a stale read of " + name + " found " + number(reply->value) +
                  ", which it did not hold since " + number(static_cast<uint64_t>(since.count())) +
                  " ns");
}

}  // namespace dfs::sim
