// Samples of how blocks are written, read and listed; see samples.h.
#pragma once

#include "messages/blocks.h"
#include "messages/namespace.h"

namespace dfs::samples {

template <class T>
T sample();

inline std::vector<AclEntry> acl() {
  return {{.tag = AclTag::owner, .id = 0, .rights = 7},
          {.tag = AclTag::user, .id = 1001, .rights = 6},
          {.tag = AclTag::owning_group, .id = 0, .rights = 4},
          {.tag = AclTag::mask, .id = 0, .rights = 6},
          {.tag = AclTag::others, .id = 0, .rights = 0}};
}
inline Blob grant() {
  return {.bytes = std::string("\x00\xff grant", 8)};
}

template <>
inline WriteBlock sample() {
  return {.object = 0x2002,
          .index = 4,
          .group = 5,
          .epoch = 11,
          .upload = 0xabcdef0123456789,
          .capacity = 16ull << 20,
          .offset = 3ull << 20,
          .last = true,
          .crc32c = 0x9a71bb4c,
          .chain = {{.node = 8, .endpoint = "tcp://127.0.0.1:7108"}},
          .path_hint = "/photos/film.mkv",
          .file_hint = {.size = 70'000'000,
                        .block_bytes = 16ull << 20,
                        .mode = 0640,
                        .written_ms = 1'800'000'000'123,
                        .seal = {},
                        .sealed_path = {}},
          .grant = grant()};
}
template <>
inline WriteBlockReply sample() {
  return {.object = 0x2002,
          .index = 4,
          .offset = 3ull << 20,
          .durable = true,
          .crc32c = 0x01020304,
          .length = 3'145'733,
          .nodes = {7, 8}};
}
template <>
inline ReadBlock sample() {
  return {.object = 0x2002,
          .index = 4,
          .group = 5,
          .offset = 65'536,
          .length = 1 << 20,
          .background = true,
          .grant = grant()};
}
template <>
inline ReadBlockReply sample() {
  return {.crc32c = 0x9a71bb4c, .block_length = 3'145'733};
}
template <>
inline AbortBlock sample() {
  return {.object = 0x2002, .index = 4, .group = 5, .upload = 0xabcdef0123456789, .grant = grant()};
}
template <>
inline AbortBlockReply sample() {
  return {};
}
template <>
inline ListBlocks sample() {
  return {.object = 0x2002,
          .group = 5,
          .after_object = 0x2001,
          .after_index = 17,
          .after_group = 5,
          .limit = 100};
}
template <>
inline ListBlocksReply sample() {
  return {.blocks = {{.group = 5,
                      .object = 0x2002,
                      .index = 4,
                      .length = 3'145'733,
                      .crc32c = 0x01020304,
                      .bad = true,
                      .created_ms = 1'700'000'000'123,
                      .verified_ms = 1'700'000'000'456}},
          .more = true};
}

}  // namespace dfs::samples
