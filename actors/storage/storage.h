// The storage node: keeps blocks, passes them down the chain, tells the monitor how it fares.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "actors/table.h"
#include "broker/actor.h"
#include "messages/secure_random.h"

namespace dfs {

namespace storage {
struct Directory;  // volumes.h
}

struct StorageSettings {
  std::string directory;  // segments and identity, where there is only one
  std::string host;       // failure domain labels
  std::string rack;
  uint64_t segment_bytes = 1ull << 30;
  uint64_t capacity_bytes = 0;              // shared evenly by the directories; 0: no limit
  uint32_t full_percent = 95;               // used: then no new blocks are taken but repairs
  uint32_t writes_max = 256;                // unfinished blocks; more are refused as `busy`
  uint64_t memory_bytes_max = 64ull << 20;  // of parts taken in and not yet written; then `busy`
  Duration heartbeat_period = std::chrono::milliseconds(500);  // until the monitor says otherwise
  Duration upload_idle_max =
      std::chrono::seconds(60);  // an unfinished block silent for so long is given up
  Duration forward_deadline =
      std::chrono::milliseconds(1500);           // without an answer of the next node
  uint32_t fills_max = 4;                        // groups that are repaired at once; others wait
  uint64_t fill_memory_bytes_max = 48ull << 20;  // of blocks on their way for that
  Duration reclaim_period = std::chrono::minutes(10);   // between two looks for needless blocks
  Duration reclaim_grace = std::chrono::minutes(10);    // younger blocks are left alone
  Duration scrub_period = std::chrono::hours(14 * 24);  // in which every block is read once
  uint64_t scrub_bytes_per_second = 20ull << 20;        // for that; 0: no limit
  std::string join_token = {};  // shown when this node joins for the first time, and when the
                                // heads were made anew and do not know it any more
  // What that token is by now, where it may change; called on the pool. Empty: nobody knows.
  std::function<std::string()> read_join_token = {};
  // Without word of log-ins that ended, what was granted to users is believed for so long; 0: as
  // long as it lasts.
  Duration ticket_trust = std::chrono::seconds(60);
  std::string key = {};  // public key that its connections show; empty: no encryption
  // Called, once, when the cluster will have nothing to do with this node, whatever it tries: it
  // was removed for good, or it has no number yet and its token does not let it in. Without it the
  // node goes on asking.
  std::function<void(Error)> refused = {};
  RandomBytes random_bytes = secure_random;  // of which this node's key of grants is made
};

class Storage : public Actor {
 public:
  // `index` maps blocks to their place and lives in the same directory tree.
  Storage(Bus& bus, Disk& disk, Table& index, StorageSettings settings);
  // Over several directories, 1 to 16; `settings.directory` is not used.
  Storage(Bus& bus, Disk& disk, std::vector<storage::Directory> directories,
          StorageSettings settings);
  ~Storage() override;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void observe(const std::string& topic, Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
