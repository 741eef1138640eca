// What this node holds, for whoever asks: readers, members of its groups that compare and repair,
// and nodes that want to prove a copy of theirs surplus.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "actors/storage/membership.h"
#include "actors/storage/pacer.h"
#include "actors/storage/verifier.h"
#include "actors/storage/volumes.h"
#include "broker/task.h"
#include "messages/blocks.h"
#include "messages/rebuild.h"
#include "messages/repair.h"

namespace dfs::storage {

class Copies {
 public:
  // Repair's reads come after everybody else's: so many at once, while at most so many others are
  // under way; but at least one each kPatience, so that repair comes to an end under any load.
  static constexpr size_t kBackgroundMax = 4;
  static constexpr size_t kForegroundFew = 4;
  static constexpr size_t kWaitingMax = 256;  // more are refused as `busy`
  static constexpr Duration kPatience = std::chrono::milliseconds(100);
  // Requests to vouch for copies, each of which has to be read; more are refused as `busy`.
  static constexpr size_t kChecksMax = 64;

  // `offered` is told of blocks that are not good here and that another node (its address) has.
  using Offered = std::function<void(const std::string& by, const BlockView& block)>;
  Copies(Bus& bus, Volumes& store, const Membership& membership, Pacer& pacer, Verifier& verifier,
         Offered offered)
      : bus_(bus),
        store_(store),
        membership_(membership),
        pacer_(pacer),
        verifier_(verifier),
        offered_(std::move(offered)) {}
  ~Copies() { bus_.cancel(timer_); }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  void on(const Envelope& request, const ReadBlock& read);
  void on(const Envelope& request, const ListBlocks& list);
  void on(const Envelope& request, const GetDigests& wanted);
  void on(const Envelope& request, const CheckCopies& check);
  void on(const Envelope& request, const ReadHints& wanted);

  size_t foreground_reads() const { return foreground_; }
  size_t background_reads() const { return background_; }
  size_t waiting_reads() const { return waiting_.size(); }

 private:
  struct Waiting {
    Envelope asker;  // the request without what is not needed for the answer
    ReadBlock read;
    Instant since;
  };
  void read(Envelope asker, const ReadBlock& wanted, size_t& count);
  void serve_background();
  Task<void> vouch(Envelope asker, CheckCopies check);

  Bus& bus_;
  Volumes& store_;
  const Membership& membership_;
  Pacer& pacer_;
  Verifier& verifier_;
  const Offered offered_;
  size_t foreground_ = 0;  // under way
  size_t background_ = 0;
  std::deque<Waiting> waiting_;
  Instant served_;  // the last of them
  Bus::TimerId timer_ = 0;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace dfs::storage
