// Bad blocks: found damaged, flagged in the index, replaced by the next write of the same key. What
// could not be read may be readable again, when a cable or a controller was at fault: then the copy
// counts as good once more. It may be the only one.
#include "actors/storage/block_store.h"

namespace dfs::storage {

namespace {

std::map<std::string, std::string> fields_of(const BlockKey& key) {
  return {{"object", std::to_string(key.object)},
          {"index", std::to_string(key.index)},
          {"group", std::to_string(key.group)}};
}

}  // namespace

bool BlockStore::has_good(const BlockKey& key, uint64_t length, uint32_t crc32c) {
  if (removing_.contains(key)) return false;
  const auto row = find_block(index_, key);
  return row && row->has_value() && !(*row)->bad && (*row)->length == length &&
         (*row)->crc32c == crc32c;
}

// `seen` is the copy that was read, which may have been removed or replaced meanwhile.
bool BlockStore::quarantine(const BlockKey& key, const BlockRow& seen, const Error& error) {
  const auto now = find_block(index_, key);
  if (!now || !now->has_value() || (*now)->bad || !(*now)->same_extent(seen)) return false;
  if (removing_.contains(key)) return false;
  BlockRow row = **now;
  row.bad = true;
  Batch batch;
  put_block(batch, key, row);
  if (auto kept = index_.write(batch); !kept) {
    give_up(kept.error());
    return true;
  }
  digests_.take(key, row.length, row.crc32c);
  tables_.erase(row.segment, row.offset);
  ++bad_;
  ++losses_;
  bus_.log(Level::error, "block corrupt", {{"block", to_string(key)}, {"error", error.text}});
  auto fields = fields_of(key);
  fields["why"] = error.text;
  notify_("block-corrupt", std::move(fields));
  flush([] {});  // a crash is not to make it good again
  return true;
}

void BlockStore::absolve(const BlockKey& key, const BlockRow& seen) {
  const auto now = find_block(index_, key);
  if (!now || !now->has_value() || !(*now)->bad || !(*now)->same_extent(seen)) return;
  if (removing_.contains(key)) return;
  BlockRow row = **now;
  row.bad = false;
  Batch batch;
  put_block(batch, key, row);
  if (auto kept = index_.write(batch); !kept) return give_up(kept.error());
  digests_.add(key, row.length, row.crc32c);
  --bad_;
  bus_.log(Level::info, "block is good after all", {{"block", to_string(key)}});
  auto fields = fields_of(key);
  fields["why"] = "all its bytes can be read again";
  notify_("block-repaired", std::move(fields));
  flush([] {});
}

// One block at a time: which others can be read again is found by their readers, and by the scrub.
void BlockStore::recheck(const BlockKey& key, const BlockRow& row) {
  if (std::exchange(rechecking_, true)) return;
  recheck_part(check_of(key, row, nullptr));
}

void BlockStore::recheck_part(const std::shared_ptr<ReadJob>& job) {
  check(job, [this, job](const Result<void>& outcome) {
    if (outcome && job->offset < job->row.length) return recheck_part(job);
    rechecking_ = false;
    if (outcome) absolve(job->key, job->row);
  });
}

void BlockStore::replaced(const std::vector<std::pair<BlockKey, BlockRow>>& blocks) {
  for (const auto& [key, old] : blocks) {
    bus_.log(Level::info, "block repaired", {{"block", to_string(key)}});
    notify_("block-repaired", fields_of(key));
  }
  removed(blocks);
}

}  // namespace dfs::storage
