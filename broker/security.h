// How connections are protected: who holds which keys, and who may connect where. README.md tells
// the whole of it. Without a Security sockets are plain.
//
// Where a link leads says how it is to be made:
//
//   tcp://host:port         as the settings of this process are: encrypted, to a head, or plain
//   tcp://host:port#KEY     encrypted, to the holder of this public key (64 hex digits)
//   tcp://host:port#plain   plain, also in a cluster that encrypts: for the bytes of blocks
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/keys.h"
#include "messages/envelope.h"

namespace dfs {

// Peers of whom nothing is known but that they have the right server key.
inline constexpr const char* kUnknownPeer = "client";
inline constexpr const char* kHeadPeer = "head";

// Whose key is whose. Safe from any thread.
class KnownKeys {
 public:
  using Names = std::unordered_map<std::string, std::string>;  // "storage/7", "head"; by public key

  // Instead of those that the same `origin` gave before. Of two names for a key one holds.
  void set(const std::string& origin, Names names);
  // kUnknownPeer when the key is nobody's.
  std::string name_of(const std::string& key) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Names> origins_;
  Names names_;  // of all origins
};

struct Security {
  KeyPair own;                            // shown wherever this process connects
  std::vector<std::string> cluster_keys;  // public, of the heads; more than one while they change
  std::optional<KeyPair> served;  // with which the process's own ports are served; else plain
  std::shared_ptr<KnownKeys> known = std::make_shared<KnownKeys>();

  // What is appended to the endpoint of a port of this process, for those who are to connect to it.
  std::string endpoint_suffix() const;
};

// Who may connect to a port; the names are ZAP domains.
enum class Audience { all, nodes, heads };
const char* name_of(Audience audience);
bool admits(std::string_view audience, std::string_view peer);

// An endpoint without what follows '#', and that. Anything without '#' has an empty suffix.
struct LinkParts {
  std::string endpoint;
  std::string suffix;
};
LinkParts parts_of(const Link& link);
inline constexpr const char* kPlainSuffix = "plain";

// Whether `peer` (Envelope::peer) may send as, or announce, the actor or service `name`. The empty
// peer may: it is in this process, or there is no encryption. Anybody may be "storage" or "agent",
// which is what those are called who are about to join: it gives no right.
bool may_speak_as(std::string_view peer, std::string_view name);
bool may_announce(std::string_view peer, std::string_view service);
bool may_publish(std::string_view peer, std::string_view topic);
// Whether a publication names its publisher, and nobody else, as who it is from: a node does not
// tell what another node, or the log, would tell.
bool is_of_publisher(std::string_view peer, std::string_view topic, std::string_view header,
                     std::string_view body);

}  // namespace dfs
