#include <doctest/doctest.h>

#include <random>

#include "tests/actors/replica/log_fixture.h"

namespace dfs {
namespace {

Code decoded(std::string_view payload) {
  return decode_entries(payload).code();
}

// As encode_entries does it, without its care.
std::string records(const std::vector<LogEntry>& entries) {
  std::string payload;
  for (const LogEntry& entry : entries) append_record(payload, entry, entries.front().index, 0);
  return payload;
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("entries come out of a message as they went in") {
    LogEntries sent = entries(7, 3, 1);
    sent.push_back(only(entry(10, 0, 2)).front());
    sent.push_back(only(change_entry(11, 9)).front());
    LogEntry largest = entry(12, kBodyBytesMax, 9);
    largest.client.assign(kAddressBytesMax, 'c');
    largest.requester.assign(kRequesterBytesMax, 'r');
    sent.push_back(only(largest).front());
    const auto received = decode_entries(encode_entries(sent));
    REQUIRE(received.ok());
    REQUIRE(received->size() == sent.size());
    for (size_t i = 0; i < sent.size(); ++i) CHECK(same(*received->at(i), *sent[i]));
  }

  TEST_CASE("the largest entry fits in a message by itself") {
    LogEntry largest = entry(1, kBodyBytesMax);
    largest.client.assign(kAddressBytesMax, 'c');
    largest.requester.assign(kRequesterBytesMax, 'r');
    CHECK(encode_entries(only(largest)).size() <= kPayloadBytesMax);
  }

  TEST_CASE("no entries are no bytes") {
    CHECK(encode_entries({}).empty());
    const auto received = decode_entries("");
    REQUIRE(received.ok());
    CHECK(received->empty());
  }

  TEST_CASE("a message of entries with any bit flipped is malformed") {
    const std::string payload = encode_entries(entries(3, 3, 13));
    REQUIRE(decoded(payload) == Code::ok);
    for (size_t bit = 0; bit < 8 * payload.size(); ++bit) {
      std::string damaged = payload;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      if (decoded(damaged) != Code::malformed) FAIL("bit ", bit);
    }
  }

  TEST_CASE("a message of entries cut anywhere but between two of them is malformed") {
    const LogEntries sent = entries(3, 3, 13);
    const std::string payload = encode_entries(sent);
    const size_t each = payload.size() / 3;
    for (size_t cut = 0; cut <= payload.size(); ++cut) {
      const auto received = decode_entries(payload.substr(0, cut));
      CAPTURE(cut);
      REQUIRE(received.ok() == (cut % each == 0));
      if (received.ok()) {
        CHECK(received->size() == cut / each);
      } else {
        CHECK(received.code() == Code::malformed);
      }
    }
    CHECK(decoded(payload + '\0') == Code::malformed);
  }

  TEST_CASE("entries that cannot follow each other are malformed, however sound each of them is") {
    CHECK(decoded(records({entry(3), entry(4)})) == Code::ok);
    CHECK(decoded(records({entry(3, 20, 1), entry(4, 20, 2)})) == Code::ok);
    CHECK(decoded(records({entry(3, 20, 2), entry(4, 20, 1)})) == Code::malformed);
    CHECK(decoded(records({entry(3), entry(5)})) == Code::malformed);
    CHECK(decoded(records({entry(3), entry(3)})) == Code::malformed);
    CHECK(decoded(records({entry(4), entry(3)})) == Code::malformed);
    CHECK(decoded(records({entry(0), entry(1)})) == Code::malformed);
    CHECK(decoded(encode_entries(entries(3, 2)) + encode_entries(entries(5, 2))) ==
          Code::malformed);
  }

  TEST_CASE("an entry over the limits of the protocol is malformed") {
    CHECK(decoded(records({entry(1, kBodyBytesMax)})) == Code::ok);
    CHECK(decoded(records({entry(1, kBodyBytesMax + 1)})) == Code::malformed);
    LogEntry long_client = entry(1);
    long_client.client.assign(kAddressBytesMax + 1, 'c');
    CHECK(decoded(records({long_client})) == Code::malformed);
    LogEntry long_requester = entry(1);
    long_requester.requester.assign(kRequesterBytesMax + 1, 'r');
    CHECK(decoded(records({long_requester})) == Code::malformed);
  }

  TEST_CASE("an entry without a requester is the record that it was before there were any") {
    LogEntry plain = entry(1, 16);
    plain.client = "client/1";
    CHECK(record_bytes(plain) == kRecordBytes + 8 + 16);
    LogEntry asked = plain;
    asked.requester = "who";
    CHECK(record_bytes(asked) == kRecordBytes + 8 + 16 + 3);
    const auto received = decode_entries(records({asked}));
    REQUIRE(received.ok());
    CHECK(received->front()->requester == "who");
    CHECK(received->front()->body == plain.body);
  }

  TEST_CASE("records of a segment do not pass for a message") {
    std::string payload;
    append_record(payload, entry(1), 1, 12345);
    CHECK(decoded(payload) == Code::malformed);
  }

  TEST_CASE("whatever bytes are decoded as entries, lengths in them are not believed") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 2000; ++round) {
      std::string bytes = encode_entries(entries(1, 2));
      bytes.resize(random() % (bytes.size() + 1));
      for (uint64_t changes = 1 + random() % 8; changes > 0 && !bytes.empty(); --changes) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      const auto received = decode_entries(bytes);
      CHECK((received.ok() || received.code() == Code::malformed));
    }
  }

  TEST_CASE("a hard state comes back, and with any bit flipped it does not") {
    const std::string bytes = encode_hard_state({0x123456789abcdef0, 77});
    CHECK(parse_hard_state(bytes) == raft::HardState{0x123456789abcdef0, 77});
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      CHECK(parse_hard_state(damaged) == std::nullopt);
    }
    CHECK(parse_hard_state(bytes.substr(1)) == std::nullopt);
    CHECK(parse_hard_state(bytes + '\0') == std::nullopt);
    CHECK(parse_hard_state("") == std::nullopt);
  }
}

}  // namespace dfs
