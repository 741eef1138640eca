// A lock actor of a cluster's only head, on a fake bus with virtual time, a disk and a table in
// memory. Passwords cost next to nothing.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <random>

#include "actors/lock/lock.h"
#include "actors/mem_table.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/users.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs {

using namespace std::chrono_literals;

class LockBus : public FakeBus {
 public:
  LockBus() : FakeBus("lock") { listen_endpoint = "tcp://head-1:7004"; }
  uint64_t random() override { return random_(); }

 private:
  std::mt19937_64 random_{1};
};

struct TestLock {
  TestLock() {
    settings.directory = "/lock/log";
    settings.broker = "tcp://head-1:7000";
    settings.identity = [] {
      return Result<std::optional<Identity>>(
          Identity{std::string(32, 'c'), 1, std::string(32, 'e')});
    };
    settings.locks_need_ticket = false;
    settings.password_cost = kCheapestPasswordCost;
    settings.founding = [this](const std::string& told) { first_password = told; };
    settings.random_bytes = [this](size_t bytes) {
      std::string chance;
      while (chance.size() < bytes) chance.push_back(static_cast<char>(bus.random()));
      return chance;
    };
  }
  void start() {
    ready.reset();
    lock = std::make_unique<Lock>(bus, disk, table, settings);
    lock->start([this](Result<void> outcome) { ready = outcome; });
    REQUIRE(run_until([&] { return ready.has_value(); }));
    REQUIRE_MESSAGE(ready->ok(), ready->error().describe());
    REQUIRE(run_until([&] { return ask(GetTicketKeys{}, {}, 0, "monitor/1").ok(); }));
  }
  // The process dies; what was not synced is gone.
  void kill() {
    lock.reset();
    table.crash();
    disk.restart();
  }
  bool run_until(const std::function<bool()>& condition, Duration limit = 30s) {
    for (Duration passed{}; passed < limit && !condition(); passed += 5ms) bus.advance(5ms);
    return condition();
  }

  template <Request R>
  Result<typename R::Reply> ask(const R& request, const std::string& ticket = {}, uint64_t id = 0,
                                const std::string& from = "client/1") {
    Envelope envelope = envelope_of(request, "lock");
    envelope.header.from = from;
    envelope.header.request = id != 0 ? id : ++last_request;
    envelope.header.ticket = ticket;
    envelope.link = "peer/1";
    const uint64_t asked = envelope.header.request;
    std::optional<Envelope> reply;
    lock->receive(std::move(envelope));
    run_until([&] {
      for (FakeBus::Sent& sent : bus.take_sent()) {
        if (sent.link == "peer/1" && sent.envelope.header.request == asked) {
          reply = std::move(sent.envelope);
        }
      }
      return reply.has_value();
    });
    if (!reply) return Error{Code::timeout, "no answer", {}, 0};
    return reply_as<typename R::Reply>(*reply);
  }
  // Logs in, and as somebody with a first password chooses another.
  std::string ticket_of(const std::string& user, const std::string& password) {
    const auto session = ask(LogIn{user, Blob{password}});
    REQUIRE_MESSAGE(session.ok(), session.error().describe());
    if (!session->must_change) return session->ticket.bytes;
    const auto changed =
        ask(ChangePassword{Blob{password}, Blob{password + "!"}}, session->ticket.bytes);
    REQUIRE_MESSAGE(changed.ok(), changed.error().describe());
    return changed->ticket.bytes;
  }
  std::string admin() { return ticket_of("admin", first_password); }

  LockBus bus;
  sim::SimDisk disk;
  MemTable table;
  LockSettings settings;
  std::unique_ptr<Lock> lock;
  std::optional<Result<void>> ready;
  std::string first_password;
  uint64_t last_request = 1000;
};

}  // namespace dfs
