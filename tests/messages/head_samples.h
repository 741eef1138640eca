// Samples of the messages about heads.
#pragma once

#include "messages/heads.h"

namespace dfs::samples {

template <class T>
T sample();

template <>
inline AddHead sample() {
  return {.uuid = "0123456789abcdef0123456789abcdef",
          .endpoint = "tcp://127.0.0.1:7003",
          .broker = "tcp://127.0.0.1:7000"};
}
template <>
inline AddHeadReply sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210", .head = 2};
}
template <>
inline RemoveHead sample() {
  return {.head = 2};
}
template <>
inline RemoveHeadReply sample() {
  return {};
}
template <>
inline TransferLead sample() {
  return {.to = 3};
}
template <>
inline TransferLeadReply sample() {
  return {.leader = 3};
}
template <>
inline ListHeads sample() {
  return {.stale = true};
}
template <>
inline HeadList sample() {
  return {.leader = 3,
          .from = 2,
          .term = 5,
          .log_bytes = 16'777'216,
          .log_syncs = 900,
          .log_entries = 4700,
          .heads = {{.head = 2,
                     .endpoint = "tcp://127.0.0.1:7003",
                     .broker = "tcp://127.0.0.1:7000",
                     .role = HeadRole::learner,
                     .standing = Standing::joining,
                     .term = 5,
                     .match = 4700,
                     .commit = 4705,
                     .applied = 4699,
                     .lag = 11,
                     .silent_ms = 70,
                     .installing = true}},
          .authentication = true};
}

}  // namespace dfs::samples
