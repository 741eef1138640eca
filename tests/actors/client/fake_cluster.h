// A cluster in one object, in virtual time: a monitor and storage nodes that answer a Client over a
// FakeBus, and fail on demand.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "actors/client/client.h"
#include "actors/client/memory_files.h"
#include "messages/blocks.h"
#include "messages/cluster.h"
#include "messages/crc32c.h"
#include "messages/key_wrap.h"
#include "messages/reclaim.h"
#include "tests/broker/fake_bus.h"

namespace dfs {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 12345;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

class FakeCluster {
 public:
  enum class Health { alive, frozen, dead };
  struct Node {
    Health health = Health::alive;
    Duration latency = milliseconds(2);
    bool flips_bits = false;  // sends other bytes than it promises
    std::map<std::tuple<ObjectId, uint32_t, GroupId>, std::string> blocks;
    std::map<uint64_t, std::string> unfinished;  // by upload
    std::set<std::tuple<ObjectId, uint32_t, GroupId>> bad;
    uint32_t reads = 0;
    uint32_t parts = 0;
    uint32_t aborts = 0;
  };

  // Groups are all pairs (or single nodes) of neighbours: group i has nodes i, i + 1, ….
  explicit FakeCluster(uint32_t nodes = 4, uint32_t replicas = 2, uint64_t block_bytes = 1 << 20)
      : replicas_(replicas), block_bytes_(block_bytes) {
    for (NodeId node = 1; node <= nodes; ++node) this->nodes[node];
    for (uint32_t i = 0; i < nodes; ++i) {
      GroupRoute route{i + 1, 10, {}};
      for (uint32_t r = 0; r < replicas; ++r) {
        const NodeId node = (i + r) % nodes + 1;
        route.members.push_back({node, link_of(node), true});
      }
      groups.push_back(route);
    }
    bus.on_sent = [this](const FakeBus::Sent& sent) {
      bus.sent.clear();  // it holds the payloads
      deliver(sent);
    };
  }

  static Link link_of(NodeId node) { return "tcp://node-" + std::to_string(node); }

  void kill(NodeId node) {
    nodes[node].health = Health::dead;
    nodes[node].unfinished.clear();
    bus.after(Duration::zero(), [this, node] { client.link_down(link_of(node)); });
  }
  void freeze(NodeId node) { nodes[node].health = Health::frozen; }

