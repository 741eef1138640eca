#include "messages/grant.h"

#include <doctest/doctest.h>

#include "messages/ticket.h"

namespace dfs {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

Grant to_write(ObjectId object) {
  return {object, BlockRight::write, 1000, 0, kNow + 60'000, 7};
}

std::string with_bit(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

std::string reason_of(const Result<Grant>& checked) {
  if (checked) return "";
  CHECK(checked.code() == Code::denied);
  return checked.error().cause.at("reason");
}

struct Heads {
  Heads() { judge.learn(signer.verify_keys()); }
  Blob warrant_for(const GrantSigner& node) const {
    return {signer.sign(Warrant{3, {node.verify_keys()}, kNow + 30'000})};
  }
  std::string reason(const std::string& grant) {
    return reason_of(judge.check(grant, 5, BlockRight::write, 3, kNow));
  }
  GrantSigner signer{make_grant_key()};
  GrantJudge judge;
};

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a grant is good for its object, its right, its node and its time") {
    Heads heads;
    const std::string grant = heads.signer.sign(to_write(5));
    const auto check = [&](ObjectId object, BlockRight right, NodeId node, int64_t now) {
      return reason_of(heads.judge.check(grant, object, right, node, now));
    };
    for (int round = 0; round < 2; ++round) {  // the second is remembered
      CHECK(check(5, BlockRight::write, 3, kNow).empty());
      CHECK(check(6, BlockRight::write, 3, kNow) == "object");
      CHECK(check(5, BlockRight::read, 3, kNow) == "right");
      const int64_t last = kNow + 60'000 + TicketJudge::kClockSkewMs;
      CHECK(check(5, BlockRight::write, 3, last).empty());
      CHECK(check(5, BlockRight::write, 3, last + 1) == "expired");
    }
    Grant of_one_node = to_write(5);
    of_one_node.node = 4;
    const std::string narrow = heads.signer.sign(of_one_node);
    CHECK(reason_of(heads.judge.check(narrow, 5, BlockRight::write, 4, kNow)).empty());
    CHECK(reason_of(heads.judge.check(narrow, 5, BlockRight::write, 3, kNow)) == "node");
  }

  TEST_CASE("a grant altered in any bit is forged, and so is one made with another key") {
    Heads heads;
    const std::string grant = heads.signer.sign(to_write(5));
    for (int round = 0; round < 2; ++round) {
      for (size_t bit = 0; bit < grant.size() * 8; ++bit) {
        REQUIRE(heads.reason(with_bit(grant, bit)) == "forged");
      }
      CHECK(heads.reason(grant).empty());
    }
    Heads others;
    CHECK(others.signer.verify_keys() != heads.signer.verify_keys());
    CHECK(others.reason(grant) == "forged");
  }

  TEST_CASE("what verifies grants makes none") {
    Heads heads;
    const GrantSigner thief(heads.signer.verify_keys());
    CHECK(heads.reason(thief.sign(to_write(5))) == "forged");
  }

  TEST_CASE("while the key changes, grants are made with the first and good with either") {
    const std::string one = make_grant_key();
    const std::string two = make_grant_key();
    const auto reason = [](const std::string& grant, const std::string& keys) {
      GrantJudge judge;
      judge.learn(GrantSigner(keys).verify_keys());
      return reason_of(judge.check(grant, 5, BlockRight::write, 3, kNow));
    };
    const std::string grant = GrantSigner(one + two).sign(to_write(5));
    CHECK(grant == GrantSigner(one).sign(to_write(5)));
    for (const std::string& keys : {one, one + two, two + one}) CHECK(reason(grant, keys).empty());
    CHECK(reason(grant, two) == "forged");
    GrantJudge judge;
    judge.learn(GrantSigner(one).verify_keys());
    CHECK(judge.open(grant).ok());
    judge.learn(GrantSigner(two).verify_keys());
    CHECK(reason_of(judge.open(grant)) == "forged");  // though it was remembered
    CHECK(are_grant_keys(one));
    CHECK(are_grant_keys(one + two));
    for (const std::string& keys : {std::string(), one + "x", one.substr(1), one + two + one}) {
      CHECK_FALSE(are_grant_keys(keys));
    }
  }

  TEST_CASE("what is no grant is refused for what it is") {
    Heads heads;
    CHECK(heads.reason("") == "missing");
    CHECK(heads.reason("short") == "malformed");
    CHECK(heads.reason(std::string(kSignatureBytes, 'x')) == "malformed");
    CHECK(heads.reason(std::string(kGrantBytesMax + 1, 'x')) == "malformed");
    CHECK(heads.reason(std::string(kGrantBytesMax, 'x')) == "forged");
    const std::string grant = heads.signer.sign(to_write(5));
    for (size_t size = 1; size < grant.size(); ++size) {
      const std::string why = heads.reason(grant.substr(0, size));
      REQUIRE((why == "malformed" || why == "forged"));
    }
    CHECK(heads.reason(grant + "x") == "forged");
  }

  TEST_CASE("a node with a warrant reads and compares, and does no more") {
    Heads heads;
    const GrantSigner node(make_grant_key());
    Grant grant = to_write(5);
    grant.right = BlockRight::read;
    grant.warrant = heads.warrant_for(node);
    const std::string reading = node.sign(grant);
    const auto check = [&](const std::string& bytes, BlockRight right, int64_t now = kNow) {
      return reason_of(heads.judge.check(bytes, 5, right, 3, now));
    };
    CHECK(check(reading, BlockRight::read).empty());
    CHECK(check(reading, BlockRight::write) == "right");
    // It ends with its warrant, which ends before it.
    CHECK(check(reading, BlockRight::read, kNow + 30'000 + TicketJudge::kClockSkewMs).empty());
    CHECK(check(reading, BlockRight::read, kNow + 30'001 + TicketJudge::kClockSkewMs) == "expired");
    grant.right = BlockRight::write;
    CHECK(check(node.sign(grant), BlockRight::write) == "warrant");
    grant.right = BlockRight::inside;
    CHECK(check(node.sign(grant), BlockRight::inside).empty());
    for (size_t bit = 0; bit < reading.size() * 8; ++bit) {
      REQUIRE(check(with_bit(reading, bit), BlockRight::read) == "forged");
    }
  }

  TEST_CASE("a warrant is a head's, and nobody else's key goes with it") {
    Heads heads;
    Heads others;
    const GrantSigner node(make_grant_key());
    const GrantSigner thief(make_grant_key());
    Grant grant = to_write(5);
    grant.right = BlockRight::read;
    const auto reason = [&](const GrantSigner& signer, Blob warrant) {
      grant.warrant = std::move(warrant);
      return reason_of(heads.judge.open(signer.sign(grant)));
    };
    CHECK(reason(node, heads.warrant_for(node)).empty());
    CHECK(reason(thief, heads.warrant_for(node)) == "forged");
    CHECK(reason(node, others.warrant_for(node)) == "forged");
    CHECK(reason(node, {node.sign(Warrant{3, {node.verify_keys()}, kNow + 30'000})}) == "forged");
    CHECK(reason(node, {"noise"}) == "malformed");
    // What a head signed as a grant is no warrant, and the other way round.
    CHECK(reason(node, {heads.signer.sign(to_write(5))}) == "forged");
    CHECK(reason_of(heads.judge.open(heads.warrant_for(node).bytes)) == "forged");
    // Nor does a warrant make a head's grant wider.
    CHECK(reason(heads.signer, heads.warrant_for(node)) == "forged");
  }

  TEST_CASE("a holder is a number of its own") {
    CHECK(holder_of("ada") == holder_of("ada"));
    CHECK(holder_of("ada") != holder_of("adb"));
    CHECK(holder_of("") != 0);
  }

  TEST_CASE("the largest values fit, and come back as they were") {
    Heads heads;
    Grant most{UINT64_MAX, BlockRight::inside, UINT32_MAX, UINT32_MAX, INT64_MAX,
               UINT64_MAX, UINT64_MAX,         UINT64_MAX, INT64_MAX};
    const auto opened = heads.judge.open(heads.signer.sign(most));
    REQUIRE(opened);
    CHECK(*opened == most);
    const GrantSigner node(make_grant_key());
    most.warrant.bytes = heads.signer.sign(Warrant{UINT32_MAX, {node.verify_keys()}, INT64_MAX});
    CHECK(most.warrant.bytes.size() <= kWarrantBytesMax);
    const std::string longest = node.sign(most);
    CHECK(longest.size() <= kGrantBytesMax);
    CHECK(longest.size() <= kTicketBytesMax);  // a pass travels where tickets do
    const auto of_node = heads.judge.open(longest);
    REQUIRE(of_node);
    CHECK(*of_node == most);
  }
}

}  // namespace dfs
