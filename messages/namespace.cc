#include "messages/namespace.h"

#include <algorithm>
#include <array>

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

const char* bad_acl(const std::vector<AclEntry>& acl) {
  if (acl.empty()) return nullptr;
  if (acl.size() > kAclEntriesMax) return "the access list has more than 64 entries";
  std::array<size_t, 7> count = {};
  for (size_t i = 0; i < acl.size(); ++i) {
    const AclEntry& entry = acl[i];
    if (entry.tag < AclTag::owner || entry.tag > AclTag::others) {
      return "an entry of the access list is of no known kind";
    }
    if (entry.rights > 7) return "an entry of the access list has unknown rights";
    const bool named = entry.tag == AclTag::user || entry.tag == AclTag::group;
    if (!named && entry.id != 0) return "an entry of the access list names somebody needlessly";
    ++count[static_cast<size_t>(entry.tag)];
    const auto same = [&](const AclEntry& other) {
      return other.tag == entry.tag && other.id == entry.id;
    };
    if (std::any_of(acl.begin(), acl.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      return "the access list names somebody twice";
    }
  }
  const auto has = [&](AclTag tag) { return count[static_cast<size_t>(tag)] != 0; };
  if (!has(AclTag::owner) || !has(AclTag::owning_group) || !has(AclTag::others)) {
    return "the access list lacks its owner, group or others";
  }
  if ((has(AclTag::user) || has(AclTag::group)) && !has(AclTag::mask)) {
    return "the access list names users or groups and has no mask";
  }
  return nullptr;
}

const char* SetAttributes::invalid() const {
  if (pool.size() > kNameBytesMax) return "the pool's name is long";
  if (mode > 07777) return "the mode has unknown bits";
  if (const char* why = bad_acl(acl)) return why;
  if (const char* why = bad_acl(default_acl)) return why;
  return bad_path(path);
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
  const size_t wrapped = wrapped_key.bytes.size();
  if (wrapped != 0 && wrapped != kWrapBytes + kKeyBytes) return "the wrapped key is none";
  if (groups.empty() || groups.size() > kLayoutGroupsMax) {
    return "the plan has no groups or more than 64";
  }
  return bad_block_bytes(block_bytes);
}

const char* CommitFile::invalid() const {
  if (const char* why = bad_path(path)) return why;
  if (layout.object == 0) {
    const size_t wrap = content_wrapped ? kWrapBytes : 0;
    if (content.bytes.size() > kInlineBytesMax + wrap) return "inline content is over 4 KiB";
    if (content.bytes.size() != size + wrap) return "size is not that of the inline content";
    if (seal.cipher != Cipher::none) return "a seal, and no object";
    return nullptr;
  }
  if (!content.bytes.empty()) return "both a layout and inline content";
  if (const char* why = layout.invalid()) return why;
  if (const char* why = seal.invalid()) return why;
  if (size > (uint64_t{UINT32_MAX} + 1) * layout.block_bytes) return "the file has too many blocks";
  return nullptr;
}

const char* OpenFileReply::invalid() const {
  if (layout.object != info.object) return "the layout is that of another object";
  if (seal.cipher > Cipher::chacha20_poly1305) return "the cipher is not known; use a newer client";
  if (seal.cipher != Cipher::none && seal.key.bytes.size() != kKeyBytes) return "the key is no key";
  return layout.object != 0 ? layout.invalid() : nullptr;
}

}  // namespace dfs
