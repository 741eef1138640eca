// What nodes remove, and above all what they keep.
#include <doctest/doctest.h>

#include "actors/storage/guard.h"
#include "tests/actors/storage/nodes_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kSize = 5000;
constexpr GroupId kHome = 6;

void quick(StorageSettings& settings) {
  settings.reclaim_period = seconds(4);
  settings.reclaim_grace = seconds(1);
}

// Node 3 has been a member of the group and is no part of it any more; it still has `blocks` of
// object 1. What the others have is up to the test.
struct Surplus : Nodes {
  explicit Surplus(uint32_t blocks = 3) : Nodes(3, quick) {
    set_group({1, 2, 3});
    put_all({3}, 0, blocks, kSize);
  }
  void leave() { set_group({1, 2}); }
  void wait() { world.run_for(seconds(20)); }
  size_t kept(NodeId at = 3) { return blocks(at, kGroup).size(); }
};

size_t removals(const FakeMonitor& monitor, const std::string& why) {
  size_t blocks = 0;
  for (const Event& event : monitor.events) {
    if (event.topic != "blocks-reclaimed" || event.fields.at("why") != why) continue;
    blocks += std::stoul(event.fields.at("blocks"));
  }
  return blocks;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("blocks of dead objects are removed, others stay, and figures tell of it") {
    Nodes nodes(1, quick);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 5, kSize);
    REQUIRE(nodes.put(1, 2, noise(50, kSize)));
    REQUIRE(nodes.put(1, 3, noise(51, kSize)));
    nodes.monitor->judge = [](const BlockName& block) {
      return BlockVerdict{block.object == 1   ? Verdict::dead
                          : block.object == 2 ? Verdict::live
                                              : Verdict::pending,
                          0};
    };
    nodes.world.run_for(seconds(10));
    const auto left = nodes.blocks(1);
    REQUIRE(left.size() == 2);
    CHECK(left[0].object == 2);
    CHECK(left[1].object == 3);
    CHECK(removals(*nodes.monitor, "dead") == 5);
    const Event& event = nodes.monitor->events.back();
    CHECK(event.fields.at("bytes") == std::to_string(5 * kSize));
    const std::vector<NodeJob>& jobs = nodes.monitor->heartbeats[1].jobs;
    const auto job = std::find_if(jobs.begin(), jobs.end(),
                                  [](const NodeJob& job) { return job.kind == "reclaim"; });
    REQUIRE(job != jobs.end());
    CHECK(job->found == 5);
    CHECK(job->state == "waiting");
    CHECK(job->until_ms > 0);
    CHECK(nodes.monitor->heartbeats[1].blocks == 2);
    // A removed block stays away.
    nodes.node(1).kill(sim::Crash::machine);
    nodes.node(1).start();
    nodes.world.run_for(seconds(4));
    CHECK(nodes.blocks(1).size() == 2);
  }

  TEST_CASE("nobody is asked about a block before its grace time has passed") {
    Nodes nodes(1, [](StorageSettings& settings) {
      settings.reclaim_period = seconds(2);
      settings.reclaim_grace = seconds(60);
    });
    nodes.set_group({1});
    nodes.put_all({1}, 0, 2, kSize);
    nodes.monitor->judge = [](const BlockName&) { return BlockVerdict{Verdict::dead, 0}; };
    nodes.world.run_for(seconds(55));
    CHECK(nodes.monitor->judged == 0);
    CHECK(nodes.blocks(1).size() == 2);
    nodes.world.run_for(seconds(15));
    CHECK(nodes.blocks(1).empty());
  }

  TEST_CASE("more blocks than one batch are all looked at") {
    Nodes nodes(1, quick);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 1500, 600);
    nodes.monitor->judge = [](const BlockName& block) {
      return BlockVerdict{block.index % 2 == 0 ? Verdict::dead : Verdict::live, 0};
    };
    nodes.world.run_for(seconds(30));
    CHECK(removals(*nodes.monitor, "dead") == 750);
    CHECK(nodes.ask(1, GetDigests{{Nodes::kGroup}})->message.digests[0].blocks == 750);
  }

  TEST_CASE("a monitor that is away stops nothing for good") {
    Nodes nodes(1, quick);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 2, kSize);
    nodes.monitor->judge = [](const BlockName&) { return BlockVerdict{Verdict::dead, 0}; };
    nodes.world.network().partition("storage-1", "broker");
    nodes.world.run_for(seconds(30));
    CHECK(nodes.monitor->judged == 0);
    nodes.world.network().heal();
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(1).empty());
  }

  TEST_CASE("surplus copies go once all members prove theirs, soon after the map has changed") {
    Nodes nodes(3, [](StorageSettings& settings) {
      settings.reclaim_period = std::chrono::hours(1);
      settings.reclaim_grace = seconds(1);
    });
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2, 3}, 0, 3, kSize);
    nodes.world.run_for(seconds(2));
    nodes.set_group({1, 2});
    nodes.world.run_for(seconds(10));
    CHECK(nodes.blocks(3).empty());
    CHECK(removals(*nodes.monitor, "surplus") == 3);
    CHECK(nodes.blocks(1).size() == 3);
    CHECK(nodes.blocks(2).size() == 3);
    CHECK(nodes.monitor->judged == 3);  // the members had no reason to ask
  }

  TEST_CASE("a copy that one member lacks goes there first") {
    Surplus nodes;
    nodes.put_all({1}, 0, 3, kSize);
    nodes.put_all({2}, 0, 2, kSize);
    nodes.leave();
    nodes.world.run_until([&] { return removals(*nodes.monitor, "surplus") > 0; }, seconds(20));
    const auto left = nodes.blocks(3);
    REQUIRE(left.size() == 1);
    CHECK(left[0].index == 2);
    nodes.wait();
    CHECK(nodes.kept() == 0);
    CHECK(*nodes.get(2, 1, 2) == noise(2, kSize));
  }

  TEST_CASE("a member with other content proves nothing") {
    Surplus nodes(1);
    nodes.put_all({1}, 0, 1, kSize);
    REQUIRE(nodes.put(2, 1, noise(99, kSize), 0));
    nodes.leave();
    nodes.wait();
    CHECK(nodes.kept() == 1);
  }

  TEST_CASE("a member whose copy is known to be bad proves nothing") {
    Surplus nodes(1);
    nodes.put_all({1, 2}, 0, 1, kSize);
    nodes.rot(2);
    CHECK(nodes.get(2, 1).code() == Code::corrupt);
    nodes.leave();
    nodes.world.run_until([&] { return nodes.monitor->confirmations == 1; }, seconds(20));
    nodes.world.run_for(seconds(1));
    CHECK(nodes.kept() == 1);
    // Unless it has it from whoever asked.
    nodes.wait();
    CHECK(nodes.kept() == 0);
    CHECK(*nodes.get(2, 1) == noise(0, kSize));
  }

  TEST_CASE("a member whose copy rotted unnoticed takes the surplus one before it goes") {
    Surplus nodes(1);
    nodes.put_all({1, 2}, 0, 1, kSize);
    nodes.rot(1);
    nodes.rot(2);
    nodes.leave();
    nodes.world.run_until([&] { return nodes.monitor->confirmations == 1; }, seconds(20));
    nodes.world.run_for(seconds(1));
    CHECK(nodes.kept() == 1);
    CHECK(nodes.monitor->heartbeats[1].losses == 1);
    CHECK(nodes.monitor->heartbeats[2].losses == 1);
    nodes.wait();
    CHECK(nodes.kept() == 0);
    for (const NodeId member : {1u, 2u}) {
      CHECK(*nodes.get(member, 1) == noise(0, kSize));
      CHECK(nodes.monitor->heartbeats[member].blocks_bad == 0);
    }
  }

  TEST_CASE("who is no member takes nothing that is offered") {
    Nodes nodes(3, quick);
    nodes.set_group({1, 2});
    REQUIRE(nodes.put(1, 1, noise(1, kSize)));
    CheckCopies check;
    check.group = Nodes::kGroup;
    check.copies = {{1, 0, kSize, crc32c(noise(1, kSize))}};
    nodes.monitor->bus.set_address("storage/1");
    for (const NodeId node : {2u, 3u}) {
      CHECK(nodes.ask(node, check)->message.good == std::vector<uint8_t>{0});
    }
    nodes.world.run_for(seconds(2));
    CHECK(nodes.blocks(2).size() == 1);
    CHECK(nodes.blocks(3).empty());
  }

  TEST_CASE("copies are proven piece by piece, large ones alone") {
    Surplus nodes(0);
    constexpr size_t kLarge = 6 << 20;
    nodes.put_all({1, 2, 3}, 0, 5, kLarge);
    nodes.leave();
    nodes.wait();
    CHECK(nodes.kept() == 0);
    CHECK(nodes.monitor->confirmations == 3);
    CHECK(removals(*nodes.monitor, "surplus") == 5);
    CHECK(storage::Guard::pieces({}).empty());
    BlockView block;
    block.length = storage::Guard::kPieceBytes + 1;
    CHECK(storage::Guard::pieces({block, block}).size() == 2);
  }

  TEST_CASE("a member that answers late proves nothing until it answers in time") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.world.network().partition("storage-2", "storage-3");
    nodes.leave();
    nodes.wait();
    CHECK(nodes.monitor->confirmations > 0);
    CHECK(nodes.kept() == 3);
    nodes.world.network().heal();
    nodes.wait();
    CHECK(nodes.kept() == 0);
  }

  TEST_CASE("a member that knows an older map proves nothing") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.world.network().partition("storage-2", "broker");
    nodes.leave();
    nodes.wait();
    CHECK(nodes.monitor->confirmations > 0);
    CHECK(nodes.kept() == 3);
    nodes.world.network().heal();
    nodes.monitor->publish();
    nodes.wait();
    CHECK(nodes.kept() == 0);
  }

  TEST_CASE("a node that knows another epoch than the monitor keeps its copies") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.leave();
    const Epoch known = nodes.epoch();
    nodes.monitor->confirm = [&](NodeId node, GroupId group) {
      auto reply = nodes.monitor->all_complete(node, group);
      reply->epoch = known + 1;
      return reply;
    };
    nodes.wait();
    CHECK(nodes.monitor->confirmations > 0);
    CHECK(nodes.kept() == 3);
  }

  TEST_CASE("members that the monitor does not call complete, or too few of them, prove nothing") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.leave();
    const auto answer = [&](std::function<void(ConfirmSurplusReply&)> change) {
      nodes.monitor->confirm = [&nodes, change](NodeId node, GroupId group) {
        auto reply = nodes.monitor->all_complete(node, group);
        change(*reply);
        return reply;
      };
      nodes.wait();
      return nodes.kept();
    };
    CHECK(answer([](ConfirmSurplusReply& reply) { reply.members[1].complete = false; }) == 3);
    CHECK(answer([](ConfirmSurplusReply& reply) { reply.members.pop_back(); }) == 3);
    CHECK(answer([](ConfirmSurplusReply& reply) { reply.replicas = 3; }) == 3);
    CHECK(answer([](ConfirmSurplusReply& reply) { reply.replicas = 0; }) == 3);
    // One member twice, or the asker itself, is not two members.
    CHECK(answer([](ConfirmSurplusReply& reply) { reply.members[1] = reply.members[0]; }) == 3);
    CHECK(answer([](ConfirmSurplusReply& reply) {
            reply.members[1] = {3, "sim://storage-3", true};
          }) == 3);
    nodes.monitor->confirm = [](NodeId, GroupId) {
      return Result<ConfirmSurplusReply>(Code::busy, "a member is lacking");
    };
    nodes.wait();
    CHECK(nodes.kept() == 3);
    CHECK(answer([](ConfirmSurplusReply&) {}) == 0);
  }

  TEST_CASE("a member keeps its copies whatever the monitor says, and so does one that leaves") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.monitor->confirm = [&](NodeId, GroupId) {
      return Result<ConfirmSurplusReply>(ConfirmSurplusReply{
          nodes.epoch(), 2, {{1, "sim://storage-1", true}, {2, "sim://storage-2", true}}});
    };
    nodes.wait();
    CHECK(nodes.kept() == 3);
    nodes.set_group({1, 2}, {3});
    nodes.wait();
    CHECK(nodes.kept() == 3);
    CHECK(nodes.monitor->judged > 0);
    CHECK(nodes.monitor->confirmations == 0);
    nodes.leave();
    nodes.wait();
    CHECK(nodes.kept() == 0);
  }

  TEST_CASE("a node that is a member again before its proof is complete keeps its copies") {
    Surplus nodes;
    nodes.put_all({1, 2}, 0, 3, kSize);
    nodes.leave();
    bool back = false;
    nodes.world.network().on_send = [&](sim::Process&, const Envelope& envelope) {
      if (envelope.header.type != Type::CheckCopies || back) return;
      back = true;
      nodes.world.after(Duration::zero(), [&] { nodes.node(2).freeze(); });
      nodes.world.after(milliseconds(500), [&] { nodes.set_group({1, 2, 3}); });
      nodes.world.after(milliseconds(1000), [&] { nodes.node(2).thaw(); });
    };
    nodes.wait();
    CHECK(back);
    CHECK(nodes.kept() == 3);
  }

  TEST_CASE("blocks of a group that the map does not know are kept") {
    Nodes nodes(1, quick);
    nodes.set_group({1});
    REQUIRE(nodes.put(1, 1, noise(1, kSize), 0, 99));
    nodes.world.run_for(seconds(15));
    CHECK(nodes.monitor->judged > 0);
    CHECK(nodes.blocks(1).size() == 1);
  }

  TEST_CASE("a stray goes when the members of its home have it, even from a member of its group") {
    Nodes nodes(3, quick);
    nodes.set_group({3});
    nodes.set_group({1, 2}, {}, kHome);
    REQUIRE(nodes.put(3, 1, noise(1, kSize)));
    REQUIRE(nodes.put(1, 1, noise(1, kSize), 0, kHome));
    nodes.monitor->judge = [](const BlockName& block) {
      return block.group == kHome ? BlockVerdict{Verdict::live, 0}
                                  : BlockVerdict{Verdict::stray, kHome};
    };
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(3).size() == 1);
    REQUIRE(nodes.put(2, 1, noise(1, kSize), 0, kHome));
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(3).empty());
    CHECK(removals(*nodes.monitor, "stray") == 1);
    CHECK(nodes.blocks(1).size() == 1);
    CHECK(nodes.blocks(2).size() == 1);
  }

  TEST_CASE("a member of a stray's home counts its own copy there, and needs another") {
    Nodes nodes(2, quick);
    nodes.set_group({1, 2});
    nodes.set_group({1, 2}, {}, kHome);
    REQUIRE(nodes.put(1, 1, noise(1, kSize)));
    REQUIRE(nodes.put(1, 1, noise(1, kSize), 0, kHome));
    nodes.monitor->judge = [](const BlockName& block) {
      return block.group == kHome ? BlockVerdict{Verdict::live, 0}
                                  : BlockVerdict{Verdict::stray, kHome};
    };
    nodes.world.network().partition("storage-1", "storage-2");
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(1).size() == 2);
    nodes.world.network().heal();
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(2, kHome).size() == 1);  // it took what it was asked about
    const auto left = nodes.blocks(1);
    REQUIRE(left.size() == 1);
    CHECK(left[0].group == kHome);
    CHECK(nodes.monitor->confirmations == 0);
  }

  TEST_CASE("a stray is kept while the own copy at its home is rotten, and be it unnoticed") {
    Nodes nodes(2, quick);
    nodes.set_group({1, 2});
    nodes.set_group({1, 2}, {}, kHome);
    REQUIRE(nodes.put(1, 1, noise(1, kSize), 0, kHome));
    REQUIRE(nodes.put(2, 1, noise(1, kSize), 0, kHome));
    REQUIRE(nodes.put(1, 1, noise(1, kSize)));
    nodes.rot(1);  // the first one written
    nodes.monitor->judge = [](const BlockName& block) {
      return block.group == kHome ? BlockVerdict{Verdict::live, 0}
                                  : BlockVerdict{Verdict::stray, kHome};
    };
    nodes.world.run_for(seconds(20));
    CHECK(nodes.blocks(1).size() == 2);
    CHECK(nodes.monitor->heartbeats[1].blocks_bad == 1);
  }

  TEST_CASE("while clients are served, batches come about once a second") {
    Nodes nodes(1, quick);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 2500, 600);
    nodes.monitor->judge = [](const BlockName&) { return BlockVerdict{Verdict::live, 0}; };
    std::vector<Duration> asked;
    nodes.world.network().on_send = [&](sim::Process& from, const Envelope& envelope) {
      if (envelope.header.type == Type::JudgeBlocks && from.name() == "storage-1") {
        asked.push_back(nodes.world.now());
      }
    };
    nodes.world.run_for(milliseconds(1500));
    while (asked.size() < 4) {
      REQUIRE(nodes.get(1, 1, 0));
      nodes.world.run_for(milliseconds(20));
    }
    CHECK(asked[2] - asked[1] >= milliseconds(900));
  }
}

}  // namespace dfs
