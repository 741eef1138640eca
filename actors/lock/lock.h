// The lock actor: users, sessions and locks, as one replicated state machine with an actor around
// it. Each head has one, and they are a group of their own beside that of the monitors; the one
// that leads serves "lock", all of them serve "lock-replica".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/disk.h"
#include "actors/replica/replica.h"
#include "actors/table.h"
#include "broker/actor.h"
#include "messages/password.h"
#include "messages/secure_random.h"

namespace dfs {

struct LockSettings {
  std::string directory;  // of the log; the table has its own
  // Who its head is: nothing as long as that is not known. Asked on the pool, again and again.
  std::function<Result<std::optional<Identity>>()> identity;
  std::string broker;  // where clients reach this head's broker; the other heads are told
  Duration announce_period = std::chrono::milliseconds(500);
  Duration publish_period = std::chrono::milliseconds(500);  // of what judges tickets
  Duration heads_period = std::chrono::seconds(5);  // how often the monitor's heads are looked at
  Duration tidy_period = std::chrono::seconds(10);
  Duration ticket_lasts = std::chrono::hours(12);
  // Whoever is silent for so long loses the locks it holds.
  Duration lock_lease = std::chrono::seconds(10);
  // Whether everybody has to log in; nothing: what the monitor says of the cluster.
  std::optional<bool> locks_need_ticket;
  PasswordCost password_cost;
  size_t password_checks_max = 2;  // at a time; each takes the memory of its cost
  size_t password_waits_max = 64;  // beyond those; more are refused as `busy`
  // Whether the group was founded from this head before, and that it was now. Kept apart from the
  // actor's own data: a head that lost those joins the others again, and founds no second group.
  std::function<Result<bool>()> was_founded;  // both are called on the pool
  std::function<Result<void>()> note_founded;
  // Used when the users are founded, by the first head of a cluster:
  bool sign_up = false;
  // Gets the one-time password of the first administrator, before the log has taken it, on the
  // actor's thread. It is known to nobody else.
  std::function<void(const std::string& password)> founding;
  // Older events than these, by time or by number, are forgotten. The leader's count.
  int64_t events_ms_max = 90 * 24 * 3600 * int64_t{1000};
  uint64_t events_entries_max = 500'000;
  // Chance that nobody can guess, for keys and passwords.
  RandomBytes random_bytes = secure_random;
  // With which fences are proved to the monitor (fence_proof.h); the same on every head. Empty:
  // they are not.
  std::string fence_key = {};
  ReplicaSettings replica;
};

class Lock : public Actor {
 public:
  Lock(Bus& bus, Disk& disk, Table& table, LockSettings settings);
  ~Lock() override;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void observe(const std::string& topic, Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

  const Replica& replica() const;  // for checkers

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
