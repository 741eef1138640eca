#include "messages/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>

#include "tests/messages/enumerators.h"

namespace dfs {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Result<int>(Code::invalid, "the number is odd");
  return number / 2;
}

Result<void> check_half(int number) {
  DFS_CHECK(half(number));
  return {};
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a result is a value or an error") {
    CHECK(half(4).ok());
    CHECK(*half(4) == 2);
    CHECK(half(4).code() == Code::ok);
    CHECK_FALSE(half(3));
    CHECK(half(3).error().describe() == "invalid: the number is odd");
  }

  TEST_CASE("a result hands out what cannot be copied") {
    Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
    const std::unique_ptr<int> taken = std::move(result).value();
    CHECK(*taken == 7);
  }

  TEST_CASE("DFS_CHECK returns the error of what it checks and otherwise goes on") {
    CHECK(check_half(2).ok());
    CHECK(check_half(1).code() == Code::invalid);
  }

  TEST_CASE("every code of the header has its own name and number") {
    std::set<int> numbers;
    for (const auto& [name, number] : samples::enumerators("result.h", "Code")) {
      CHECK(numbers.insert(number).second);
      CHECK(name_of(static_cast<Code>(number)) == name);
    }
    CHECK(numbers.size() > 25);
  }

  TEST_CASE("a code from a newer peer is kept, has a name and is not retried") {
    const auto newer = static_cast<Code>(4999);
    CHECK(std::string(name_of(newer)) == "unknown");
    CHECK_FALSE(is_retryable(newer));
  }

  TEST_CASE("what may pass by itself is retryable, what the caller did wrong is not") {
    for (const Code code : {Code::unavailable, Code::busy, Code::timeout, Code::not_leader,
                            Code::stale_map, Code::stopping}) {
      CHECK_MESSAGE(is_retryable(code), name_of(code));
    }
    for (const Code code : {Code::ok, Code::malformed, Code::too_large, Code::unsupported,
                            Code::invalid, Code::cancelled, Code::not_found, Code::exists,
                            Code::conflict, Code::no_space, Code::corrupt, Code::denied}) {
      CHECK_MESSAGE(!is_retryable(code), name_of(code));
    }
  }
}

}  // namespace dfs
