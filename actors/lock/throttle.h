// How long somebody has to wait before the next log-in, after too many that failed. Each key (a
// user, a source) is counted by itself.
#pragma once

#include <list>
#include <string>
#include <unordered_map>

#include "broker/bus.h"

namespace dfs::lock {

// Pure, on one thread.
class Throttle {
 public:
  static constexpr uint32_t kFree = 5;  // attempts without any wait
  static constexpr Duration kFirstWait = std::chrono::milliseconds(250);  // doubled each time
  static constexpr Duration kForget = std::chrono::minutes(15);           // without an attempt
  static constexpr size_t kKeysMax = 65'536;  // then the longest silent is forgotten

  explicit Throttle(Duration wait_max) : wait_max_(wait_max) {}

  // How much longer `key` has to wait; zero: it may try now.
  Duration wait(const std::string& key, Instant now);
  // An attempt begins. It counts as a failure until it has succeeded: those under way together
  // would be free otherwise.
  void attempt(const std::string& key, Instant now);
  // Nothing is held against `key` any more.
  void succeeded(const std::string& key);
  // The attempt that began then counts no more, and those before it do: whoever succeeds at one
  // thing may have failed at others.
  void give_back(const std::string& key, Instant began);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    uint32_t attempts = 0;
    Instant last;
    Instant before;  // the one before that
    Instant next;    // earliest time of the next attempt
    std::list<std::string>::iterator age;
  };
  void forget(const std::string& key);

  Duration wait_max_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> ages_;  // longest silent first
};

}  // namespace dfs::lock
