// Samples of the conversation "rebuild"; see samples.h.
#pragma once

#include "actors/monitor/commands.h"
#include "messages/rebuild.h"

namespace dfs::samples {

template <class T>
T sample();
Receipt receipt();
Layout layout();
Seal seal();

template <>
inline ReadHints sample() {
  return {.blocks = {{.object = 0x2002, .index = 4, .group = 5}}};
}
template <>
inline HintList sample() {
  return {.hints = {{.object = 0x2002,
                     .index = 4,
                     .group = 5,
                     .found = true,
                     .path = "/photos/film.mkv",
                     .file = {.size = 70'000'000,
                              .block_bytes = 16ull << 20,
                              .mode = 0640,
                              .written_ms = 1'800'000'000'123,
                              .seal = seal(),
                              .sealed_path = {.bytes = "path"}},
                     .epoch = 11}}};
}
template <>
inline GetRebuild sample() {
  return {};
}
template <>
inline RebuildStatus sample() {
  return {.active = true,
          .cluster = "fedcba9876543210fedcba9876543210",
          .groups = 64,
          .files = 10'000,
          .lost = 7};
}
template <>
inline ImportGroups sample() {
  return {.groups = {{.group = 5, .holders = {{.node = 7, .complete = true}, {.node = 8}}}},
          .above = 11};
}
template <>
inline ImportGroupsReply sample() {
  return {.imported = 1, .receipt = receipt()};
}
template <>
inline ImportFiles sample() {
  return {.files = {{.path = "/photos/film.mkv",
                     .name = "film.mkv",
                     .size = 2'000'000'000'000,
                     .crc32c = 0xdeadbeef,
                     .mode = 0640,
                     .written_ms = 1'800'000'000'123,
                     .layout = layout(),
                     .seal = seal()}}};
}
template <>
inline ImportFilesReply sample() {
  return {.paths = {"/photos/film.mkv"}, .imported = 1, .receipt = receipt()};
}
template <>
inline EndRebuild sample() {
  return {.highest = 0x2002};
}
template <>
inline EndRebuildReply sample() {
  return {.receipt = receipt()};
}
template <>
inline RaiseEpoch sample() {
  return {.above = 11};
}

}  // namespace dfs::samples
