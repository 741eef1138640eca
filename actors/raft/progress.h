// What a leader knows of one other member.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "messages/raft.h"

namespace dfs::raft {

using Time = std::chrono::nanoseconds;  // of a clock that never goes back; only differences count

// Probe: one append at a time finds where the logs part. Replicate: appends are sent one after the
// other without waiting. Snapshot: what it lacks is no longer in the log.
enum class Flow : uint8_t { probe, replicate, snapshot };

struct Progress {
  Flow flow = Flow::probe;
  LogIndex match = 0;     // its log is ours up to here, on its disk
  LogIndex next = 1;      // sent next
  bool waiting = false;   // probe: for an answer
  bool fetching = false;  // for entries from our own disk
  LogIndex applied = 0;
  uint64_t round = 0;  // the latest that it echoed
  Time contact{};      // when it was heard last
  bool heard = false;  // at all

  struct Flight {
    LogIndex last = 0;
    size_t bytes = 0;
  };
  std::deque<Flight> flights;  // appends without an answer, oldest first
  size_t flying_bytes = 0;

  void become_probe() { restart(Flow::probe, match + 1); }
  void become_replicate() { restart(Flow::replicate, match + 1); }
  void become_snapshot() { restart(Flow::snapshot, match + 1); }
  void sent(LogIndex last, size_t bytes) {
    flights.push_back({last, bytes});
    flying_bytes += bytes;
  }
  void landed(LogIndex upto) {
    while (!flights.empty() && flights.front().last <= upto) {
      flying_bytes -= flights.front().bytes;
      flights.pop_front();
    }
  }

 private:
  void restart(Flow to, LogIndex from) {
    flow = to;
    next = from;
    waiting = false;
    fetching = false;
    flights.clear();
    flying_bytes = 0;
  }
};

}  // namespace dfs::raft
