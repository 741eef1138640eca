// The last publication of each topic, for subscribers that come late.
#pragma once

#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bus.h"

namespace dfs {

struct LastValueLimits {
  size_t topics_max = 16'384;
  size_t bytes_max = 32ull << 20;
  // A heartbeat older than this would make a dead node look alive.
  Duration heartbeat_age_max = std::chrono::seconds(2);
};

// Pure, on one thread.
class LastValues {
 public:
  struct Value {
    std::string topic;
    std::string header;
    std::string body;
    Instant stored;
  };

  explicit LastValues(LastValueLimits limits = {}) : limits_(limits) {}

  // State is kept ("map", "tickets", "heartbeat/…"); news is not ("event/…"): it happened once.
  static bool keeps(std::string_view topic);

  // Replaces the value of its topic. Over a limit, the longest unchanged are forgotten; a value
  // that does not fit at all is not kept, nor its predecessor.
  void put(std::string_view topic, std::string_view header, std::string_view body, Instant now);

  // The values on topics that begin with `prefix`, by topic; valid until the next put().
  std::vector<const Value*> matching(std::string_view prefix, Instant now) const;

  size_t topics() const { return by_topic_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using Values = std::list<Value>;  // longest unchanged first
  void forget(Values::iterator value);

  LastValueLimits limits_;
  Values values_;
  std::map<std::string, Values::iterator, std::less<>> by_topic_;
  size_t bytes_ = 0;
};

}  // namespace dfs
