#include "actors/monitor/rows.h"

namespace dfs::keys {

namespace {

std::string with_u64(char kind, uint64_t id) {
  std::string key(1, kind);
  append_u64(key, id);
  return key;
}

std::string with_u32(char kind, uint32_t id) {
  std::string key(1, kind);
  append_u32(key, id);
  return key;
}

std::string with_text(char kind, std::string_view text) {
  std::string key(1, kind);
  key.append(text);
  return key;
}

}  // namespace

std::string inode(Ino ino) {
  return with_u64(kInode, ino);
}
std::string entries(Ino parent) {
  return with_u64(kEntry, parent);
}
std::string entry(Ino parent, std::string_view name) {
  std::string key = with_u64(kEntry, parent);
  key.append(name);
  return key;
}
std::string object(ObjectId object) {
  return with_u64(kObject, object);
}
std::string node(NodeId node) {
  return with_u32(kNode, node);
}
std::string loss(NodeId node) {
  return with_u32(kLoss, node);
}
std::string node_uuid(std::string_view uuid) {
  return with_text(kNodeUuid, uuid);
}
std::string pool(std::string_view name) {
  return with_text(kPool, name);
}
std::string group(GroupId group) {
  return with_u32(kGroup, group);
}
std::string cluster() {
  return "cluster";
}
std::string tree() {
  return "tree";
}
std::string heads() {
  return "members";
}
std::string task(std::string_view id) {
  return std::string(1, kTask).append(id);
}

std::string removed_head(std::string_view uuid) {
  return std::string(1, kRemovedHead).append(uuid);
}

std::string rebuild() {
  return std::string(1, kRebuild);
}

std::string join_token(std::string_view hash) {
  return with_text(kJoinToken, hash);
}

std::string orphan(Ino ino) {
  return with_u64(kOrphan, ino);
}

// A NUL parts the key from the index: names have none, so no row's history runs into another's.
std::string history_of(std::string_view key) {
  std::string out = with_text(kHistory, key);
  out.push_back('\0');
  return out;
}

std::string history(std::string_view key, LogIndex ended) {
  std::string out = history_of(key);
  append_u64(out, ended);
  return out;
}

std::string row_of_history(std::string_view history) {
  constexpr size_t kIndexBytes = sizeof(LogIndex) + 1;  // and the NUL
  return std::string(history.substr(1, history.size() - 1 - kIndexBytes));
}

// Logged times are never negative, so that bytewise order is theirs.
std::string history_since(int64_t time_ms) {
  return with_u64(kHistoryByTime, static_cast<uint64_t>(time_ms));
}

std::string history_by_time(int64_t time_ms, std::string_view history) {
  return history_since(time_ms).append(history);
}

std::string died(int64_t died_ms) {
  return with_u64(kDead, static_cast<uint64_t>(died_ms));
}

std::string dead(int64_t died_ms, ObjectId object) {
  std::string out = died(died_ms);
  append_u64(out, object);
  return out;
}

std::string content() {
  return "content";
}

std::string pool_key(KeyId key) {
  return with_u64(kPoolKey, key);
}

std::string fence(std::string_view path) {
  return std::string(1, kFence).append(path);
}

std::string fence_by_time(int64_t kept_ms, std::string_view path) {
  std::string key(1, kFenceByTime);
  append_u64(key, static_cast<uint64_t>(kept_ms));
  return key.append(path);
}

std::string kept() {
  return "since";
}

}  // namespace dfs::keys
