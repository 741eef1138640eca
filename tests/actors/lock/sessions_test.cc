#include "tests/actors/lock/machine.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

FinishSessions finish(const std::string& user, uint64_t session, bool admin = false) {
  return {session, admin, {user, "here"}};
}

}  // namespace

TEST_SUITE("lock") {
  TEST_CASE("a session goes on when it is extended, and ends when it is finished") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto first = machine.log_in("ada", 1);
    REQUIRE(first.ok());
    const auto second = machine.tell<Granted>(ExtendSession{1, 2 * machine.kLastsMs});
    REQUIRE(second.ok());
    CHECK(second->ticket.session == 1);
    CHECK(second->ticket.expires_ms > first->expires_ms);
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    CHECK(machine.judge(*first) == "revoked");
    CHECK(machine.judge(second->ticket) == "revoked");
    CHECK(machine.tell<Granted>(ExtendSession{1, 1000}).code() == Code::login_needed);
    CHECK(machine.user("ada").sessions == 0);
  }

  TEST_CASE("a session ends 30 days after its log-in, however often it was extended") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto first = machine.log_in("ada", 1);
    const int64_t end_ms = machine.time_ms + kSessionMsMax;
    IssueToken issue{"ada", "", "", false, 2, 2 * kSessionMsMax, 1, {"ada", "here"}};
    const auto token = machine.tell<Granted>(issue);
    REQUIRE(token.ok());
    CHECK(token->ticket.expires_ms == machine.time_ms + 2 * kSessionMsMax);
    int64_t last_ms = first->expires_ms;
    const auto extend = [&] {
      return machine.tell<Granted>(ExtendSession{1, machine.kLastsMs, machine.time_ms});
    };
    machine.step_ms = machine.kLastsMs / 2;
    while (machine.time_ms + machine.step_ms < end_ms) {
      const auto extended = extend();
      REQUIRE(extended.ok());
      CHECK(extended->ticket.expires_ms <= end_ms);
      last_ms = extended->ticket.expires_ms;
    }
    CHECK(last_ms == end_ms);
    machine.time_ms = end_ms;
    const auto over = extend();
    REQUIRE(over.code() == Code::login_needed);
    CHECK(over.error().text.find("log in again") != std::string::npos);
    CHECK(machine.judge(token->ticket) == "good");
  }

  TEST_CASE("one session ends and the user's others go on") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto one = machine.log_in("ada", 1);
    const auto two = machine.log_in("ada", 2);
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    CHECK(machine.judge(*one) == "revoked");
    CHECK(machine.judge(*two) == "good");
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 0)).ok());
    CHECK(machine.judge(*two) == "revoked");
    CHECK(machine.all().revocations == 2);
  }

  TEST_CASE("a clock that was a day ahead spoils what was issued by it, and nothing else") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.add("ben").ok());
    const auto before = machine.log_in("ada", 1);
    const auto of_ben = machine.log_in("ben", 2);
    int64_t now_ms = machine.time_ms;
    // Somebody leads for a moment whose clock is fast, and the log's time stands still from then
    // on.
    machine.step_ms = 0;
    const int64_t fast_ms = machine.time_ms += 24 * 3'600'000;
    const auto fast = machine.log_in("ada", 3, fast_ms);
    const auto changed =
        machine.tell<Granted>(ReplacePassword{"ben", machine.user("ben").password_index,
                                              some_hash('q'), 4, machine.kLastsMs, "x", fast_ms});
    REQUIRE(changed.ok());
    CHECK(machine.judge(*of_ben, now_ms) == "revoked");
    CHECK(machine.judge(*fast, now_ms) == "early");
    now_ms += 1000;
    const auto after = machine.log_in("ada", 5, now_ms);
    REQUIRE(after.ok());
    CHECK(after->expires_ms == now_ms + machine.kLastsMs);
    CHECK(machine.judge(*after, now_ms) == "good");
    CHECK(machine.judge(*machine.log_in("ben", 6, now_ms), now_ms) == "good");
    const auto extended = machine.tell<Granted>(ExtendSession{1, machine.kLastsMs, now_ms});
    REQUIRE(extended.ok());
    CHECK(machine.judge(extended->ticket, now_ms) == "good");
    // What ends has ended for good, also when its time has come, and nothing that begins then has.
    EditUser change;
    change.user = "ada";
    change.set_groups = true;
    REQUIRE(machine.tell<UserReply>(change).ok());
    for (const Ticket& ended : {*before, *after, extended->ticket}) {
      CHECK(machine.judge(ended, now_ms) == "revoked");
    }
    CHECK(machine.judge(*fast, fast_ms) == "revoked");
    CHECK(machine.judge(*machine.log_in("ada", 7, now_ms), now_ms) == "good");
    const auto replaced = machine.tell<Granted>(ReplacePassword{
        "ada", machine.user("ada").password_index, some_hash('q'), 8, 1000, "x", now_ms});
    REQUIRE(replaced.ok());
    CHECK(machine.judge(replaced->ticket, now_ms) == "good");
  }

  TEST_CASE("tickets of a clock that was fast end with their session, when that goes on") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const int64_t now_ms = machine.time_ms;
    machine.step_ms = 0;
    const int64_t fast_ms = machine.time_ms += 24 * 3'600'000;
    const auto fast = machine.log_in("ada", 1, fast_ms);
    const auto extended = machine.tell<Granted>(ExtendSession{1, machine.kLastsMs, now_ms});
    REQUIRE(extended.ok());
    CHECK(machine.judge(extended->ticket, now_ms) == "good");
    REQUIRE(machine.tell<Tidied>(TidyUsers{now_ms + machine.kLastsMs + 1000, 0, 100}).ok());
    CHECK(machine.user("ada").sessions == 1);
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    CHECK(machine.judge(*fast, fast_ms) == "revoked");
    CHECK(machine.judge(extended->ticket, now_ms) == "revoked");
  }

  TEST_CASE("who makes and ends very many tokens takes the room of nobody else") {
    TestLockMachine machine;
    machine.step_ms = 1;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.add("eve").ok());
    constexpr int64_t kYearMs = 365 * 24 * 3'600'000LL;
    const auto one = machine.log_in("ada", 1);
    const auto two = machine.log_in("ada", 2);
    uint64_t session = 10;
    std::vector<Ticket> ended;
    while (ended.size() < 5000) {
      const uint64_t by = session++;
      REQUIRE(machine.log_in("eve", by).ok());
      for (bool goes_on = true; goes_on && ended.size() < 5000; ++session) {
        const auto token = machine.tell<Granted>(
            IssueToken{"eve", "", "", false, session, kYearMs, by, {"eve", "here"}});
        goes_on = token.ok();
        if (!goes_on) break;
        ended.push_back(token->ticket);
        REQUIRE(machine.tell<LogOutReply>(finish("eve", session)).ok());
      }
    }
    CHECK(machine.all().revocations <= 64);
    CHECK(machine.judge(ended.front()) == "revoked");
    CHECK(machine.judge(ended.back()) == "revoked");
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    CHECK(machine.judge(*one) == "revoked");
    CHECK(machine.judge(*two) == "good");
  }

  TEST_CASE("administrators end sessions also when very many others ended theirs") {
    TestLockMachine machine;
    machine.step_ms = 1;
    REQUIRE(machine.add("ada").ok());
    const auto ada = machine.log_in("ada", 1);
    uint64_t session = 1;
    Code last = Code::ok;
    while (last == Code::ok) {
      const std::string name = "user" + std::to_string(++session);
      REQUIRE(machine.add(name).ok());
      REQUIRE(machine.log_in(name, session).ok());
      last = machine.tell<LogOutReply>(finish(name, session)).code();
    }
    CHECK(last == Code::busy);
    CHECK(machine.tell<LogOutReply>(finish("ada", 1)).code() == Code::busy);
    CHECK(machine.judge(*ada) == "good");
    EditUser change;
    change.user = "ada";
    change.set_locked = change.locked = true;
    REQUIRE(machine.tell<UserReply>(change).ok());
    CHECK(machine.judge(*ada) == "revoked");
    const std::string name = "user" + std::to_string(session);
    REQUIRE(machine.tell<LogOutReply>(finish("admin", session, true)).ok());
    CHECK(machine.user(name).sessions == 0);
  }

  TEST_CASE("of very many sessions that end together a later one is none") {
    TestLockMachine machine;
    machine.step_ms = 0;
    REQUIRE(machine.add("ada").ok());
    std::vector<Ticket> tickets;
    for (uint64_t session = 1; session <= 100; ++session) {
      tickets.push_back(*machine.log_in("ada", session));
    }
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 0)).ok());
    CHECK(machine.all().revocations == 1);
    for (const Ticket& ticket : tickets) CHECK(machine.judge(ticket) == "revoked");
    CHECK(machine.judge(*machine.log_in("ada", 101)) == "good");
  }

  TEST_CASE("tickets get a new key, and those of the old one last as long as they were to") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto before = machine.log_in("ada", 1);
    const auto change = [&](char seed, bool at_once) {
      const SignKeys pair = make_sign_keys(std::string(kSeedBytes, seed));
      return machine.tell<RotateTicketKeyReply>(
          AddTicketKey{{pair.secret}, {pair.verify_key}, at_once, {"admin", "here"}});
    };
    const auto keys_told = [&] {
      Rows rows(machine.table);
      return ticket_keys(rows)->keys.size();
    };
    const LogIndex version = machine.all().version;
    const auto changed = change('b', false);
    REQUIRE(changed.ok());
    CHECK(changed->key == before->key + 1);
    CHECK(changed->until_ms == before->expires_ms);
    CHECK(machine.all().version > version);
    const auto after = machine.log_in("ada", 2);
    CHECK(after->key == changed->key);
    CHECK(machine.judge(*before) == "good");
    CHECK(machine.judge(*after) == "good");
    CHECK(machine.events().back().topic == "login");

    // The key goes when the last ticket that it signed has ended.
    machine.time_ms = before->expires_ms;
    REQUIRE(machine.tell<Tidied>(TidyUsers{before->expires_ms, 0, 100}).ok());
    CHECK(keys_told() == 2);
    Rows rows(machine.table);
    CHECK(*any_ticket_key_over(rows, before->expires_ms + 1));
    REQUIRE(machine.tell<Tidied>(TidyUsers{before->expires_ms + 1, 0, 100}).ok());
    CHECK(keys_told() == 1);
    CHECK_FALSE(*any_ticket_key_over(rows, INT64_MAX));
  }

  TEST_CASE("a key that leaked is of no use at once, if that is wanted") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const auto before = machine.log_in("ada", 1);
    Rows rows(machine.table);
    const std::string shown = signed_ticket(rows, Granted{*before, {}})->ticket.bytes;
    const SignKeys pair = make_sign_keys(std::string(kSeedBytes, 'b'));
    const auto changed = machine.tell<RotateTicketKeyReply>(
        AddTicketKey{{pair.secret}, {pair.verify_key}, true, {"admin", "here"}});
    REQUIRE(changed.ok());
    CHECK(changed->until_ms == 0);
    const auto known = ticket_keys(rows);
    TicketJudge judge;
    judge.learn(known->cluster, known->version, known->keys, known->revoked);
    const auto judged = judge.judge(shown, machine.time_ms);
    REQUIRE_FALSE(judged);
    CHECK(judged.error().cause.at("reason") == "unknown-key");
    CHECK(machine.judge(*machine.log_in("ada", 2)) == "good");
    const Event told = machine.events()[machine.events().size() - 2];
    CHECK(told.topic == "ticket-key-added");
    CHECK(told.fields.at("user") == "admin");
    CHECK(told.fields.at("source") == "here");
  }

  TEST_CASE("nobody ends another's session but an administrator") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.add("ben").ok());
    const auto ada = machine.log_in("ada", 1);
    CHECK(machine.tell<LogOutReply>(finish("ben", 1)).code() == Code::not_found);
    CHECK(machine.judge(*ada) == "good");
    CHECK(machine.tell<LogOutReply>(finish("ben", 1, true)).ok());
    CHECK(machine.judge(*ada) == "revoked");
  }

  TEST_CASE("a log-in whose password was changed meanwhile fails, and so does a locked user's") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    const LogIndex before = machine.user("ada").password_index;
    EditUser change;
    change.user = "ada";
    change.password = some_hash('q');
    REQUIRE(machine.tell<UserReply>(change).ok());
    CHECK(machine.tell<Granted>(BeginSession{"ada", before, 1, 1000, "x"}).code() == Code::denied);
    CHECK(machine.log_in("ada", 1)->must_change);
    EditUser locked;
    locked.user = "ada";
    locked.set_locked = locked.locked = true;
    REQUIRE(machine.tell<UserReply>(locked).ok());
    CHECK(machine.log_in("ada", 2).code() == Code::denied);
    CHECK(machine.tell<Granted>(BeginSession{"nobody", 0, 3, 1000, "x"}).code() == Code::denied);
  }

  TEST_CASE(
      "a changed password ends all sessions but the one that it begins, in the same instant") {
    TestLockMachine machine;
    machine.step_ms = 0;
    REQUIRE(machine.add("ada").ok());
    const auto before = machine.log_in("ada", 1);
    const auto changed = machine.tell<Granted>(ReplacePassword{
        "ada", machine.user("ada").password_index, some_hash('q'), 2, machine.kLastsMs, "here"});
    REQUIRE(changed.ok());
    CHECK(machine.judge(*before) == "revoked");
    CHECK(machine.judge(changed->ticket) == "good");
    CHECK(machine.user("ada").password == some_hash('q'));
    CHECK(machine.judge(*machine.log_in("ada", 3)) == "good");
  }

  TEST_CASE("a service token is narrow, cannot go on and makes no others") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.log_in("ada", 1).ok());
    IssueToken issue{"ada", "backup", "/photos", true, 2, machine.kLastsMs, 1, {"ada", "here"}};
    const auto token = machine.tell<Granted>(issue);
    REQUIRE(token.ok());
    CHECK(token->ticket.below == "/photos");
    CHECK(token->ticket.read_only);
    CHECK(machine.judge(token->ticket) == "good");
    CHECK(machine.tell<Granted>(ExtendSession{2, 1000}).code() == Code::denied);
    issue.session = 3;
    issue.by_session = 2;
    CHECK(machine.tell<Granted>(issue).code() == Code::denied);
    issue.by_session = 99;
    CHECK(machine.tell<Granted>(issue).code() == Code::login_needed);
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 2)).ok());
    CHECK(machine.judge(token->ticket) == "revoked");
  }

  TEST_CASE("a user has so many sessions and no more") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    for (uint64_t session = 1; session <= 1000; ++session) {
      REQUIRE(machine.log_in("ada", session).ok());
    }
    CHECK(machine.log_in("ada", 1001).code() == Code::no_space);
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 0)).ok());
    CHECK(machine.log_in("ada", 1001).ok());
  }

  TEST_CASE("what is over is forgotten, and what ended it too, once no ticket can be shown") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    for (uint64_t session = 1; session <= 5; ++session)
      REQUIRE(machine.log_in("ada", session).ok());
    REQUIRE(machine.tell<LogOutReply>(finish("ada", 1)).ok());
    auto tidied = machine.tell<Tidied>(TidyUsers{machine.time_ms, 0, 2});
    CHECK(tidied->rows == 0);
    machine.time_ms += machine.kLastsMs + 10'000;
    CHECK(machine.tell<Granted>(ExtendSession{2, 1000}).code() == Code::login_needed);
    const uint64_t version = machine.all().version;
    tidied = machine.tell<Tidied>(TidyUsers{machine.time_ms, 0, 2});
    CHECK(tidied->more);
    CHECK(machine.tell<Tidied>(TidyUsers{machine.time_ms, 0, 2})->more == false);
    CHECK(machine.user("ada").sessions == 0);
    CHECK(machine.all().revocations == 0);
    CHECK(machine.all().version > version);
  }

  TEST_CASE("events that are over are forgotten with the rest") {
    TestLockMachine machine;
    for (const char* name : {"ada", "ben", "cleo"}) REQUIRE(machine.add(name).ok());
    const size_t before = machine.events().size();
    REQUIRE(machine.tell<Tidied>(TidyUsers{0, machine.index, 100}).ok());
    CHECK(machine.events().size() < before);
    CHECK(machine.events().back().fields.at("user") == "cleo");
  }

  TEST_CASE("locks that come and go make nobody forget who logged in") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.log_in("ada", 1).ok());
    const EventLimits limits{100, 0, 256};
    const auto to_trim = [&] {
      Rows rows(machine.table);
      const auto before = events_to_trim(rows, machine.index, limits);
      REQUIRE(before.ok());
      return *before;
    };
    for (int i = 0; i < 500; ++i) {
      TakeLock take;
      take.target.path = "/x";
      take.owner = "client/1";
      const auto taken = machine.tell<LockReply>(take);
      REQUIRE(taken.ok());
      REQUIRE(
          machine.tell<ReleaseLockReply>(EndLock{taken->lock, LockEnd::released, "client/1", "ada"})
              .ok());
    }
    CHECK(to_trim() == 0);
    CHECK(machine.events().size() == 3);
    // Of events that are too many the oldest go, however many entries lie between them.
    for (uint64_t session = 2; session <= 150; ++session) {
      REQUIRE(machine.log_in("ada", session).ok());
    }
    const size_t made = machine.events().size();
    REQUIRE(made == 152);
    const LogIndex before = to_trim();
    REQUIRE(before != 0);
    REQUIRE(machine.tell<Tidied>(TidyUsers{0, before, 20})->more);
    CHECK(machine.events().size() == 100);
    CHECK(to_trim() == before);  // erased in steps
    REQUIRE(machine.tell<Tidied>(TidyUsers{0, before, 20})->more);
    REQUIRE_FALSE(machine.tell<Tidied>(TidyUsers{0, before, 20})->more);
    CHECK(machine.events().size() == 100);
    CHECK(to_trim() == 0);
    // What was counted is in the rows, and right.
    Rows rows(machine.table);
    CHECK(rows.require<RetentionRow>(dfs::keys::retention())->rows == 100);
    for (uint64_t session = 151; session <= 157; ++session) {
      REQUIRE(machine.log_in("ada", session).ok());
    }
    const LogIndex next = to_trim();
    REQUIRE(next != 0);
    REQUIRE(machine.tell<Tidied>(TidyUsers{0, next, 20}).ok());
    CHECK(machine.events().size() == 100);
    CHECK(rows.require<RetentionRow>(dfs::keys::retention())->rows == 100);
  }

  TEST_CASE("very many events are counted once, and not at each look") {
    TestLockMachine machine;
    Batch batch;
    for (uint32_t number = 0; number < 5000; ++number) {
      batch.put(dfs::keys::event(machine.index, 1 + number), encode_row(EventRow{"x", 1, 0, {}}));
    }
    REQUIRE(machine.table.write(batch, Durability::later).ok());
    Rows rows(machine.table);
    const EventLimits limits{500'000, 0, 256};
    const auto before = events_to_trim(rows, machine.index, limits);
    REQUIRE(before.ok());
    CHECK(*before == 1);  // nothing is forgotten
    REQUIRE(machine.tell<Tidied>(TidyUsers{0, *before, 20}).ok());
    CHECK(rows.require<RetentionRow>(dfs::keys::retention())->rows == 5001);
    CHECK(*events_to_trim(rows, machine.index, limits) == 0);
  }

  TEST_CASE("people see their own sessions, administrators everybody's") {
    TestLockMachine machine;
    REQUIRE(machine.add("ada").ok());
    REQUIRE(machine.add("ben").ok());
    for (uint64_t session = 1; session <= 3; ++session) {
      REQUIRE(machine.log_in(session == 2 ? "ben" : "ada", session).ok());
    }
    Rows rows(machine.table);
    Ticket ada;
    ada.user = "ada";
    auto own = list_sessions(rows, ListSessions{}, ada);
    REQUIRE(own.ok());
    CHECK(own->sessions.size() == 2);
    CHECK(list_sessions(rows, ListSessions{"ben"}, ada).code() == Code::denied);
    CHECK(list_sessions(rows, ListSessions{"*"}, ada).code() == Code::denied);
    Ticket admin;
    admin.role = dfs::Role::admin;
    const auto page = list_sessions(rows, ListSessions{"*", 1, 1}, admin);
    REQUIRE(page.ok());
    CHECK(page->more);
    REQUIRE(page->sessions.size() == 1);
    CHECK(page->sessions[0].user == "ben");
    // Not by a token that is for one directory.
    admin.user = "admin";
    admin.below = "/photos";
    CHECK(list_sessions(rows, ListSessions{"*"}, admin).code() == Code::denied);
    CHECK(list_sessions(rows, ListSessions{"ada"}, admin).code() == Code::denied);
    CHECK(list_sessions(rows, ListSessions{}, admin)->sessions.empty());
  }
}
