// A monitor that demands tickets: who is let in, to what, and what grants it gives.
#include "actors/monitor/access.h"

#include <doctest/doctest.h>

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
#include "tests/actors/monitor/test_monitor.h"

namespace dfs {
namespace {

MonitorSettings demanding() {
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
    monitor->observe(kTicketsTopic, envelope_of(known));
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
      grant_key = joined->grant_key.bytes;
    }
    pass(1s);
  }
  template <Request R>
  Code code(const R& request) {
    return ask(request).code();
  }

  SignKeys keys = make_sign_keys(std::string(kSeedBytes, 's'));
  std::string cluster;
  std::string grant_key;
  uint64_t version = 0;
};

// Calls visit.operator()<R>() for every request that the monitor understands.
template <class Visit>
void for_each_request(Visit&& visit) {
  const auto all = [&]<class... R>() { (visit.template operator()<R>(), ...); };
  all.template operator()<Stat, List, OpenFile, MakeDir, Rename, Remove, SetAttributes, PlanFile,
                          CommitFile, RenewUploads, Join, AddHead, ConfirmSurplus, GetMap,
                          GetStatus, ListHeads, JudgeBlocks, ReadEvents>();
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
    CHECK(requests == 39);
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

  TEST_CASE("grants are for the object that was planned or opened, for a while") {
    GuardedMonitor monitor;
    monitor.open_root();
    monitor.join_nodes(2);
    REQUIRE(monitor.grant_key.size() == kGrantKeyBytes);
    monitor.as_ada();
    const PlanFile plan = plan_of("/f", 1);
    const auto planned = monitor.ask(plan);
    REQUIRE(planned.ok());
    const auto grant = open_grant(planned->grant.bytes, monitor.grant_key);
    REQUIRE(grant.ok());
    CHECK(grant->object == planned->object);
    CHECK(grant->right == BlockRight::write);
    CHECK(grant->uid == 1);
    CHECK(grant->expires_ms == monitor.bus.wall_ms() + 600'000);

    CommitFile commit = commit_of(plan, *planned);
    CHECK(monitor.code(commit) == Code::denied);  // nothing shows that it is hers
    commit.grant = planned->grant;
    CHECK(monitor.as_bob().code(commit) == Code::denied);
    CHECK(monitor.as_ada().code(commit) == Code::ok);
    const auto opened = monitor.ask(OpenFile{"/f"});
    REQUIRE(opened.ok());
    const auto reading = open_grant(opened->grant.bytes, monitor.grant_key);
    REQUIRE(reading.ok());
    CHECK(reading->object == planned->object);
    CHECK(reading->right == BlockRight::read);
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

  TEST_CASE("the key of grants changes step by step, and no grant fails meanwhile") {
    GuardedMonitor monitor;
    monitor.settings.make_grant_key = [] { return std::string(kGrantKeyBytes, 'n'); };
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(2);
    const std::string first = monitor.grant_key;
    const auto keys_now = [&] {
      monitor.from = "storage/1";
      const auto told = monitor.as_nobody().ask(GetGrantKeys());
      monitor.from = "client/1";
      REQUIRE(told.ok());
      return told->keys.bytes;
    };
    const auto plan_as_ada = [&](const char* path) {
      const auto planned = monitor.as_ada().ask(plan_of(path, 1));
      REQUIRE(planned.ok());
      return *planned;
    };
    CHECK(monitor.as_ada().code(RotateGrantKey()) == Code::denied);
    CHECK(keys_now() == first);
    const auto before = plan_as_ada("/before");

    const int64_t asked_ms = monitor.bus.wall_ms();
    const auto rotated = monitor.as_admin().ask(RotateGrantKey());
    REQUIRE(rotated.ok());
    CHECK(rotated->from_ms == asked_ms + 15'000);
    CHECK(monitor.as_admin().code(RotateGrantKey()) == Code::exists);
    const std::string second(kGrantKeyBytes, 'n');
    CHECK(keys_now() == first + second);
    CHECK(open_grant(plan_as_ada("/told").grant.bytes, first).ok());
    monitor.pass(16s);
    CHECK(keys_now() == second + first);
    const auto after = plan_as_ada("/after");
    CHECK(open_grant(after.grant.bytes, second).ok());
    CHECK_FALSE(open_grant(after.grant.bytes, first));
    // What was granted before is good as long as it lasts.
    CHECK(monitor.code(RenewUploads{{before.object}, {before.grant}}) == Code::ok);
    monitor.pass(Duration(std::chrono::milliseconds(rotated->until_ms - rotated->from_ms)));
    CHECK(keys_now() == second);
    CHECK(monitor.as_admin().code(RotateGrantKey()) == Code::ok);
  }

  TEST_CASE("a node that is removed takes no key of grants along that is good for long") {
    GuardedMonitor monitor;
    char next = 'a';
    monitor.settings.make_grant_key = [&] { return std::string(kGrantKeyBytes, next++); };
    monitor.settings.grant_lasts = 60s;
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(3);
    const std::string first = monitor.grant_key;
    const auto keys_now = [&] {
      monitor.from = "storage/1";
      const auto told = monitor.as_nobody().ask(GetGrantKeys());
      monitor.from = "client/1";
      REQUIRE(told.ok());
      return told->keys.bytes;
    };
    // One change goes on: the node hears of its key too.
    REQUIRE(monitor.as_admin().ask(RotateGrantKey()).ok());
    const std::string second(kGrantKeyBytes, 'a');
    REQUIRE(keys_now() == first + second);
    REQUIRE(monitor.as_admin().ask(ChangeNode{3, NodeAction::remove}).ok());
    monitor.nodes.erase(3);
    monitor.pass(16s);
    CHECK(keys_now() == second + first);
    monitor.restart();  // another leader knows of it
    monitor.publish_keys();

    const auto planned = monitor.as_ada().ask(plan_of("/f", 1));
    REQUIRE(planned.ok());
    const auto with_key = [&](const std::string& key) {
      Grant forged;
      forged.object = planned->object;
      forged.right = BlockRight::write;
      forged.uid = 1;
      forged.expires_ms = monitor.bus.wall_ms() + 60'000;
      PlanFile again = plan_of("/f", 1);
      again.object = planned->object;
      again.grant.bytes = sign_grant(forged, key);
      return monitor.as_ada().code(again);
    };
    CHECK(with_key(first) == Code::ok);
    const auto lasts = 15s + 60s + 2 * std::chrono::milliseconds(TicketJudge::kClockSkewMs);
    monitor.pass(lasts - 10s);  // the first change is over, the second begins
    const std::string third(kGrantKeyBytes, 'b');
    CHECK(keys_now() == second + third);
    CHECK(with_key(first) == Code::denied);
    CHECK(with_key(second) == Code::ok);
    monitor.pass(lasts + 2s);
    CHECK(keys_now() == third);
    CHECK(with_key(second) == Code::denied);
    CHECK(with_key(third) == Code::ok);
    const auto added = monitor.events("grant-key-added");
    REQUIRE(added.size() == 2);
    CHECK(added[1].fields.contains("reason"));
    monitor.pass(lasts);
    CHECK(keys_now() == third);
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

  TEST_CASE("nobody gets a grant for what another uploads, or for what is content") {
    GuardedMonitor monitor;
    monitor.open_root();
    monitor.join_nodes(2);
    monitor.as_ada();
    PlanFile plan = plan_of("/f", 1);
    const auto planned = monitor.ask(plan);
    REQUIRE(planned.ok());
    PlanFile again = plan;
    again.object = planned->object;
    CHECK(monitor.code(again) == Code::denied);
    again.grant = planned->grant;
    CHECK(monitor.as_bob().code(again) == Code::denied);
    CHECK(monitor.as_ada().code(again) == Code::ok);
    RenewUploads renew{{planned->object}, {planned->grant}};
    CHECK(monitor.as_bob().code(renew) == Code::denied);
    const auto renewed = monitor.as_ada().ask(renew);
    REQUIRE(renewed.ok());
    REQUIRE(renewed->grants.size() == 1);
    CHECK(open_grant(renewed->grants[0].bytes, monitor.grant_key)->object == planned->object);
    CHECK(monitor.code(RenewUploads{{planned->object}, {}}) == Code::denied);
    CommitFile commit = commit_of(plan, *planned);
    commit.grant = planned->grant;
    REQUIRE(monitor.ask(commit).ok());
    CHECK(monitor.code(again) == Code::denied);
    const auto late = monitor.ask(renew);
    REQUIRE(late.ok());
    CHECK(late->grants[0].bytes.empty());
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
    const auto pass = open_grant(given->pass.bytes, monitor.grant_key);
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
