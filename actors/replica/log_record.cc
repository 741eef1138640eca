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

size_t padded(size_t size) {
  return (size + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

// Of everything but the checksum itself, which is the second of two 32-bit words.
uint32_t checksum(std::string_view bytes, size_t crc_at, uint32_t salt) {
  const uint32_t before = crc32c(bytes.substr(0, crc_at), salt);
  return crc32c(bytes.substr(crc_at + sizeof(uint32_t)), before);
}

}  // namespace

size_t record_bytes(const Command& command) {
  return kRecordBytes + command.client.size() + command.body.size();
}

void append_record(std::string& out, const Command& command, LogIndex batch, uint32_t salt) {
  const size_t start = out.size();
  const size_t size = record_bytes(command);
  out.resize(start + kRecordBytes);
  char* record = out.data() + start;
  store(record + kRecordSizeAt, static_cast<uint32_t>(size));
  store(record + kRecordIndexAt, command.index);
  store(record + kRecordBatchAt, batch);
  store(record + kRecordTermAt, command.term);
  store(record + kRecordTimeAt, command.time_ms);
  store(record + kRecordRequestAt, command.request);
  store(record + kRecordTraceAt, command.trace);
  store(record + kRecordTypeAt, static_cast<uint16_t>(command.type));
  store(record + kRecordClientAt, static_cast<uint16_t>(command.client.size()));
  store(record + kRecordBodyAt, static_cast<uint32_t>(command.body.size()));
  out += command.client;
  out += command.body;
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
  if (size > kRecordBytesMax || size > segment.size() - offset) return std::nullopt;
  if (size != uint64_t{kRecordBytes} + client_bytes + body_bytes) return std::nullopt;
  const std::string_view bytes = segment.substr(offset, size);
  if (load<uint32_t>(record + kRecordCrcAt) != checksum(bytes, kRecordCrcAt, salt)) {
    return std::nullopt;
  }
  LogRecord out;
  out.batch = load<uint64_t>(record + kRecordBatchAt);
  out.bytes = padded(size);
  out.command.index = load<uint64_t>(record + kRecordIndexAt);
  out.command.term = load<uint64_t>(record + kRecordTermAt);
  out.command.time_ms = load<int64_t>(record + kRecordTimeAt);
  out.command.request = load<uint64_t>(record + kRecordRequestAt);
  out.command.trace = load<uint64_t>(record + kRecordTraceAt);
  out.command.type = static_cast<Type>(load<uint16_t>(record + kRecordTypeAt));
  out.command.client = bytes.substr(kRecordBytes, client_bytes);
  out.command.body = bytes.substr(kRecordBytes + client_bytes);
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
  return LogHeader{load<uint64_t>(bytes.data() + kLogFirstAt),
                   load<uint32_t>(bytes.data() + kLogSaltAt)};
}

}  // namespace dfs
