#include "messages/grant.h"

#include <doctest/doctest.h>

#include "messages/ticket.h"

namespace dfs {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

Grant to_write(ObjectId object) {
  return {object, BlockRight::write, 1000, 0, kNow + 60'000, 7};
}

std::string reason_of(const Result<Grant>& checked) {
  if (checked) return "";
  CHECK(checked.code() == Code::denied);
  return checked.error().cause.at("reason");
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a grant is good for its object, its right, its node and its time") {
    const std::string key = make_grant_key();
    const std::string grant = sign_grant(to_write(5), key);
    const auto check = [&](ObjectId object, BlockRight right, NodeId node, int64_t now) {
      return reason_of(check_grant(grant, key, object, right, node, now));
    };
    CHECK(check(5, BlockRight::write, 3, kNow).empty());
    CHECK(check(6, BlockRight::write, 3, kNow) == "object");
    CHECK(check(5, BlockRight::read, 3, kNow) == "right");
    const int64_t last = kNow + 60'000 + TicketJudge::kClockSkewMs;
    CHECK(check(5, BlockRight::write, 3, last).empty());
    CHECK(check(5, BlockRight::write, 3, last + 1) == "expired");
    Grant of_one_node = to_write(5);
    of_one_node.node = 4;
    const std::string narrow = sign_grant(of_one_node, key);
    CHECK(reason_of(check_grant(narrow, key, 5, BlockRight::write, 4, kNow)).empty());
    CHECK(reason_of(check_grant(narrow, key, 5, BlockRight::write, 3, kNow)) == "node");
  }

  TEST_CASE("a grant altered in any bit is forged, and so is one made with another key") {
    const std::string key = make_grant_key();
    const std::string grant = sign_grant(to_write(5), key);
    for (size_t bit = 0; bit < grant.size() * 8; ++bit) {
      std::string altered = grant;
      altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
      REQUIRE(reason_of(check_grant(altered, key, 5, BlockRight::write, 3, kNow)) == "forged");
    }
    const std::string other = make_grant_key();
    CHECK(other != key);
    CHECK(reason_of(check_grant(grant, other, 5, BlockRight::write, 3, kNow)) == "forged");
  }

  TEST_CASE("while the key changes, grants are made with the first and good with either") {
    const std::string one = make_grant_key();
    const std::string two = make_grant_key();
    const auto reason = [](const std::string& grant, const std::string& keys) {
      return reason_of(check_grant(grant, keys, 5, BlockRight::write, 3, kNow));
    };
    const std::string grant = sign_grant(to_write(5), one + two);
    CHECK(grant == sign_grant(to_write(5), one));
    for (const std::string& keys : {one, one + two, two + one}) CHECK(reason(grant, keys).empty());
    CHECK(reason(grant, two) == "forged");
    CHECK(are_grant_keys(one));
    CHECK(are_grant_keys(one + two));
    for (const std::string& keys : {std::string(), one + "x", one.substr(1), one + two + one}) {
      CHECK_FALSE(are_grant_keys(keys));
    }
  }

  TEST_CASE("what is no grant is refused for what it is") {
    const std::string key = make_grant_key();
    const auto reason = [&](const std::string& bytes) {
      return reason_of(check_grant(bytes, key, 5, BlockRight::write, 3, kNow));
    };
    CHECK(reason("") == "missing");
    CHECK(reason("short") == "malformed");
    CHECK(reason(std::string(kGrantMacBytes, 'x')) == "malformed");
    CHECK(reason(std::string(kGrantBytesMax + 1, 'x')) == "malformed");
    CHECK(reason(std::string(kGrantBytesMax, 'x')) == "forged");
    const std::string grant = sign_grant(to_write(5), key);
    for (size_t size = 1; size < grant.size(); ++size) {
      const std::string why = reason(grant.substr(0, size));
      REQUIRE((why == "malformed" || why == "forged"));
    }
    CHECK(reason(grant + "x") == "forged");
  }

  TEST_CASE("a holder is a number of its own") {
    CHECK(holder_of("ada") == holder_of("ada"));
    CHECK(holder_of("ada") != holder_of("adb"));
    CHECK(holder_of("") != 0);
  }

  TEST_CASE("the largest values fit, and come back as they were") {
    const std::string key = make_grant_key();
    const Grant most{UINT64_MAX, BlockRight::inside, UINT32_MAX, UINT32_MAX, INT64_MAX,
                     UINT64_MAX, UINT64_MAX,         UINT64_MAX, INT64_MAX};
    const std::string grant = sign_grant(most, key);
    CHECK(grant.size() <= kGrantBytesMax);
    const auto opened = open_grant(grant, key);
    REQUIRE(opened);
    CHECK(*opened == most);
  }
}

}  // namespace dfs
