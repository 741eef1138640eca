#include "actors/replica/log_record.h"

#include <bit>
#include <cstring>

#include "actors/replica/log_format.h"
#include "messages/crc32c.h"

namespace dfs {

namespace {

static_assert(std::endian::native == std::endian::little);

template <class T>
void store(char* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A receiver can check what it is sent; nothing else is ever looked for among it.
constexpr uint32_t kWireSalt = 0;

size_t padded(size_t size) {
  return (size + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

// Of everything but the checksum itself, which is the second of two 32-bit words.
uint32_t checksum(std::string_view bytes, size_t crc_at, uint32_t salt) {
  const uint32_t before = crc32c(bytes.substr(0, crc_at), salt);
  return crc32c(bytes.substr(crc_at + sizeof(uint32_t)), before);
}

}  // namespace

size_t record_bytes(const LogEntry& entry) {
  return kRecordBytes + entry.client.size() + entry.body.size() + entry.requester.size();
}

void append_record(std::string& out, const LogEntry& entry, LogIndex batch, uint32_t salt) {
  const size_t start = out.size();
  const size_t size = record_bytes(entry);
  out.resize(start + kRecordBytes);
  char* record = out.data() + start;
  store(record + kRecordSizeAt, static_cast<uint32_t>(size));
  store(record + kRecordIndexAt, entry.index);
  store(record + kRecordBatchAt, batch);
  store(record + kRecordTermAt, entry.term);
  store(record + kRecordTimeAt, entry.time_ms);
  store(record + kRecordRequestAt, entry.request);
  store(record + kRecordTraceAt, entry.trace);
  store(record + kRecordTypeAt, static_cast<uint16_t>(entry.type));
  store(record + kRecordClientAt, static_cast<uint16_t>(entry.client.size()));
  store(record + kRecordBodyAt, static_cast<uint32_t>(entry.body.size()));
  out += entry.client;
  out += entry.body;
  out += entry.requester;
  const uint32_t crc = checksum(std::string_view(out).substr(start), kRecordCrcAt, salt);
  store(out.data() + start + kRecordCrcAt, crc);
  out.resize(start + padded(size));
}

std::optional<LogRecord> parse_record(std::string_view segment, size_t offset, uint32_t salt) {
  if (offset > segment.size() || segment.size() - offset < kRecordBytes) return std::nullopt;
  const char* record = segment.data() + offset;
  const auto size = load<uint32_t>(record + kRecordSizeAt);
  const auto client_bytes = load<uint16_t>(record + kRecordClientAt);
  const auto body_bytes = load<uint32_t>(record + kRecordBodyAt);
  if (size > segment.size() - offset) return std::nullopt;
  const uint64_t before_requester = uint64_t{kRecordBytes} + client_bytes + body_bytes;
  if (size < before_requester || size - before_requester > kRequesterBytesMax) return std::nullopt;
  if (client_bytes > kAddressBytesMax || body_bytes > kBodyBytesMax) return std::nullopt;
  const std::string_view bytes = segment.substr(offset, size);
  if (load<uint32_t>(record + kRecordCrcAt) != checksum(bytes, kRecordCrcAt, salt)) {
    return std::nullopt;
  }
  LogRecord out;
  out.batch = load<uint64_t>(record + kRecordBatchAt);
  out.bytes = padded(size);
  out.entry.index = load<uint64_t>(record + kRecordIndexAt);
  out.entry.term = load<uint64_t>(record + kRecordTermAt);
  out.entry.time_ms = load<int64_t>(record + kRecordTimeAt);
  out.entry.request = load<uint64_t>(record + kRecordRequestAt);
  out.entry.trace = load<uint64_t>(record + kRecordTraceAt);
  out.entry.type = static_cast<Type>(load<uint16_t>(record + kRecordTypeAt));
  out.entry.client = bytes.substr(kRecordBytes, client_bytes);
  out.entry.body = bytes.substr(kRecordBytes + client_bytes, body_bytes);
  out.entry.requester = bytes.substr(before_requester);
  return out;
}

std::optional<LogRecord> find_later_batch(std::string_view segment, size_t offset, LogIndex index,
                                          uint32_t salt) {
  for (size_t at = padded(offset); at + kRecordBytes <= segment.size(); at += kRecordAlignment) {
    // Nearly all of what is looked through are zeros; the batch tells before the checksum does.
    const auto batch = load<uint64_t>(segment.data() + at + kRecordBatchAt);
    if (batch <= index || load<uint64_t>(segment.data() + at + kRecordIndexAt) < batch) continue;
    if (auto record = parse_record(segment, at, salt)) return record;
  }
  return std::nullopt;
}

std::string encode_log_header(const LogHeader& header) {
  std::string bytes(kLogHeaderBytes, '\0');
  std::memcpy(bytes.data() + kLogMagicAt, kLogMagic, 8);
  store(bytes.data() + kLogVersionAt, kLogVersion);
  store(bytes.data() + kLogFirstAt, header.first);
  store(bytes.data() + kLogSaltAt, header.salt);
  store(bytes.data() + kLogGenerationAt, header.generation);
  store(bytes.data() + kLogBaseTermAt, header.base_term);
  store(bytes.data() + kLogHeaderCrcAt, checksum(bytes, kLogHeaderCrcAt, 0));
  return bytes;
}

std::optional<LogHeader> parse_log_header(std::string_view segment) {
  if (segment.size() < kLogHeaderBytes) return std::nullopt;
  const std::string_view bytes = segment.substr(0, kLogHeaderBytes);
  if (bytes.substr(kLogMagicAt, 8) != std::string_view(kLogMagic, 8)) return std::nullopt;
  if (load<uint32_t>(bytes.data() + kLogVersionAt) != kLogVersion) return std::nullopt;
  if (load<uint32_t>(bytes.data() + kLogHeaderCrcAt) != checksum(bytes, kLogHeaderCrcAt, 0)) {
    return std::nullopt;
  }
  LogHeader header;
  header.first = load<uint64_t>(bytes.data() + kLogFirstAt);
  header.salt = load<uint32_t>(bytes.data() + kLogSaltAt);
  header.generation = load<uint32_t>(bytes.data() + kLogGenerationAt);
  header.base_term = load<uint64_t>(bytes.data() + kLogBaseTermAt);
  return header;
}

std::string encode_hard_state(const raft::HardState& state) {
  std::string bytes(kStateBytes, '\0');
  std::memcpy(bytes.data() + kStateMagicAt, kStateMagic, 8);
  store(bytes.data() + kStateVersionAt, kStateVersion);
  store(bytes.data() + kStateTermAt, state.term);
  store(bytes.data() + kStateVoteAt, state.vote);
  store(bytes.data() + kStateCrcAt, checksum(bytes, kStateCrcAt, 0));
  return bytes;
}

std::optional<raft::HardState> parse_hard_state(std::string_view bytes) {
  if (bytes.size() != kStateBytes) return std::nullopt;
  if (bytes.substr(kStateMagicAt, 8) != std::string_view(kStateMagic, 8)) return std::nullopt;
  if (load<uint32_t>(bytes.data() + kStateVersionAt) != kStateVersion) return std::nullopt;
  if (load<uint32_t>(bytes.data() + kStateCrcAt) != checksum(bytes, kStateCrcAt, 0)) {
    return std::nullopt;
  }
  return raft::HardState{load<uint64_t>(bytes.data() + kStateTermAt),
                         load<uint64_t>(bytes.data() + kStateVoteAt)};
}

std::string encode_entries(const LogEntries& entries) {
  std::string payload;
  size_t size = 0;
  for (const auto& entry : entries) size += padded(record_bytes(*entry));
  payload.reserve(size);
  for (const auto& entry : entries) {
    append_record(payload, *entry, entries.front()->index, kWireSalt);
  }
  return payload;
}

Result<LogEntries> decode_entries(std::string_view payload) {
  const auto malformed = [](size_t at, const char* why) {
    return Error{Code::malformed,
                 "the entries of a log are damaged at byte " + std::to_string(at) + ": " + why,
                 {},
                 0};
  };
  LogEntries entries;
  for (size_t at = 0; at < payload.size();) {
    auto record = parse_record(payload, at, kWireSalt);
    if (!record) return malformed(at, "a record does not check out");
    LogEntry& entry = record->entry;
    const size_t end = at + record->bytes;
    if (end > payload.size()) return malformed(at, "the last record is cut short");
    if (payload.find_first_not_of('\0', at + record_bytes(entry)) < end) {
      return malformed(at, "there is something between two records");
    }
    if (entry.index == 0) return malformed(at, "an index is zero");
    if (!entries.empty()) {
      const LogEntry& before = *entries.back();
      if (entry.index != before.index + 1) return malformed(at, "an entry is missing");
      if (entry.term < before.term) return malformed(at, "a term falls");
    }
    if (record->batch != entry.index - entries.size()) {
      return malformed(at, "a record is of another batch");
    }
    entries.push_back(std::make_shared<const LogEntry>(std::move(entry)));
    at = end;
  }
  return entries;
}

}  // namespace dfs
