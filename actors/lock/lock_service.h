// Answers what is asked about locks while this head leads: what must be in the log it proposes, and
// what need not survive it, it keeps in memory (who waits for an answer, who was heard when).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/leases.h"
#include "actors/lock/lock_operations.h"
#include "actors/replica/service.h"
#include "broker/bus.h"

namespace dfs::lock {

class LockService {
 public:
  // Who asks: the user of a ticket, or with `anyone` whoever it is, where nobody logs in.
  struct Asker {
    std::string user;
    bool may_all = false;  // an administrator
  };

  // Told what an asker was refused because it is another's.
  using Denied = std::function<void(const Envelope&, const Asker&, const std::string& what)>;

  // All of it must outlive this.
  LockService(Service& service, Bus& bus, Replica& replica, const LockTable& locks, Duration lease,
              std::string fence_key, Denied denied);
  ~LockService();
  LockService(const LockService&) = delete;
  LockService& operator=(const LockService&) = delete;

  void begin();  // this head leads, from now on
  void end();    // and does not any more; whoever waits is refused

  void on(const Envelope& envelope, const AcquireLock& request, const Asker& asker);
  void on(const Envelope& envelope, const AwaitLock& request, const Asker& asker);
  void on(const Envelope& envelope, const RenewLocks& request, const Asker& asker);
  void on(const Envelope& envelope, const ReleaseLock& request, const Asker& asker);
  void on(const Envelope& envelope, const BreakLock& request, const Asker& asker);
  void on(const Envelope& envelope, const ListLocks& request, const Asker& asker);

  // A command was applied, on any head.
  void applied(const Command& command, const LockWork& work);

 private:
  struct Waiter {
    Envelope origin;
    Bus::TimerId timer = 0;
  };

  static std::string owner_of(const Envelope& envelope, const std::string& named);
  uint32_t lease_ms() const;
  bool refused_owner(const Envelope& envelope, const std::string& owner, const Asker& asker);
  bool renew(const Envelope& envelope, const std::string& owner);
  LockReply full_reply(LockId lock) const;
  LockView full_view(LockId lock) const;
  Blob proof_of(const LockTarget& target, Fence fence, const std::string& user) const;
  Error ended(LockId lock) const;
  bool refused_end(const Envelope& envelope, LockId lock, const Asker& asker, LockEnd end);
  void tell(const Envelope& origin, LockId lock, const Receipt& receipt);
  void tell_waiters(LockId lock);
  void poll_over(LockId lock, const std::string& from);
  void tick();
  void end_owners();
  void plan_expiry();
  void expire_waits();

  Service& service_;
  Bus& bus_;
  Replica& replica_;
  const LockTable& locks_;
  const Duration lease_;
  const std::string fence_key_;  // LockSettings::fence_key
  const Denied denied_;

  // How locks ended, for those who ask late; of any reign, the last few.
  std::map<LockId, LockEnd> ends_;
  std::deque<LockId> ends_in_order_;

  bool leading_ = false;
  Leases<std::string> leases_;
  std::set<std::string> doomed_;  // owners whose end is to be logged
  std::set<std::string> ending_;  // those whose EndOwners is on its way into the log
  bool all_judged_ = false;       // those without a lease since this head leads
  bool expiring_ = false;         // ExpireWaits is on its way into the log
  std::map<LockId, std::vector<Waiter>> waiters_;
  Bus::TimerId tick_timer_ = 0;
  Bus::TimerId expiry_timer_ = 0;
};

}  // namespace dfs::lock
