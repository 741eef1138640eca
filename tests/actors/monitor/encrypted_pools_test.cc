// Encrypted pools: whose keys the heads keep, and how.
#include "messages/key_wrap.h"
#include "messages/pool_keys.h"
#include "messages/tasks.h"
#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

namespace {

const std::string kObjectKey(kKeyBytes, 'o');
const std::string kContent = "a small content that nobody is to read on a disk";

MonitorSettings settings_with(const std::string& key_of_keys) {
  MonitorSettings settings;
  settings.key_of_keys = key_of_keys;
  return settings;
}

// A cluster whose directory /safe is of an encrypted pool.
struct SafeMonitor : TestMonitor {
  explicit SafeMonitor(const std::string& key_of_keys = "key of keys")
      : TestMonitor(settings_with(key_of_keys)) {
    REQUIRE(ready);
    REQUIRE(ready->ok());
    SetPool pool;
    pool.name = "safe";
    pool.create = true;
    pool.groups = 4;
    pool.encrypted = true;
    REQUIRE(ask(pool).ok());
    join_all(3);
    REQUIRE(ask(MakeDir{"/safe", false, 0755}).ok());
    REQUIRE(ask(SetAttributes{"/safe", true, "safe"}).ok());
  }

  PlanFile plan_for(const std::string& path) const {
    PlanFile plan = plan_of(path, 2);
    plan.key.bytes = kObjectKey;
    return plan;
  }
  CommitFile sealed_commit(const PlanFile& plan, const PlanFileReply& reply) const {
    CommitFile commit = commit_of(plan, reply);
    commit.size = content_bytes(plan.size);
    commit.crc32c = 11;
    commit.seal = {Cipher::aes_256_gcm, reply.wrapped_key, 22};
    return commit;
  }
  Result<CommitFileReply> put(const std::string& path) {
    const PlanFile plan = plan_for(path);
    const auto reply = ask(plan);
    if (!reply) return reply.error();
    return ask(sealed_commit(plan, *reply));
  }
  Result<CommitFileReply> put_small(const std::string& path) {
    CommitFile commit;
    commit.path = path;
    commit.size = kContent.size();
    commit.content.bytes = kContent;
    return ask(commit);
  }
  bool any_row_has(const std::string& bytes) {
    bool found = false;
    (void)table.scan("", std::string(8, '\xff'), [&](auto, auto value) {
      found = found || value.find(bytes) != std::string_view::npos;
      return true;
    });
    return found;
  }
  std::vector<PoolKeyView> exported() {
    const auto list = ask(ExportPoolKeys{"safe"});
    REQUIRE_MESSAGE(list.ok(), list.error().text);
    return list->keys;
  }
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a plan for an encrypted pool wraps the key, and whoever opens the file is told it") {
  SafeMonitor test;
  const PlanFile plan = test.plan_for("/safe/f");
  const auto reply = test.ask(plan);
  REQUIRE(reply.ok());
  const std::vector<PoolKeyView> keys = test.exported();
  REQUIRE(keys.size() == 1);
  CHECK(wrapped_with(reply->wrapped_key.bytes) == keys[0].id);
  const auto key = unwrap({keys[0].id, keys[0].key.bytes}, object_key_purpose(reply->object),
                          reply->wrapped_key.bytes);
  REQUIRE(key.ok());
  CHECK(*key == kObjectKey);
  REQUIRE(test.ask(test.sealed_commit(plan, *reply)).ok());
  const auto opened = test.ask(OpenFile{"/safe/f"});
  REQUIRE(opened.ok());
  CHECK(opened->info.encrypted);
  CHECK(opened->info.size == content_bytes(plan.size));
  CHECK(opened->info.crc32c == 11);
  CHECK(opened->seal.cipher == Cipher::aes_256_gcm);
  CHECK(opened->seal.key.bytes == kObjectKey);
  CHECK(opened->seal.crc32c == 22);
  CHECK_FALSE(test.any_row_has(kObjectKey));
  CHECK(test.ask(plan_of("/plain", 1))->wrapped_key.bytes.empty());
}

TEST_CASE("a client that knows of no keys cannot put into an encrypted pool") {
  SafeMonitor test;
  CHECK(test.ask(plan_of("/safe/f", 1)).code() == Code::unsupported);
  CHECK(test.ask(plan_of("/f", 1)).ok());
}

TEST_CASE("a commit with a key that nobody could open is refused") {
  SafeMonitor test;
  const PlanFile plan = test.plan_for("/safe/f");
  const auto reply = test.ask(plan);
  const auto other = test.ask(test.plan_for("/safe/g"));
  REQUIRE(reply.ok());
  REQUIRE(other.ok());
  CommitFile commit = test.sealed_commit(plan, *reply);
  commit.seal.key = other->wrapped_key;
  CHECK(test.ask(commit).code() == Code::invalid);
  commit.seal.key.bytes = std::string(kWrapBytes + kKeyBytes, 'x');
  CHECK(test.ask(commit).code() == Code::not_found);
  commit.seal.key = reply->wrapped_key;
  CHECK(test.ask(commit).ok());
}

TEST_CASE("small content of an encrypted pool is in no row as it is, and is read as it was") {
  SafeMonitor test;
  REQUIRE(test.put_small("/safe/small").ok());
  CHECK_FALSE(test.any_row_has(kContent));
  auto opened = test.ask(OpenFile{"/safe/small"});
  REQUIRE(opened.ok());
  CHECK(opened->content.bytes == kContent);
  CHECK(opened->info.size == kContent.size());
  CHECK(opened->info.encrypted);
  // Former versions are no more readable.
  REQUIRE(test.put_small("/safe/small").ok());
  CHECK_FALSE(test.any_row_has(kContent));
  test.restart();
  opened = test.ask(OpenFile{"/safe/small"});
  REQUIRE(opened.ok());
  CHECK(opened->content.bytes == kContent);
  REQUIRE(test.put_small("/plain").ok());
  CHECK(test.any_row_has(kContent));
}

TEST_CASE("what only heads fill in is taken from nobody else") {
  SafeMonitor test;
  CommitFile commit;
  commit.path = "/safe/f";
  commit.content.bytes = std::string(kWrapBytes, 'x');
  commit.content_wrapped = true;
  CHECK(test.ask(commit).code() == Code::invalid);
  const KeptKey kept{7, Blob{std::string(kKeyBytes, 'x')}, false};
  SetPool pool;
  pool.name = "mine";
  pool.create = true;
  pool.encrypted = true;
  pool.kept = kept;
  CHECK(test.ask(pool).code() == Code::invalid);
  CHECK(test.ask(RotatePoolKey{"safe", kept}).code() == Code::invalid);
  CHECK(test.ask(ImportPoolKeys{{}, {kept}}).code() == Code::invalid);
}

TEST_CASE("pools' keys are wrapped on the heads, and bare only without a key of keys") {
  for (const char* const key_of_keys : {"key of keys", ""}) {
    SafeMonitor test(key_of_keys);
    const std::vector<PoolKeyView> keys = test.exported();
    REQUIRE(keys.size() == 1);
    CHECK(test.any_row_has(keys[0].key.bytes) == (key_of_keys[0] == '\0'));
  }
}

TEST_CASE("a head with another key of keys says so, until the keys are imported") {
  SafeMonitor test;
  REQUIRE(test.put("/safe/f").ok());
  const std::vector<PoolKeyView> keys = test.exported();
  for (const char* const other : {"another", ""}) {
    test.settings.key_of_keys = other;
    test.restart();
    CHECK(test.ask(OpenFile{"/safe/f"}).code() == Code::io_error);
    CHECK(test.ask(test.plan_for("/safe/g")).code() == Code::io_error);
    CHECK(test.ask(ExportPoolKeys{}).code() == Code::io_error);
    CHECK(test.ask(Stat{"/safe/f"}).ok());
  }
  const auto imported = test.ask(ImportPoolKeys{keys});
  REQUIRE(imported.ok());
  CHECK(imported->imported == 0);
  const auto opened = test.ask(OpenFile{"/safe/f"});
  REQUIRE(opened.ok());
  CHECK(opened->seal.key.bytes == kObjectKey);
  std::vector<PoolKeyView> wrong = keys;
  wrong[0].key.bytes[0] ^= 1;
  CHECK(test.ask(ImportPoolKeys{wrong}).code() == Code::conflict);
}

TEST_CASE("a rotated key serves new files, the former one those that were there") {
  SafeMonitor test;
  REQUIRE(test.put("/safe/before").ok());
  REQUIRE(test.put_small("/safe/small").ok());
  const auto rotated = test.ask(RotatePoolKey{"safe"});
  REQUIRE(rotated.ok());
  const auto reply = test.ask(test.plan_for("/safe/after"));
  REQUIRE(reply.ok());
  CHECK(wrapped_with(reply->wrapped_key.bytes) == rotated->key);
  CHECK(test.ask(OpenFile{"/safe/before"})->seal.key.bytes == kObjectKey);
  CHECK(test.ask(OpenFile{"/safe/small"})->content.bytes == kContent);
  const std::vector<PoolKeyView> keys = test.exported();
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].current != keys[1].current);
  CHECK(test.ask(RotatePoolKey{"default"}).code() == Code::invalid);
  CHECK(test.ask(RotatePoolKey{"none"}).code() == Code::not_found);
  CHECK(test.ask(ExportPoolKeys{"default"}).code() == Code::invalid);
  CHECK(test.ask(ExportPoolKeys{"none"}).code() == Code::not_found);
}

