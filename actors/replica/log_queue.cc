#include "actors/replica/log_queue.h"

#include <utility>

namespace dfs {

namespace {

LogQueue::Facts facts_of(const LogStore& store) {
  return {store.first(), store.bytes(), store.syncs(), store.entries_written()};
}

}  // namespace

void LogQueue::use(std::shared_ptr<LogStore> store) {
  store_ = std::move(store);
  facts_ = facts_of(*store_);
}

void LogQueue::run(Work work, std::function<void()> done) {
  waiting_.push_back({std::move(work), std::move(done)});
  start();
}

void LogQueue::run_next(Work work, std::function<void()> done) {
  waiting_.push_front({std::move(work), std::move(done)});
  start();
}

void LogQueue::start() {
  if (busy_ || waiting_.empty()) return;
  busy_ = true;
  auto job = std::make_shared<Job>(std::move(waiting_.front()));
  waiting_.pop_front();
  auto facts = std::make_shared<Facts>();
  jobs_.run(
      [job, facts, store = store_] {
        job->work(*store);
        *facts = facts_of(*store);
      },
      [this, job, facts] {
        busy_ = false;
        facts_ = *facts;
        start();
        job->done();
      });
}

void LogQueue::close() {
  waiting_.clear();
  store_.reset();
}

}  // namespace dfs
