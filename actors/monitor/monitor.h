// The monitor: namespace, membership, groups and placement, as one replicated state machine with an
// actor around it. Each head has one; the one that leads answers, and any of them what may be
// stale.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/disk.h"
#include "actors/replica/replica.h"
#include "actors/table.h"
#include "broker/actor.h"
#include "messages/agents.h"
#include "messages/cluster.h"
#include "messages/grant.h"
#include "messages/key_wrap.h"
#include "messages/requester.h"

namespace dfs {

struct MonitorSettings {
  std::string directory;  // of the identity and the log; the table has its own
  // A fresh directory needs one of these two; with any other, the head goes on as who it is.
  bool found = false;   // begin a new cluster, of this head alone
  bool join = false;    // become a head of the cluster that the brokers know
  std::string rebuild;  // with `found`: the id of a cluster that lost all its heads; it is rebuilt
  Duration join_deadline = std::chrono::seconds(30);  // for an answer to that
  std::string broker;       // where clients reach this head's broker; the others are told
  uint32_t replicas = 2;    // of the default pool; used when the cluster is founded
  uint32_t min_copies = 0;  // 0: one less than replicas, at least 1
  uint32_t groups = 64;     // a power of two
  JoinRule join_rule = JoinRule::open;                  // likewise
  Authentication authentication = Authentication::off;  // likewise
  Duration grant_lasts = std::chrono::minutes(10);      // of the right to read or write blocks
  // Without word from the lock actor tickets are believed for so long; 0: as long as they last.
  Duration ticket_trust = std::chrono::seconds(60);
  uint64_t block_bytes = kBlockBytesDefault;
  Duration heartbeat_period = std::chrono::milliseconds(500);  // told to nodes that join
  Duration check_interval = std::chrono::milliseconds(500);    // seed 000: 2.5 s
  Duration down_after = std::chrono::seconds(3);               // seed 000: 3 s
  Duration repair_after =
      std::chrono::seconds(60);          // a node down for longer is given up; 0: at once
  uint32_t fills_per_node = 4;           // groups that one node is filled with at a time
  uint64_t repair_bytes_per_second = 0;  // of one node, where no task says otherwise; 0: no limit
  // All members of a group are asked so often whether they hold the same; 0: never.
  Duration digest_period = std::chrono::minutes(10);
  // Events of older entries than these, by time or by number, are forgotten. The leader's count.
  int64_t events_ms_max = 7 * 24 * 3600 * int64_t{1000};
  uint64_t events_entries_max = 500'000;
  // An upload whose client is silent for so long is given up. The same on every head.
  Duration upload_lease = std::chrono::seconds(60);
  // Former versions of files, and removed ones, are kept so long. The leader's count.
  Duration history_retention = std::chrono::hours(24);
  // Objects that died are remembered one by one for so long.
  Duration object_retention = std::chrono::hours(7 * 24);
  ReplicaSettings replica;
  // Makes keys of grants. Chance that nobody can guess: not the bus's, which a seed may decide.
  std::function<std::string()> make_grant_key = dfs::make_grant_key;
  bool secure = false;  // connections to this head are encrypted; shown in the status
  std::function<SocketRefusals()> socket_refusals = {};  // likewise
  // Wraps the keys of encrypted pools wherever a head keeps them; the same on every head. Without
  // it they are kept bare.
  std::string key_of_keys = {};
  // What fences of locks are proved with (fence_proof.h); the same on every head. Empty: they are
  // believed.
  std::string fence_key = {};
  RandomBytes random_bytes = secure_random;  // of which keys are made
  // Told of the nodes as this head knows them, now and whenever that changes, on its thread.
  std::function<void(const ClusterMap&)> map_changed = {};
};

class Monitor : public Actor {
 public:
  Monitor(Bus& bus, Disk& disk, Table& table, MonitorSettings settings);
  ~Monitor() override;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void observe(const std::string& topic, Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

  const Replica& replica() const;  // for checkers

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
