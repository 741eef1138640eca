#include "cli/event_selection.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

Event event(LogIndex index, const std::string& topic = "file-committed") {
  Event event;
  event.index = index;
  event.topic = topic;
  return event;
}

ReadEventsReply page(std::vector<LogIndex> indexes, LogIndex next, bool more = false) {
  ReadEventsReply reply;
  for (const LogIndex index : indexes) reply.events.push_back(event(index));
  reply.next = next;
  reply.more = more;
  return reply;
}

std::vector<LogIndex> taken(EventSelection& selection, const ReadEventsReply& page) {
  std::vector<LogIndex> indexes;
  for (const Event& event : selection.take(page)) indexes.push_back(event.index);
  return indexes;
}

using Indexes = std::vector<LogIndex>;

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("reading goes on behind entries that have no events") {
    EventSelection selection({}, 5);
    CHECK(selection.resume() == 5);
    CHECK(taken(selection, page({6, 6, 9}, 12)) == Indexes{6, 6, 9});
    CHECK(selection.resume() == 12);
    CHECK(taken(selection, page({}, 12)).empty());
    CHECK(selection.resume() == 12);
    CHECK_FALSE(selection.done());
  }

  TEST_CASE("a count ends with the log entry that reaches it") {
    EventOptions options;
    options.count = 2;
    EventSelection torn(options, 0);
    CHECK(taken(torn, page({3, 4, 4, 4, 7}, 9)) == Indexes{3, 4, 4, 4});
    CHECK(torn.done());
    CHECK(torn.resume() == 4);
    EventSelection at_the_end(options, 0);
    CHECK(taken(at_the_end, page({3, 4}, 9)) == Indexes{3, 4});
    CHECK(at_the_end.done());
    CHECK(at_the_end.resume() == 4);
    EventSelection over_pages(options, 0);
    CHECK(taken(over_pages, page({3}, 3, true)) == Indexes{3});
    CHECK_FALSE(over_pages.done());
    CHECK(taken(over_pages, page({4, 4, 5}, 9)) == Indexes{4, 4});
    CHECK(over_pages.resume() == 4);
  }

  TEST_CASE("nothing later than the end asked for is taken, and reading ends there") {
    EventOptions options;
    options.until = 8;
    EventSelection between(options, 0);
    CHECK(taken(between, page({3, 12}, 12)) == Indexes{3});
    CHECK(between.done());
    CHECK(between.resume() == 8);
    EventSelection waits(options, 0);
    CHECK(taken(waits, page({3}, 6)) == Indexes{3});
    CHECK_FALSE(waits.done());
    CHECK(taken(waits, page({8, 8}, 8)) == Indexes{8, 8});
    CHECK(waits.done());
    EventSelection none(options, 0);
    CHECK(taken(none, page({}, 20)).empty());
    CHECK(none.done());
    CHECK(none.resume() == 8);
  }

  TEST_CASE("other topics are passed over, and count for the place but not for the number") {
    EventOptions options;
    options.topics = {"node-", "leader"};
    options.count = 1;
    EventSelection selection(options, 0);
    CHECK(taken(selection, page({1, 2}, 2)).empty());
    CHECK(selection.resume() == 2);
    ReadEventsReply mixed = page({3, 3, 4}, 4);
    mixed.events[1].topic = "node-down";
    CHECK(taken(selection, mixed) == Indexes{3});
    CHECK(selection.resume() == 3);
  }

  TEST_CASE("who wants only what is there is done when all pages are read") {
    EventOptions options;
    options.to_the_end = true;
    EventSelection selection(options, 0);
    CHECK(taken(selection, page({1, 2}, 2, true)) == Indexes{1, 2});
    CHECK_FALSE(selection.done());
    CHECK(taken(selection, page({}, 7)).empty());
    CHECK(selection.done());
    CHECK(selection.resume() == 7);
  }

  TEST_CASE("published events are taken unless they are part of the log, which is read") {
    EventOptions options;
    options.count = 2;
    options.topics = {"block-"};
    EventSelection selection(options, 4);
    CHECK_FALSE(selection.take(event(9, "block-corrupt")));
    CHECK_FALSE(selection.take(event(0, "disk-full")));
    CHECK(selection.take(event(0, "block-corrupt")));
    CHECK(selection.take(event(0, "block-corrupt")));
    CHECK(selection.done());
    CHECK_FALSE(selection.take(event(0, "block-corrupt")));
    CHECK(selection.resume() == 4);
  }
}
