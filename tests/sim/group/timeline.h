// What the registers of a simulated group really held, and until when. The changes come in the
// order of the log. A value may be seen as soon as any member has applied it, and its predecessor
// until a leader has, which is before anybody is told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/bus.h"
#include "messages/raft.h"
#include "tests/sim/group/messages.h"

namespace dfs::sim {

class Timeline {
 public:
  // Every entry that any member applies; some of them lead.
  void applied(Duration now, const LogEntry& entry, bool leads) {
    if (entry.index > last_) add(entry);
    if (!leads) return;
    for (auto& [name, values] : registers_) {
      for (size_t i = values.size(); i-- > 0 && values[i].from == kNever;) {
        if (values[i].index <= entry.index) values[i].from = now;
      }
    }
  }

  // True when the register may have been seen to hold the value at some time from `since` on.
  bool held(const std::string& name, uint64_t value, Duration since) const {
    const auto found = registers_.find(name);
    if (found == registers_.end()) return value == 0;
    const std::vector<Value>& values = found->second;
    for (size_t i = values.size(); i-- > 0;) {
      if (values[i].value == value) return true;
      if (values[i].from <= since) return false;
    }
    return false;
  }

 private:
  static constexpr Duration kNever = Duration::max();
  struct Value {
    LogIndex index;
    Duration from;  // its predecessor is history
    uint64_t value;
  };

  void add(const LogEntry& entry) {
    last_ = entry.index;
    if (entry.type != ChangeRegister::kType) return;
    const auto change = decode<ChangeRegister>(entry.body);
    DFS_ASSERT(change);
    std::vector<Value>& values = registers_[change->name];
    if (values.empty()) values.push_back({0, Duration(0), 0});
    const uint64_t after = change->after(values.back().value);
    if (after != values.back().value) values.push_back({entry.index, kNever, after});
  }

  std::map<std::string, std::vector<Value>> registers_;
  LogIndex last_ = 0;
};

}  // namespace dfs::sim