  // Lets the flow run until it is done, in virtual time.
  template <class T>
  Result<T> run(Task<Result<T>> task) {
    std::optional<Result<T>> outcome;
    client.scope().spawn(keep(std::move(task), &outcome));
    for (int i = 0; i < 600'000 && !outcome; ++i) bus.advance(milliseconds(1));
    REQUIRE(outcome.has_value());
    return std::move(*outcome);
  }

  Result<TransferReport> put(const std::string& bytes, TransferOptions options = {},
                             const std::string& path = "/f") {
    return run(client.put(std::make_shared<MemorySource>(bytes), path, options));
  }
  // The bytes of the file; fails the test when the get fails.
  std::string get(TransferOptions options = {}, const std::string& path = "/f") {
    auto sink = std::make_shared<MemorySink>();
    const Result<TransferReport> report = run(client.get(path, sink, options));
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    REQUIRE(sink->finished());
    return sink->bytes();
  }

  bool is_directory(const std::string& path) const {
    const std::string prefix = path == "/" ? "/" : path + "/";
    return std::any_of(files.begin(), files.end(),
                       [&](const auto& file) { return file.first.starts_with(prefix); });
  }

  ClusterMap map() const {
    ClusterMap map;
    map.pools.push_back({"default", replicas_, min_copies, 8, 0});
    for (const auto& [node, unused] : nodes) {
      NodeView view;
      view.node = node;
      view.endpoint = link_of(node);
      map.nodes.push_back(view);
    }
    map.groups.resize(groups.size() + 1);
    for (const GroupRoute& route : groups) {
      GroupView& group = map.groups[route.group];
      group.group = route.group;
      group.used = true;
      for (const GroupMember& member : route.members) {
        (member.leaving ? group.leaving : group.members).push_back(member.node);
        if (!member.complete) group.lacking.push_back({member.node, 1});
      }
    }
    return map;
  }

  size_t logged(const std::string& event) const {
    return static_cast<size_t>(
        std::count_if(bus.logged.begin(), bus.logged.end(),
                      [&](const auto& line) { return line.event == event; }));
  }

  FakeBus bus{"client/1"};
  std::map<NodeId, Node> nodes;
  std::vector<GroupRoute> groups;
  std::map<std::string, OpenFileReply> files;
  const WrappingKey pool_key{7, std::string(kKeyBytes, 'p')};
  std::vector<PlanFile> plans;
  std::vector<CommitFile> commits;
  std::vector<uint64_t> commit_requests;  // ids, as they arrived
  uint32_t monitor_drops = 0;             // requests that get no answer
  uint32_t min_copies = 1;                // of the pool
  uint32_t lease_ms = 0;                  // of uploads
  std::vector<ObjectId> renewals;
  std::set<ObjectId> lost;               // uploads that were given up
  std::map<ObjectId, Verdict> verdicts;  // of blocks; live without one
  uint32_t opens = 0;
  bool encrypted = false;  // the pool
  size_t parts_in_flight = 0;
  size_t parts_in_flight_max = 0;
  std::map<uint32_t, size_t> block_in_flight_max;  // by block index
  // Refusals: asked before the request is served.
  std::function<std::optional<Error>(NodeId, const WriteBlock&)> refuse_write;
  std::function<std::optional<Error>(NodeId, const ReadBlock&)> refuse_read;
  std::function<std::optional<Error>(const CommitFile&)> refuse_commit;
  std::function<void(NodeId, const WriteBlock&)> on_part;
  std::function<void(NodeId, const ReadBlock&)> on_read;
  Client client{bus, ClientSettings{}};

 private:
  template <class T>
  static Task<void> keep(Task<Result<T>> task, std::optional<Result<T>>* outcome) {
    Result<T> result = co_await task;
    outcome->emplace(std::move(result));
  }

  void deliver(const FakeBus::Sent& sent) {
    if (!sent.link.starts_with("tcp://node-")) {
      if (monitor_drops > 0) {
        --monitor_drops;
        note_commit(sent);
        return;
      }
      bus.after(milliseconds(1), [this, sent] { dispatch_to_monitor(sent); });
      return;
    }
    const auto id = static_cast<NodeId>(std::stoul(sent.link.substr(11)));
    if (nodes[id].health == Health::dead) {
      bus.after(milliseconds(1), [this, sent] { client.link_down(sent.link); });
      return;
    }
    NodeSide side{*this, sent, id};
    (void)dispatch<WriteBlock, ReadBlock, AbortBlock, ListBlocks, Ping>(side, sent.envelope);
  }

  // One request at a storage node.
  struct NodeSide {
    FakeCluster& cluster;
    const FakeBus::Sent& sent;
    NodeId id;

    Node& node() { return cluster.nodes[id]; }
    template <class M>
    void answer(const M& message, Payload payload = {}) {
      cluster.later(id, FakeBus::answer(sent, message, std::move(payload)));
    }
    void refuse(const Error& error) { cluster.later(id, FakeBus::answer(sent, error)); }

    void on(const Envelope& envelope, const WriteBlock& part) {
      if (cluster.on_part) cluster.on_part(id, part);
      cluster.count_part(part.index);
      ++node().parts;
      if (node().health != Health::alive) return;
      if (cluster.refuse_write) {
        if (auto error = cluster.refuse_write(id, part)) return refuse(*error);
      }
      CHECK(crc32c(envelope.payload.view()) == part.crc32c);
      std::vector<NodeId> everyone{id};
      for (const ChainNode& next : part.chain) {
        if (cluster.nodes[next.node].health == Health::dead) {
          Error error{Code::unavailable, "the next node is gone", {}, 0};
          error.cause["node"] = std::to_string(next.node);
          return refuse(error);
        }
        if (cluster.nodes[next.node].health == Health::frozen) return;  // no acknowledgement
        everyone.push_back(next.node);
      }
      WriteBlockReply reply{part.object, part.index, part.offset, false, 0, 0, {}};
      for (const NodeId holder : everyone) {
        std::string& bytes = cluster.nodes[holder].unfinished[part.upload];
        if (bytes.size() != part.offset) {
          return refuse({Code::invalid, "parts out of order", {}, 0});
        }
        bytes += envelope.payload.view();
        if (!part.last) continue;
        CHECK(bytes.size() == part.capacity);
        reply.durable = true;
        reply.length = bytes.size();
        reply.crc32c = crc32c(bytes);
        cluster.nodes[holder].blocks[{part.object, part.index, part.group}] = std::move(bytes);
        cluster.nodes[holder].unfinished.erase(part.upload);
      }
      if (part.last) reply.nodes = everyone;
      answer(reply);
    }

    void on(const Envelope&, const ReadBlock& read) {
      if (cluster.on_read) cluster.on_read(id, read);
      ++node().reads;
      if (cluster.refuse_read) {
        if (auto error = cluster.refuse_read(id, read)) return refuse(*error);
      }
      const auto found = node().blocks.find({read.object, read.index, read.group});
      if (found == node().blocks.end()) return refuse({Code::no_such_block, "not here", {}, 0});
      std::string bytes = found->second.substr(read.offset, read.length);
      const ReadBlockReply reply{crc32c(bytes), found->second.size()};
      if (node().flips_bits) bytes[0] = static_cast<char>(bytes[0] ^ 1);
      answer(reply, Payload::of(std::move(bytes)));
    }

    void on(const Envelope& envelope, const AbortBlock& abort) {
      CHECK(envelope.header.request == 0);
      ++node().aborts;
      node().unfinished.erase(abort.upload);
    }

    void on(const Envelope&, const ListBlocks& list) {
      ListBlocksReply reply;
      const std::tuple after(list.after_object, list.after_index, list.after_group);
      for (const auto& [key, bytes] : node().blocks) {
        const auto [object, index, group] = key;
        if (list.object != 0 && object != list.object) continue;
        if (list.group != kAllGroups && group != list.group) continue;
        if (list.after_index != UINT32_MAX && key <= after) continue;
        if (reply.blocks.size() == 2) {  // small pages
          reply.more = true;
          break;
        }
        const int64_t verified_ms = 1000 * int64_t{id} + index;
        reply.blocks.push_back({group, object, index, bytes.size(), crc32c(bytes),
                                node().bad.contains(key), 0, verified_ms});
      }
      answer(reply);
    }

    void on(const Envelope&, const Ping& ping) { answer(Pong{ping.nonce, "storage"}); }
  };

  void later(NodeId id, Envelope reply) {
    bus.after(nodes[id].latency, [this, id, reply] {
      if (nodes[id].health != Health::alive) return;
      if (reply.header.type == WriteBlockReply::kType || reply.header.type == Type::Error) {
        parts_in_flight -= parts_in_flight > 0 ? 1 : 0;
        const auto part = decode<WriteBlockReply>(reply.body);
        if (part && part->object != 0) --block_in_flight_[part->index];
      }
      client.receive(reply);
    });
  }

  void count_part(uint32_t index) {
    parts_in_flight_max = std::max(parts_in_flight_max, ++parts_in_flight);
    size_t& most = block_in_flight_max[index];
    most = std::max(most, ++block_in_flight_[index]);
  }

  void note_commit(const FakeBus::Sent& sent) {
    if (sent.envelope.header.type == CommitFile::kType) {
      commit_requests.push_back(sent.envelope.header.request);
    }
  }

  // The monitor.
  struct MonitorSide {
    FakeCluster& cluster;
    const FakeBus::Sent& sent;

    template <class M>
    void answer(const M& message) {
      cluster.client.receive(FakeBus::answer(sent, message));
    }

    void on(const Envelope&, const PlanFile& plan) {
      cluster.plans.push_back(plan);
      PlanFileReply reply;
      reply.object = plan.object != 0 ? plan.object : ++cluster.last_object_;
      reply.block_bytes = plan.block_bytes != 0 ? plan.block_bytes : cluster.block_bytes_;
      reply.replicas = cluster.replicas_;
      reply.min_copies = cluster.min_copies;
      reply.lease_ms = cluster.lease_ms;
      if (cluster.encrypted && plan.object == 0) {
        reply.wrapped_key.bytes =
            wrap(cluster.pool_key, object_key_purpose(reply.object), plan.key.bytes, secure_random);
      }
      for (const GroupRoute& route : cluster.groups) {
        const bool avoided =
            std::any_of(route.members.begin(), route.members.end(), [&](const GroupMember& m) {
              return std::count(plan.avoid.begin(), plan.avoid.end(), m.node) > 0;
            });
        if (!avoided) reply.groups.push_back(route);
      }
      if (reply.groups.empty()) reply.groups = cluster.groups;
      answer(reply);
    }

    void on(const Envelope& envelope, const CommitFile& commit) {
      cluster.commits.push_back(commit);
      (void)envelope;
      if (cluster.refuse_commit) {
        if (auto error = cluster.refuse_commit(commit)) {
          cluster.client.receive(FakeBus::answer(sent, *error));
          return;
        }
      }
      OpenFileReply file;
      file.info.ino = 7;
      file.info.size = commit.size;
      file.info.crc32c = commit.crc32c;
      file.info.object = commit.layout.object;
      file.info.block_bytes = commit.layout.block_bytes;
      file.info.version = cluster.files[commit.path].info.version + 1;
      file.content = commit.content;
      file.layout = commit.layout;
      if (commit.layout.object != 0) file.routes = cluster.groups;
      if (commit.seal.cipher != Cipher::none) {
        file.info.encrypted = true;
        file.seal = commit.seal;
        const auto key = unwrap(cluster.pool_key, object_key_purpose(commit.layout.object),
                                commit.seal.key.bytes);
        REQUIRE(key);
        file.seal.key.bytes = *key;
      }
      const uint64_t version = file.info.version;
      cluster.files[commit.path] = std::move(file);
      answer(CommitFileReply{7, version, version == 1, {42, 1, true, 1}});
    }

    void on(const Envelope&, const RenewUploads& renew) {
      RenewUploadsReply reply{cluster.lease_ms, {}};
      for (const ObjectId object : renew.objects) {
        cluster.renewals.push_back(object);
        if (cluster.lost.contains(object)) reply.lost.push_back(object);
      }
      answer(reply);
    }

    void on(const Envelope&, const OpenFile& open) {
      ++cluster.opens;
      const auto file = cluster.files.find(open.path);
      if (file != cluster.files.end()) return answer(file->second);
      const Error error{Code::not_found, "no such file: " + open.path, {}, 0};
      cluster.client.receive(FakeBus::answer(sent, error));
    }

    void on(const Envelope&, const Stat& stat) {
      if (cluster.is_directory(stat.path)) {
        InodeInfo info;
        info.type = FileType::directory;
        return answer(StatReply{info, {}});
      }
      answer(StatReply{cluster.files[stat.path].info, {}});
    }

    void on(const Envelope&, const List& list) {
      ListReply reply;
      const std::string prefix = list.path == "/" ? "/" : list.path + "/";
      for (const auto& [path, file] : cluster.files) {
        if (!path.starts_with(prefix)) continue;
        const std::string name =
            path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size());
        if (name <= list.after && !list.after.empty()) continue;
        if (!reply.entries.empty() && reply.entries.back().name == name) continue;
        reply.more = reply.entries.size() == 2;  // small pages
        if (reply.more) break;
        ListEntry entry{name, file.info};
        if (cluster.is_directory(prefix + name)) entry.info = {.type = FileType::directory};
        reply.entries.push_back(entry);
      }
      answer(reply);
    }

    void on(const Envelope&, const GetMap&) { answer(cluster.map()); }

    void on(const Envelope&, const JudgeBlocks& judge) {
      CHECK(judge.node == 0);
      JudgeBlocksReply reply;
      for (const BlockName& block : judge.blocks) {
        const auto known = cluster.verdicts.find(block.object);
        reply.verdicts.push_back(
            {known == cluster.verdicts.end() ? Verdict::live : known->second, 0});
      }
      answer(reply);
    }
  };

  void dispatch_to_monitor(const FakeBus::Sent& sent) {
    note_commit(sent);
    MonitorSide side{*this, sent};
    (void)dispatch<PlanFile, CommitFile, RenewUploads, OpenFile, Stat, List, GetMap, JudgeBlocks>(
        side, sent.envelope);
  }

  uint32_t replicas_;
  uint64_t block_bytes_;
  ObjectId last_object_ = 100;
  std::map<uint32_t, size_t> block_in_flight_;
};

}  // namespace dfs
