#include "cli/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "broker/hex.h"

namespace dfs::cli {

namespace {

Error about(Code code, const std::string& path, const std::string& why) {
  return Error{code, path + ": " + why, {{"file", path}}, 0};
}

std::string text_of(const PoolKeyList& list) {
  std::string text = "# Keys of encrypted pools of cluster " + list.cluster +
                     ". Keep this file where nobody else can read it.\n";
  for (const PoolKeyView& key : list.keys) {
    char id[17];
    std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(key.id));
    text += std::string(id) + " " + to_hex(key.key.bytes) + " " + key.pool + "\n";
  }
  return text;
}

Result<PoolKeyView> key_in(const std::string& line, const std::string& path) {
  std::istringstream in(line);
  std::string id;
  std::string key;
  PoolKeyView view;
  in >> id >> key;
  std::getline(in >> std::ws, view.pool);
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), view.id, 16);
  const auto bytes = from_hex(key);
  const bool good = parsed.ec == std::errc() && parsed.ptr == id.data() + id.size() &&
                    view.id != 0 && bytes && bytes->size() == kKeyBytes;
  if (!good) return about(Code::corrupt, path, "this is no file that dfsctl pool export-key wrote");
  view.key.bytes = *bytes;
  return view;
}

}  // namespace

Result<void> write_key_file(const std::string& path, const PoolKeyList& list) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    if (errno == EEXIST) return about(Code::exists, path, "it is there already; name a new file");
    return about(Code::local_io, path, std::strerror(errno));
  }
  const std::string text = text_of(list);
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool kept = written && ::fsync(file) == 0;
  const std::string why = std::strerror(errno);
  ::close(file);
  if (kept) return {};
  ::unlink(path.c_str());
  return about(Code::local_io, path, why);
}

Result<std::vector<PoolKeyView>> read_key_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return about(Code::local_io, path, std::strerror(errno));
  if ((info.st_mode & 077) != 0) {
    return about(Code::denied, path,
                 "others than its owner may read it, so they may have these keys; make it yours "
                 "alone with chmod 600");
  }
  std::ifstream in(path);
  std::vector<PoolKeyView> keys;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    auto key = key_in(line, path);
    if (!key) return key.error();
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return about(Code::corrupt, path, "there are no keys in it");
  return keys;
}

}  // namespace dfs::cli
