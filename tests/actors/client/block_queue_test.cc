#include "actors/client/block_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "actors/client/client.h"
#include "actors/client/part_buffers.h"

namespace dfs {
namespace {

std::vector<uint32_t> sizes(const std::vector<uint32_t>& plan) {
  std::vector<uint32_t> sizes;
  for (size_t i = 0; i + 1 < plan.size(); ++i) sizes.push_back(plan[i + 1] - plan[i]);
  return sizes;
}

std::vector<uint32_t> first_numbers(uint32_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST_SUITE("client") {
  TEST_CASE("blocks are shared out evenly: 18 over 4 streams are 5, 5, 4, 4") {
    CHECK(sizes(even_plan(18, 4)) == std::vector<uint32_t>{5, 5, 4, 4});
    CHECK(sizes(even_plan(3, 4)) == std::vector<uint32_t>{1, 1, 1, 0});
    CHECK(sizes(even_plan(0, 2)) == std::vector<uint32_t>{0, 0});
    CHECK(sizes(even_plan(7, 1)) == std::vector<uint32_t>{7});
  }

  TEST_CASE("streams of equal speed take just their share, each beginning one block later in it") {
    BlockQueue queue(first_numbers(16), 4);
    for (uint32_t turn = 0; turn < 4; ++turn) {
      for (uint32_t stream = 0; stream < 4; ++stream) {
        CHECK(queue.take(stream) == 4 * stream + (stream + turn) % 4);
      }
    }
    CHECK(!queue.take(0).has_value());
  }

  TEST_CASE("a fast stream helps the one with most left, and every block is taken once") {
    BlockQueue queue(first_numbers(12), 3);
    CHECK(queue.take(2) == 10);
    CHECK(queue.take(1) == 5);
    for (const uint32_t expected : {0, 1, 2, 3}) CHECK(queue.take(0) == expected);
    const auto helped = queue.take(0);  // streams 1 and 2 have three blocks left each
    REQUIRE(helped.has_value());
    CHECK((*helped == 4 || *helped == 9));  // the ends of their shares
    std::vector<uint32_t> taken{0, 1, 2, 3, 5, 10, *helped};
    while (const auto block = queue.take(0)) taken.push_back(*block);
    std::sort(taken.begin(), taken.end());
    CHECK(taken == first_numbers(12));
    CHECK(!queue.take(1).has_value());
  }

  TEST_CASE("part buffers are used again, whichever thread gives them back") {
    PartBuffers buffers;
    for (int round = 0; round < 50; ++round) {
      std::vector<std::shared_ptr<AlignedBuffer>> taken;
      for (int i = 0; i < 4; ++i) taken.push_back(buffers.take());
      std::vector<std::thread> threads;
      for (auto& buffer : taken) {
        threads.emplace_back([buffer = std::move(buffer)]() mutable { buffer.reset(); });
      }
      for (std::thread& thread : threads) thread.join();
    }
    CHECK(buffers.made() == 4);
  }

  TEST_CASE("a part buffer outlives the pool it came from") {
    std::shared_ptr<AlignedBuffer> buffer;
    {
      PartBuffers buffers;
      buffer = buffers.take();
    }
    buffer->data()[0] = 1;
    CHECK(buffer->size() == kPartBytes);
  }
}

}  // namespace
}  // namespace dfs
