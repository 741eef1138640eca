#include "actors/client/session.h"

#include <doctest/doctest.h>

#include <thread>

namespace dfs {
namespace {

Task<Result<int>> forever(Client* client, std::atomic<bool>* began, std::atomic<bool>* ended) {
  struct Mark {
    std::atomic<bool>* ended;
    ~Mark() { *ended = true; }
  } mark{ended};
  *began = true;
  began->notify_all();
  Task<void> sleeping = sleep(client->bus(), std::chrono::hours(1));
  co_await sleeping;
  co_return 1;
}

Task<Result<int>> twice(Client* client, int value) {
  Task<void> sleeping = sleep(client->bus(), std::chrono::milliseconds(1));
  co_await sleeping;
  co_return 2 * value;
}

SessionSettings settings() {
  SessionSettings settings;
  settings.brokers = {"tcp://127.0.0.1:9"};  // nobody is there
  settings.pool_threads = 1;
  return settings;
}

TEST_SUITE("client") {
  TEST_CASE("several threads run flows on one session at once") {
    Session session(settings());
    REQUIRE(session.ready().ok());
    std::vector<std::thread> threads;
    std::atomic<int> sum = 0;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&session, &sum, t] {
        for (int i = 0; i < 50; ++i) {
          const Result<int> result =
              session.run<int>([t](Client& client) { return twice(&client, t); });
          sum += result.ok() ? *result : -1000;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(sum == 50 * 2 * (0 + 1 + 2 + 3));
  }

  TEST_CASE("a cancelled flow is gone when run returns, and later ones do not start to wait") {
    Session session(settings());
    std::atomic<bool> began = false;
    std::atomic<bool> ended = false;
    std::thread canceller([&] {
      began.wait(false);
      session.cancel();
    });
    const Result<int> result =
        session.run<int>([&](Client& client) { return forever(&client, &began, &ended); });
    canceller.join();
    CHECK(result.code() == Code::cancelled);
    CHECK(ended);
    CHECK(
        session.run<int>([&](Client& client) { return forever(&client, &began, &ended); }).code() ==
        Code::cancelled);
  }

  TEST_CASE("without a cluster an operation fails as unavailable and names the broker") {
    Session session(settings());
    const Result<InodeInfo> info = session.stat("/");
    CHECK(info.code() == Code::unavailable);
    CHECK(info.error().text.find("127.0.0.1:9") != std::string::npos);
  }
}

}  // namespace
}  // namespace dfs
