#include "cli/security_options.h"

#include <filesystem>

namespace dfs::cli {

namespace {

constexpr const char* kInsecureHelp =
    "connect without encryption and take whoever connects at their word";

Error misuse(std::string text) {
  return Error{Code::usage, std::move(text), {}, 0};
}

Result<void> check_cluster_keys(const SecurityOptions& options) {
  if (options.cluster_keys.empty()) {
    return misuse(
        "the cluster's key is missing: give --cluster-key, the line in the file cluster.pub that "
        "dfsd init made; or --insecure, for a cluster without keys");
  }
  for (const std::string& key : options.cluster_keys) DFS_CHECK(check_public_key(key));
  return {};
}

Result<void> check_not_both(bool both) {
  if (!both) return {};
  return misuse("--insecure goes without keys; leave out one of them");
}

// Of "agent/HOST=KEY".
Result<void> add_admitted(const std::string& entry, KnownKeys::Names& names) {
  const size_t equals = entry.rfind('=');
  const std::string name = entry.substr(0, equals);
  if (equals == std::string::npos || !name.starts_with("agent/") || name.size() == 6 ||
      !check_public_key(entry.substr(equals + 1))) {
    return misuse("--admit " + entry + " is not agent/HOST=KEY with a key of 64 hex digits, as " +
                  "dfsd key prints it");
  }
  names[entry.substr(equals + 1)] = name;
  return {};
}

}  // namespace

void add_client_security(Settings& settings, SecurityOptions& options) {
  settings.add("insecure", options.insecure, kInsecureHelp);
  settings.add("cluster-key", options.cluster_keys,
               "public key of the cluster, from cluster.pub; two while it is being changed");
}

void add_head_security(Settings& settings, SecurityOptions& options) {
  settings.add("insecure", options.insecure, kInsecureHelp);
  settings.add("keys", options.keys, "directory of the cluster's keys, which dfsd init made");
  settings.add("admit", options.admit,
               "agent/HOST=KEY of an agent that may start nodes, as dfsd key prints it "
               "(repeatable)");
}

MadeSecurity client_security(const SecurityOptions& options) {
  DFS_CHECK(check_not_both(options.insecure && !options.cluster_keys.empty()));
  if (options.insecure) return std::shared_ptr<Security>();
  DFS_CHECK(check_cluster_keys(options));
  auto security = std::make_shared<Security>();
  security->own = make_key_pair();
  security->cluster_keys = options.cluster_keys;
  return security;
}

MadeSecurity head_security(const SecurityOptions& options) {
  DFS_CHECK(check_not_both(options.insecure && !options.keys.empty()));
  if (options.insecure) return std::shared_ptr<Security>();
  if (options.keys.empty()) {
    return misuse(
        "--keys DIR is missing: where dfsd init --dir DIR made the cluster's keys; or --insecure, "
        "for a cluster without keys");
  }
  auto keys = load_cluster_keys(options.keys);
  if (!keys) return keys.error();
  auto security = std::make_shared<Security>();
  security->own = keys->pair;
  security->cluster_keys = keys->public_keys;
  security->served = keys->pair;
  KnownKeys::Names names;
  for (const std::string& entry : options.admit) DFS_CHECK(add_admitted(entry, names));
  for (const std::string& key : keys->public_keys) names[key] = kHeadPeer;
  security->known->set("given", std::move(names));
  return security;
}

MadeSecurity node_security(const SecurityOptions& options,
                           const std::vector<std::string>& directories) {
  DFS_CHECK(check_not_both(options.insecure && !options.cluster_keys.empty()));
  DFS_CHECK(check_not_both(options.insecure && options.data_encryption));
  if (options.insecure) return std::shared_ptr<Security>();
  DFS_CHECK(check_cluster_keys(options));
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    // One that cannot be made is told of when it is opened.
    std::error_code ignored;
    std::filesystem::create_directories(directory, ignored);
    paths.push_back(directory + "/node.key");
  }
  auto own = load_or_make_key_pair(paths);
  if (!own) return own.error();
  auto security = std::make_shared<Security>();
  security->own = *own;
  security->cluster_keys = options.cluster_keys;
  if (options.data_encryption) security->served = *own;
  return security;
}

Result<std::string> sealing_key(const SecurityOptions& options) {
  if (options.keys.empty()) return std::string();
  auto pair = load_key_pair(options.keys + kSealingKeyFile);
  if (pair) return pair->secret_key;
  if (pair.code() == Code::not_found) return std::string();
  return pair.error();
}

void learn_nodes(KnownKeys& known, const ClusterMap& map) {
  KnownKeys::Names names;
  for (const NodeView& node : map.nodes) {
    if (!node.key.empty()) names[node.key] = "storage/" + std::to_string(node.node);
  }
  known.set("nodes", std::move(names));
}

std::string node_security_settings(const SecurityOptions& options, const std::string& more) {
  const auto says = [&](const std::string& key) {
    return more.starts_with(key) || more.find("\n" + key) != std::string::npos;
  };
  std::string text;
  if (says("insecure") || says("cluster-key")) return text;
  if (!more.empty() && !more.ends_with('\n')) text = "\n";
  if (options.insecure) return text + "insecure = true\n";
  text += "cluster-key = [";
  for (const std::string& key : options.cluster_keys) {
    text += (text.ends_with('[') ? "\"" : ", \"") + key + "\"";
  }
  return text + "]\n";
}

}  // namespace dfs::cli
