// Members that lack what is no longer in the log.
#include <doctest/doctest.h>

#include "actors/raft/raft.h"
#include "messages/dispatch.h"
#include "tests/actors/replica/members.h"

namespace dfs {

namespace {

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void keep_little(ReplicaSettings& settings) {
  settings.segment_bytes = 4096;
  settings.log_bytes_kept = 16 << 10;
  settings.snapshot_part_bytes = 8192;
}

// A group of two whose log was cut, and a third head that is empty.
struct Behind : Members {
  Behind() : Members(3, keep_little) {
    start(1, true);
    REQUIRE(join(2).ok());
    REQUIRE(run_until([&] { return voters() == 2; }));
    for (uint64_t i = 1; i <= 200; ++i) ask(std::to_string(i) + std::string(500, 'x'), i);
    REQUIRE(at(1).replica->core()->log().first() > 1);
    start(3);
  }
  void add() {
    leader()->replica->add_member({0, at(3).endpoint, "", at(3).identity.uuid, {}},
                                  [](Result<MemberId>) {});
  }
  std::vector<std::string> files(MemberId id) {
    const auto listed = at(id).disk.list("/log.snapshots");
    return listed ? *listed : std::vector<std::string>{};
  }
};

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("an empty member is brought up by a snapshot, replies included") {
    Behind members;
    members.add();
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(has(members.at(3).told, "restored"));
    CHECK(members.at(3).journal.loads == 2);
    CHECK(members.at(3).rows() == members.at(1).rows());
    CHECK(members.at(3).replica->core()->log().first() > 1);
    // It leads, and knows what was answered before it was there.
    members.leader()->replica->transfer(3, [](Result<MemberId>) {});
    REQUIRE(members.run_until([&] { return members.leader() == &members.at(3); }));
    const std::string again = "150" + std::string(500, 'x');
    CHECK(members.ask(again, 150) == again + " is number 149");
    CHECK(members.at(3).entries().size() == 200);
    // What was used for it goes away.
    members.run(30s);
    for (MemberId id = 1; id <= 3; ++id) CHECK(members.files(id).empty());
  }

  TEST_CASE("changes go on while a member installs a snapshot, and it gets them too") {
    Behind members;
    members.add();
    for (uint64_t i = 1000; i < 1050; ++i)
      members.ask(std::to_string(i) + std::string(500, 'y'), i);
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(members.at(3).entries().size() == 250);
  }

  TEST_CASE("parts that are lost or damaged are asked for again, and no others") {
    Behind members;
    std::map<uint64_t, int> asked;
    int damaged = 0;
    int lost = 0;
    members.pass = [&](MemberId, MemberId, Envelope& envelope) {
      if (envelope.header.type == Type::ReadSnapshot) {
        ++asked[decode<ReadSnapshot>(envelope.body)->offset];
      }
      if (envelope.header.type != Type::ReadSnapshotReply) return true;
      if (++damaged == 2) {
        std::string bytes(envelope.payload.view());
        bytes[100] = static_cast<char>(bytes[100] ^ 1);
        envelope.payload = Payload::of(bytes);
      } else if (damaged == 4) {
        envelope.payload = Payload::of(std::string(envelope.payload.view().substr(1)));
      } else if (damaged == 6) {
        ++lost;
        return false;
      }
      return true;
    };
    members.add();
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    CHECK(lost == 1);
    int repeats = 0;
    for (const auto& [offset, times] : asked) repeats += times - 1;
    CHECK(repeats == 3);
    CHECK(asked.size() > 8);
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(members.at(3).rows() == members.at(1).rows());
  }

