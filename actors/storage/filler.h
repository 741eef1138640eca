// Makes this node hold what other holders of a group hold: compares digests, lists where they
// differ, and pulls what is missing or bad here.
//
// A fill is asked for by the monitor, again and again while it runs (FillGroup, messages/repair.h).
// It remembers nothing that matters: begun anew, by whomever and on whatever node restarted, it
// copies just the difference.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/storage/membership.h"
#include "actors/storage/pacer.h"
#include "actors/storage/volumes.h"
#include "broker/calls.h"
#include "messages/blocks.h"
#include "messages/rebuild.h"
#include "messages/repair.h"

namespace dfs::storage {

struct FillSettings {
  size_t fills_max = 4;                              // running at once; the others wait their turn
  uint64_t memory_bytes_max = 48ull << 20;           // of blocks on their way, over all fills
  Duration unpolled_max = std::chrono::seconds(10);  // then a fill is given up, or forgotten
  Duration source_deadline = std::chrono::seconds(10);  // for one answer
  Duration map_deadline = std::chrono::seconds(30);     // for everybody to know the map
};

class Filler {
 public:
  // `removing` tells whether copies of a group are being removed here: a fill waits for that.
  using Removing = std::function<bool(GroupId)>;
  Filler(Bus& bus, Calls& calls, Volumes& store, Membership& membership, Pacer& pacer,
         FillSettings settings, Removing removing);
  ~Filler();
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

  void on(const Envelope& request, const FillGroup& wanted);
  // `by`, an address, has a block that this node should hold as well: pulls it, when this node is a
  // member of its group and does not hold it. The group may not count on that copy any more, so no
  // fill would find it. More than kOfferedMax at once are refused; whoever offered asks again.
  static constexpr size_t kOfferedMax = 2;
  void offered(const std::string& by, const BlockView& block);
  void stop();  // gives all fills up

  size_t fills() const { return fills_.size(); }  // of any state
  size_t running() const;
  uint64_t memory_bytes_max() const;
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t memory_bytes_peak() const { return memory_bytes_peak_; }

 private:
  struct Fill {
    FillGroup request;
    FillGroupReply progress;
    uint64_t number = 0;  // fills begin in this order
    Instant polled;
    std::optional<Envelope> asker;  // waits for the end, or for the timer
    Bus::TimerId answer_timer = 0;
    bool told = false;               // that it failed
    std::optional<Error> failure;    // of a pull, that ends the fill
    size_t pulling = 0;              // blocks on their way
    uint64_t turn = 0;               // spreads the pulls over the sources
    std::set<BlockKey> unreadable;   // no source has a good copy
    std::optional<Error> unsettled;  // of one that may be had, or is not what it seems
    uint64_t vanished = 0;           // in this round: listed, but nobody had them any more
    TaskScope scope;                 // last: its flows use all of the above
  };
  class Flight;   // a block on its way
  class Writing;  // into the own store
  // What came of an attempt to copy a block.
  enum class Trouble { none, source, other_content, own };
  struct Copied {
    Trouble trouble = Trouble::none;
    Error error;
  };

  static bool begins_anew(const Fill& fill, const FillGroup& wanted);
  void answer_later(Fill& fill, const Envelope& request, const FillGroup& wanted);
  void answer(Fill& fill);
  void begin_waiting();
  void watch();

  // Flows; a fill outlives those in its scope.
  Task<void> run(Fill& fill);
  Task<Result<void>> fill_group(Fill& fill);
  Task<Result<void>> wait_for_map(Fill& fill);
  Task<Result<Digest>> digest_of(Fill& fill, FillSource source);
  Task<Result<uint64_t>> compare(Fill& fill, size_t source);
  Task<Result<uint64_t>> compare_lists(Fill& fill, size_t source);
  Task<Result<ListBlocksReply>> list(Fill& fill, FillSource source, ListBlocks request);
  Task<void> pull(Fill& fill, BlockView block, size_t lister);
  Task<void> take_offered(BlockView block, FillSource source);
  Task<Copied> copy(Epoch epoch, BlockView block, FillSource source);
  Task<Result<HintView>> hint_of(BlockKey key, FillSource source);
  template <Request R>
  Task<Result<Answer<R>>> ask(FillSource source, R request);

  static Copied own_trouble(const Error& error, const FillSource& source, const BlockKey& key);
  Result<void> check_epoch(const Fill& fill) const;
  Result<void> check_sources(const Fill& fill) const;
  std::vector<size_t> order_of_sources(Fill& fill, size_t lister) const;
  void conclude(Fill& fill, const BlockView& block, const std::vector<Error>& errors);

  Bus& bus_;
  Calls& calls_;
  Volumes& store_;
  Membership& membership_;
  Pacer& pacer_;
  const FillSettings settings_;
  const Removing removing_;
  uint64_t memory_bytes_ = 0;
  uint64_t memory_bytes_peak_ = 0;
  uint64_t last_number_ = 0;
  Bus::TimerId watch_timer_ = 0;
  Signal landed_;  // a block that was on its way is not any more
  std::map<GroupId, std::unique_ptr<Fill>> fills_;
  TaskScope offered_;  // last: its flows use all of the above
};

}  // namespace dfs::storage
