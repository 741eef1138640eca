#include "actors/storage/block_index.h"

namespace dfs::storage {

namespace {

constexpr const char* kFormatKey = "format";
constexpr const char* kScrubKey = "s";
constexpr size_t kBlockKeyBytes = 1 + 8 + 4 + 4;
constexpr size_t kFirstRowBytes = 4 + 8 + 4 + 8 + 4 + 8;   // as format 1 had it
constexpr size_t kBlockRowBytes = kFirstRowBytes + 8 + 1;  // with created_ms and flags
constexpr uint8_t kBadFlag = 1;
constexpr size_t kUpgradeRows = 10'000;  // in one batch

std::string block_key(const BlockKey& key) {
  std::string out = "k";
  append_u32(out, key.group);
  append_u64(out, key.object);
  append_u32(out, key.index);
  return out;
}

BlockKey parse_key(std::string_view key) {
  return {read_u64(key, 5), read_u32(key, 13), read_u32(key, 1)};
}

std::string mark_key(uint32_t segment) {
  std::string out = "m";
  append_u32(out, segment);
  return out;
}

std::string free_key(const FreeRange& range) {
  std::string out = "f";
  append_u32(out, range.segment);
  append_u64(out, range.offset);
  return out;
}

std::optional<BlockRow> parse_row(std::string_view value) {
  // A longer row is one with fields a later version has added.
  if (value.size() < kFirstRowBytes) return std::nullopt;
  BlockRow row;
  row.segment = read_u32(value, 0);
  row.offset = read_u64(value, 4);
  row.header = read_u32(value, 12);
  row.length = read_u64(value, 16);
  row.crc32c = read_u32(value, 24);
  row.epoch = read_u64(value, 28);
  if (value.size() >= kBlockRowBytes) {
    row.created_ms = static_cast<int64_t>(read_u64(value, 36));
    row.bad = (static_cast<uint8_t>(value[44]) & kBadFlag) != 0;
  }
  if (row.length > kBlockBytesMax || row.header % kAlignment != 0) return std::nullopt;
  return row;
}

Error bad_row() {
  return {Code::corrupt, "the block index holds a row that makes no sense", {}, 0};
}

}  // namespace

void put_block(Batch& batch, const BlockKey& key, const BlockRow& row) {
  std::string value;
  append_u32(value, row.segment);
  append_u64(value, row.offset);
  append_u32(value, row.header);
  append_u64(value, row.length);
  append_u32(value, row.crc32c);
  append_u64(value, row.epoch);
  append_u64(value, static_cast<uint64_t>(row.created_ms));
  value.push_back(static_cast<char>(row.bad ? kBadFlag : 0));
  batch.put(block_key(key), std::move(value));
}

void erase_block(Batch& batch, const BlockKey& key) {
  batch.erase(block_key(key));
}

void put_mark(Batch& batch, uint32_t segment, const Mark& mark) {
  std::string value;
  append_u64(value, mark.nonce);
  append_u64(value, mark.offset);
  batch.put(mark_key(segment), std::move(value));
}

void erase_mark(Batch& batch, uint32_t segment) {
  batch.erase(mark_key(segment));
}

void put_free(Batch& batch, const FreeRange& range) {
  std::string value;
  append_u64(value, range.bytes);
  batch.put(free_key(range), std::move(value));
}

void erase_free(Batch& batch, const FreeRange& range) {
  batch.erase(free_key(range));
}

void put_scrub(Batch& batch, const ScrubRow& row) {
  batch.put(kScrubKey, encode(row));
}

Result<ScrubRow> find_scrub(Table& table) {
  auto value = table.get(kScrubKey);
  if (!value) return std::move(value).error();
  if (!value->has_value()) return ScrubRow();
  auto row = decode<ScrubRow>(**value);
  return row ? std::move(*row) : ScrubRow();
}

Result<std::optional<BlockRow>> find_block(Table& table, const BlockKey& key) {
  auto value = table.get(block_key(key));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return std::optional<BlockRow>();
  const auto row = parse_row(**value);
  if (!row) return bad_row();
  return row;
}

Result<void> scan_blocks(Table& table, const BlockKey& from,
                         const std::function<bool(const BlockKey&, const BlockRow&)>& visit) {
  bool good = true;
  const auto scanned = table.scan(block_key(from), after_prefix("k"),
                                  [&](std::string_view key, std::string_view value) {
                                    const auto row = parse_row(value);
                                    good = row.has_value() && key.size() == kBlockKeyBytes;
                                    return good && visit(parse_key(key), *row);
                                  });
  if (!scanned) return scanned;
  return good ? Result<void>() : Result<void>(bad_row());
}

Result<void> scan_marks(Table& table, const std::function<void(uint32_t, const Mark&)>& visit) {
  return table.scan("m", after_prefix("m"), [&](std::string_view key, std::string_view value) {
    if (key.size() == 5 && value.size() >= 16) {
      visit(read_u32(key, 1), {read_u64(value, 0), read_u64(value, 8)});
    }
    return true;
  });
}

Result<void> scan_free(Table& table, const std::function<void(const FreeRange&)>& visit) {
  return table.scan("f", after_prefix("f"), [&](std::string_view key, std::string_view value) {
    if (key.size() == 13 && value.size() >= 8) {
      visit({read_u32(key, 1), read_u64(key, 5), read_u64(value, 0)});
    }
    return true;
  });
}

namespace {

void put_format(Batch& batch) {
  std::string format;
  append_u32(format, kIndexFormat);
  batch.put(kFormatKey, format);
}

// Rows of format 1 lie under "b", by object, index and group.
Result<void> upgrade_from_1(Table& table) {
  while (true) {
    Batch batch;
    size_t rows = 0;
    bool good = true;
    DFS_CHECK(table.scan("b", after_prefix("b"), [&](std::string_view key, std::string_view value) {
      const auto row = parse_row(value);
      good = row.has_value() && key.size() == kBlockKeyBytes;
      if (!good) return false;
      put_block(batch, {read_u64(key, 1), read_u32(key, 9), read_u32(key, 13)}, *row);
      batch.erase(std::string(key));
      return ++rows < kUpgradeRows;
    }));
    if (!good) return bad_row();
    if (rows == 0) break;
    DFS_CHECK(table.write(batch, Durability::synced));
  }
  Batch batch;
  put_format(batch);
  return table.write(batch, Durability::synced);
}

}  // namespace

Result<void> check_index_format(Table& table) {
  auto value = table.get(kFormatKey);
  if (!value) return std::move(value).error();
  if (!value->has_value()) {
    Batch batch;
    put_format(batch);
    return table.write(batch);
  }
  const uint32_t format = (*value)->size() == 4 ? read_u32(**value, 0) : UINT32_MAX;
  if (format == 1) return upgrade_from_1(table);
  if (format <= kIndexFormat) return {};
  return {Code::unsupported, "the block index has format " + std::to_string(format) +
                                 ", but this program knows formats up to " +
                                 std::to_string(kIndexFormat) +
                                 "; start the newer program on this directory"};
}

}  // namespace dfs::storage
