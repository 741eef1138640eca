#include "messages/rebuild.h"

#include <algorithm>

namespace dfs {

namespace {

const char* invalid_group(const FoundGroup& found) {
  if (found.group >= kBatchMax) return "a group's number is not below 4096";
  if (found.holders.empty()) return "a group has no holders";
  for (size_t i = 0; i < found.holders.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (found.holders[i].node == found.holders[j].node) return "a group names a holder twice";
    }
  }
  return nullptr;
}

const char* invalid_file(const FoundFile& found) {
  if (found.layout.object == 0) return "object is 0";
  if (const char* why = found.layout.invalid()) return why;
  if (const char* why = found.seal.invalid()) return why;
  if (found.size == 0) return "a file without blocks";
  const uint64_t blocks = (found.size - 1) / found.layout.block_bytes + 1;
  if (blocks > uint64_t{UINT32_MAX} + 1) return "the file has too many blocks";
  const auto past_the_end = [&](const Override& each) { return each.index >= blocks; };
  if (std::any_of(found.layout.overrides.begin(), found.layout.overrides.end(), past_the_end)) {
    return "an override is past the end";
  }
  if (const char* why = found.path.empty() ? nullptr : bad_path(found.path)) return why;
  if (found.path == kLostAndFound) return "a file has the name of the directory for the lost";
  return found.name.empty() ? nullptr : bad_name(found.name);
}

}  // namespace

const char* ImportGroups::invalid() const {
  if (groups.size() > kImportGroupsMax) return "more than 1000 groups";
  for (const FoundGroup& found : groups) {
    if (const char* why = invalid_group(found)) return why;
  }
  return nullptr;
}

const char* ImportFiles::invalid() const {
  if (files.size() > kImportFilesMax) return "more than 200 files";
  for (const FoundFile& found : files) {
    if (const char* why = invalid_file(found)) return why;
  }
  return nullptr;
}

}  // namespace dfs
