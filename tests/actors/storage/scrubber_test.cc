// The scrub finds what is damaged, goes at its rate, and knows where it was.
#include "actors/storage/scrubber.h"

#include <doctest/doctest.h>

#include "tests/actors/storage/volumes_fixture.h"

namespace dfs::storage {

namespace {

using std::chrono::hours;
using std::chrono::seconds;

struct ScrubFixture : VolumesFixture {
  explicit ScrubFixture(size_t directories = 1) : VolumesFixture(directories) {
    scrub_settings.bytes_per_second = 0;
    scrub_settings.period = hours(24);
  }
  void begin() {
    REQUIRE(start());
    scrubber = std::make_unique<Scrubber>(
        *bus, *volumes, scrub_settings,
        [this](std::string topic, std::map<std::string, std::string> fields) {
          events.emplace_back(std::move(topic), std::move(fields));
        },
        [this] { return busy; });
  }
  void end() {
    scrubber.reset();
    stop();
  }
  void put_all(uint32_t count, size_t bytes) {
    for (uint32_t i = 0; i < count; ++i) REQUIRE(put({7, i, 1}, content(i, bytes)));
  }
  void run(Duration time) {
    for (Duration at{}; at < time; at += std::chrono::milliseconds(500)) {
      bus->advance(std::chrono::milliseconds(500));
      for (int i = 0; i < 20; ++i) bus->advance();
    }
  }

