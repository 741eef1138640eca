// The bytes of the log's files; README.md draws them. Numbers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dfs {

inline constexpr char kLogMagic[9] = "ZDFS.log";
inline constexpr uint32_t kLogVersion = 1;

// Header of a segment.
inline constexpr size_t kLogMagicAt = 0;        // char[8]
inline constexpr size_t kLogVersionAt = 8;      // u32
inline constexpr size_t kLogHeaderCrcAt = 12;   // u32, of all other bytes of the header
inline constexpr size_t kLogFirstAt = 16;       // u64, index of the first record
inline constexpr size_t kLogSaltAt = 24;        // u32, every checksum of a record begins with it
inline constexpr size_t kLogGenerationAt = 28;  // u32, how often the log had begun anew
inline constexpr size_t kLogBaseTermAt = 32;    // u64, term of the entry before the first record
inline constexpr size_t kLogHeaderBytes = 64;   // the rest is zeros

// The file `state`: the term and the vote.
inline constexpr char kStateMagic[9] = "ZDFSvote";
inline constexpr uint32_t kStateVersion = 1;
inline constexpr size_t kStateMagicAt = 0;    // char[8]
inline constexpr size_t kStateVersionAt = 8;  // u32
inline constexpr size_t kStateCrcAt = 12;     // u32, of all other bytes
inline constexpr size_t kStateTermAt = 16;    // u64
inline constexpr size_t kStateVoteAt = 24;    // u64
inline constexpr size_t kStateBytes = 32;

// Fixed part of a record; client, body, requester and zeros up to the alignment follow. What the
// size leaves for the requester is its length: records were as they are before there was one.
inline constexpr size_t kRecordSizeAt = 0;      // u32, of the record without the zeros
inline constexpr size_t kRecordCrcAt = 4;       // u32, of all other bytes of the record
inline constexpr size_t kRecordIndexAt = 8;     // u64
inline constexpr size_t kRecordBatchAt = 16;    // u64, index of the first record of its batch
inline constexpr size_t kRecordTermAt = 24;     // u64
inline constexpr size_t kRecordTimeAt = 32;     // i64
inline constexpr size_t kRecordRequestAt = 40;  // u64
inline constexpr size_t kRecordTraceAt = 48;    // u64
inline constexpr size_t kRecordTypeAt = 56;     // u16
inline constexpr size_t kRecordClientAt = 58;   // u16, length of the client
inline constexpr size_t kRecordBodyAt = 60;     // u32, length of the body
inline constexpr size_t kRecordBytes = 64;
inline constexpr size_t kRequesterBytesMax = 2048;  // more than any ticket could say
inline constexpr size_t kRecordAlignment = 8;

}  // namespace dfs
