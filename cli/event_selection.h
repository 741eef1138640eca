// Which events a person wants, out of what is published and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages/events.h"

namespace dfs::cli {

struct EventOptions {
  std::vector<std::string> topics;  // as they begin; none: all
  std::optional<LogIndex> since;
  LogIndex until = 0;       // 0: no end
  uint64_t count = 0;       // likewise
  bool to_the_end = false;  // do not wait for more
};

class EventSelection {
 public:
  // `begin`: the log entry behind which reading begins.
  EventSelection(EventOptions options, LogIndex begin)
      : options_(std::move(options)), resume_(begin) {}

  // Those of a page of the log that are to be shown. The events of one log entry are never torn
  // apart, not even by `count`, so that the next reading can go on at resume().
  std::vector<Event> take(const ReadEventsReply& page);
  // True when an event is to be shown that was published and is not part of the log.
  bool take(const Event& event);

  bool done() const { return done_; }
  // Up to this entry all events were taken, or not wanted.
  LogIndex resume() const { return resume_; }

 private:
  bool wanted(const Event& event) const;
  bool enough() const { return options_.count != 0 && taken_ >= options_.count; }

  EventOptions options_;
  LogIndex resume_;
  uint64_t taken_ = 0;
  bool done_ = false;
};

}  // namespace dfs::cli
