// The log as the actor's thread uses it: its jobs run on the pool, one at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "actors/replica/jobs.h"
#include "actors/replica/log_store.h"

namespace dfs {

class LogQueue {
 public:
  // Of the log when the last job ended.
  struct Facts {
    LogIndex first = 0;
    uint64_t bytes = 0;
    uint64_t syncs = 0;
    uint64_t entries_written = 0;
  };
  using Work = std::function<void(LogStore&)>;

  explicit LogQueue(Jobs& jobs) : jobs_(jobs) {}

  void use(std::shared_ptr<LogStore> store);
  void run(Work work, std::function<void()> done);
  // Before those that wait: somebody waits for what is written.
  void run_next(Work work, std::function<void()> done);
  bool idle() const { return !busy_ && waiting_.empty(); }
  const Facts& facts() const { return facts_; }
  // Frees the directory as soon as no job is under way.
  void close();

 private:
  struct Job {
    Work work;
    std::function<void()> done;
  };
  void start();

  Jobs& jobs_;
  std::shared_ptr<LogStore> store_;
  std::deque<Job> waiting_;
  bool busy_ = false;
  Facts facts_;
};

}  // namespace dfs
