#include "actors/storage/filler.h"

#include <algorithm>

#include "actors/storage/filler_flight.h"

namespace dfs::storage {

namespace {

constexpr Duration kWatchPeriod = std::chrono::milliseconds(500);
constexpr Duration kMapPause = std::chrono::milliseconds(20);
// What a client writes meanwhile may be on a source and not here, so that no comparison finds
// nothing missing. Whatever was acknowledged when the fill began is here after the first round.
constexpr int kRoundsMax = 3;
constexpr size_t kUnreadableMax = 10'000;
constexpr uint64_t kShareBesideClients = 8;  // of the memory

}  // namespace

Filler::Filler(Bus& bus, Calls& calls, Volumes& store, Membership& membership, Pacer& pacer,
               FillSettings settings, Removing removing)
    : bus_(bus),
      calls_(calls),
      store_(store),
      membership_(membership),
      pacer_(pacer),
      settings_(settings),
      removing_(std::move(removing)) {}

Filler::~Filler() {
  stop();
}

void Filler::stop() {
  bus_.cancel(watch_timer_);
  watch_timer_ = 0;
  offered_.clear();
  // A fill that ends lets others go on; none is there any more then.
  const auto fills = std::exchange(fills_, {});
  for (const auto& [group, fill] : fills) {
    fill->failure = Error{Code::stopping, "this node is shutting down", {}, 0};
  }
}

// Beside clients not only the rate goes down: what is on its way has a place in every queue.
uint64_t Filler::memory_bytes_max() const {
  return pacer_.busy() ? settings_.memory_bytes_max / kShareBesideClients
                       : settings_.memory_bytes_max;
}

size_t Filler::running() const {
  return static_cast<size_t>(std::count_if(fills_.begin(), fills_.end(), [](const auto& entry) {
    return entry.second->progress.state == FillState::running;
  }));
}

bool Filler::begins_anew(const Fill& fill, const FillGroup& wanted) {
  if (wanted.epoch != fill.request.epoch) return true;
  const auto places = [](const FillGroup& request) {
    std::set<std::pair<NodeId, std::string>> places;
    for (const FillSource& source : request.sources) places.emplace(source.node, source.endpoint);
    return places;
  };
  if (places(wanted) != places(fill.request)) return true;
  if (fill.progress.state == FillState::failed) return fill.told;
  return fill.progress.state == FillState::done && wanted.as_of > fill.progress.as_of;
}

void Filler::on(const Envelope& request, const FillGroup& wanted) {
  auto found = fills_.find(wanted.group);
  if (found != fills_.end() && wanted.epoch < found->second->request.epoch) {
    const Error stale{Code::stale_map,
                      "group " + std::to_string(wanted.group) + " is being filled under epoch " +
                          std::to_string(found->second->request.epoch),
                      {{"epoch", std::to_string(found->second->request.epoch)}},
                      0};
    (void)bus_.reply(reply_to(request, stale));
    return;
  }
  pacer_.set_limit(wanted.bytes_per_second);
  if (found != fills_.end() && begins_anew(*found->second, wanted)) {
    answer(*found->second);
    const auto old = std::move(found->second);  // ends here, after it is out of the map
    fills_.erase(found);
    found = fills_.end();
  }
  if (found == fills_.end()) {
    auto fill = std::make_unique<Fill>();
    fill->request = wanted;
    fill->number = ++last_number_;
    fill->progress.group = wanted.group;
    fill->progress.epoch = wanted.epoch;
    fill->progress.as_of = wanted.as_of;
    found = fills_.emplace(wanted.group, std::move(fill)).first;
    begin_waiting();
    if (watch_timer_ == 0) watch_timer_ = bus_.after(kWatchPeriod, [this] { watch(); });
  }
  Fill& fill = *found->second;
  fill.polled = bus_.now();
  answer_later(fill, request, wanted);
}

// One asker at a time waits: whoever asks next knows what the one before was to learn.
void Filler::answer_later(Fill& fill, const Envelope& request, const FillGroup& wanted) {
  answer(fill);
  fill.asker = Envelope{request.header, {}, {}, request.link};
  const bool ended =
      fill.progress.state == FillState::done || fill.progress.state == FillState::failed;
  if (ended || wanted.wait_ms == 0) return answer(fill);
  fill.answer_timer = bus_.after(std::chrono::milliseconds(wanted.wait_ms),
                                 [this, group = wanted.group, number = fill.number] {
                                   const auto found = fills_.find(group);
                                   if (found == fills_.end()) return;
                                   if (found->second->number == number) answer(*found->second);
                                 });
}

void Filler::answer(Fill& fill) {
  bus_.cancel(std::exchange(fill.answer_timer, 0));
  if (!fill.asker) return;
  fill.told = fill.progress.state == FillState::failed;
  const Envelope asker = std::move(*std::exchange(fill.asker, std::nullopt));
  (void)bus_.reply(reply_to(asker, fill.progress));
}

void Filler::begin_waiting() {
  while (running() < settings_.fills_max) {
    Fill* next = nullptr;
    for (const auto& [group, fill] : fills_) {
      if (fill->progress.state != FillState::queued) continue;
      if (next == nullptr || fill->number < next->number) next = fill.get();
    }
    if (next == nullptr) return;
    next->progress.state = FillState::running;
    next->scope.spawn(run(*next));
  }
}

void Filler::watch() {
  watch_timer_ = 0;
  const Instant now = bus_.now();
  std::vector<std::unique_ptr<Fill>> over;
  for (auto it = fills_.begin(); it != fills_.end();) {
    if (now - it->second->polled <= settings_.unpolled_max) {
      ++it;
      continue;
    }
    if (it->second->progress.state == FillState::running) {
      bus_.log(Level::info, "fill given up: nobody asks for it any more",
               {{"group", uint64_t{it->first}}});
    }
    over.push_back(std::move(it->second));
    it = fills_.erase(it);
  }
  over.clear();
  begin_waiting();
  if (!fills_.empty()) watch_timer_ = bus_.after(kWatchPeriod, [this] { watch(); });
}

Task<void> Filler::run(Fill& fill) {
  Task<Result<void>> filling = fill_group(fill);
  const Result<void> filled = co_await filling;
  fill.progress.state = filled ? FillState::done : FillState::failed;
  if (!filled) fill.progress.why = filled.error().describe();
  bus_.log(filled ? Level::debug : Level::warn, filled ? "group filled" : "fill failed",
           {{"group", uint64_t{fill.request.group}},
            {"blocks", fill.progress.blocks_done},
            {"bytes", fill.progress.bytes_done},
            {"why", fill.progress.why}});
  answer(fill);
  begin_waiting();
}

Task<Result<void>> Filler::fill_group(Fill& fill) {
  using R = Result<void>;
  Task<Result<void>> waiting = wait_for_map(fill);
  const Result<void> known = co_await waiting;
  if (!known) co_return known;
  for (int round = 1; round <= kRoundsMax; ++round) {
    uint64_t missing = 0;
    fill.vanished = 0;
    for (size_t i = 0; i < fill.request.sources.size(); ++i) {
      Task<Result<uint64_t>> comparing = compare(fill, i);
      const Result<uint64_t> found = co_await comparing;
      if (!found) co_return found.error();
      missing += *found;
    }
    if (fill.unsettled) co_return *fill.unsettled;
    if (missing == 0 || (round == kRoundsMax && fill.vanished == 0)) co_return R();
  }
  co_return R(Code::busy, std::to_string(fill.vanished) + " blocks were listed and then not there");
}

// Until this node knows the epoch it is asked to fill for: from then on it acknowledges nothing of
// an older one, so that no block slips in unseen.
Task<Result<void>> Filler::wait_for_map(Fill& fill) {
  using R = Result<void>;
  const Instant began = bus_.now();
  const GroupId group = fill.request.group;
  while (true) {
    // They may have moved a moment ago: where they are is waited for as the epoch is.
    const Result<void> known = check_sources(fill);
    const bool behind = membership_.epoch() < fill.request.epoch;
    if (known && !behind && !removing_(group)) break;
    if (bus_.now() - began > settings_.map_deadline) {
      if (!known && !behind) co_return known;
      co_return R(Code::timeout,
                  "the map of epoch " + std::to_string(fill.request.epoch) + " does not come");
    }
    if (behind) membership_.want_map();
    Task<void> pausing = sleep(bus_, kMapPause);
    co_await pausing;
  }
  const Result<void> same = check_epoch(fill);
  if (!same) co_return same;
  if (!membership_.holds(group)) {
    co_return R(Code::invalid, "this node is no part of group " + std::to_string(group));
  }
  co_return R();
}

// Nobody makes this node pull from where no node is, whatever pass they show.
Result<void> Filler::check_sources(const Fill& fill) const {
  for (const FillSource& source : fill.request.sources) {
    DFS_CHECK(membership_.check_place(source.node, source.endpoint));
  }
  return {};
}

Result<void> Filler::check_epoch(const Fill& fill) const {
  if (fill.failure) return *fill.failure;
  const GroupView* const group = membership_.group(fill.request.group);
  const Epoch known = group == nullptr ? 0 : group->epoch;
  if (known == fill.request.epoch) return {};
  return {Code::stale_map, "group " + std::to_string(fill.request.group) + " is at epoch " +
                               std::to_string(known) + ", the fill is for epoch " +
                               std::to_string(fill.request.epoch)};
}

// What the source holds, once it knows the epoch as well.
Task<Result<Digest>> Filler::digest_of(Fill& fill, FillSource source) {
  using R = Result<Digest>;
  const Instant began = bus_.now();
  while (true) {
    CallOptions options;
    options.deadline = settings_.source_deadline;
    GetDigests request;
    request.groups = {fill.request.group};
    auto asking = calls_.call<GetDigests>(source.endpoint, name_of(source), std::move(request),
                                          std::move(options));
    Result<Answer<GetDigests>> answer = co_await asking;
    if (!answer) {
      Error error = answer.error();
      error.text = "source " + name_of(source) + " does not tell its digest: " + error.text;
      co_return error;
    }
    const DigestList& list = answer->message;
    if (list.digests.size() != 1 || list.digests[0].group != fill.request.group) {
      co_return R(Code::malformed, name_of(source) + " told the digest of something else");
    }
    if (list.epoch >= fill.request.epoch) co_return list.digests[0];
    if (bus_.now() - began > settings_.map_deadline) {
      co_return R(Code::timeout, "source " + name_of(source) + " knows no newer map than that of " +
                                     "epoch " + std::to_string(list.epoch));
    }
    Task<void> pausing = sleep(bus_, kMapPause);
    co_await pausing;
  }
}

// How many blocks of a source were missing here. Those that could be had are here afterwards.
Task<Result<uint64_t>> Filler::compare(Fill& fill, size_t source) {
  Task<Result<Digest>> asking = digest_of(fill, fill.request.sources[source]);
  const Result<Digest> theirs = co_await asking;
  if (!theirs) co_return theirs.error();
  const Result<void> same = check_epoch(fill);
  if (!same) co_return same.error();
  if (store_.digest(fill.request.group) == *theirs) {
    if (fill.progress.blocks_total == 0) fill.progress.blocks_same = theirs->blocks;
    co_return uint64_t{0};
  }
  Task<Result<uint64_t>> comparing = compare_lists(fill, source);
  Result<uint64_t> missing = co_await comparing;
  while (fill.pulling > 0) co_await landed_.wait();
  if (fill.failure) co_return *fill.failure;
  co_return missing;
}

Task<Result<uint64_t>> Filler::compare_lists(Fill& fill, size_t source) {
  uint64_t missing = 0;
  uint64_t same = 0;
  ListBlocks request;
  request.group = fill.request.group;
  while (true) {
    Task<Result<ListBlocksReply>> listing = list(fill, fill.request.sources[source], request);
    const Result<ListBlocksReply> page = co_await listing;
    if (!page) co_return page.error();
    for (const BlockView& block : page->blocks) {
      const Result<void> unchanged = check_epoch(fill);
      if (!unchanged) co_return unchanged.error();
      const BlockKey key{block.object, block.index, block.group};
      if (store_.has_good(key, block.length, block.crc32c)) {
        ++same;
        continue;
      }
      if (fill.unreadable.contains(key)) continue;
      ++missing;
      const uint64_t cost = Flight::cost(block.length);
      while (memory_bytes_ > 0 && memory_bytes_ + cost > memory_bytes_max()) {
        co_await landed_.wait();
      }
      if (fill.failure) co_return *fill.failure;
      ++fill.progress.blocks_total;
      fill.progress.bytes_total += block.length;
      fill.scope.spawn(pull(fill, block, source));
    }
    if (!page->more || page->blocks.empty()) break;
    const BlockView& last = page->blocks.back();
    request.after_group = last.group;
    request.after_object = last.object;
    request.after_index = last.index;
  }
  if (fill.progress.blocks_done == 0) fill.progress.blocks_same = same;
  co_return missing;
}

Task<Result<ListBlocksReply>> Filler::list(Fill& fill, FillSource source, ListBlocks request) {
  using R = Result<ListBlocksReply>;
  CallOptions options;
  options.deadline = settings_.source_deadline;
  const BlockKey after{request.after_object, request.after_index, request.after_group};
  const bool first = request.after_index == UINT32_MAX;
  auto asking = calls_.call<ListBlocks>(source.endpoint, name_of(source), std::move(request),
                                        std::move(options));
  Result<Answer<ListBlocks>> answer = co_await asking;
  if (!answer) {
    Error error = answer.error();
    error.text = "source " + name_of(source) + " does not list its blocks: " + error.text;
    co_return error;
  }
  // A list that does not go on would be read for ever.
  BlockKey last = after;
  bool any = !first;
  for (const BlockView& block : answer->message.blocks) {
    const BlockKey key{block.object, block.index, block.group};
    if (block.group != fill.request.group || (any && key <= last) ||
        block.length > kBlockBytesMax) {
      co_return R(Code::malformed, name_of(source) + " lists blocks out of order");
    }
    last = key;
    any = true;
  }
  co_return std::move(answer->message);
}

// The lister first or in turn with those that must have everything, then all others.
std::vector<size_t> Filler::order_of_sources(Fill& fill, size_t lister) const {
  const std::vector<FillSource>& sources = fill.request.sources;
  std::vector<size_t> likely;
  std::vector<size_t> rest;
  for (size_t i = 0; i < sources.size(); ++i) {
    (i == lister || sources[i].complete ? likely : rest).push_back(i);
  }
  std::rotate(likely.begin(), likely.begin() + static_cast<long>(fill.turn++ % likely.size()),
              likely.end());
  likely.insert(likely.end(), rest.begin(), rest.end());
  return likely;
}

// Nobody gave a good copy: because it is gone everywhere, because a source is gone, because all
// copies are damaged, or for another reason that may be over when the fill is tried again.
void Filler::conclude(Fill& fill, const BlockView& block, const std::vector<Error>& errors) {
  const BlockKey key{block.object, block.index, block.group};
  const auto gone = std::find_if(errors.begin(), errors.end(), [](const Error& error) {
    return is_retryable(error.code) || error.code == Code::timeout || error.code == Code::stopping;
  });
  const bool vanished = std::all_of(errors.begin(), errors.end(), [](const Error& error) {
    return error.code == Code::no_such_block;
  });
  if (vanished) {
    ++fill.vanished;
  } else if (gone != errors.end()) {
    fill.failure = *gone;
  } else if (fill.unreadable.insert(key).second) {
    fill.progress.blocks_unreadable = static_cast<uint32_t>(fill.unreadable.size());
    bus_.log(Level::error, "no good copy of a block at any source",
             {{"block", to_string(key)}, {"error", errors.front().describe()}});
    fill.progress.why = std::to_string(fill.unreadable.size()) +
                        " blocks have no good copy at any source, as block " +
                        to_string(*fill.unreadable.begin());
    const auto other = std::find_if(errors.begin(), errors.end(), [](const Error& error) {
      return error.code != Code::corrupt && error.code != Code::no_such_block;
    });
    if (other != errors.end()) fill.unsettled = *other;
    if (fill.unreadable.size() >= kUnreadableMax) {
      fill.failure = Error{Code::corrupt, "too many blocks have no good copy", {}, 0};
    }
  }
}

}  // namespace dfs::storage
