// A monitor that demands tickets: who is let in, and to what.
#include "actors/monitor/access.h"

#include <doctest/doctest.h>

#include "actors/gate.h"
#include "messages/agents.h"
#include "messages/grant.h"
#include "messages/grant_keys.h"
#include "messages/heads.h"
#include "messages/join_token.h"
#include "messages/passes.h"
#include "messages/pool_keys.h"
#include "messages/rebuild.h"
#include "messages/reclaim.h"
#include "messages/tasks.h"
#include "messages/users.h"
#include "tests/actors/monitor/guarded_monitor.h"

namespace dfs {
namespace {

// Calls visit.operator()<R>() for every request that the monitor understands.
template <class Visit>
void for_each_request(Visit&& visit) {
  const auto all = [&]<class... R>() { (visit.template operator()<R>(), ...); };
  all.template operator()<Stat, List, OpenFile, MakeDir, Rename, Remove, SetAttributes, PlanFile,
                          CommitFile, CopyFile, GetHistory, ShowFence, RenewUploads, Join, AddHead,
                          ConfirmSurplus, GetMap, GetStatus, ListHeads, JudgeBlocks, ReadEvents>();
  all.template operator()<RemoveHead, TransferLead, ListTasks, ControlTask, ChangeNode, SetPool,
                          ListAgents, AddJoinToken, SetJoinRule, ListJoinTokens, GetRebuild,
                          ImportGroups, ImportFiles, EndRebuild, GetNodePass, Ping, GetGrantKeys,
                          RotateGrantKey, RotatePoolKey, ExportPoolKeys, ImportPoolKeys>();
}

// Those for which no ticket helps.
bool is_of_members(Access access) {
  return access == Access::cluster || access == Access::nodes;
}

// Well-formed where that takes more than defaults.
template <class R>
R request_of() {
  R request;
  if constexpr (requires { request.path; }) request.path = "/x";
  if constexpr (requires { request.subtree; }) request.fence = 1;
  if constexpr (requires {
                  request.from;
                  request.to;
                  request.replace;
                }) {
    request.from = "/x";
    request.to = "/y";
  }
  return request;
}

}  // namespace

TEST_SUITE("monitor") {
  TEST_CASE("nobody without a ticket gets anything but a sign of life") {
    GuardedMonitor monitor;
    monitor.as_nobody();
    CHECK(monitor.ask(Ping{7}).ok());
    size_t requests = 0;
    for_each_request([&]<class R>() {
      CAPTURE(R::kName);
      REQUIRE(access_to(R::kType));
      ++requests;
      if (*access_to(R::kType) == Access::everybody) return;
      const Code expected = is_of_members(*access_to(R::kType)) ? Code::denied : Code::login_needed;
      CHECK(monitor.code(request_of<R>()) == expected);
    });
    CHECK(requests == 42);
  }

  TEST_CASE("users have their files, and only administrators see the cluster") {
    GuardedMonitor monitor;
    for_each_request([&]<class R>() {
      CAPTURE(R::kName);
      const Access access = *access_to(R::kType);
      if (access == Access::everybody || access == Access::users) return;
      CHECK(monitor.as_ada().code(request_of<R>()) == Code::denied);
      if (is_of_members(access)) {
        CHECK(monitor.as_admin().code(request_of<R>()) == Code::denied);
      }
    });
    monitor.as_admin();
    CHECK(monitor.ask(GetStatus()).ok());
    CHECK(monitor.ask(GetStatus())->authentication);
    CHECK(monitor.ask(GetMap()).ok());
    CHECK(monitor.ask(ListHeads()).ok());
    CHECK(monitor.ask(ListTasks()).ok());
    CHECK(monitor.ask(SetJoinRule{JoinRule::token}).ok());
    // Narrow tickets of an administrator are no administrator's.
    Ticket narrow = monitor.ticket_of("admin", 0, Role::admin);
    narrow.below = "/a";
    CHECK(monitor.as(narrow).ask(GetStatus()).code() == Code::denied);
    narrow.below.clear();
    narrow.read_only = true;
    CHECK(monitor.as(narrow).ask(GetStatus()).ok());
    CHECK(monitor.ask(SetJoinRule{JoinRule::open}).code() == Code::denied);
  }

  TEST_CASE("every request in the table is understood, and no other is served") {
    GuardedMonitor monitor;
    monitor.as_admin();
    std::set<Type> understood;
    for_each_request([&]<class R>() {
      understood.insert(R::kType);
      monitor.from = "client/admin";
      CHECK_MESSAGE(monitor.code(request_of<R>()) != Code::unsupported, R::kName);
    });
    for (int number = 0; number <= UINT16_MAX; ++number) {
      const Type type = static_cast<Type>(number);
      REQUIRE_MESSAGE(access_to(type).has_value() == understood.contains(type), number);
    }
  }

  TEST_CASE("tickets of others, altered, expired or revoked ones are told apart") {
    GuardedMonitor monitor;
    const auto reason = [&](const Ticket& ticket) {
      const auto reply = monitor.as(ticket).ask(Stat{"/"});
      return reply ? std::string() : reply.error().cause.at("reason");
    };
    Ticket ticket = monitor.ticket_of("ada", 1);
    CHECK(reason(ticket) == "");
    ticket.cluster = std::string(32, 'f');
    CHECK(reason(ticket) == "foreign");
    ticket = monitor.ticket_of("ada", 1);
    ticket.issued_ms -= 7'200'000;
    ticket.expires_ms -= 7'200'000;
    CHECK(reason(ticket) == "expired");
    monitor.as_ada();
    monitor.ticket[0] = static_cast<char>(monitor.ticket[0] ^ 1);
    CHECK(monitor.ask(Stat{"/"}).code() == Code::login_needed);
    monitor.publish_keys({{"ada", monitor.bus.wall_ms() + 1, 0}});
    CHECK(reason(monitor.ticket_of("ada", 1)) == "revoked");
    CHECK(reason(monitor.ticket_of("bob", 2)) == "");
  }

  TEST_CASE("who cannot tell tickets yet asks for the keys and lets nobody in") {
    GuardedMonitor monitor(false);
    monitor.as_admin();
    monitor.bus.take_sent();
    monitor.tell(Stat{"/"});
    monitor.settle();
    std::optional<FakeBus::Sent> asked;
    for (const FakeBus::Sent& sent : monitor.bus.take_sent()) {
      if (sent.envelope.header.type == Type::GetTicketKeys) asked = sent;
      if (sent.link == kPeer) {
        CHECK(reply_as<StatReply>(sent.envelope).code() == Code::unavailable);
      }
    }
    REQUIRE(asked);
    CHECK(asked->envelope.header.to == "lock");
    TicketKeys known;
    known.cluster = monitor.cluster;
    known.version = 1;
    known.keys = {{1, {monitor.keys.verify_key}}};
    monitor.monitor->receive(FakeBus::answer(*asked, known));
    monitor.settle();
    CHECK(monitor.ask(Stat{"/"}).ok());
  }

  TEST_CASE("a monitor that hears of no revocations answers users no more, and its cluster still") {
    GuardedMonitor monitor;
    const Ticket ada = monitor.ticket_of("ada", 1);
    Stat stale{"/"};
    stale.stale = true;
    CHECK(monitor.as(ada).ask(stale).ok());
    monitor.TestMonitor::pass(61s);
    const auto refused = monitor.ask(stale);
    CHECK(refused.code() == Code::unavailable);
    CHECK(refused.error().cause.at("reason") == kUnheard);
    monitor.as_nobody();
    monitor.from = "storage/1";
    CHECK(monitor.ask(GetMap()).ok());
    monitor.publish_keys({{"ada", ada.issued_ms, 0}});
    CHECK(monitor.as(ada).ask(stale).error().cause.at("reason") == "revoked");
    CHECK(monitor.as_bob().ask(stale).ok());
  }

  TEST_CASE("keys of another cluster teach nothing") {
    GuardedMonitor monitor(false);
    monitor.as_admin();
    TicketKeys known;
    known.cluster = std::string(32, 'f');
    known.version = 9;
    known.keys = {{1, {monitor.keys.verify_key}}};
    monitor.monitor->observe(kTicketsTopic, envelope_of(known));
    CHECK(monitor.code(Stat{"/"}) == Code::unavailable);
  }

  TEST_CASE("what a user may is judged by their ticket, at once and after a restart") {
    GuardedMonitor monitor;
    REQUIRE(monitor.as_ada().code(MakeDir{"/d"}) == Code::denied);
    monitor.open_root();
    REQUIRE(monitor.as_ada().ask(MakeDir{"/d", false, 0700}).ok());
    CHECK(monitor.ask(Stat{"/d"})->info.uid == 1);
    CHECK(monitor.as_bob().code(Stat{"/d/x"}) == Code::denied);
    monitor.restart();
    monitor.publish_keys();
    CHECK(monitor.as_bob().code(List{"/d", ""}) == Code::denied);
    CHECK(monitor.as_bob().code(Remove{"/d"}) == Code::ok);  // the root is open and not sticky
  }

  TEST_CASE("nobody takes the answer to another's request for one of their own") {
    GuardedMonitor monitor;
    monitor.open_root();
    REQUIRE(monitor.as_ada().ask(MakeDir{"/d"}, 77).ok());
    monitor.as_bob();
    monitor.from = "client/ada";  // and pretends to be her, by name and number
    CHECK(monitor.ask(MakeDir{"/e"}, 77).ok());
    CHECK(monitor.ask(Stat{"/e"}).ok());
    CHECK(monitor.ask(Stat{"/e"})->info.uid == 2);
  }

  TEST_CASE("no name opens what only a part of the cluster may ask") {
    GuardedMonitor monitor;
    monitor.as_nobody();
    for (const char* from : {"storage", "agent", "monitor", "head", "client/1", "", "storages/1"}) {
      CAPTURE(from);
      monitor.from = from;
      CHECK(monitor.code(GetMap()) == Code::login_needed);
      CHECK(monitor.code(GetGrantKeys()) == Code::denied);
      CHECK(monitor.code(AddHead{"", "tcp://evil:1", "tcp://evil:0"}) == Code::login_needed);
    }
    monitor.from = "storage/1";
    CHECK(monitor.code(GetMap()) == Code::ok);
    CHECK(monitor.code(AddHead{"", "tcp://evil:1", "tcp://evil:0"}) == Code::login_needed);
    for (const char* from : {"monitor/2", "agent/h"}) {
      monitor.from = from;
      CHECK(monitor.code(GetMap()) == Code::ok);
      CHECK(monitor.code(GetGrantKeys()) == Code::denied);
    }
    monitor.from = "client/1";
    const AddHead elsewhere{"", "tcp://evil:1#plain", "tcp://evil:0"};
    CHECK(monitor.as_admin().code(elsewhere) == Code::malformed);
  }

  TEST_CASE("whoever makes a token, and where the node came from that used it, is told") {
    GuardedMonitor monitor;
    REQUIRE(monitor.as_admin().ask(SetJoinRule{JoinRule::token}).ok());
    AddJoinToken token;
    token.hash = hash_of_token(std::string(32, 't'));
    token.lasts_ms = 60'000;
    REQUIRE(monitor.ask(token).ok());
    Join request;
    request.uuid = std::string(32, '1');
    request.endpoint = "tcp://127.0.0.1:7001";
    request.token = std::string(32, 't');
    Envelope envelope = envelope_of(request, "monitor");
    envelope.header.from = "storage";
    envelope.header.source = "10.0.0.7";
    envelope.header.request = 4711;
    envelope.link = "peer/1";
    monitor.monitor->receive(std::move(envelope));
    monitor.settle();
    const auto joined = monitor.events("node-joined");
    REQUIRE(joined.size() == 1);
    CHECK(joined[0].fields.at("user") == "storage/1");
    CHECK(joined[0].fields.at("source") == "10.0.0.7");
    CHECK(joined[0].fields.at("by") == "admin");
  }

  TEST_CASE("denials are counted, and told in the log, the same ones together") {
    GuardedMonitor monitor;
    monitor.as_ada();
    for (int i = 0; i < 5; ++i) CHECK(monitor.code(GetStatus()) == Code::denied);
    CHECK(monitor.code(MakeDir{"/d"}) == Code::denied);
    monitor.as_nobody();
    CHECK(monitor.code(Stat{"/"}) == Code::login_needed);
    monitor.pass(2s);
    monitor.as_admin();
    CHECK(monitor.ask(GetStatus())->denied == 7);
    ReadEvents query;
    query.prefix = "denied";
    const auto events = monitor.ask(query);
    REQUIRE(events.ok());
    std::map<std::string, std::string> counts;  // by reason
    for (const Event& event : events->events) {
      counts[event.fields.at("reason")] = event.fields.at("count");
    }
    CHECK(counts ==
          std::map<std::string, std::string>{{"role", "5"}, {"rights", "1"}, {"missing", "1"}});
  }

  TEST_CASE("passes are for administrators, and end with the log-in like any grant") {
    GuardedMonitor monitor;
    monitor.join_nodes(1);
    CHECK(monitor.as_ada().code(GetNodePass{}) == Code::denied);
    CHECK(monitor.as_nobody().code(GetNodePass{}) == Code::login_needed);
    monitor.from = "storage/1";
    CHECK(monitor.code(GetNodePass{}) == Code::login_needed);
    const auto given = monitor.as_admin().ask(GetNodePass{});
    REQUIRE(given.ok());
    CHECK(given->lasts_ms == 600'000);
    const auto pass = monitor.opened(given->pass);
    REQUIRE(pass.ok());
    CHECK(pass->right == BlockRight::inside);
    CHECK(pass->object == 0);
    CHECK(pass->expires_ms == monitor.bus.wall_ms() + 600'000);
    const auto ticket = unverified_ticket(monitor.ticket);
    REQUIRE(ticket.ok());
    CHECK(pass->holder == holder_of("admin"));
    CHECK(pass->session == ticket->session);
    CHECK(pass->since_ms == ticket->issued_ms);
  }

  TEST_CASE("without authentication everybody is an administrator and nothing is granted") {
    TestMonitor monitor;
    monitor.join_all(2);
    const auto planned = monitor.ask(plan_of("/f", 1));
    REQUIRE(planned.ok());
    CHECK(planned->grant.bytes.empty());
    CHECK_FALSE(monitor.ask(GetStatus())->authentication);
    CHECK(monitor.ask(GetNodePass{})->pass.bytes.empty());
    CHECK(monitor.ask(MakeDir{"/d"}).ok());
    CHECK(monitor.ask(Stat{"/d"})->info.uid == 0);
    monitor.ticket = "nonsense";
    CHECK(monitor.ask(Stat{"/d"}).ok());
  }
}

}  // namespace dfs
