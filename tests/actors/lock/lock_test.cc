#include "messages/heads.h"
#include "messages/locks.h"
#include "messages/user_names.h"
#include "tests/actors/lock/test_lock.h"

using namespace dfs;

namespace {

std::string reason(const Error& error) {
  const auto found = error.cause.find("reason");
  return found == error.cause.end() ? "" : found->second;
}

AddUser new_user(const std::string& name, const std::string& password) {
  AddUser request;
  request.user = name;
  request.password.bytes = password;
  request.must_change = false;
  return request;
}

std::vector<std::string> topics(TestLock& test, const std::string& ticket) {
  const auto page = test.ask(ReadEvents{}, ticket);
  REQUIRE_MESSAGE(page.ok(), page.error().describe());
  std::vector<std::string> found;
  for (const Event& event : page->events) found.push_back(event.topic);
  return found;
}

size_t count(const std::vector<std::string>& all, const std::string& one) {
  return static_cast<size_t>(std::count(all.begin(), all.end(), one));
}

}  // namespace

TEST_SUITE("lock") {
  TEST_CASE("the first head founds the users, and tells the one-time password once") {
    TestLock test;
    test.start();
    CHECK(test.first_password.size() >= 20);
    const std::string told = test.first_password;
    const auto session = test.ask(LogIn{"admin", Blob{told}});
    REQUIRE(session.ok());
    CHECK(session->must_change);
    CHECK(session->role == Role::admin);
    CHECK(session->lasts_ms > 0);
    // It is good for nothing but choosing another.
    CHECK(reason(test.ask(ListUsers{}, session->ticket.bytes).error()) == "must-change");
    const auto changed =
        test.ask(ChangePassword{Blob{told}, Blob{"my own one"}}, session->ticket.bytes);
    REQUIRE(changed.ok());
    CHECK_FALSE(changed->must_change);
    CHECK(test.ask(ListUsers{}, changed->ticket.bytes).ok());
    CHECK(test.ask(LogIn{"admin", Blob{told}}).code() == Code::denied);
    test.kill();
    test.first_password.clear();
    test.start();
    CHECK(test.first_password.empty());
  }

  TEST_CASE("users, sessions and keys outlive a restart") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    test.kill();
    test.start();
    CHECK(test.ask(ListUsers{}, ada)->users.size() == 1);
    CHECK(test.ask(ListUsers{}, admin)->users.size() == 2);
    CHECK(test.ask(RenewTicket{}, ada).ok());
    CHECK(test.ask(LogIn{"ada", Blob{"correct horse"}}).ok());
  }

  TEST_CASE("whoever is logged in learns which numbers are whose") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    const uint32_t uid = unverified_ticket(ada)->uid;
    const GetUserNames request{{0, uid, 77}, {"ada", "eva", "no name"}};
    CHECK(test.ask(request).code() == Code::login_needed);
    const auto told = test.ask(request, ada);
    REQUIRE(told.ok());
    REQUIRE(told->names.size() == 3);
    CHECK(told->names[0].user == "admin");
    CHECK(told->names[1].user == "ada");
    CHECK(told->names[1].uid == uid);
    CHECK(told->names[2].user == "ada");
    REQUIRE(test.ask(RemoveUser{"ada"}, admin).ok());
    CHECK(test.ask(request, admin)->names.size() == 1);
  }

  TEST_CASE("a failed log-in says the same whatever was wrong") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    REQUIRE(test.ask(new_user("ben", "correct horse"), admin).ok());
    ChangeUser locking;
    locking.user = "ben";
    locking.set_locked = locking.locked = true;
    REQUIRE(test.ask(locking, admin).ok());
    const Error wrong = test.ask(LogIn{"ada", Blob{"wrong horse"}}).error();
    const Error unknown = test.ask(LogIn{"eva", Blob{"correct horse"}}).error();
    const Error locked = test.ask(LogIn{"ben", Blob{"correct horse"}}).error();
    CHECK(wrong.code == Code::denied);
    CHECK(wrong.describe() == unknown.describe());
    CHECK(wrong.describe() == locked.describe());
    CHECK(wrong.cause == unknown.cause);
    CHECK(wrong.cause == locked.cause);
  }

  TEST_CASE("when the leader's clock is right again, its tickets are good again") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    constexpr int64_t kDayMs = 24 * 3'600'000;
    test.bus.wall += kDayMs;
    const std::string fast = test.ticket_of("ada", "correct horse");
    test.bus.wall -= kDayMs;
    CHECK(reason(test.ask(ListUsers{}, fast).error()) == "early");
    CHECK(test.ask(ListUsers{}, test.ticket_of("ada", "correct horse")).ok());
    const auto renewed = test.ask(RenewTicket{}, ada);
    REQUIRE(renewed.ok());
    CHECK(test.ask(ListUsers{}, renewed->ticket.bytes).ok());
    const auto changed =
        test.ask(ChangePassword{Blob{"correct horse"}, Blob{"battery staple"}}, ada);
    REQUIRE(changed.ok());
    CHECK(test.ask(ListUsers{}, changed->ticket.bytes).ok());
    CHECK(reason(test.ask(ListUsers{}, ada).error()) == "revoked");
  }

  TEST_CASE("who fails too often waits, also with the right password, and others do not") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    REQUIRE(test.ask(new_user("ben", "correct horse"), admin).ok());
    uint32_t told = 0;
    for (int attempt = 0; attempt < 10 && told == 0; ++attempt) {
      const auto refused = test.ask(LogIn{"ada", Blob{"wrong horse"}}, {}, 0, "client/evil");
      told = refused.code() == Code::busy ? refused.error().retry_after_ms : 0;
    }
    CHECK(told > 0);
    CHECK(test.ask(LogIn{"ada", Blob{"correct horse"}}).code() == Code::busy);
    CHECK(test.ask(LogIn{"ben", Blob{"correct horse"}}).ok());
    test.bus.advance(std::chrono::milliseconds(told));
    CHECK(test.ask(LogIn{"ada", Blob{"correct horse"}}).ok());
    test.bus.advance(3s);
    CHECK(count(topics(test, admin), "login-failed") >= 1);
  }

  TEST_CASE("whoever logs in guesses others' passwords no faster for that") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    const auto log_in = [&](const std::string& user, const std::string& password) {
      return test.ask(LogIn{user, Blob{password}}, {}, 0, "client/evil").code();
    };
    REQUIRE(test.ask(new_user("eve", "correct horse"), admin).ok());
    std::vector<std::string> others;
    for (int i = 0; i < 16; ++i) {
      others.push_back("user" + std::to_string(i));
      REQUIRE(test.ask(new_user(others.back(), "correct horse"), admin).ok());
    }
    size_t guesses = 0;
    for (size_t i = 0; i < others.size(); ++i) {
      guesses += log_in(others[i], "wrong horse") == Code::denied ? 1 : 0;
      if (i % 4 == 3) (void)log_in("eve", "correct horse");
    }
    CHECK(guesses <= 5);
    CHECK(log_in("eve", "correct horse") == Code::busy);
  }

  TEST_CASE("only administrators change users, and nobody does without a good ticket") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    for (const std::string& ticket :
         {std::string(), std::string("no ticket at all"), ada.substr(0, ada.size() - 1) + "x"}) {
      CHECK(test.ask(new_user("eva", "correct horse"), ticket).code() == Code::login_needed);
      CHECK(test.ask(ListUsers{}, ticket).code() == Code::login_needed);
      CHECK(test.ask(ReadEvents{}, ticket).code() == Code::login_needed);
      CHECK(test.ask(TransferLead{}, ticket).code() == Code::login_needed);
    }
    ChangeUser rise;
    rise.user = "ada";
    rise.set_role = true;
    rise.role = Role::admin;
    CHECK(test.ask(rise, ada).code() == Code::denied);
    CHECK(test.ask(new_user("eva", "correct horse"), ada).code() == Code::denied);
    CHECK(test.ask(RemoveUser{"admin"}, ada).code() == Code::denied);
    CHECK(test.ask(SetSignUp{true}, ada).code() == Code::denied);
    CHECK(test.ask(ReadEvents{}, ada).code() == Code::denied);
    AddServiceToken token;
    token.user = "admin";
    token.lasts_ms = 1000;
    CHECK(test.ask(token, ada).code() == Code::denied);
    test.bus.advance(3s);
    CHECK(count(topics(test, admin), "denied") >= 1);
    CHECK(test.ask(ListUsers{}, admin)->users.size() == 2);
  }

  TEST_CASE("a service token of an administrator administrates only when nothing narrows it") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    AddServiceToken narrow;
    narrow.lasts_ms = 3'600'000;
    narrow.read_only = true;
    const auto token = test.ask(narrow, admin);
    REQUIRE(token.ok());
    CHECK(test.ask(SetSignUp{true}, token->ticket.bytes).code() == Code::denied);
    CHECK(test.ask(LogOut{true}, token->ticket.bytes).code() == Code::denied);
    CHECK(test.ask(ListSessions{}, token->ticket.bytes)->sessions.size() == 2);
    CHECK(test.ask(LogOut{}, token->ticket.bytes).ok());
    CHECK(test.ask(ListSessions{}, token->ticket.bytes).code() == Code::login_needed);
  }

  TEST_CASE("a request that is repeated is done once and answered the same") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    const auto first = test.ask(new_user("ada", "correct horse"), admin, 77);
    const auto again = test.ask(new_user("ada", "correct horse"), admin, 77);
    REQUIRE(first.ok());
    REQUIRE(again.ok());
    CHECK(same(*first, *again));
    const auto one = test.ask(LogIn{"ada", Blob{"correct horse"}}, {}, 78);
    const auto two = test.ask(LogIn{"ada", Blob{"correct horse"}}, {}, 78);
    REQUIRE(one.ok());
    REQUIRE(two.ok());
    CHECK(one->ticket == two->ticket);
    CHECK(test.ask(ListSessions{}, one->ticket.bytes)->sessions.size() == 1);
  }

  TEST_CASE("nobody gets another's ticket by the number of their request") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    REQUIRE(test.ask(new_user("ben", "battery staple"), admin).ok());
    REQUIRE(test.ask(LogIn{"ada", Blob{"correct horse"}}, {}, 78).ok());
    CHECK(test.ask(LogIn{"ben", Blob{"battery staple"}}, {}, 78).code() == Code::denied);
  }

  TEST_CASE("what ends a session is published at once") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    TicketJudge judge;
    const auto learn = [&] {
      for (const FakeBus::Published& news : test.bus.published) {
        if (news.topic != kTicketsTopic) continue;
        const auto keys = decode<TicketKeys>(news.envelope.body);
        REQUIRE(keys.ok());
        judge.learn(keys->cluster, keys->version, keys->keys, keys->revoked);
      }
      test.bus.published.clear();
    };
    learn();
    CHECK(judge.judge(ada, test.bus.wall_ms()).ok());
    REQUIRE(test.ask(RemoveUser{"ada"}, admin).ok());
    learn();
    CHECK(reason(judge.judge(ada, test.bus.wall_ms()).error()) == "revoked");
    const auto keys = test.ask(GetTicketKeys{}, {}, 0, "monitor/1");
    REQUIRE(keys.ok());
    CHECK(keys->version == judge.version());
    test.bus.advance(600ms);
    CHECK(std::any_of(test.bus.published.begin(), test.bus.published.end(),
                      [](const auto& news) { return news.topic == kTicketsTopic; }));
  }

  TEST_CASE("who was revoked, and where heads are, is told to the cluster and its administrators") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    for (const char* from : {"client/1", "storage", "monitor", "broker/1", ""}) {
      CAPTURE(from);
      CHECK(test.ask(GetTicketKeys{}, {}, 0, from).code() == Code::login_needed);
      CHECK(test.ask(ListHeads{}, {}, 0, from).code() == Code::login_needed);
      CHECK(test.ask(ListHeads{true}, {}, 0, from).code() == Code::login_needed);
    }
    CHECK(test.ask(GetTicketKeys{}, ada).code() == Code::denied);
    CHECK(test.ask(ListHeads{}, ada).code() == Code::denied);
    CHECK(test.ask(GetTicketKeys{}, admin).ok());
    CHECK(test.ask(ListHeads{}, admin)->heads.size() == 1);
    for (const char* from : {"monitor/1", "lock/2", "head/1", "storage/7", "agent/h1"}) {
      CAPTURE(from);
      CHECK(test.ask(GetTicketKeys{}, {}, 0, from).ok());
      CHECK(test.ask(ListHeads{}, {}, 0, from).ok());
    }
  }

  TEST_CASE("more log-ins at a time than can be checked are asked to come again") {
    TestLock test;
    test.settings.password_checks_max = 1;
    test.settings.password_waits_max = 2;
    test.start();
    test.bus.run_mode = FakeBus::RunMode::queued;
    for (uint64_t request = 1; request <= 4; ++request) {
      Envelope envelope = envelope_of(LogIn{"u" + std::to_string(request), Blob{"x"}}, "lock");
      envelope.header.from = "client/" + std::to_string(request);
      envelope.header.request = request;
      envelope.link = "peer/1";
      test.lock->receive(std::move(envelope));
    }
    test.bus.advance();
    size_t busy = 0;
    for (const FakeBus::Sent& sent : test.bus.take_sent()) {
      if (sent.link != "peer/1") continue;
      CHECK(sent.envelope.header.request == 4);
      CHECK(reply_as<TicketReply>(sent.envelope).code() == Code::busy);
      ++busy;
    }
    CHECK(busy == 1);
  }

  TEST_CASE("a head that founded its group once asks the others, and founds no second one") {
    TestLock test;
    test.settings.was_founded = [] { return Result<bool>(true); };
    test.lock = std::make_unique<Lock>(test.bus, test.disk, test.table, test.settings);
    test.lock->start([&test](Result<void> outcome) { test.ready = outcome; });
    std::string uuid;
    REQUIRE(test.run_until([&] {
      for (const FakeBus::Sent& sent : test.bus.take_sent()) {
        if (sent.envelope.header.type != Type::AddHead) continue;
        uuid = decode<AddHead>(sent.envelope.body)->uuid;
      }
      return !uuid.empty();
    }));
    CHECK(test.first_password.empty());
    CHECK(uuid != std::string(32, 'e'));  // that of the head, whose data were not lost
  }

  TEST_CASE("that the group was founded is noted once there are users") {
    TestLock test;
    int noted = 0;
    test.settings.was_founded = [] { return Result<bool>(false); };
    test.settings.note_founded = [&noted] {
      ++noted;
      return Result<void>();
    };
    test.start();
    CHECK(test.run_until([&] { return noted == 1; }));
  }

  TEST_CASE("who has to log in says the monitor, and until then nobody locks without a ticket") {
    for (const bool authentication : {false, true}) {
      TestLock test;
      test.settings.locks_need_ticket.reset();
      test.start();
      AcquireLock wish;
      wish.target.path = "/x";
      CHECK(test.ask(wish).code() == Code::unavailable);
      HeadList heads;
      heads.authentication = authentication;
      heads.heads.resize(1);
      heads.heads[0].head = 1;
      bool told = false;
      REQUIRE(test.run_until([&] {
        for (const FakeBus::Sent& sent : test.bus.take_sent()) {
          if (sent.envelope.header.type != Type::ListHeads) continue;
          test.lock->receive(FakeBus::answer(sent, heads));
          told = true;
        }
        return told;
      }));
      CHECK(test.ask(wish).code() == (authentication ? Code::login_needed : Code::ok));
    }
  }

  TEST_CASE("everything there is is locked by administrators alone, and shown to them alone") {
    TestLock test;
    test.settings.locks_need_ticket = true;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    AcquireLock all;
    all.target.path = "/";
    all.target.subtree = true;
    all.mode = LockMode::shared;
    CHECK(test.ask(all, ada).code() == Code::denied);
    CHECK(reason(test.ask(all, ada).error()) == "role");
    AcquireLock some = all;
    some.target.path = "/home";
    CHECK(test.ask(some, ada, 0, "client/2").ok());
    CHECK(test.ask(all, admin).ok());
    CHECK(test.ask(ListLocks{}, admin)->locks.size() == 2);
    const auto own = test.ask(ListLocks{}, ada);
    REQUIRE(own.ok());
    REQUIRE(own->locks.size() == 1);
    CHECK(own->locks[0].target.path == "/home");
  }

  TEST_CASE("a service token ends no lock that it could not have taken") {
    TestLock test;
    test.settings.locks_need_ticket = true;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    const std::string ada = test.ticket_of("ada", "correct horse");
    const auto token = [&](const std::string& below, bool read_only) {
      AddServiceToken narrow;
      narrow.lasts_ms = 3'600'000;
      narrow.below = below;
      narrow.read_only = read_only;
      const auto made = test.ask(narrow, ada);
      REQUIRE(made.ok());
      return made->ticket.bytes;
    };
    const auto take = [&](const std::string& path, LockMode mode) {
      AcquireLock wish;
      wish.target.path = path;
      wish.mode = mode;
      const auto taken = test.ask(wish, ada);
      REQUIRE(taken.ok());
      return taken->lock;
    };
    const std::string photos = token("/photos", false);
    const std::string reader = token("/photos", true);
    const LockId elsewhere = take("/home/x", LockMode::exclusive);
    const LockId writes = take("/photos/x", LockMode::exclusive);
    const LockId reads = take("/photos/y", LockMode::shared);
    for (const std::string& narrow : {photos, reader}) {
      CHECK(test.ask(ReleaseLock{elsewhere, {}}, narrow).code() == Code::denied);
      CHECK(test.ask(BreakLock{elsewhere}, narrow).code() == Code::denied);
    }
    CHECK(test.ask(ReleaseLock{writes, {}}, reader).code() == Code::denied);
    CHECK(test.ask(BreakLock{writes}, reader).code() == Code::denied);
    CHECK(test.ask(ListLocks{}, ada)->locks.size() == 3);
    CHECK(test.ask(ReleaseLock{reads, {}}, reader).ok());
    CHECK(test.ask(ReleaseLock{writes, {}}, photos).ok());
    CHECK(test.ask(ReleaseLock{writes, {}}, photos).ok());
    CHECK(test.ask(ReleaseLock{elsewhere, {}}, ada).ok());
    CHECK(test.ask(ListLocks{}, ada)->locks.empty());
  }

  TEST_CASE("no password, key or ticket is in what is logged") {
    TestLock test;
    test.start();
    const std::string admin = test.admin();
    REQUIRE(test.ask(new_user("ada", "correct horse"), admin).ok());
    CHECK(test.ask(LogIn{"ada", Blob{"wrong horse"}}).code() == Code::denied);
    for (const FakeBus::Logged& line : test.bus.logged) {
      for (const auto& [key, value] : line.fields) {
        CHECK(value.find("horse") == std::string::npos);
        CHECK(value.find(test.first_password) == std::string::npos);
      }
    }
    std::string rows;
    REQUIRE(test.table.scan("", "", [&](auto key, auto value) {
      rows.append(key).append(value);
      return true;
    }));
    CHECK(rows.find("horse") == std::string::npos);
    CHECK(rows.find(test.first_password) == std::string::npos);
  }
}
