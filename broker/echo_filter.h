// Several brokers relay the same publication; this lets the first copy pass.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace dfs {

class EchoFilter {
 public:
  explicit EchoFilter(size_t sources_max = 65536) : sources_max_(sources_max) {}

  // True when `sequence` of `from` on `topic` is news. A publisher counts up from a random start: a
  // number a little below the last is a late copy, one far away is a restarted publisher. Numbers
  // are kept per topic, because the last value of a quiet topic may come after the news of others.
  bool fresh(std::string_view topic, std::string_view from, uint64_t sequence) {
    key_.assign(topic);
    key_.push_back('\0');
    key_.append(from);
    const auto found = last_.find(key_);
    if (found == last_.end()) {
      // Forgetting costs no more than a repetition.
      if (last_.size() >= sources_max_) last_.clear();
      last_.emplace(key_, sequence);
      return true;
    }
    if (found->second - sequence < kWindow) return false;
    found->second = sequence;
    return true;
  }

 private:
  static constexpr uint64_t kWindow = 1ull << 20;
  size_t sources_max_;
  std::string key_;
  std::unordered_map<std::string, uint64_t> last_;
};

}  // namespace dfs
