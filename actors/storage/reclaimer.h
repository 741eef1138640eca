// Goes through the blocks of this node and removes those that the guard has proven to be needless:
// of dead objects, strays, and surplus copies of groups that moved away.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "actors/storage/guard.h"
#include "actors/storage/pacer.h"

namespace dfs::storage {

struct ReclaimSettings {
  Duration period = std::chrono::minutes(10);  // between two passes over all blocks
  Duration grace = std::chrono::minutes(10);   // younger blocks are not asked about
};

class Reclaimer {
 public:
  static constexpr uint32_t kBatch = 1000;                           // blocks looked at, at once
  static constexpr Duration kPause = std::chrono::milliseconds(10);  // between batches
  static constexpr Duration kBusyPause = std::chrono::seconds(1);    // while clients are served
  static constexpr Duration kRetry = std::chrono::seconds(30);  // after something was not provable

  Reclaimer(Bus& bus, Volumes& store, Membership& membership, Guard& guard, Pacer& pacer,
            ReclaimSettings settings, Notify notify);
  ~Reclaimer();
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // The first pass comes within a period; passes of many nodes spread.
  void begin();
  // Looks soon after at the groups that this node is no part of any more.
  void map_changed();
  void stop();

  // Copies of the group are being removed: whoever lists it now may see them.
  bool removing(GroupId group) const { return removing_.contains(group); }
  NodeJob job() const;
  uint64_t blocks_removed() const { return removed_; }

 private:
  enum class Scope { all, moved };  // `moved`: only groups that this node is no part of
  void schedule();
  void start();
  Duration jitter(Duration most);
  Task<void> pass(Scope scope);
  Task<Result<void>> go_through(Scope scope);
  Task<Result<void>> look_at(std::vector<BlockView> blocks);
  Task<Result<void>> remove(Guard::Proven proven);
  Task<void> try_remove(Result<Guard::Proven> proven);
  bool is_old(const BlockView& block) const;

  Bus& bus_;
  Volumes& store_;
  Membership& membership_;
  Guard& guard_;
  Pacer& pacer_;
  const ReclaimSettings settings_;
  const Notify notify_;
  const int64_t began_ms_;  // wall clock
  bool begun_ = false;
  bool running_ = false;
  Instant next_all_ = Instant::max();
  Instant next_moved_ = Instant::max();
  Bus::TimerId timer_ = 0;
  std::set<GroupId> removing_;
  bool left_over_ = false;  // in this pass: something could not be proven yet
  uint64_t bytes_seen_ = 0;
  uint64_t bytes_total_ = 0;
  uint64_t removed_ = 0;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace dfs::storage
