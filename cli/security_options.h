// What the programs are told about keys, and the Security that follows from it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/config.h"
#include "broker/security.h"
#include "messages/cluster.h"

namespace dfs::cli {

struct SecurityOptions {
  bool insecure = false;
  std::vector<std::string> cluster_keys = {};
  std::string keys = {};                //  of heads: the directory that dfsd init made
  std::vector<std::string> admit = {};  // of heads: "agent/HOST=KEY"
  bool data_encryption = false;         // of storage nodes
};

void add_client_security(Settings& settings, SecurityOptions& options);
void add_head_security(Settings& settings, SecurityOptions& options);

// Null when `insecure`. Fails with `usage` when something is missing or contradicts itself, and
// with what is wrong with the files of keys.
using MadeSecurity = Result<std::shared_ptr<Security>>;
MadeSecurity client_security(const SecurityOptions& options);
MadeSecurity head_security(const SecurityOptions& options);
// `directories` are those of the process, in one of which it keeps its key.
MadeSecurity node_security(const SecurityOptions& options,
                           const std::vector<std::string>& directories);

// With what the heads wrap the keys of encrypted pools, beside the cluster's keys. It does not
// change when those do. Empty when there is none.
inline constexpr const char* kSealingKeyFile = "/sealing.key";
Result<std::string> sealing_key(const SecurityOptions& options);

// Makes the keys of the nodes in the map known.
void learn_nodes(KnownKeys& known, const ClusterMap& map);

// The settings that a storage node needs to be as secure as whoever starts it, unless `more` says.
std::string node_security_settings(const SecurityOptions& options, const std::string& more);

}  // namespace dfs::cli
