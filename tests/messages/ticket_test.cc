#include "messages/ticket.h"

#include <doctest/doctest.h>

#include "messages/password.h"
#include "messages/users.h"

using namespace dfs;

namespace {

constexpr int64_t kNow = 1'700'000'000'000;
const std::string kCluster(32, 'c');

Ticket a_ticket() {
  Ticket ticket;
  ticket.cluster = kCluster;
  ticket.key = 7;
  ticket.user = "ada";
  ticket.uid = 1001;
  ticket.gid = 1002;
  ticket.groups = {100, 200};
  ticket.role = Role::user;
  ticket.issued_ms = kNow;
  ticket.expires_ms = kNow + 3'600'000;
  ticket.session = 4711;
  ticket.below = "/photos";
  ticket.read_only = true;
  return ticket;
}

SignKeys keys_of(char seed) {
  return make_sign_keys(std::string(kSeedBytes, seed));
}

// Knows one key, number 7.
struct Judged {
  SignKeys keys = keys_of('a');
  TicketJudge judge;
  uint64_t version = 0;
  Judged() { learn({}); }
  void learn(std::vector<Revocation> revoked) {
    judge.learn(kCluster, ++version, {{7, Blob{keys.verify_key}}}, std::move(revoked));
  }
  std::string sign(const Ticket& ticket) { return sign_ticket(ticket, keys.secret); }
  std::string reason(const std::string& bytes, int64_t now_ms = kNow + 1000) {
    const auto judged = judge.judge(bytes, now_ms);
    if (judged) return "good";
    CHECK(judged.code() ==
          (judged.error().cause.at("reason") == "must-change" ? Code::denied : Code::login_needed));
    return judged.error().cause.at("reason");
  }
};

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a signed ticket is judged good and says what was signed") {
    Judged judged;
    const std::string bytes = judged.sign(a_ticket());
    for (int time = 0; time < 2; ++time) {
      const auto found = judged.judge.judge(bytes, kNow + 1000);
      REQUIRE(found.ok());
      CHECK(same(**found, a_ticket()));
    }
  }

  TEST_CASE("signing is a function of ticket and key") {
    Judged judged;
    CHECK(judged.sign(a_ticket()) == judged.sign(a_ticket()));
    CHECK(judged.sign(a_ticket()) != sign_ticket(a_ticket(), keys_of('b').secret));
  }

  TEST_CASE("a ticket altered in any of its fields is forged") {
    Judged judged;
    const std::string genuine = judged.sign(a_ticket());
    const std::string signature = genuine.substr(genuine.size() - kSignatureBytes);
    std::vector<Ticket> altered;
    const auto alter = [&](auto change) {
      Ticket ticket = a_ticket();
      change(ticket);
      altered.push_back(ticket);
    };
    alter([](Ticket& t) { t.user = "eva"; });
    alter([](Ticket& t) { t.uid = kAdminUid; });
    alter([](Ticket& t) { t.gid = 0; });
    alter([](Ticket& t) { t.groups.push_back(300); });
    alter([](Ticket& t) { t.groups.clear(); });
    alter([](Ticket& t) { t.role = Role::admin; });
    alter([](Ticket& t) { t.issued_ms += 1; });
    alter([](Ticket& t) { t.expires_ms += 1; });
    alter([](Ticket& t) { t.session += 1; });
    alter([](Ticket& t) { t.below.clear(); });
    alter([](Ticket& t) { t.read_only = false; });
    alter([](Ticket& t) { t.must_change = true; });
    for (const Ticket& ticket : altered) {
      CAPTURE(to_json(ticket));
      CHECK(judged.reason(encode(ticket) + signature) == "forged");
    }
    Ticket elsewhere = a_ticket();
    elsewhere.cluster = std::string(32, 'd');
    CHECK(judged.reason(encode(elsewhere) + signature) == "foreign");
    Ticket other_key = a_ticket();
    other_key.key = 8;
    CHECK(judged.reason(encode(other_key) + signature) == "unknown-key");
  }

  TEST_CASE("no flipped bit and no cut makes another good ticket") {
    Judged judged;
    const std::string genuine = judged.sign(a_ticket());
    REQUIRE(judged.reason(genuine) == "good");
    for (size_t bit = 0; bit < genuine.size() * 8; ++bit) {
      std::string damaged = genuine;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      CHECK(judged.reason(damaged) != "good");
    }
    for (size_t size = 0; size < genuine.size(); ++size) {
      CHECK(judged.reason(genuine.substr(0, size)) != "good");
    }
    CHECK(judged.reason(genuine + "x") != "good");
    CHECK(judged.reason("") == "missing");
    CHECK(judged.reason("x") == "malformed");
    CHECK(judged.reason(std::string(kTicketBytesMax + 1, 'x')) == "malformed");
  }

  TEST_CASE("a ticket signed with another key under a known number is forged") {
    Judged judged;
    CHECK(judged.reason(sign_ticket(a_ticket(), keys_of('b').secret)) == "forged");
  }

  TEST_CASE("a ticket is good from when it was issued until it expires, give or take the clocks") {
    Judged judged;
    const std::string bytes = judged.sign(a_ticket());
    const int64_t skew = TicketJudge::kClockSkewMs;
    CHECK(judged.reason(bytes, kNow - skew) == "good");
    CHECK(judged.reason(bytes, kNow - skew - 1) == "early");
    CHECK(judged.reason(bytes, kNow + 3'600'000 + skew) == "good");
    CHECK(judged.reason(bytes, kNow + 3'600'000 + skew + 1) == "expired");
  }

  TEST_CASE("a revocation ends what was issued up to then, also what is remembered as good") {
    Judged judged;
    const std::string bytes = judged.sign(a_ticket());
    Ticket later = a_ticket();
    later.issued_ms = kNow + 1;
    REQUIRE(judged.reason(bytes) == "good");
    judged.learn({{"eva", kNow, 0}});
    CHECK(judged.reason(bytes) == "good");
    judged.learn({{"ada", kNow, 4712}});
    CHECK(judged.reason(bytes) == "good");
    judged.learn({{"ada", kNow, 4711}});
    CHECK(judged.reason(bytes) == "revoked");
    judged.learn({{"ada", kNow, 0}});
    CHECK(judged.reason(bytes) == "revoked");
    CHECK(judged.reason(judged.sign(later)) == "good");
  }

  TEST_CASE("what is learned late, out of order, changes nothing") {
    Judged judged;
    judged.learn({{"ada", kNow, 0}});
    judged.judge.learn(kCluster, 1, {}, {});
    CHECK(judged.reason(judged.sign(a_ticket())) == "revoked");
  }

  TEST_CASE("a key that is taken back ends the tickets it signed, also those remembered") {
    Judged judged;
    const std::string bytes = judged.sign(a_ticket());
    REQUIRE(judged.reason(bytes) == "good");
    judged.judge.learn(kCluster, 9, {{8, Blob{keys_of('b').verify_key}}}, {});
    CHECK(judged.reason(bytes) == "unknown-key");
  }

  TEST_CASE("who must change the password can do nothing before") {
    Judged judged;
    Ticket ticket = a_ticket();
    ticket.must_change = true;
    const std::string bytes = judged.sign(ticket);
    CHECK(judged.reason(bytes) == "must-change");
    CHECK(judged.judge.judge(bytes, kNow, true).ok());
  }

  TEST_CASE("more tickets than are remembered are judged all the same") {
    Judged judged;
    Ticket ticket = a_ticket();
    for (uint64_t session = 1; session <= TicketJudge::kRememberedMax + 10; ++session) {
      ticket.session = session;
      REQUIRE(judged.judge.judge(judged.sign(ticket), kNow).ok());
    }
    ticket.session = 1;
    CHECK(judged.reason(judged.sign(ticket)) == "good");
  }

  TEST_CASE("the largest valid ticket fits into a header") {
    Ticket ticket = a_ticket();
    ticket.user = std::string(kUserBytesMax, 'u');
    ticket.groups = std::vector<uint32_t>(kGroupsOfUserMax, UINT32_MAX);
    ticket.uid = ticket.gid = ticket.key = UINT32_MAX;
    ticket.issued_ms = ticket.expires_ms = INT64_MAX;
    ticket.session = UINT64_MAX;
    ticket.below = "/" + std::string(kTicketPathBytesMax - 1, 'p');
    REQUIRE(ticket.below.size() == kTicketPathBytesMax);
    ticket.below[128] = '/';
    ticket.must_change = true;
    REQUIRE(ticket.invalid() == nullptr);
    CHECK(sign_ticket(ticket, keys_of('a').secret).size() <= kTicketBytesMax);
  }

  TEST_CASE("a password fits its own hash alone") {
    const std::string salt(kSaltBytes, 's');
    auto hash = hash_password("correct horse", salt, kCheapestPasswordCost);
    REQUIRE(hash.ok());
    CHECK(*fits("correct horse", *hash));
    CHECK_FALSE(*fits("correct horsf", *hash));
    CHECK_FALSE(*fits("", *hash));
    PasswordHash other_salt = *hash;
    other_salt.salt.bytes[0] = 't';
    CHECK_FALSE(*fits("correct horse", other_salt));
    CHECK_FALSE(*fits("", PasswordHash{}));
  }

  TEST_CASE("names of users are plain") {
    for (const char* good : {"a", "_x", "Ada.L-1", "ada_2"}) CHECK(bad_user(good) == nullptr);
    for (const char* bad : {"", "1a", ".a", "-a", "a b", "a/b", "\xc3\xa4", "a\n"}) {
      CHECK(bad_user(bad) != nullptr);
    }
    CHECK(bad_user(std::string(kUserBytesMax, 'a')) == nullptr);
    CHECK(bad_user(std::string(kUserBytesMax + 1, 'a')) != nullptr);
    CHECK(bad_user(std::string("a\0b", 3)) != nullptr);
  }
}
