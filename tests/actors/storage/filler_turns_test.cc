// How fills take turns, whom they keep waiting, and how fast they may be.
#include <doctest/doctest.h>

#include "tests/actors/storage/nodes_fixture.h"

namespace dfs {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_SUITE("storage") {
  TEST_CASE("no more groups than fills_max are filled at once, the others wait their turn") {
    Nodes nodes(2, [](StorageSettings& settings) { settings.fills_max = 1; });
    nodes.set_group({1, 2});
    nodes.set_group({1, 2}, {}, 6);
    nodes.put_all({1}, 0, 10, kPartBytes);
    REQUIRE(nodes.put(1, 9, noise(9, 5000), 0, 6));
    FillGroup first = nodes.fill_request({1});
    first.bytes_per_second = 4 * kPartBytes;
    FillGroup second = first;
    second.group = 6;
    second.epoch = nodes.epoch(6);
    CHECK(nodes.ask(2, first)->message.state == FillState::running);
    CHECK(nodes.ask(2, second)->message.state == FillState::queued);
    nodes.world.run_for(seconds(1));
    CHECK(nodes.ask(2, second)->message.state == FillState::queued);
    CHECK(nodes.fill(2, first).state == FillState::done);
    CHECK(nodes.fill(2, second).state == FillState::done);
  }

  TEST_CASE("whoever waits for a fill is answered when it ends, or when the wait is over") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 12, kPartBytes);
    FillGroup request = nodes.fill_request({1});
    request.bytes_per_second = 4 * kPartBytes;
    request.wait_ms = 500;
    const Duration began = nodes.world.now();
    CHECK(nodes.ask(2, request)->message.state == FillState::running);
    CHECK(nodes.world.now() - began >= milliseconds(500));
    CHECK(nodes.world.now() - began < milliseconds(600));
    request.wait_ms = kFillWaitMsMax;
    CHECK(nodes.ask(2, request)->message.state == FillState::done);
    CHECK(nodes.world.now() - began < seconds(5));
    const Duration ended = nodes.world.now();
    CHECK(nodes.ask(2, request)->message.state == FillState::done);
    CHECK(nodes.world.now() - ended < milliseconds(100));
    request.wait_ms = kFillWaitMsMax + 1;
    CHECK(nodes.ask(2, request).code() == Code::malformed);
  }

  TEST_CASE("of several who wait for a fill the last one does, and a new fill ends the wait") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 12, kPartBytes);
    FillGroup request = nodes.fill_request({1});
    request.bytes_per_second = 4 * kPartBytes;
    FillGroup patient = request;
    patient.wait_ms = kFillWaitMsMax;
    const auto first = nodes.begin_to_ask(2, patient);
    nodes.world.run_for(milliseconds(100));
    CHECK(!first->has_value());
    const auto second = nodes.begin_to_ask(2, patient);
    nodes.world.run_for(milliseconds(100));
    REQUIRE(first->has_value());
    CHECK((**first)->message.state == FillState::running);
    CHECK(!second->has_value());
    nodes.set_group({1, 2});
    FillGroup anew = nodes.fill_request({1}, 2);
    CHECK(anew.epoch > request.epoch);
    CHECK(nodes.ask(2, anew)->message.epoch == anew.epoch);
    REQUIRE(second->has_value());
    CHECK((**second)->message.epoch == request.epoch);
  }

  TEST_CASE("the limit of bytes per second holds") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 20, kPartBytes);
    FillGroup request = nodes.fill_request({1});
    request.bytes_per_second = 2 * kPartBytes;
    const Duration began = nodes.world.now();
    CHECK(nodes.fill(2, request).state == FillState::done);
    const Duration took = nodes.world.now() - began;
    CHECK(took >= seconds(9));
    CHECK(took <= seconds(12));
  }

  TEST_CASE("reads for repair give way to those of clients, but are never starved") {
    Nodes nodes(2, [](StorageSettings&) {});
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 6, kPartBytes);
    // More readers than the disk can serve at once, all the time.
    bool reading = true;
    std::function<void()> load = [&] {
      if (!reading) return;
      for (int i = 0; i < 24; ++i) {
        ReadBlock read{1, static_cast<uint32_t>(i % 6), Nodes::kGroup, 0, kPartBytes};
        (void)nodes.monitor->bus.send("sim://storage-1", [&] {
          Envelope envelope = envelope_of(read, "storage/1");
          envelope.header.request = 1'000'000 + static_cast<uint64_t>(i);
          return envelope;
        }());
      }
      nodes.world.after(milliseconds(5), nodes.world.find("monitor"), load);
    };
    nodes.world.after(Duration::zero(), nodes.world.find("monitor"), load);
    nodes.world.run_for(milliseconds(200));
    const Duration began = nodes.world.now();
    CHECK(nodes.fill(2, nodes.fill_request({1})).state == FillState::done);
    CHECK(nodes.world.now() - began >= milliseconds(400));
    reading = false;
    nodes.world.run_for(seconds(1));
  }

  TEST_CASE("beside clients fewer blocks are on their way") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.set_group({2}, {}, 6);
    REQUIRE(nodes.put(2, 9, noise(9, 5000), 0, 6));
    // Every block begins with the question for its hint.
    size_t open = 0;
    size_t peak = 0;
    nodes.world.network().on_send = [&](sim::Process&, const Envelope& envelope) {
      if (envelope.header.type == Type::ReadHints) peak = std::max(peak, ++open);
      if (envelope.header.type == Type::HintList) --open;
    };
    bool reading = true;
    std::function<void()> read = [&] {
      if (!reading) return;
      (void)nodes.begin_to_ask(2, ReadBlock{9, 0, 6, 0, 5000});
      nodes.world.after(milliseconds(20), nodes.world.find("monitor"), read);
    };
    const auto peak_of = [&](ObjectId first) {
      for (ObjectId i = 0; i < 30; ++i) {
        REQUIRE(nodes.put(1, first + i, noise(static_cast<uint32_t>(i), kPartBytes)));
      }
      nodes.world.run_for(milliseconds(200));
      peak = 0;
      CHECK(nodes.fill(2, nodes.fill_request({1}, first)).state == FillState::done);
      return peak;
    };
    CHECK(peak_of(100) == 30);
    nodes.world.after(Duration::zero(), nodes.world.find("monitor"), read);
    CHECK(peak_of(200) <= 6);  // of 1 MiB each, in an eighth of 48 MiB
    reading = false;
    nodes.world.run_for(seconds(1));
  }
}

}  // namespace dfs
