// Events as they are published, and those of the log without a gap.
#include <algorithm>

#include "actors/client/client_state.h"

namespace dfs {

namespace {
// How soon an event shows whose publication was lost.
constexpr Duration kLookAgain = std::chrono::seconds(1);
// Between questions to a head that does not know yet of what was published.
constexpr Duration kBehindPause = std::chrono::milliseconds(20);
}  // namespace

void Client::State::hear(const Event& event) {
  const auto all = listeners;  // one that hears may add another
  for (const auto& heard : all) heard(event);
  // Others have logs of their own.
  if (event.actor != kLogActor || event.index <= event_published) return;
  event_published = event.index;
  event_news.notify();
}

Task<void> Client::State::await_event(LogIndex since) {
  if (event_published > since) {
    Task<void> pausing = sleep(bus, kBehindPause);
    co_await pausing;
    co_return;
  }
  const Instant until = bus.now() + kLookAgain;
  const Bus::TimerId timer = bus.after(kLookAgain, [this] { event_news.notify(); });
  struct Guard {
    Bus& bus;
    Bus::TimerId timer;
    ~Guard() { bus.cancel(timer); }
  } guard{bus, timer};
  while (event_published <= since && bus.now() < until) {
    Signal::Waiter news = event_news.wait();
    co_await news;
  }
}

void Client::listen(std::function<void(const Event&)> heard) {
  if (state_->listeners.empty()) state_->bus.subscribe(kEventTopic);
  state_->listeners.push_back(std::move(heard));
}

Task<Result<void>> Client::follow(ReadEvents query,
                                  std::function<bool(const ReadEventsReply&)> heard) {
  if (state_->listeners.empty()) listen([](const Event&) {});
  bool answered = false;
  bool waiting = false;
  while (true) {
    Task<Result<ReadEventsReply>> reading = state_->ask(query);
    const Result<ReadEventsReply> page = co_await reading;
    if (!page) {
      if (!answered || !is_retryable(page.code())) co_return page.error();
      if (!waiting) {
        state_->bus.log(Level::warn, "no head tells of events, waiting for one",
                        {{"since", query.since}, {"why", page.error().describe()}});
      }
      waiting = true;
      Task<void> pausing = sleep(state_->bus, kLookAgain);
      co_await pausing;
      continue;
    }
    const bool again = !page->events.empty() && page->events.front().index <= query.since;
    if (again || (page->more && page->next <= query.since)) {
      co_return Error{
          Code::malformed, "a head tells of events again that were read already", {}, 0};
    }
    answered = true;
    waiting = false;
    // A head that is behind has nothing new, and may not know yet how far we are.
    query.since = std::max(query.since, page->next);
    const bool go_on = heard(*page);
    if (!go_on) co_return Result<void>();
    if (page->more) continue;
    Task<void> waiting_for_news = state_->await_event(query.since);
    co_await waiting_for_news;
  }
}

}  // namespace dfs
