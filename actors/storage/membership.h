// Who this node is, which cluster it belongs to, and what it knows of the cluster map.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/disk.h"
#include "actors/storage/directories.h"
#include "broker/announcer.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/grant.h"
#include "messages/secure_random.h"

namespace dfs::storage {

struct MembershipSettings {
  std::vector<std::string> directories;
  std::set<std::string> unusable = {};  // those of them that could not be opened
  std::string host;
  std::string rack;
  Duration heartbeat_period = std::chrono::milliseconds(500);
  std::string token = {};  // shown at the first join, and when nothing else lets this node in
  std::function<std::string()> read_token = {};  // see StorageSettings
  std::string key = {};                          // see StorageSettings
  std::function<void(Error)> refused = {};       // see StorageSettings
  RandomBytes random_bytes = secure_random;
};

class Membership {
 public:
  // `vitals` fills in the node's numbers: space, blocks, load. `joined` is called after each
  // successful join.
  using Vitals = std::function<void(Heartbeat&)>;
  Membership(Bus& bus, Calls& calls, Disk& disk, MembershipSettings settings, Vitals vitals,
             std::function<void()> joined);
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Takes the directories for this process and reads or makes their identity; see directories.h.
  void open(std::function<void(Result<void>)> done);
  // Joins through the brokers, for as long as it takes, and again whenever the map does not show
  // this node as it is.
  void join();
  void observe(const std::string& topic, const Envelope& envelope);

  const Identity& identity() const { return directories_.identity; }
  const OpenDirectories& directories() const { return directories_; }
  bool joined() const { return joined_; }
  // That verify grants (messages/grant.h): empty before the node has joined, and where no grants
  // are needed.
  const std::string& grant_keys() const { return grant_keys_; }
  // To read the object's blocks from another node, and to ask it for all else.
  Blob grant_to_read(ObjectId object);
  std::string pass();

  // The newest map this node has heard of; epoch 0 and empty before the first.
  const ClusterMap& map() const { return map_; }
  Epoch epoch() const { return map_.epoch; }
  // Null when the map has no such group. Valid until the map changes.
  const GroupView* group(GroupId group) const;
  const NodeView* node(NodeId node) const;
  // Where grants are needed: whether the map says that `node` is at `endpoint`, the key included,
  // so that nobody sends this node wherever they like. Else `stale_map`, or `busy` before the first
  // map; and the map is fetched, for the asker may know a newer one.
  Result<void> check_place(NodeId node, const std::string& endpoint);
  // This node is a member of the group, or still leaving it, for all that the map says.
  bool holds(GroupId group) const;
  // Called after each newer map was taken over, in the order they were added. The listeners must
  // outlive this object.
  void on_map(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }
  // Fetches the map, unless that is under way.
  void want_map();

  // Whether a client's block may be written to the group under an epoch. `stale_map` when a newer
  // epoch of the group is known, or when this node is not a member of it at that epoch: one that
  // leaves takes no new blocks. An epoch from the future is taken at its word, and makes the node
  // fetch the map.
  Result<void> admit(GroupId group, Epoch epoch);

 private:
  Task<void> open_directories(std::function<void(Result<void>)> done);
  Task<void> keep_joining();
  bool is_forgotten(const Error& error) const;
  void say_not_joined(const Error& error, bool forgotten);
  Task<void> look_for_token();
  Task<Result<void>> accept(JoinReply reply);
  Task<void> fetch_map();
  Task<void> keep_grant_keys();
  void take_keys(std::string keys, Blob warrant);
  std::string own_grant(ObjectId object, BlockRight right);
  void adopt(ClusterMap map);
  void beat();

  Bus& bus_;
  Calls& calls_;
  Disk& disk_;
  const MembershipSettings settings_;
  std::string token_;  // as it was read last
  const Vitals vitals_;
  const std::function<void()> joined_callback_;
  OpenDirectories directories_;
  uint64_t boot_ = 0;
  uint64_t sequence_ = 0;
  std::string grant_keys_;
  // What this node signs with, since it started, and the word of a head that it may.
  const GrantSigner signer_;
  Blob warrant_;
  std::unordered_map<ObjectId, std::string> own_grants_;  // with this warrant; 0: the pass
  bool joined_ = false;
  bool joining_ = false;
  bool fetching_ = false;
  bool keeps_keys_ = false;
  ClusterMap map_;
  std::map<GroupId, size_t> groups_;  // place in map_.groups
  std::map<NodeId, size_t> nodes_;    // place in map_.nodes
  std::vector<std::function<void()>> listeners_;
  Duration heartbeat_period_;
  Bus::TimerId heartbeat_timer_ = 0;
  Announcer announcer_;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace dfs::storage