  TEST_CASE("a snapshot goes on where it was when the way was blocked for a while") {
    Behind members;
    int parts = 0;
    std::map<uint64_t, int> arrived;
    members.pass = [&](MemberId, MemberId, Envelope& envelope) {
      if (envelope.header.type == Type::ReadSnapshotReply) return ++parts <= 5;
      return true;
    };
    members.add();
    members.run_until([&] { return parts > 5; });
    members.pass = members.isolating(3);
    members.run(5s);
    CHECK(!has(members.at(3).told, "restored"));
    int later = 0;
    members.pass = [&](MemberId, MemberId, Envelope& envelope) {
      later += envelope.header.type == Type::ReadSnapshotReply;
      return true;
    };
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    uint64_t bytes = 0;
    for (const auto& [key, value] : members.at(3).rows()) bytes += key.size() + value.size();
    CHECK(static_cast<uint64_t>(later) * 8192 < bytes);
    CHECK(members.run_until([&] { return members.equal(); }));
  }

  TEST_CASE("when the leader dies in the middle, its successor's snapshot is taken") {
    Behind members;
    int parts = 0;
    members.pass = [&](MemberId, MemberId, Envelope& envelope) {
      return envelope.header.type != Type::ReadSnapshotReply || ++parts <= 3;
    };
    members.add();
    members.run_until([&] { return parts > 3; });
    CHECK(members.files(3).size() == 1);
    // The third is a learner still: the second cannot lead alone, but knows who may.
    std::mt19937_64 random(3);
    members.at(1).crash(random);
    members.run(1s);
    members.pass = nullptr;
    members.start(1);
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(members.at(3).rows() == members.at(2).rows());
  }

  TEST_CASE("a crash at any step of the installation leaves the old state or the new") {
    uint64_t interrupted = 0;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Behind members;
      int replies = 0;
      members.pass = [&](MemberId, MemberId, Envelope& envelope) {
        if (envelope.header.type == Type::ReadSnapshotReply && ++replies == 10) {
          members.at(3).disk.halt_after(seed);
        }
        return true;
      };
      members.add();
      members.run(200ms);
      interrupted += members.at(3).disk.halted() && !has(members.at(3).told, "restored");
      members.at(3).crash(random);
      members.start(3);
      REQUIRE(members.run_until([&] { return members.voters() == 3; }));
      REQUIRE(members.run_until([&] { return members.equal(); }));
      CHECK(members.at(3).rows() == members.at(1).rows());
    }
    CHECK(interrupted > 10);
  }

  TEST_CASE("a replica may be destroyed by whoever it tells something") {
    const auto destroyed = [](Members& members, MemberId id, const std::string& when) {
      Head& head = members.at(id);
      const auto end = [&head, when](const std::string& what) {
        return [&head, what, when] {
          if (what == when) head.replica.reset();
        };
      };
      head.replica->watch({end("leading"), end("following"), end("members"), end("restored")});
      return members.run_until([&] { return !head.replica; });
    };
    SUBCASE("that it leads") {
      Members members(3);
      members.gather();
      members.at(2).replica->watch({});
      members.leader()->replica->transfer(2, [](Result<MemberId>) {});
      CHECK(destroyed(members, 2, "leading"));
      CHECK(members.ask("a") == "a is number 0");
    }
    SUBCASE("that it leads no longer") {
      Members members(3);
      members.gather();
      members.leader()->replica->transfer(0, [](Result<MemberId>) {});
      CHECK(destroyed(members, 1, "following"));
      CHECK(members.ask("a") == "a is number 0");
    }
    SUBCASE("that a snapshot was installed") {
      Behind members;
      members.add();
      CHECK(destroyed(members, 3, "restored"));
      members.start(3);
      CHECK(members.run_until([&] { return members.voters() == 3; }));
    }
    SUBCASE("that the members changed") {
      Behind members;
      members.add();
      CHECK(destroyed(members, 3, "members"));
      members.start(3);
      CHECK(members.run_until([&] { return members.voters() == 3; }));
    }
    SUBCASE("that a read may begin, or that it may not") {
      Members members(3);
      members.gather();
      members.pass = [](MemberId, MemberId, Envelope&) { return false; };
      members.run(600ms);
      Head& head = members.at(1);
      REQUIRE(head.replica->leading());
      head.replica->read([&](Result<void>) { head.replica.reset(); });
      CHECK(members.run_until([&] { return !head.replica; }));
    }
  }

