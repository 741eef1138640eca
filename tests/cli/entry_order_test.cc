#include "cli/entry_order.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

ListEntry entry(const std::string& name, uint64_t size, int64_t modified_ms) {
  ListEntry made;
  made.name = name;
  made.info.size = size;
  made.info.modified_ms = modified_ms;
  return made;
}

std::string order_of(EntryOrder order, bool reverse) {
  std::vector<ListEntry> entries = {entry("b", 1, 30), entry("d", 9, 10), entry("a", 5, 10),
                                    entry("c", 5, 20)};
  sort_entries(entries, order, reverse);
  std::string names;
  for (const ListEntry& one : entries) names += one.name;
  return names;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("entries are sorted by name, time or size, and the other way round") {
    CHECK(order_of(EntryOrder::name, false) == "abcd");
    CHECK(order_of(EntryOrder::name, true) == "dcba");
    CHECK(order_of(EntryOrder::time, false) == "bcad");
    CHECK(order_of(EntryOrder::time, true) == "dacb");
    CHECK(order_of(EntryOrder::size, false) == "dacb");
    CHECK(order_of(EntryOrder::size, true) == "bcad");
  }
}
