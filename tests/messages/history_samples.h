// Samples of what tells of the past, and copies it; see samples.h.
#pragma once

#include "messages/namespace.h"

namespace dfs::samples {

template <class T>
T sample();
Receipt receipt();
InodeInfo inode();

inline Moment moment() {
  return {.index = 4712, .time_ms = 1'700'000'000'456};
}

template <>
inline CopyFile sample() {
  return {.from = "/photos/old.jpg",
          .to = "/photos/new.jpg",
          .at = moment(),
          .expected_version = 3,
          .fence = 90,
          .fence_proof = {"proof"}};
}
template <>
inline CopyFileReply sample() {
  return {.ino = 0x1003, .version = 4, .size = 5000, .created = true, .receipt = receipt()};
}
template <>
inline GetHistory sample() {
  return {.path = "/photos/film.mkv", .after = 4000, .limit = 100, .at = moment()};
}
template <>
inline HistoryList sample() {
  return {.versions = {{.info = inode(),
                        .since = 4100,
                        .since_ms = 1'700'000'000'000,
                        .until = 4200,
                        .until_ms = 1'700'000'100'000}},
          .more = true,
          .kept_since = 4000,
          .kept_since_ms = 1'699'999'000'000};
}

}  // namespace dfs::samples
