// The keys of encrypted pools in a leader's hands: none of them goes into the log bare but where
// the heads have no key of keys, and no object's key goes there bare at all.
#include <algorithm>
#include <cstdio>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/tree.h"

namespace dfs {

namespace {

std::string hex(KeyId id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

Error only_heads(const char* what) {
  return Error{Code::invalid, std::string(what) + " is filled in by the head", {}, 0};
}

}  // namespace

KeptKey Monitor::State::keep(const WrappingKey& key) const {
  if (settings.key_of_keys.empty()) return {key.id, Blob{key.bytes}, false};
  return {key.id,
          Blob{wrap(key_of_keys(settings.key_of_keys), pool_key_purpose(key.id), key.bytes,
                    settings.random_bytes)},
          true};
}

KeptKey Monitor::State::make_pool_key() const {
  return keep({make_key_id(settings.random_bytes), settings.random_bytes(kKeyBytes)});
}

Result<WrappingKey> Monitor::State::pool_key(Rows& rows, KeyId id) const {
  auto row = rows.get<PoolKeyRow>(keys::pool_key(id));
  if (!row) return row.error();
  const std::string name = "the pool key " + hex(id);
  if (!*row) {
    return Error{Code::not_found,
                 name +
                     " is not known to this cluster; if it was exported, dfsctl pool "
                     "import-key makes it known again",
                 {{"key", hex(id)}},
                 0};
  }
  if (!(*row)->wrapped) return WrappingKey{id, std::move((*row)->key.bytes)};
  const std::string how = "give every head the same sealing.key in its --keys directory";
  if (settings.key_of_keys.empty()) {
    return Error{Code::io_error,
                 name + " is wrapped, and this head has no key for it; " + how,
                 {{"key", hex(id)}},
                 0};
  }
  auto bare = unwrap(key_of_keys(settings.key_of_keys), pool_key_purpose(id), (*row)->key.bytes);
  if (bare) return WrappingKey{id, std::move(*bare)};
  return Error{
      Code::io_error, name + " cannot be opened by this head; " + how, {{"key", hex(id)}}, 0};
}

Result<WrappingKey> Monitor::State::key_of(Rows& rows, const PoolView& pool) const {
  auto row = rows.require<PoolRow>(keys::pool(pool.name));
  if (!row) return row.error();
  return pool_key(rows, row->key);
}

Result<Blob> Monitor::State::wrap_key(const PlanFile& request, const PoolView& pool,
                                      ObjectId object) const {
  if (!pool.encrypted) return Blob{};
  if (request.key.bytes.empty()) {
    return Error{Code::unsupported,
                 "pool " + shown(pool.name) +
                     " is encrypted, which this client knows nothing of; use a newer one",
                 {{"pool", pool.name}},
                 0};
  }
  Rows rows(table);
  const auto key = key_of(rows, pool);
  if (!key) return key.error();
  return Blob{wrap(*key, object_key_purpose(object), request.key.bytes, settings.random_bytes)};
}

void Monitor::State::commit(const Envelope& envelope, const CommitFile& request) {
  if (request.content_wrapped) return refuse(envelope, only_heads("content_wrapped"));
  const Result<void> sound = check_seal(request);
  if (!sound) return refuse(envelope, sound.error());
  auto wrapped = wrap_content(request);
  if (!wrapped) return refuse(envelope, wrapped.error());
  if (wrapped->empty()) return change(envelope);
  propose_for(
      envelope, CommitFile::kType, std::move(*wrapped),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

// The request as the log is to have it; empty when that is just as it came.
Result<std::string> Monitor::State::wrap_content(const CommitFile& request) {
  const std::vector<PoolView>& pools = cluster().map().pools;
  const bool any = std::any_of(pools.begin(), pools.end(), [](auto& p) { return p.encrypted; });
  if (!any || request.layout.object != 0 || request.content.bytes.empty()) return std::string();
  const auto pool = pool_of_path(request.path);
  // The commit itself says what is wrong with the path.
  if (!pool || !pool->encrypted) return std::string();
  Rows rows(table);
  const auto key = key_of(rows, *pool);
  if (!key) return key.error();
  CommitFile wrapped = request;
  wrapped.content.bytes = wrap(*key, kContentPurpose, request.content.bytes, settings.random_bytes);
  wrapped.content_wrapped = true;
  return encode(wrapped);
}

// A file whose key nobody can open would be lost when its writer ends.
Result<void> Monitor::State::check_seal(const CommitFile& request) const {
  if (request.seal.cipher == Cipher::none) return {};
  Rows rows(table);
  const std::string& wrapped = request.seal.key.bytes;
  const auto key = pool_key(rows, wrapped_with(wrapped));
  if (!key) return key.error();
  const auto bare = unwrap(*key, object_key_purpose(request.layout.object), wrapped);
  if (bare) return {};
  return Error{Code::invalid,
               "the key of " + shown(request.path) + " is not the one that was planned for it",
               {{"path", request.path}},
               0};
}

Result<void> Monitor::State::unwrap_content(Rows& rows, const std::string& path,
                                            OpenFileReply& reply) const {
  if (!reply.info.encrypted) return {};
  const bool is_object = reply.info.object != 0;
  std::string& wrapped = is_object ? reply.seal.key.bytes : reply.content.bytes;
  auto key = pool_key(rows, wrapped_with(wrapped));
  if (!key) return key.error();
  auto bare =
      unwrap(*key, is_object ? object_key_purpose(reply.info.object) : std::string(kContentPurpose),
             wrapped);
  if (!bare) {
    return Error{Code::corrupt,
                 "what the heads keep of " + shown(path) + " does not open: " + bare.error().text,
                 {{"path", path}},
                 0};
  }
  wrapped = std::move(*bare);
  return {};
}

Result<PoolKeyList> Monitor::State::export_pool_keys(Rows& rows,
                                                     const ExportPoolKeys& request) const {
  PoolKeyList list;
  list.cluster = identity.cluster;
  const PoolView* const wanted = cluster().pool_named(request.pool);
  if (!request.pool.empty() && wanted == nullptr) {
    return Error{Code::not_found, "pool " + shown(request.pool) + " does not exist", {}, 0};
  }
  std::vector<KeyId> ids;
  const std::string prefix(1, keys::kPoolKey);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto) {
    ids.push_back(read_u64(key, 1));
    return ids.size() < kBatchMax;
  }));
  for (const KeyId id : ids) {
    auto row = rows.require<PoolKeyRow>(keys::pool_key(id));
    if (!row) return row.error();
    const PoolView& pool = cluster().pool(row->pool);
    if (wanted != nullptr && pool.id != wanted->id) continue;
    auto key = pool_key(rows, id);
    if (!key) return key.error();
    auto its = rows.require<PoolRow>(keys::pool(pool.name));
    if (!its) return its.error();
    list.keys.push_back({id, pool.name, Blob{key->bytes}, its->key == id, row->created_ms});
  }
  if (wanted != nullptr && list.keys.empty()) {
    return Error{Code::invalid, "pool " + shown(request.pool) + " is not encrypted", {}, 0};
  }
  return list;
}

void Monitor::State::on(const Envelope& envelope, const SetPool& request) {
  if (request.kept.id != 0) return refuse(envelope, only_heads("kept"));
  if (!request.encrypted) return change(envelope);
  SetPool with_key = request;
  with_key.kept = make_pool_key();
  propose_for(
      envelope, SetPool::kType, encode(with_key),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

void Monitor::State::on(const Envelope& envelope, const RotatePoolKey& request) {
  if (request.kept.id != 0) return refuse(envelope, only_heads("kept"));
  RotatePoolKey with_key = request;
  with_key.kept = make_pool_key();
  propose_for(
      envelope, RotatePoolKey::kType, encode(with_key),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

// Logged first: nobody gets keys without a trace.
void Monitor::State::on(const Envelope& envelope, const ExportPoolKeys& request) {
  propose_for(envelope, ExportPoolKeys::kType, envelope.body,
              [this, request](const Envelope& origin, const Result<Outcome>& outcome) {
                if (!outcome || outcome->type == Type::Error) return answer(origin, outcome);
                Rows rows(table);
                answer_with(origin, export_pool_keys(rows, request));
              });
}

// Bare keys come in, and go no further.
void Monitor::State::on(const Envelope& envelope, const ImportPoolKeys& request) {
  if (!request.kept.empty()) return refuse(envelope, only_heads("kept"));
  ImportPoolKeys kept;
  Rows rows(table);
  for (const PoolKeyView& key : request.keys) {
    const auto known = pool_key(rows, key.id);
    if (known && known->bytes != key.key.bytes) {
      return refuse(envelope, Error{Code::conflict,
                                    "the pool key " + hex(key.id) +
                                        " is another one here; nothing was imported",
                                    {{"key", hex(key.id)}},
                                    0});
    }
    kept.kept.push_back(keep({key.id, key.key.bytes}));
  }
  propose_for(
      envelope, ImportPoolKeys::kType, encode(kept),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

}  // namespace dfs