TEST_CASE("a pool is encrypted from some time on, and keeps its key when it is said again") {
  SafeMonitor test;
  SetPool pool;
  pool.name = "default";
  pool.encrypted = true;
  REQUIRE(test.put_small("/before").ok());
  REQUIRE(test.ask(pool).ok());
  REQUIRE(test.put_small("/after").ok());
  CHECK_FALSE(test.ask(Stat{"/before"})->info.encrypted);
  CHECK(test.ask(Stat{"/after"})->info.encrypted);
  const auto keys = test.ask(ExportPoolKeys{"default"});
  REQUIRE(keys.ok());
  REQUIRE(test.ask(pool).ok());
  const auto again = test.ask(ExportPoolKeys{"default"});
  REQUIRE(again.ok());
  REQUIRE(again->keys.size() == 1);
  CHECK(again->keys[0].id == keys->keys[0].id);
}

TEST_CASE("what was planned before its pool was encrypted must be put again") {
  SafeMonitor test;
  const PlanFile plan = plan_of("/plain", 2);
  const auto reply = test.ask(plan);
  REQUIRE(reply.ok());
  SetPool pool;
  pool.name = "default";
  pool.encrypted = true;
  REQUIRE(test.ask(pool).ok());
  const auto refused = test.ask(commit_of(plan, *reply));
  CHECK(refused.code() == Code::conflict);
  CHECK(refused.error().text.find("put it again") != std::string::npos);
  CHECK(test.ask(Stat{"/plain"}).code() == Code::not_found);
  REQUIRE(test.put("/plain").ok());
  CHECK(test.ask(Stat{"/plain"})->info.encrypted);
}

