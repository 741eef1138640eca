#include "actors/storage/directories.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace dfs::storage {

namespace {

constexpr int kIdentityFormat = 1;
constexpr const char* kSiblingPrefix = "directory.";

std::string identity_path(const std::string& directory) {
  return directory + "/identity";
}

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What has to be put right by a person before anything may start.
bool is_refusal(Code code) {
  return code == Code::busy || code == Code::invalid || code == Code::unsupported;
}

class Opening {
 public:
  Opening(Disk& disk, const std::vector<GivenDirectory>& given) : disk_(disk), given_(given) {}

  Result<OpenDirectories> run(const std::string& uuid) {
    for (const GivenDirectory& one : given_) {
      if (!one.usable) {
        fail(one.path, {Code::io_error, "it cannot be opened", {}, 0});
      } else if (auto taken = take(one.path); is_refusal(taken.code())) {
        return std::move(taken).error();
      } else if (!taken) {
        fail(one.path, taken.error());
      }
    }
    DFS_CHECK(agree());
    if (found_.empty()) {
      // Without one that can be read there is no telling which node this is.
      if (!out_.failures.empty()) return out_.failures.begin()->second;
      out_.identity.uuid = uuid;
    }
    DFS_CHECK(name_directories());
    for (const GivenDirectory& one : given_) {
      if (!out_.directories.contains(one.path)) continue;
      if (auto kept = keep(one.path); !kept) fail(one.path, kept.error());
    }
    if (out_.directories.empty()) return out_.failures.begin()->second;
    return std::move(out_);
  }

 private:
  void fail(const std::string& path, Error error) {
    error.text = "data directory " + path + ": " + error.text;
    out_.failures[path] = std::move(error);
    out_.directories.erase(path);
    found_.erase(path);
  }

  Result<void> take(const std::string& path) {
    DFS_CHECK(disk_.make_directories(path));
    auto lock = disk_.lock(path + "/lock");
    if (lock.code() == Code::busy) {
      return {Code::busy,
              "another process uses the data directory " + path + ", or it was given twice"};
    }
    if (!lock) return std::move(lock).error();
    out_.locks.push_back(std::move(*lock));
    auto text = read_file(disk_, identity_path(path));
    if (text.code() == Code::not_found) return {};
    if (!text) return std::move(text).error();
    auto identity = parse_identity(*text);
    if (!identity) return std::move(identity).error();
    texts_[path] = *text;
    found_[path] = std::move(*identity);
    return {};
  }

  // All that say whose they are must say the same.
  Result<void> agree() {
    Identity& node = out_.identity;
    std::string first;
    for (const auto& [path, identity] : found_) {
      if (node.uuid.empty()) {
        node.uuid = identity.uuid;
        first = path;
      }
      const bool same_cluster =
          node.cluster.empty() || identity.cluster.empty() || node.cluster == identity.cluster;
      if (identity.uuid != node.uuid || !same_cluster) {
        return {Code::invalid, "the data directories " + first + " and " + path +
                                   " belong to different nodes; give each node its own"};
      }
      if (node.cluster.empty()) {
        node.cluster = identity.cluster;
        node.node = identity.node;
      }
      node.needs_grants = node.needs_grants || identity.needs_grants;
      node.siblings.insert(identity.siblings.begin(), identity.siblings.end());
    }
    return {};
  }

  Result<void> name_directories() {
    std::map<std::string, std::string> paths;  // by directory
    for (const auto& [path, identity] : found_) {
      if (identity.directory.empty()) continue;
      const auto [other, fresh] = paths.emplace(identity.directory, path);
      if (!fresh) {
        return {Code::invalid, "the data directories " + other->second + " and " + path +
                                   " are one and the same: one must be a copy; give only one"};
      }
    }
    auto& siblings = out_.identity.siblings;
    for (const GivenDirectory& one : given_) {
      if (out_.failures.contains(one.path)) continue;
      const auto found = found_.find(one.path);
      std::string name = found == found_.end() ? "" : found->second.directory;
      // A node that had a directory here, which is empty now and has not turned up elsewhere.
      const bool lost = found == found_.end() &&
                        std::any_of(siblings.begin(), siblings.end(), [&](const auto& sibling) {
                          return sibling.second == one.path && !paths.contains(sibling.first);
                        });
      if (lost) {
        fail(one.path, {Code::not_found,
                        "it is empty, but this node kept blocks there; mount its disk, or give "
                        "the new disk under another path",
                        {},
                        0});
        continue;
      }
      if (name.empty()) name = one.fresh;
      out_.directories[one.path] = name;
      paths[name] = one.path;
    }
    std::map<std::string, std::string> now = paths;
    for (const auto& [directory, path] : siblings) {
      if (paths.contains(directory)) continue;
      if (out_.failures.contains(path)) {
        now[directory] = path;
      } else {
        out_.gone.push_back(path);
      }
    }
    siblings = std::move(now);
    return {};
  }

  Result<void> keep(const std::string& path) {
    Identity identity = out_.identity;
    identity.directory = out_.directories.at(path);
    const std::string text = to_text(identity);
    if (texts_[path] == text) return {};
    return write_file_atomically(disk_, identity_path(path), text);
  }

  Disk& disk_;
  const std::vector<GivenDirectory>& given_;
  OpenDirectories out_;
  std::map<std::string, Identity> found_;     // by path
  std::map<std::string, std::string> texts_;  // as they are on the disk
};

}  // namespace

std::string to_text(const Identity& identity) {
  std::string text = "format=" + std::to_string(kIdentityFormat) + "\nuuid=" + identity.uuid +
                     "\ncluster=" + identity.cluster + "\nnode=" + std::to_string(identity.node) +
                     "\n";
  if (identity.needs_grants) text += "grants=required\n";
  if (!identity.directory.empty()) text += "directory=" + identity.directory + "\n";
  for (const auto& [directory, path] : identity.siblings) {
    text += kSiblingPrefix + directory + "=" + path + "\n";
  }
  return text;
}

Result<Identity> parse_identity(const std::string& text) {
  using R = Result<Identity>;
  std::map<std::string, std::string> fields;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals != std::string::npos) fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (std::atoi(fields["format"].c_str()) > kIdentityFormat) {
    return R(Code::unsupported, "the node's identity file has format " + fields["format"] +
                                    "; start the newer program on this directory");
  }
  Identity identity;
  identity.uuid = fields["uuid"];
  identity.cluster = fields["cluster"];
  identity.node = static_cast<NodeId>(std::strtoul(fields["node"].c_str(), nullptr, 10));
  identity.needs_grants = fields["grants"] == "required";
  identity.directory = fields["directory"];
  if (!is_hex(identity.uuid, 32)) {
    return R(Code::corrupt, "the node's identity file has no uuid of 32 hex digits");
  }
  for (const auto& [key, value] : fields) {
    const std::string prefix = kSiblingPrefix;
    if (key.starts_with(prefix)) identity.siblings[key.substr(prefix.size())] = value;
  }
  return identity;
}

Result<OpenDirectories> open_directories(Disk& disk, const std::vector<GivenDirectory>& given,
                                         const std::string& uuid) {
  return Opening(disk, given).run(uuid);
}

Result<void> save_identity(Disk& disk, const OpenDirectories& open) {
  Result<void> outcome;
  bool any = false;
  for (const auto& [path, directory] : open.directories) {
    Identity identity = open.identity;
    identity.directory = directory;
    outcome = write_file_atomically(disk, identity_path(path), to_text(identity));
    any = any || outcome;
  }
  return any ? Result<void>() : outcome;
}

}  // namespace dfs::storage
