// Samples of what the heads say to each other; see samples.h.
#pragma once

#include "messages/raft.h"

namespace dfs::samples {

template <class T>
T sample();

inline std::string group() {
  return "fedcba9876543210fedcba9876543210/monitor";
}
inline Member member() {
  return {.id = 2,
          .endpoint = "tcp://127.0.0.1:7003",
          .broker = "tcp://127.0.0.1:7000",
          .uuid = "0123456789abcdef0123456789abcdef",
          .standing = Standing::joining};
}
template <>
inline BecomeLeader sample() {
  return {.leader = 3};
}
template <>
inline ChangeMembers sample() {
  return {.members = {member()}, .last_id = 4};
}
template <>
inline RequestVote sample() {
  return {.group = group(),
          .from = 2,
          .to = 3,
          .term = 5,
          .last_index = 4711,
          .last_term = 4,
          .pre = true,
          .transfer = true};
}
template <>
inline RequestVoteReply sample() {
  return {.group = group(), .from = 3, .to = 2, .term = 5, .pre = true, .granted = true};
}
template <>
inline AppendEntries sample() {
  return {.group = group(),
          .from = 3,
          .to = 2,
          .term = 5,
          .prev_index = 4711,
          .prev_term = 4,
          .commit = 4710,
          .round = 77,
          .entries = {}};
}
template <>
inline AppendEntriesReply sample() {
  return {.group = group(),
          .from = 2,
          .to = 3,
          .term = 5,
          .accepted = true,
          .prev_index = 4711,
          .index = 4712,
          .hint_term = 4,
          .applied = 4709,
          .round = 77};
}
template <>
inline InstallSnapshot sample() {
  return {.group = group(),
          .from = 3,
          .to = 2,
          .term = 5,
          .index = 4711,
          .index_term = 4,
          .time_ms = 1'700'000'000'123,
          .members = sample<ChangeMembers>(),
          .snapshot = 0xabcdef0123456789,
          .files = {{.name = "000012.sst", .bytes = 1 << 20}},
          .round = 77};
}
template <>
inline ReadSnapshot sample() {
  return {.group = group(),
          .snapshot = 0xabcdef0123456789,
          .name = "000012.sst",
          .offset = 3ull << 20,
          .length = 1 << 20};
}
template <>
inline ReadSnapshotReply sample() {
  return {.crc32c = 0x9a71bb4c};
}
template <>
inline TimeoutNow sample() {
  return {.group = group(), .from = 3, .to = 2, .term = 5};
}

}  // namespace dfs::samples