TEST_CASE("what is planned for a plain pool is not committed into an encrypted one") {
  SafeMonitor test;
  const PlanFile plain = plan_of("/plain", 2);
  const auto reply = test.ask(plain);
  REQUIRE(reply.ok());
  CommitFile commit = commit_of(plain, *reply);
  commit.path = "/safe/f";
  CHECK(test.ask(commit).code() == Code::conflict);
  CHECK(test.ask(Stat{"/safe/f"}).code() == Code::not_found);
  CHECK(test.ask(commit_of(plain, *reply)).ok());

  // Nor do bare blocks lie among encrypted ones, whatever the path.
  const PlanFile safe = test.plan_for("/safe/f");
  const auto sealed = test.ask(safe);
  REQUIRE(sealed.ok());
  commit = commit_of(safe, *sealed);
  commit.path = "/elsewhere";
  CHECK(test.ask(commit).code() == Code::conflict);
  CHECK(test.ask(test.sealed_commit(safe, *sealed)).ok());
  CommitFile nothing;
  nothing.path = "/safe/empty";
  CHECK(test.ask(nothing).ok());
}

TEST_CASE("small content that overtakes the encryption of its pool is refused") {
  TestMachine machine;
  SetPool pool;
  pool.name = "default";
  pool.encrypted = true;
  pool.kept = {7, Blob{std::string(kKeyBytes, 'k')}, false};
  REQUIRE(machine.ask(pool).ok());
  CHECK(machine.put("/small", "bare").code() == Code::conflict);
  CHECK(machine.put("/empty", "").ok());
}

TEST_SUITE_END();
