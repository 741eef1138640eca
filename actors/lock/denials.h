// What was refused lately, gathered so that an attack writes no more than a few log entries.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "actors/lock/commands.h"

namespace dfs::lock {

// Pure, on one thread.
class Denials {
 public:
  static constexpr size_t kToldMax = 16;  // at a time, one by one

  void add(std::string topic, std::string user, std::string source, std::string what) {
    const auto key = std::make_tuple(topic, user, source, what);
    const auto found = counts_.find(key);
    if (found != counts_.end()) {
      ++found->second;
    } else if (counts_.size() < kToldMax) {
      counts_.emplace(key, 1);
    } else {
      ++left_out_;
    }
  }
  bool empty() const { return counts_.empty(); }
  // All of them; nothing is left here.
  NoteDenials take() {
    NoteDenials note;
    for (const auto& [key, count] : counts_) {
      const auto& [topic, user, source, what] = key;
      note.denials.push_back({user, source, topic, what, count});
    }
    note.left_out = left_out_;
    counts_.clear();
    left_out_ = 0;
    return note;
  }

 private:
  std::map<std::tuple<std::string, std::string, std::string, std::string>, uint64_t> counts_;
  uint64_t left_out_ = 0;
};

}  // namespace dfs::lock
