// The client library for ordinary, blocking code: a thread with a Client on it.
//
//   dfs::Session session({.brokers = {"tcp://127.0.0.1:7000"}});
//   auto info = session.stat("/a/b");
//   if (!info) std::cerr << info.error().describe() << '\n';
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/client/client.h"

namespace dfs {

struct Security;

struct SessionSettings {
  std::vector<std::string> brokers;  // request endpoints, in order of preference
  size_t pool_threads = 4;           // read, write and checksum local files; one per job is plenty
  Duration deadline = std::chrono::seconds(30);  // of one namespace request, retries included
  std::string ticket = {};                       // see ClientSettings
  std::function<void(const TicketReply&)> ticket_renewed = {};  // likewise, on another thread
  std::shared_ptr<const Security> security = {};  // see broker/security.h; without, all is plain
};

// Any thread may call any method, several at once. The constructor does not connect to anything
// yet: a cluster that is not there shows as `unavailable` in the first operation.
class Session {
 public:
  explicit Session(SessionSettings settings);
  // Ends what is under way (it fails with `stopping`) and joins the thread.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Why the session cannot work at all, if it cannot.
  const Result<void>& ready() const;

  // Runs a flow on the client's thread and waits for its result. `flow` and what it captures live
  // until then; it may be a coroutine or just start one:
  //
  //   session.run<InodeInfo>([&](Client& client) { return client.stat("/a"); });
  //
  // Fails with `cancelled` or `stopping` when it was ended before it was done.
  template <class T>
  Result<T> run(std::function<Task<Result<T>>(Client&)> flow) {
    auto outcome = std::make_shared<std::optional<Result<T>>>();
    const Result<void> ran = run_to_end([flow = std::move(flow), outcome](Client& client) {
      return keep_outcome<T>(&flow, &client, outcome);
    });
    if (!ran) return ran.error();
    return std::move(**outcome);
  }

  // Runs `step` on the client's thread, soon; to listen to events, for example.
  void post(std::function<void(Client&)> step);

  // Ends every run(), those to come too, within a moment. Safe in a signal handler.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Lets what comes after a cancel() run again; when no run() is under way.
  void resume() { cancelled_.store(false, std::memory_order_relaxed); }
  // Ends each run() that takes longer; zero, the default, is no limit.
  void limit(Duration longest) { limit_ns_.store(longest.count(), std::memory_order_relaxed); }

  // The common operations, as one call each.
  Result<TransferReport> put(std::shared_ptr<Source> source, std::string path,
                             TransferOptions options = {});
  Result<TransferReport> get(std::string path, std::shared_ptr<Sink> sink,
                             TransferOptions options = {});
  Result<InodeInfo> stat(std::string path);
  Result<std::vector<ListEntry>> list_all(std::string path);  // every page of it
  Result<MakeDirReply> make_dir(std::string path, bool parents = false);
  Result<RenameReply> rename(std::string from, std::string to, bool replace = true);
  Result<RemoveReply> remove(std::string path, bool recursive = false);

 private:
  template <class T>
  static Task<void> keep_outcome(const std::function<Task<Result<T>>(Client&)>* flow,
                                 Client* client,
                                 std::shared_ptr<std::optional<Result<T>>> outcome) {
    Task<Result<T>> running = (*flow)(*client);
    Result<T> result = co_await running;
    outcome->emplace(std::move(result));
  }

  Result<void> run_to_end(std::function<Task<void>(Client&)> flow);

  std::atomic<bool> cancelled_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
  std::atomic<int64_t> limit_ns_{0};

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
