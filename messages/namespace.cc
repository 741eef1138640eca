#include "messages/namespace.h"

#include <algorithm>

namespace dfs {

const char* bad_name(const std::string& name) {
  if (name.empty()) return "a name is empty";
  if (name.size() > kNameBytesMax) return "a name is longer than 255 bytes";
  if (name == "." || name == "..") return "a name is '.' or '..'";
  if (name.find('/') != std::string::npos) return "a name contains '/'";
  if (name.find('\0') != std::string::npos) return "a name contains a NUL byte";
  return nullptr;
}

const char* bad_path(const std::string& path) {
  if (path.empty() || path[0] != '/') return "the path does not start with '/'";
  if (path.size() > kPathBytesMax) return "the path is longer than 4096 bytes";
  if (path.size() == 1) return nullptr;
  size_t begin = 1;
  while (true) {
    const size_t end = path.find('/', begin);
    const std::string name = path.substr(begin, end == std::string::npos ? end : end - begin);
    if (const char* why = bad_name(name)) return why;
    if (end == std::string::npos) return nullptr;
    begin = end + 1;
  }
}

namespace {

const char* bad_block_bytes(uint64_t block_bytes) {
  if (block_bytes < kBlockBytesMin || block_bytes > kBlockBytesMax) {
    return "block_bytes is not between 1 MiB and 128 MiB";
  }
  return block_bytes % kPartBytes != 0 ? "block_bytes is not a multiple of 1 MiB" : nullptr;
}

}  // namespace

const char* Layout::invalid() const {
  if (groups.empty() || groups.size() > kLayoutGroupsMax) {
    return "the layout has no groups or more than 64";
  }
  if (overrides.size() > kOverridesMax) return "the layout has more than 4096 overrides";
  const auto unordered = [](const Override& a, const Override& b) { return a.index >= b.index; };
  if (std::adjacent_find(overrides.begin(), overrides.end(), unordered) != overrides.end()) {
    return "the overrides are not in the order of their blocks";
  }
  return bad_block_bytes(block_bytes);
}

GroupId Layout::group_of(uint32_t index) const {
  const auto found = std::lower_bound(overrides.begin(), overrides.end(), index,
                                      [](const Override& o, uint32_t i) { return o.index < i; });
  if (found != overrides.end() && found->index == index) return found->group;
  return groups[index % groups.size()];
}

const char* PlanFileReply::invalid() const {
  if (object == 0) return "object is 0";
  if (groups.empty() || groups.size() > kLayoutGroupsMax) {
    return "the plan has no groups or more than 64";
  }
  return bad_block_bytes(block_bytes);
}

const char* CommitFile::invalid() const {
  if (const char* why = bad_path(path)) return why;
  if (layout.object == 0) {
    if (content.bytes.size() > kInlineBytesMax) return "inline content is over 4 KiB";
    if (content.bytes.size() != size) return "size is not that of the inline content";
    return nullptr;
  }
  if (!content.bytes.empty()) return "both a layout and inline content";
  if (const char* why = layout.invalid()) return why;
  if (size > (uint64_t{UINT32_MAX} + 1) * layout.block_bytes) return "the file has too many blocks";
  return nullptr;
}

const char* OpenFileReply::invalid() const {
  if (layout.object != info.object) return "the layout is that of another object";
  return layout.object != 0 ? layout.invalid() : nullptr;
}

}  // namespace dfs
