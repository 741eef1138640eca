#include "cli/event_selection.h"

#include <algorithm>

namespace dfs::cli {

bool EventSelection::wanted(const Event& event) const {
  return options_.topics.empty() ||
         std::any_of(options_.topics.begin(), options_.topics.end(),
                     [&](const std::string& topic) { return event.topic.starts_with(topic); });
}

std::vector<Event> EventSelection::take(const ReadEventsReply& page) {
  std::vector<Event> shown;
  for (const Event& event : page.events) {
    done_ = done_ || (enough() && event.index != resume_);
    if (done_) return shown;
    if (options_.until != 0 && event.index > options_.until) break;
    resume_ = event.index;
    if (!wanted(event)) continue;
    shown.push_back(event);
    ++taken_;
  }
  // Behind the last event there may be entries without any; after `count` they are left to the
  // next reading.
  done_ = enough();
  if (done_) return shown;
  resume_ = std::max(resume_, page.next);
  if (options_.until != 0 && resume_ >= options_.until) {
    resume_ = options_.until;
    done_ = true;
  }
  done_ = done_ || (options_.to_the_end && !page.more);
  return shown;
}

bool EventSelection::take(const Event& event) {
  if (event.index != 0 || done_ || !wanted(event)) return false;
  ++taken_;
  done_ = enough();
  return true;
}

}  // namespace dfs::cli