  ScrubSettings scrub_settings;
  bool busy = false;
  std::unique_ptr<Scrubber> scrubber;
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a scrub finds every damaged block, whichever of its bytes it is, and no other") {
    ScrubFixture f;
    f.begin();
    f.put_all(8, 100'000);
    REQUIRE(f.put({8, 0, 1}, content(9, 3 * kPartBytes - 5)));
    const auto flip = [&](uint32_t index, uint64_t at) {
      const auto row = *f.volumes->find({7, index, 1});
      f.disk.flip(segment_path(f.path(0), row->segment), row->offset + at, 1);
    };
    const auto row = *f.volumes->find({7, 0, 1});
    flip(0, 30);                                     // in the header
    flip(1, row->header + 99'999);                   // the last byte of data
    flip(2, row->header + data_bytes(100'000) + 5);  // in the table
    flip(3, row->bytes() - 10);                      // in the footer
    f.damage({8, 0, 1}, 2 * kPartBytes + 700);
    f.scrubber->begin();
    f.run(seconds(3));
    CHECK(f.volumes->stats().sum.bad == 5);
    const ScrubStatus status = f.scrubber->status();
    CHECK(status.state == "waiting");
    CHECK(status.pass == 1);
    CHECK(status.bad_found == 5);
    CHECK(status.bad_now == 5);
    CHECK(status.blocks_done == 9);
    CHECK(status.next_ms == status.pass_began_ms + 24 * 3600 * 1000);
    for (const uint32_t good : {4u, 5u, 6u, 7u}) {
      CHECK(*f.get({7, good, 1}) == content(good, 100'000));
    }
    CHECK(f.events.back().first == "scrub-finished");
    CHECK(f.events.back().second["bad"] == "5");
    CHECK(f.scrubber->job().found == 5);
  }

  TEST_CASE("a block that could not be read for a while is good again, a damaged one stays bad") {
    ScrubFixture f;
    f.begin();
    f.put_all(3, 100'000);
    const Digest before = f.volumes->digest(1);
    const auto row = *f.volumes->find({7, 0, 1});
    f.disk.flip(segment_path(f.path(0), row->segment), row->offset + 5000, 1);
    f.disk.fault = [](sim::SimDisk::Operation operation, const std::string&) -> Result<void> {
      if (operation != sim::SimDisk::Operation::read) return {};
      return {Code::io_error, "the cable is loose"};
    };
    f.scrubber->begin();
    f.run(seconds(30));
    CHECK(f.scrubber->status().bad_now == 3);
    CHECK(f.volumes->digest(1).blocks == 0);
    f.disk.fault = nullptr;
    f.events.clear();
    f.scrubber->control(ScrubAction::start);
    f.run(seconds(30));
    CHECK(f.scrubber->status().bad_now == 1);
    CHECK(f.scrubber->status().bad_found == 0);  // it was known
    CHECK(f.volumes->digest(1).blocks == 2);
    CHECK(f.volumes->digest(1) != before);
    CHECK((*f.volumes->find({7, 0, 1}))->bad);
    CHECK(!(*f.volumes->find({7, 1, 1}))->bad);
    size_t repaired = 0;
    for (const auto& [topic, fields] : f.events) repaired += topic == "block-repaired" ? 1 : 0;
    CHECK(repaired == 2);
    // And so it stays.
    f.end();
    f.begin();
    CHECK(f.volumes->digest(1).blocks == 2);
  }

  TEST_CASE("a scrub finds what the disk wrote to the wrong place") {
    ScrubFixture f;
    f.begin();
    f.put_all(3, 50'000);
    const auto first = *f.volumes->find({7, 0, 1});
    const auto second = *f.volumes->find({7, 1, 1});
    auto opened = f.disk.open(segment_path(f.path(0), 1), {});
    auto& file = *opened;
    std::vector<uint8_t> bytes(first->bytes());
    REQUIRE(file->read_at(first->offset, bytes.data(), bytes.size()));
    REQUIRE(file->write_at(second->offset, bytes.data(), bytes.size()));
    f.scrubber->begin();
    f.run(seconds(2));
    CHECK(f.volumes->stats().sum.bad == 1);
    CHECK(f.get({7, 1, 1}).code() == Code::corrupt);
    CHECK(*f.get({7, 0, 1}) == content(0, 50'000));
  }

  TEST_CASE("a scrub keeps to its rate, and to a quarter of it while somebody waits") {
    for (const bool busy : {false, true}) {
      ScrubFixture f(2);
      f.scrub_settings.bytes_per_second = 1 << 20;
      f.begin();
      f.busy = busy;
      for (uint32_t i = 0; i < 40; ++i) REQUIRE(f.put({7, i, 1}, content(i, 500'000)));
      f.scrubber->begin();
      f.run(seconds(8));
      const uint64_t done = f.scrubber->status().bytes_done;
      const uint64_t expected = busy ? 2 << 20 : 8 << 20;
      CHECK(done >= expected / 10 * 8);
      CHECK(done <= expected + 2 * 520'000);
      CHECK(f.scrubber->status().state == "running");
    }
  }

  TEST_CASE("a scrub goes on where it was when the process starts again") {
    ScrubFixture f;
    f.scrub_settings.bytes_per_second = 100'000;
    f.begin();
    f.put_all(20, 90'000);
    f.scrubber->begin();
    f.run(seconds(10));
    const ScrubStatus before = f.scrubber->status();
    CHECK(before.blocks_done >= 7);
    CHECK(before.blocks_done <= 12);
    f.end();  // without a word: what was saved last counts
    f.begin();
    const ScrubStatus after = f.scrubber->status();
    CHECK(after.pass_began_ms == before.pass_began_ms);
    CHECK(after.blocks_done >= before.blocks_done - 6);
    CHECK(after.blocks_done <= before.blocks_done);
    CHECK(after.blocks_done > 0);
    f.scrubber->begin();
    f.run(seconds(30));
    CHECK(f.scrubber->status().pass == 1);
    CHECK(f.scrubber->status().blocks_done == 20);
    // When everything was stopped in order, nothing is read twice.
    f.run(hours(24) - seconds(35));
    CHECK(f.scrubber->status().state == "running");
    f.scrubber->stop();
    const uint64_t stopped = f.scrubber->status().blocks_done;
    f.end();
    f.begin();
    CHECK(f.scrubber->status().blocks_done == stopped);
  }

  TEST_CASE("a paused scrub stays so over a restart and goes on when it is started") {
    ScrubFixture f;
    f.scrub_settings.bytes_per_second = 100'000;
    f.begin();
    f.put_all(20, 90'000);
    f.scrubber->begin();
    f.run(seconds(5));
    CHECK(f.scrubber->control(ScrubAction::pause).state == "paused");
    f.run(seconds(2));
    const uint64_t done = f.scrubber->status().blocks_done;
    CHECK(done > 0);
    f.run(seconds(20));
    CHECK(f.scrubber->status().blocks_done == done);
    f.scrubber->stop();
    f.end();
    f.begin();
    f.scrubber->begin();
    f.run(hours(48));
    CHECK(f.scrubber->status().state == "paused");
    CHECK(f.scrubber->status().blocks_done == done);
    CHECK(f.scrubber->control(ScrubAction::start).state == "running");
    f.run(seconds(60));
    CHECK(f.scrubber->status().state == "waiting");
    CHECK(f.scrubber->status().blocks_done == 20);
  }

  TEST_CASE("passes come once in a period, and at once when asked for") {
    ScrubFixture f;
    f.begin();
    f.put_all(2, 1000);
    f.scrubber->begin();
    f.run(seconds(3));
    CHECK(f.scrubber->status().pass == 1);
    f.run(hours(23));
    CHECK(f.scrubber->status().pass == 1);
    f.run(hours(1));
    CHECK(f.scrubber->status().pass == 2);
    f.damage({7, 1, 1});
    CHECK(f.scrubber->control(ScrubAction::status).state == "waiting");
    CHECK(f.scrubber->control(ScrubAction::start).state == "running");
    f.run(seconds(3));
    CHECK(f.scrubber->status().pass == 3);
    CHECK(f.scrubber->status().bad_found == 1);
  }

  TEST_CASE("a block tells when all its bytes were last seen to be right") {
    ScrubFixture f;
    f.scrub_settings.bytes_per_second = 100'000;
    f.begin();
    f.put_all(10, 90'000);
    const auto view = [&](uint32_t index) { return f.volumes->list({})->blocks.at(index); };
    CHECK(view(0).verified_ms == view(0).created_ms);
    f.run(hours(1));
    f.scrubber->begin();
    f.run(seconds(5));
    const int64_t first_pass = f.scrubber->status().pass_began_ms;
    CHECK(view(0).verified_ms == first_pass);
    CHECK(view(9).verified_ms == view(9).created_ms);
    f.run(seconds(20));
    CHECK(view(9).verified_ms == first_pass);
    f.run(hours(24) - seconds(20));
    REQUIRE(f.scrubber->status().state == "running");
    CHECK(view(0).verified_ms == f.scrubber->status().pass_began_ms);
    CHECK(view(9).verified_ms == first_pass);
    REQUIRE(f.put({99, 0, 1}, "late"));
    CHECK(view(10).verified_ms == view(10).created_ms);
  }

  TEST_CASE("blocks removed or out of reach do not hold a scrub up") {
    ScrubFixture f;
    f.scrub_settings.bytes_per_second = 1 << 20;
    f.begin();
    f.put_all(6, 900'000);
    f.disk.fault = [&](sim::SimDisk::Operation operation, const std::string& path) -> Result<void> {
      const bool hit = operation == sim::SimDisk::Operation::open && path.ends_with("2.segment");
      return hit ? Result<void>(Code::io_error, "too many open files") : Result<void>();
    };
    f.scrubber->begin();
    f.run(seconds(1));
    REQUIRE(f.remove({{7, 2, 1}, {7, 3, 1}}));
    f.run(seconds(60));
    CHECK(f.scrubber->status().pass == 1);
    CHECK(f.scrubber->status().bad_found == 0);
    CHECK(f.volumes->stats().sum.bad == 0);
  }
}

}  // namespace dfs::storage
