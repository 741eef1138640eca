// An actor that keeps locks and nothing else: the lock service around a replica.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "actors/lock/lock_service.h"
#include "messages/dispatch.h"
#include "tests/broker/fake_bus.h"

namespace dfs::lock {

using namespace std::chrono_literals;

inline constexpr Duration kLease = 8s;
inline constexpr const char* kFenceKey = "a key of 32 bytes, of all heads.";

class LocksMachine : public StateMachine {
 public:
  Outcome apply(const Command& command, Table&, Batch& batch) override {
    work = {};
    if (is_lock_command(command.type)) return apply_lock_command(locks, command, 1, batch, work);
    return {Type::Error, encode(ErrorReply{})};
  }
  void applied(const Command& command, const Outcome&) override {
    if (told && is_lock_command(command.type)) told(command, work);
  }
  Result<void> loaded(Table& table) override {
    locks = LockTable();
    return load_locks(table, locks);
  }

  LockTable locks;
  LockWork work;
  std::function<void(const Command&, const LockWork&)> told;
};

struct LockHost : Service {
  LockHost(Bus& bus_, Disk& disk, Table& table, ReplicaSettings settings)
      : Service(bus_, replica, table),
        replica(bus_, disk, table, machine, std::move(settings)),
        locks(*this, bus_, replica, machine.locks, kLease, kFenceKey,
              [this](const Envelope&, const LockService::Asker& by, const std::string& what) {
                denied.push_back(by.user + ": " + what);
              }) {
    machine.told = [this](const Command& command, const LockWork& work) {
      locks.applied(command, work);
    };
    Replica::Watcher watcher;
    watcher.leading = [this] {
      leading = true;
      ++reigns;
      locks.begin();
    };
    watcher.following = [this] { follow(); };
    replica.watch(std::move(watcher));
  }
  bool founded() const override { return true; }
  void follow() {
    if (!std::exchange(leading, false)) return;
    ++reigns;
    locks.end();
  }

  void receive(const Envelope& envelope) {
    const auto understood =
        dispatch<AcquireLock, AwaitLock, RenewLocks, ReleaseLock, BreakLock, ListLocks>(*this,
                                                                                        envelope);
    REQUIRE(understood.ok());
  }
  void on(const Envelope& envelope, const AcquireLock& request) {
    locks.on(envelope, request, asker);
  }
  void on(const Envelope& envelope, const AwaitLock& request) {
    locks.on(envelope, request, asker);
  }
  void on(const Envelope& envelope, const RenewLocks& request) {
    locks.on(envelope, request, asker);
  }
  void on(const Envelope& envelope, const ReleaseLock& request) {
    locks.on(envelope, request, asker);
  }
  void on(const Envelope& envelope, const BreakLock& request) {
    locks.on(envelope, request, asker);
  }
  void on(const Envelope& envelope, const ListLocks& request) {
    locks.on(envelope, request, asker);
  }

  LocksMachine machine;
  Replica replica;
  LockService locks;
  LockService::Asker asker{"ada", false};
  std::vector<std::string> denied;
};

}  // namespace dfs::lock
