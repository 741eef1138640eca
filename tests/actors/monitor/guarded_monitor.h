// A monitor that demands tickets, and people who have some.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "messages/grant.h"
#include "messages/ticket.h"
#include "messages/users.h"
#include "tests/actors/monitor/test_monitor.h"

namespace dfs {

inline MonitorSettings demanding() {
  MonitorSettings settings;
  settings.authentication = Authentication::required;
  return settings;
}

struct GuardedMonitor : TestMonitor {
  explicit GuardedMonitor(bool tells_keys = true) : TestMonitor(demanding()) {
    REQUIRE(ready);
    REQUIRE(ready->ok());
    from = "monitor/2";
    cluster = map().cluster;
    if (tells_keys) publish_keys();
    from = "client/1";
  }
  void publish_keys(std::vector<Revocation> revoked = {}) {
    TicketKeys known;
    known.cluster = cluster;
    known.version = ++version;
    known.keys = {{1, {keys.verify_key}}};
    known.revoked = std::move(revoked);
    told = std::move(known);
    monitor->observe(kTicketsTopic, envelope_of(*told));
  }
  // Meanwhile the lock actor repeats what it told.
  void pass(Duration time) {
    for (Duration left = time; left > Duration::zero(); left -= 10s) {
      TestMonitor::pass(std::min<Duration>(left, 10s));
      if (told) monitor->observe(kTicketsTopic, envelope_of(*told));
    }
  }
  Ticket ticket_of(const std::string& user, uint32_t uid, Role role = Role::user) {
    Ticket it;
    it.cluster = cluster;
    it.key = 1;
    it.user = user;
    it.uid = it.gid = uid;
    it.role = role;
    it.session = 1;
    it.issued_ms = bus.wall_ms();
    it.expires_ms = it.issued_ms + 3'600'000;
    return it;
  }
  GuardedMonitor& as(const Ticket& it) {
    from = "client/" + it.user;
    ticket = sign_ticket(it, keys.secret);
    return *this;
  }
  GuardedMonitor& as_ada() { return as(ticket_of("ada", 1)); }
  GuardedMonitor& as_bob() { return as(ticket_of("bob", 2)); }
  GuardedMonitor& as_admin() { return as(ticket_of("admin", 0, Role::admin)); }
  GuardedMonitor& as_nobody() {
    ticket.clear();
    return *this;
  }
  void open_root() {
    SetAttributes request;
    request.path = "/";
    request.set_mode = true;
    request.mode = 0777;
    REQUIRE(as_admin().ask(request).ok());
  }
  void join_nodes(int count) {
    from = "storage";
    ticket.clear();
    for (int i = 0; i < count; ++i) {
      const auto joined = join(static_cast<char>('1' + i));
      REQUIRE(joined.ok());
      grant_keys = joined->grant_keys.bytes;
    }
    pass(1s);
  }
  Result<Grant> opened(const Blob& grant) { return opened(grant, grant_keys); }
  static Result<Grant> opened(const Blob& grant, const std::string& verify_keys) {
    GrantJudge judge;
    judge.learn(verify_keys);
    return judge.open(grant.bytes);
  }
  template <Request R>
  Code code(const R& request) {
    return ask(request).code();
  }

  SignKeys keys = make_sign_keys(std::string(kSeedBytes, 's'));
  std::string cluster;
  std::string grant_keys;  // that verify grants
  uint64_t version = 0;
  std::optional<TicketKeys> told;
};

}  // namespace dfs
