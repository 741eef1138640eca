// What a process refuses at its sockets, before any actor sees it: counts for whoever reports how
// it is doing. Of all sockets of the process together, since its start; from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace dfs {

struct Refusals {
  std::atomic<uint64_t> connections = 0;   // by their key (zap.h)
  std::atomic<uint64_t> floods = 0;        // connections that were ended (intake.h)
  std::atomic<uint64_t> requests = 0;      // in a name that is not their sender's (router.h)
  std::atomic<uint64_t> publications = 0;  // likewise (events.h)
};

inline Refusals& process_refusals() {
  static Refusals refusals;
  return refusals;
}

}  // namespace dfs