  TEST_CASE("a member without space for the snapshot tries again later") {
    Behind members;
    members.at(3).disk.capacity_bytes = members.at(3).disk.used_bytes() + 20'000;
    members.add();
    members.run(5s);
    CHECK(!has(members.at(3).told, "restored"));
    CHECK(members.at(3).replica->core() != nullptr);
    members.at(3).disk.capacity_bytes *= 100;
    CHECK(members.run_until([&] { return members.voters() == 3; }));
  }

  TEST_CASE("requests for parts that make no sense are refused") {
    Behind members;
    ReadSnapshot asked;
    members.pass = [&](MemberId, MemberId, Envelope& envelope) {
      if (envelope.header.type == Type::ReadSnapshot) asked = *decode<ReadSnapshot>(envelope.body);
      return envelope.header.type != Type::ReadSnapshotReply;
    };
    members.add();
    members.run_until([&] { return asked.snapshot != 0; });
    Head& leader = members.at(1);
    const auto answer = [&](ReadSnapshot read) {
      leader.bus.sent.clear();
      Envelope request = envelope_of(read);
      request.header.request = 99;
      request.link = "peer/9";
      CHECK(leader.replica->receive(request));
      leader.bus.advance();
      for (const auto& sent : leader.bus.sent) {
        if (sent.link != "peer/9") continue;
        return reply_as<ReadSnapshotReply>(sent.envelope).code();
      }
      return Code::timeout;
    };
    CHECK(answer(asked) == Code::ok);
    ReadSnapshot wrong = asked;
    wrong.snapshot ^= 1;
    CHECK(answer(wrong) == Code::not_found);
    wrong = asked;
    wrong.name = "../log/state";
    CHECK(answer(wrong) == Code::invalid);
    wrong = asked;
    wrong.offset = UINT64_MAX;
    CHECK(answer(wrong) == Code::invalid);
    wrong = asked;
    wrong.offset = 1 << 30;
    CHECK(answer(wrong) == Code::invalid);
  }

  TEST_CASE("what was left of snapshots by an earlier life is removed at the start") {
    Head head;
    REQUIRE(head.disk.make_directories("/log.snapshots/received-7").ok());
    REQUIRE(write_file_atomically(head.disk, "/log.snapshots/received-7/rows", "half").ok());
    REQUIRE(head.start().ok());
    CHECK(head.disk.list("/log.snapshots")->empty());
    CHECK(!*head.disk.exists("/log.snapshots/received-7/rows"));
  }

  TEST_CASE("offers with bad file names are not taken") {
    Behind members;
    const auto offered = [&](std::vector<SnapshotFile> files) {
      InstallSnapshot offer;
      offer.group = std::string(Head::kCluster) + "/monitor";
      offer.from = 1;
      offer.to = 3;
      offer.term = members.at(1).replica->term();
      offer.index = 100;
      offer.index_term = offer.term;
      offer.snapshot = 7;
      offer.files = std::move(files);
      Envelope envelope = envelope_of(offer);
      envelope.link = "peer/1";
      CHECK(members.at(3).replica->receive(envelope));
      members.at(3).bus.advance(2s);
      bool asked = false;
      for (const auto& sent : members.at(3).bus.take_sent()) {
        asked |= sent.envelope.header.type == Type::ReadSnapshot;
      }
      return asked;
    };
    CHECK(!offered({}));
    CHECK(!offered({{"../evil", 10}}));
    CHECK(!offered({{"..", 10}}));
    CHECK(!offered({{"", 10}}));
    CHECK(offered({{"rows", 10}}));
  }
}

}  // namespace dfs
