#include "tests/sim/records.h"

#include <algorithm>

namespace dfs::sim {

namespace {

template <class R>
R row_of(std::string_view value) {
  Result<R> row = decode<R>(value);
  DFS_ASSERT(row.ok());
  return std::move(*row);
}

// The key is a letter and a number of so many bytes.
bool is_key(std::string_view key, char kind, size_t number_bytes) {
  return key.size() == 1 + number_bytes && key[0] == kind;
}

}  // namespace

uint32_t blocks_of(const ObjectRow& object) {
  if (object.block_bytes == 0) return 0;
  return static_cast<uint32_t>((object.size + object.block_bytes - 1) / object.block_bytes);
}

GroupId home_of(ObjectId id, const ObjectRow& object, uint32_t index) {
  return Layout{id, object.block_bytes, object.groups, object.overrides}.group_of(index);
}

void Records::take(const Batch& batch) {
  // Groups first: what is committed was written to the groups of before.
  for (const auto& [key, value] : batch.changes()) {
    if (value && is_key(key, keys::kGroup, 4)) take(key, *value);
  }
  for (const auto& [key, value] : batch.changes()) {
    if (value && !is_key(key, keys::kGroup, 4)) take(key, *value);
  }
}

void Records::take_all(Table& table) {
  (void)table.scan({}, {}, [this](std::string_view key, std::string_view value) {
    take(key, value);
    return true;
  });
}

void Records::take(std::string_view key, std::string_view value) {
  if (is_key(key, keys::kObject, 8)) {
    take_object(read_u64(key, 1), row_of<ObjectRow>(value));
  } else if (is_key(key, keys::kGroup, 4)) {
    take_group(read_u32(key, 1), row_of<GroupRow>(value));
  } else if (is_key(key, keys::kNode, 4)) {
    NodeId& node = node_at_[row_of<NodeRow>(value).endpoint];
    node = std::max(node, read_u32(key, 1));
  } else if (key == keys::content()) {
    settled_ = std::max(settled_, row_of<ContentRow>(value).settled);
  } else if (key[0] == keys::kPool) {
    const PoolRow row = row_of<PoolRow>(value);
    const auto [pool, added] = pools_.try_emplace(row.id, row);
    if (!added && row.replicas >= pool->second.replicas) pool->second = row;
  }
}

// A head that lags behind may tell of an object as it was before it died.
void Records::take_object(ObjectId object, ObjectRow row) {
  if (row.state == ObjectState::dead) {
    live_.erase(object);
    died_[object] = true;
    return;
  }
  if (is_dead(object)) return;
  const auto [found, added] = live_.insert_or_assign(object, std::move(row));
  if (added && committed) committed(object, found->second);
}

void Records::take_group(GroupId group, GroupRow row) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) {
    groups_[group] = std::move(row);
    return;
  }
  if (row.epoch < found->second.epoch) return;
  const GroupRow before = std::exchange(found->second, row);
  if (row.epoch > before.epoch && regrouped) regrouped(group, before, row);
}

bool Records::is_dead(ObjectId object) const {
  return died_.contains(object) || (object < settled_ && !live_.contains(object));
}

uint32_t Records::replicas(GroupId group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return 0;
  const auto pool = pools_.find(found->second.pool);
  return pool == pools_.end() ? 0 : pool->second.replicas;
}

uint32_t Records::min_copies(GroupId group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return 0;
  const auto pool = pools_.find(found->second.pool);
  return pool == pools_.end() ? 0 : pool->second.min_copies;
}

NodeId Records::node_at(const std::string& endpoint) const {
  const auto found = node_at_.find(endpoint);
  return found == node_at_.end() ? 0 : found->second;
}

std::string Records::endpoint_of(NodeId node) const {
  for (const auto& [endpoint, at] : node_at_) {
    if (at == node) return endpoint;
  }
  return {};
}

}  // namespace dfs::sim
