// Events as rows: what is noted, how it is read in pages, how it is forgotten.
#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

namespace {

struct Reader {
  explicit Reader(TestMachine& its_machine) : machine(its_machine) {}

  Result<ReadEventsReply> page(LogIndex since, uint32_t limit = kEventsMax,
                               const std::string& prefix = {}) {
    Rows rows(*machine.table);
    return read_events(rows, machine.index, ReadEvents{since, limit, prefix, false});
  }
  // All pages; checks that each goes on where the last one ended.
  std::vector<Event> all(LogIndex since, uint32_t limit, const std::string& prefix = {}) {
    std::vector<Event> events;
    for (bool more = true; more;) {
      const auto next = page(since, limit, prefix);
      REQUIRE(next.ok());
      CHECK((next->next > since || !next->more));
      for (const Event& event : next->events) {
        CHECK(event.index > since);
        CHECK(event.index <= next->next);
      }
      events.insert(events.end(), next->events.begin(), next->events.end());
      since = next->next;
      more = next->more;
    }
    CHECK(since == machine.index);
    return events;
  }

  TestMachine& machine;
};

std::vector<std::string> topics(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) out.push_back(event.topic);
  return out;
}

size_t event_rows(Table& table) {
  size_t rows = 0;
  const std::string prefix(1, keys::kEvent);
  REQUIRE(table.scan(prefix, after_prefix(prefix), [&](auto, auto) { return ++rows > 0; }));
  return rows;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("each change notes what it did, under its entry, and a refusal or repetition nothing") {
  TestMachine machine;
  Reader reader(machine);
  const LogIndex start = machine.index;
  REQUIRE(machine.make_dir("/a/b", true).ok());
  REQUIRE(machine.make_dir("/a/b", true).ok());  // there already
  CHECK(machine.make_dir("/a").code() == Code::exists);
  REQUIRE(machine.put("/a/f", "hello").ok());
  CHECK(machine.rename("/a/f", "/g") == Code::ok);
  CHECK(machine.rename("/g", "/g") == Code::ok);  // itself
  CHECK(machine.remove("/a", true) == Code::ok);
  machine.prune();
  const NodeId node = machine.join('1', "tcp://n:1");
  machine.join('1', "tcp://n:1");  // nothing new
  REQUIRE(machine.tell(SetNodeState{node, NodeState::down, "silent"}).ok());
  REQUIRE(machine.tell(SetNodeState{node, NodeState::down, "still"}).ok());
  machine.join('1', "tcp://n:1");
  machine.join('1', "tcp://n:2");
  REQUIRE(machine.tell(SetGroups{{{0, {node}}, {1, {node}}}}).ok());
  REQUIRE(machine.tell(SetGroups{{{0, {node}}}}).ok());
  REQUIRE(machine.tell(BecomeLeader{2}).ok());
  ChangeMembers members;
  members.last_id = 2;
  members.members = {{1, "e1", "b1", "", Standing::voter}, {2, "e2", "b2", "", Standing::learner}};
  REQUIRE(machine.tell(members).ok());

  const auto events = reader.all(start, kEventsMax);
  CHECK(topics(events) == std::vector<std::string>{"directory-made", "file-committed",
                                                   "file-renamed", "removed", "node-joined",
                                                   "node-down", "node-up", "node-joined",
                                                   "groups-changed", "leader", "heads-changed"});
  CHECK(events[0].fields.at("path") == "/a/b");
  CHECK(events[1].fields == std::map<std::string, std::string>{
                                {"path", "/a/f"}, {"ino", "4"}, {"size", "5"}, {"version", "1"}});
  CHECK(events[2].fields.at("to") == "/g");
  CHECK(events[5].fields.at("reason") == "silent");
  CHECK(events[7].fields.at("endpoint") == "tcp://n:2");
  CHECK(events[8].fields.at("groups") == "2");
  CHECK(events[9].fields == std::map<std::string, std::string>{{"head", "2"}, {"term", "1"}});
  CHECK(events[10].fields ==
        std::map<std::string, std::string>{{"monitor/1", "voter"}, {"monitor/2", "learner"}});
  CHECK(events[0].index == start + 1);
  CHECK(events[0].actor == "monitor");
  CHECK(events[0].time_ms == 1'700'000'000'000 + static_cast<int64_t>(start + 1) * 1000);
}

TEST_CASE("pages of any size tell every event once and in order") {
  TestMachine machine;
  Reader reader(machine);
  for (int i = 0; i < 30; ++i) {
    REQUIRE(machine.make_dir("/" + std::to_string(i)).ok());
    if (i % 3 == 0) CHECK(machine.make_dir("/0/x/y").code() == Code::not_found);
  }
  const auto whole = reader.all(0, kEventsMax);
  CHECK(whole.size() == 30);
  for (uint32_t limit = 1; limit <= 31; ++limit) {
    const auto pages = reader.all(0, limit);
    REQUIRE(pages.size() == whole.size());
    for (size_t i = 0; i < whole.size(); ++i) CHECK(same(pages[i], whole[i]));
  }
  // From the middle, exclusively; a place without events is as good as any.
  for (LogIndex since = 1; since <= machine.index; ++since) {
    const auto rest = reader.all(since, 4);
    size_t expected = 0;
    for (const Event& event : whole) expected += event.index > since ? 1 : 0;
    CHECK(rest.size() == expected);
  }
  // Whoever knows more than this head is told nothing, least of all everything again.
  for (const LogIndex since : {machine.index + 1, UINT64_MAX - 1, UINT64_MAX}) {
    const auto none = reader.page(since);
    REQUIRE(none.ok());
    CHECK(none->events.empty());
    CHECK(none->next == since);
    CHECK(!none->more);
  }
}

TEST_CASE("a page ends behind an entry, however many events it has") {
  TestMachine machine;
  Reader reader(machine);
  const LogIndex entry = machine.index + 1;
  Batch batch;
  for (uint32_t number = 0; number < 5; ++number) {
    batch.put(keys::event(entry, number), encode_row(EventRow{"x", 1, 0, {}}));
  }
  batch.put(keys::event(entry + 1, 0), encode_row(EventRow{"y", 1, 0, {}}));
  REQUIRE(machine.table->write(batch, Durability::later).ok());
  machine.index += 2;
  const auto page = reader.page(entry - 1, 2);
  REQUIRE(page.ok());
  CHECK(page->events.size() == 5);
  CHECK(page->next == entry);
  CHECK(page->more);
  CHECK(topics(reader.page(page->next, 2)->events) == std::vector<std::string>{"y"});
}

TEST_CASE("a page of long paths stays within a message") {
  TestMachine machine;
  Reader reader(machine);
  const LogIndex start = machine.index;
  Batch batch;
  const std::string path(kPathBytesMax, 'p');
  for (int i = 0; i < 300; ++i) {
    batch.put(keys::event(++machine.index, 0),
              encode_row(EventRow{"file-renamed", 1, 0, {{"from", path}, {"to", path}}}));
  }
  REQUIRE(machine.table->write(batch, Durability::later).ok());
  const auto page = reader.page(start);
  REQUIRE(page.ok());
  CHECK(page->more);
  CHECK(encode(*page).size() < kBodyBytesMax);
  CHECK(reader.all(start, kEventsMax).size() == 300);
}

TEST_CASE("a prefix chooses topics, and rare ones do not make a page long in coming") {
  TestMachine machine;
  Reader reader(machine);
  const LogIndex start = machine.index;
  Batch batch;
  for (int i = 0; i < 20'000; ++i) {
    const std::string topic = i == 19'999 ? "node-down" : "file-committed";
    batch.put(keys::event(++machine.index, 0), encode_row(EventRow{topic, 1, 0, {}}));
  }
  REQUIRE(machine.table->write(batch, Durability::later).ok());
  const auto first = reader.page(start, kEventsMax, "node-");
  REQUIRE(first.ok());
  CHECK(first->events.empty());
  CHECK(first->more);
  CHECK(first->next > start);
  CHECK(topics(reader.all(start, kEventsMax, "node-")) == std::vector<std::string>{"node-down"});
  CHECK(reader.all(start, kEventsMax, "file").size() == 19'999);
  CHECK(reader.all(start, kEventsMax, "files").empty());
}

TEST_CASE("who asks for what was forgotten is told, and where to go on") {
  TestMachine machine;
  Reader reader(machine);
  const LogIndex start = machine.index;
  for (int i = 0; i < 10; ++i) REQUIRE(machine.make_dir("/" + std::to_string(i)).ok());
  const LogIndex kept = start + 6;
  const auto trimmed = machine.tell<Pruned>(TrimEvents{kept, 3});
  REQUIRE(trimmed.ok());
  CHECK(trimmed->rows == 3);
  CHECK(trimmed->more);
  // Forgotten at once, erased in steps.
  const auto late = reader.page(start + 1);
  REQUIRE(late.code() == Code::expired);
  CHECK(late.error().cause.at("first_kept") == std::to_string(kept));
  CHECK(reader.page(0)->first_kept == kept);
  CHECK(reader.page(0)->events.front().index == kept);
  CHECK(reader.page(kept - 1)->events.size() == 5);
  CHECK(reader.page(kept - 2).code() == Code::expired);
  const auto rest = machine.tell<Pruned>(TrimEvents{kept, 3});
  CHECK(rest->rows == 2);
  CHECK_FALSE(rest->more);
  CHECK(event_rows(*machine.table) == 5);
  // An older order changes nothing.
  CHECK(machine.tell<Pruned>(TrimEvents{start, 3})->rows == 0);
  CHECK(reader.page(0)->first_kept == kept);
}

TEST_CASE("a batch that ends inside an entry is continued there") {
  TestMachine machine;
  const LogIndex entry = machine.index + 1;
  Batch batch;
  for (uint32_t number = 0; number < 5; ++number) {
    batch.put(keys::event(entry, number), encode_row(EventRow{"x", 1, 0, {}}));
  }
  REQUIRE(machine.table->write(batch, Durability::later).ok());
  for (const uint32_t rows : {2u, 2u, 1u}) {
    CHECK(machine.tell<Pruned>(TrimEvents{entry + 1, 2})->rows == rows);
  }
  CHECK(event_rows(*machine.table) == 0);
}

TEST_CASE("the monitor keeps as many entries' events as it is told, and is quiet then") {
  MonitorSettings settings;
  settings.events_entries_max = 320;
  TestMonitor test(settings);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(test.ask(MakeDir{"/" + std::to_string(i)}).ok());
    if (i % 100 == 99) test.pass(11s);
  }
  test.pass(60s);
  const LogIndex applied = test.monitor->replica().applied();
  const auto page = test.ask(ReadEvents());
  REQUIRE(page.ok());
  CHECK(page->events.back().fields.at("path") == "/999");
  CHECK(page->events.size() >= 300);
  CHECK(page->events.size() <= 340);
  CHECK(event_rows(test.table) == page->events.size());
  CHECK(test.ask(ReadEvents{5, 10, "", false}).code() == Code::expired);
  // Nothing more happens by itself: forgetting is an entry too.
  test.pass(600s);
  CHECK(test.monitor->replica().applied() == applied);
}

TEST_CASE("the monitor forgets events that are old by the log's own time") {
  MonitorSettings settings;
  settings.events_ms_max = 3600 * 1000;
  TestMonitor test(settings);
  for (int i = 0; i < 600; ++i) REQUIRE(test.ask(MakeDir{"/old-" + std::to_string(i)}).ok());
  test.pass(3500s);
  CHECK(test.ask(ReadEvents{0, kEventsMax, "directory", false})->events.size() == 600);
  REQUIRE(test.ask(MakeDir{"/new"}).ok());
  test.pass(300s);
  REQUIRE(test.ask(MakeDir{"/newer"}).ok());
  test.pass(20s);
  const auto page = test.ask(ReadEvents());
  REQUIRE(page.ok());
  CHECK(topics(page->events) == std::vector<std::string>{"directory-made", "directory-made"});
  CHECK(event_rows(test.table) == 2);
  test.restart();
  CHECK(test.ask(ReadEvents{0, kEventsMax, "directory", false})->events.size() == 2);
}

TEST_CASE("what is published is what can be read") {
  TestMonitor test;
  test.bus.published.clear();
  REQUIRE(test.ask(MakeDir{"/d"}).ok());
  const auto published = test.events("directory-made");
  REQUIRE(published.size() == 1);
  const auto page = test.ask(ReadEvents{published[0].index - 1, 1, "", false});
  REQUIRE(page.ok());
  CHECK(same(page->events[0], published[0]));
  CHECK(page->next >= published[0].index);
  CHECK_FALSE(page->freshness.stale);
  // A place in the future is waited at.
  CHECK(test.ask(ReadEvents{page->next + 100, 1, "", false})->next == page->next + 100);
}

TEST_SUITE_END();
