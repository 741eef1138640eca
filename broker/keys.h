// CURVE keys and the files they are kept in. All of it blocks.
//
// A file of secrets is its owner's alone (0600, in a directory of 0700); one that others could read
// is refused, because they may have. Its text:
//
//   public = "64 hex digits"
//   secret = "64 hex digits"
#pragma once

#include <string>
#include <vector>

#include "messages/result.h"

namespace dfs {

struct KeyPair {
  std::string public_key;  // 64 hex digits
  std::string secret_key;  // likewise; never shown
};

KeyPair make_key_pair();

// `denied` when others than its owner could read the file; `not_found`; `corrupt` when it holds no
// key pair, or one whose halves do not belong together. Texts name the file and what to do.
Result<KeyPair> load_key_pair(const std::string& path);
// Durable on return, and never there by half. `exists` when there is such a file.
Result<void> save_key_pair(const std::string& path, const KeyPair& keys);
// That of the first of `paths` which has one; else a new one, saved to the first that can be
// written.
Result<KeyPair> load_or_make_key_pair(const std::vector<std::string>& paths);

// `invalid` when it is not 64 hex digits.
Result<void> check_public_key(const std::string& key);

// The keys of a cluster: cluster.key is for its heads alone, cluster.pub for everybody.
struct ClusterKeys {
  KeyPair pair;  // with which the heads serve
  std::vector<std::string>
      public_keys;  // that heads may have: of every .pub file; the pair's first
};
// Makes them in `directory`. `exists` when there are some: no cluster survives the loss of its
// keys.
Result<KeyPair> init_cluster_keys(const std::string& directory);
Result<ClusterKeys> load_cluster_keys(const std::string& directory);

// Changing the keys of a cluster while it runs: first next.key and next.pub are made, and next.pub
// goes to everybody; then next takes the place of the current ones, whose cluster.pub becomes
// previous.pub; at the end previous.pub is forgotten. README.md has all the steps.
Result<KeyPair> make_next_keys(const std::string& directory);
Result<void> take_next_keys(const std::string& directory);
Result<void> drop_previous_key(const std::string& directory);

}  // namespace dfs
