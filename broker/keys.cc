#include "broker/keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <zmq.hpp>

#include "broker/hex.h"
#include "messages/cluster.h"

namespace dfs {

namespace {

namespace fs = std::filesystem;

constexpr const char* kClusterSecret = "/cluster.key";
constexpr const char* kClusterPublic = "/cluster.pub";
constexpr const char* kNextSecret = "/next.key";
constexpr const char* kNextPublic = "/next.pub";
constexpr const char* kPreviousPublic = "/previous.pub";

constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kEverybody = 0644;

Error file_error(Code code, const std::string& path, const std::string& what) {
  return Error{code, path + ": " + what, {}, 0};
}
Error system_error(const std::string& path, const char* doing) {
  const int error = errno;
  const Code code = error == EEXIST   ? Code::exists
                    : error == ENOENT ? Code::not_found
                                      : Code::local_io;
  return file_error(code, path, std::string(doing) + ": " + std::strerror(error));
}

// The value of a line `name = "value"`; empty when there is none.
std::string value_of(const std::string& text, const std::string& name) {
  const std::string begin = name + " = \"";
  size_t at = text.find(begin);
  if (at == std::string::npos || (at != 0 && text[at - 1] != '\n')) return {};
  at += begin.size();
  const size_t end = text.find('"', at);
  return end == std::string::npos ? std::string() : text.substr(at, end - at);
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Result<void> sync_directory_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path();
  const File directory(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return system_error(parent, "cannot sync it");
  }
  return {};
}

// Never over a file that is there, and never with more rights than `mode`, not even for a moment.
Result<void> write_new(const std::string& path, const std::string& text, mode_t mode) {
  const std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());
  {
    const File file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.get() < 0) return system_error(fresh, "cannot make it");
    const auto size = static_cast<ssize_t>(text.size());
    if (::write(file.get(), text.data(), text.size()) != size || ::fsync(file.get()) != 0) {
      return system_error(fresh, "cannot write it");
    }
  }
  const bool linked = ::link(fresh.c_str(), path.c_str()) == 0;
  const Error failure = linked ? Error() : system_error(path, "cannot make it");
  (void)::unlink(fresh.c_str());
  if (!linked) return failure;
  return sync_directory_of(path);
}

// The file's text, when nobody but its owner can read it.
Result<std::string> read_secret(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "cannot read it");
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_error(path, "cannot read it");
  if ((about.st_mode & 077) != 0) {
    return file_error(Code::denied, path,
                      "others than its owner can read or change this secret, so it may be known; "
                      "if nobody did, run chmod 600 " +
                          path + ", else make new keys");
  }
  char buffer[1024];
  const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
  if (size < 0) return system_error(path, "cannot read it");
  return std::string(buffer, static_cast<size_t>(size));
}

Result<std::string> load_public_key(const std::string& path) {
  std::ifstream in(path);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const std::string key = value_of(text, "cluster-key");
  if (in && is_public_key(key)) return key;
  return file_error(Code::corrupt, path, "it holds no line cluster-key = \"64 hex digits\"");
}

std::string public_text(const std::string& key) {
  return "# For everybody who is to reach the cluster: a line of dfsctl's and dfsd's --config "
         "file.\ncluster-key = \"" +
         key + "\"\n";
}

Result<void> make_directory(const std::string& path) {
  std::error_code error;
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error(path, "cannot make it");
  }
  return {};
}

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error(from, "cannot rename it");
  return sync_directory_of(to);
}

}  // namespace

KeyPair make_key_pair() {
  char public_text[41];
  char secret_text[41];
  DFS_ASSERT(zmq_curve_keypair(public_text, secret_text) == 0);
  const auto hex = [](const char* z85) {
    uint8_t bytes[32];
    DFS_ASSERT(zmq_z85_decode(bytes, z85) != nullptr);
    return to_hex({reinterpret_cast<const char*>(bytes), sizeof bytes});
  };
  return {hex(public_text), hex(secret_text)};
}

Result<void> check_public_key(const std::string& key) {
  if (is_public_key(key)) return {};
  return {Code::invalid, "`" + key + "` is not a public key: 64 hex digits, as in cluster.pub"};
}

