// The monitor's state machine on a table in memory, without a log: commands are applied directly.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/mem_table.h"
#include "actors/monitor/commands.h"
#include "actors/monitor/monitor_machine.h"
#include "actors/monitor/reads.h"
#include "actors/replica/event_rows.h"
#include "messages/dispatch.h"

namespace dfs {

struct TestMachine {
  explicit TestMachine(std::unique_ptr<Table> its_table = std::make_unique<MemTable>(),
                       uint32_t groups = 8, uint32_t replicas = 2, uint32_t min_copies = 1)
      : table(std::move(its_table)), machine(*table) {
    CreateCluster create;
    create.cluster = std::string(32, 'c');
    create.groups = groups;
    create.replicas = replicas;
    create.min_copies = min_copies;
    REQUIRE(tell(create).ok());
  }

  // Applies one command at the next index, a second later.
  template <Message M>
  Outcome apply(const M& message) {
    Command command;
    command.index = ++index;
    command.term = 1;
    command.time_ms = time_ms += 1000;
    command.type = M::kType;
    command.body = encode(message);
    if (who) command.requester = encode(*who);
    Batch batch;
    Outcome outcome = machine.apply(command, *table, batch);
    changes = batch.changes().size();
    REQUIRE(table->write(batch, Durability::later).ok());
    machine.applied(command, outcome);
    return outcome;
  }

  static Error error_of(const Outcome& outcome) {
    return decode<ErrorReply>(outcome.body)->to_error();
  }

  // The reply of a client's request.
  template <Request R>
  Result<typename R::Reply> ask(const R& request) {
    const Outcome outcome = apply(request);
    if (outcome.type == Type::Error) return error_of(outcome);
    return decode<typename R::Reply>(outcome.body);
  }
  // The outcome of a command of the leader, as the given struct.
  template <class Reply = Done, Message M>
  Result<Reply> tell(const M& command) {
    const Outcome outcome = apply(command);
    if (outcome.type == Type::Error) return error_of(outcome);
    return decode<Reply>(outcome.body);
  }

  Requester asker() const { return who.value_or(superuser()); }
  Result<InodeInfo> stat(const std::string& path) {
    Rows rows(*table);
    auto reply = dfs::stat(rows, Stat{path}, asker());
    if (!reply) return reply.error();
    return reply->info;
  }
  Result<OpenFileReply> open(const std::string& path) {
    Rows rows(*table);
    return open_file(rows, machine.cluster(), OpenFile{path}, asker());
  }
  Result<ListReply> list(const std::string& path, const std::string& after = {},
                         uint32_t limit = kListEntriesMax) {
    Rows rows(*table);
    return dfs::list(rows, List{path, after, limit}, asker());
  }
  std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> out;
    auto reply = list(path);
    REQUIRE(reply.ok());
    for (const ListEntry& entry : reply->entries) out.push_back(entry.name);
    return out;
  }
  TreeRow tree() {
    Rows rows(*table);
    return *rows.require<TreeRow>(keys::tree());
  }

  Result<CommitFileReply> put(const std::string& path, const std::string& content,
                              uint64_t expected_version = UINT64_MAX) {
    CommitFile commit;
    commit.path = path;
    commit.content.bytes = content;
    commit.size = content.size();
    commit.expected_version = expected_version;
    return ask(commit);
  }
  Result<MakeDirReply> make_dir(const std::string& path, bool parents = false) {
    return ask(MakeDir{path, parents});
  }
  Code rename(const std::string& from, const std::string& to, bool replace = true) {
    return ask(Rename{from, to, replace}).code();
  }
  Code remove(const std::string& path, bool recursive = false) {
    return ask(Remove{path, recursive}).code();
  }
  // Prunes until nothing is left; returns the number of rows.
  uint32_t prune(uint32_t limit = 256) {
    uint32_t rows = 0;
    while (true) {
      auto pruned = tell<Pruned>(PruneOrphans{limit});
      REQUIRE(pruned.ok());
      rows += pruned->rows;
      if (!pruned->more) return rows;
    }
  }

  NodeId join(char uuid, const std::string& endpoint) {
    RegisterNode node;
    node.uuid = std::string(32, uuid);
    node.endpoint = endpoint;
    node.total_bytes = 1000;
    auto reply = tell<JoinReply>(node);
    REQUIRE(reply.ok());
    return reply->node;
  }
  // A file of one block in group `id`, acknowledged by `nodes` under `epoch` (0: the group's own).
  Result<CommitFileReply> put_block(const std::string& path, GroupId id,
                                    const std::vector<NodeId>& nodes, Epoch epoch = 0,
                                    uint32_t copies = 0) {
    auto objects = tell<ObjectRange>(ReserveObjects{1});
    REQUIRE(objects.ok());
    CommitFile commit;
    commit.path = path;
    commit.size = kBlockBytesMin;
    commit.layout = Layout{objects->first, kBlockBytesMin, {id}, {}};
    commit.writes = {{id, epoch != 0 ? epoch : group(id).epoch, nodes}};
    commit.copies = copies;
    return ask(commit);
  }
  std::vector<NodeId> lacking(GroupId id) {
    std::vector<NodeId> nodes;
    for (const Lack& lack : group(id).lacking) nodes.push_back(lack.node);
    return nodes;
  }
  const GroupView& group(GroupId id) { return *machine.cluster().group(id); }

  std::unique_ptr<Table> table;
  MonitorMachine machine;
  LogIndex index = 0;
  int64_t time_ms = 1'700'000'000'000;
  size_t changes = 0;            // of the table, by the last command
  std::optional<Requester> who;  // sends requests, and reads; nothing: the cluster itself
};

}  // namespace dfs
