// Brings a snapshot that a leader offered onto the own disk, part by part. A part that is lost or
// damaged is asked for again; what has arrived stays.
#pragma once

#include <functional>
#include <string>

#include "actors/disk.h"
#include "actors/replica/jobs.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/raft.h"

namespace dfs {

class SnapshotFetch {
 public:
  struct Settings {
    std::string directory;  // made for this snapshot alone
    // To whoever offers it, asked for each part: a link that broke may come back as another.
    std::function<Link()> link;
    std::string to;  // likewise, the address
    size_t parts_in_flight = 4;
    uint64_t part_bytes = kPartBytes;
  };

  SnapshotFetch(Bus& bus, Calls& calls, Disk& disk, InstallSnapshot offer, Settings settings);
  SnapshotFetch(const SnapshotFetch&) = delete;
  SnapshotFetch& operator=(const SnapshotFetch&) = delete;

  // `done` is called once, later, unless the object goes away first. Then, or on failure, the
  // directory is the caller's to remove. Errors: `malformed` (the offer makes no sense),
  // `not_found` (it is no longer kept), `unavailable` (nothing arrived in a while), `no_space`, ….
  void start(std::function<void(Result<void>)> done);

  const InstallSnapshot& offer() const { return offer_; }
  const std::string& directory() const { return settings_.directory; }
  uint64_t parts() const { return parts_; }      // that arrived
  uint64_t repeats() const { return repeats_; }  // parts that had to be asked for again

 private:
  struct Part {
    size_t file = 0;
    uint64_t offset = 0;
    uint32_t length = 0;
  };

  Task<void> flow();
  Task<void> fetch_parts();
  Task<Result<void>> fetch(Part part);
  Task<Result<void>> store(Part part, Payload payload);
  Task<Result<void>> work(std::function<Result<void>()> job);
  std::optional<Part> next_part();
  Result<void> check() const;
  void finish();

  Bus& bus_;
  Calls& calls_;
  Disk& disk_;
  const InstallSnapshot offer_;
  const Settings settings_;
  std::function<void(Result<void>)> done_;
  Result<void> outcome_;
  Part next_;
  size_t fetching_ = 0;    // flows of fetch_parts()
  Instant progress_at_{};  // when a part arrived last
  uint64_t parts_ = 0;
  uint64_t repeats_ = 0;
  Jobs jobs_;
  TaskScope tasks_;  // last: its flows use all of the above
};

}  // namespace dfs