Result<KeyPair> load_key_pair(const std::string& path) {
  auto text = read_secret(path);
  if (!text) return text.error();
  const KeyPair keys{value_of(*text, "public"), value_of(*text, "secret")};
  const std::string restore = "restore it, or remove it to have a new one made";
  if (!is_public_key(keys.public_key) || !is_public_key(keys.secret_key)) {
    return file_error(Code::corrupt, path, "it holds no pair of keys; " + restore);
  }
  const std::string secret = *from_hex(keys.secret_key);
  char secret_z85[41];
  char public_z85[41];
  zmq_z85_encode(secret_z85, reinterpret_cast<const uint8_t*>(secret.data()), secret.size());
  uint8_t bytes[32];
  const bool derived =
      zmq_curve_public(public_z85, secret_z85) == 0 && zmq_z85_decode(bytes, public_z85) != nullptr;
  if (!derived || to_hex({reinterpret_cast<const char*>(bytes), sizeof bytes}) != keys.public_key) {
    return file_error(Code::corrupt, path, "its two keys do not belong together; " + restore);
  }
  return keys;
}

Result<void> save_key_pair(const std::string& path, const KeyPair& keys) {
  return write_new(path,
                   "# Secret: for its owner alone.\npublic = \"" + keys.public_key +
                       "\"\nsecret = \"" + keys.secret_key + "\"\n",
                   kOwnerOnly);
}

Result<KeyPair> load_or_make_key_pair(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    auto keys = load_key_pair(path);
    // A disk that cannot be read may have had it: what else is there shows.
    if (keys || (keys.code() != Code::not_found && keys.code() != Code::local_io)) return keys;
  }
  const KeyPair made = make_key_pair();
  Error last{Code::usage, "there is no place to keep a key in", {}, 0};
  for (const std::string& path : paths) {
    auto saved = save_key_pair(path, made);
    if (saved) return made;
    last = saved.error();
  }
  return last;
}

Result<KeyPair> init_cluster_keys(const std::string& directory) {
  DFS_CHECK(make_directory(directory));
  const KeyPair made = make_key_pair();
  auto saved = save_key_pair(directory + kClusterSecret, made);
  if (saved.code() == Code::exists) {
    return file_error(Code::exists, directory,
                      "it has the keys of a cluster already; keep them, or give another --dir");
  }
  if (!saved) return saved.error();
  DFS_CHECK(write_new(directory + kClusterPublic, public_text(made.public_key), kEverybody));
  return made;
}

Result<ClusterKeys> load_cluster_keys(const std::string& directory) {
  auto pair = load_key_pair(directory + kClusterSecret);
  if (!pair && pair.code() == Code::not_found) {
    return file_error(
        Code::not_found, directory,
        "it has no cluster.key; make the keys of a new cluster with dfsd init --dir " + directory +
            ", or copy those of this cluster's other heads");
  }
  if (!pair) return pair.error();
  ClusterKeys keys{*pair, {pair->public_key}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".pub") continue;
    auto key = load_public_key(entry.path());
    if (!key) return key.error();
    if (*key != pair->public_key) keys.public_keys.push_back(*key);
  }
  if (error) return file_error(Code::local_io, directory, error.message());
  std::sort(keys.public_keys.begin() + 1, keys.public_keys.end());
  return keys;
}

Result<KeyPair> make_next_keys(const std::string& directory) {
  auto current = load_key_pair(directory + kClusterSecret);
  if (!current) return current.error();
  const KeyPair made = make_key_pair();
  DFS_CHECK(save_key_pair(directory + kNextSecret, made));
  DFS_CHECK(write_new(directory + kNextPublic, public_text(made.public_key), kEverybody));
  return made;
}

Result<void> take_next_keys(const std::string& directory) {
  auto next = load_key_pair(directory + kNextSecret);
  if (!next) return next.error();
  // In this order each step leaves keys that a head can start with.
  DFS_CHECK(rename_file(directory + kClusterPublic, directory + kPreviousPublic));
  DFS_CHECK(rename_file(directory + kNextSecret, directory + kClusterSecret));
  return rename_file(directory + kNextPublic, directory + kClusterPublic);
}

Result<void> drop_previous_key(const std::string& directory) {
  const std::string path = directory + kPreviousPublic;
  if (::unlink(path.c_str()) != 0) return system_error(path, "cannot remove it");
  return sync_directory_of(path);
}

}  // namespace dfs
