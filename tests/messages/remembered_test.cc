#include "messages/remembered.h"

#include <doctest/doctest.h>

namespace dfs {

TEST_SUITE("messages") {
  TEST_CASE("what was unused for longest is forgotten first") {
    Remembered<int> numbers(2);
    CHECK(numbers.find("one") == nullptr);
    CHECK(*numbers.remember("one", 1) == 1);
    numbers.remember("two", 2);
    CHECK(*numbers.find("one") == 1);  // used later than the other
    numbers.remember("three", 3);
    CHECK(numbers.find("two") == nullptr);
    REQUIRE(numbers.find("one") != nullptr);
    CHECK(*numbers.find("one") == 1);
    CHECK(*numbers.find("three") == 3);
    numbers.remember("two", 4);
    CHECK(*numbers.find("two") == 4);
    CHECK(numbers.find("one") == nullptr);
  }

  TEST_CASE("what was cleared is forgotten, and there is room again") {
    Remembered<std::string> texts(1);
    const std::string key(100, 'k');
    texts.remember(key, "value");
    texts.clear();
    CHECK(texts.find(key) == nullptr);
    texts.remember(key, "other");
    CHECK(*texts.find(key) == "other");
  }
}

}  // namespace dfs
