#include "cli/ticket_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".ticket";
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Error failed(const std::string& what, const std::string& path, int why) {
  return Error{Code::local_io, "cannot " + what + " " + path + ": " + std::strerror(why), {}, 0};
}

Result<StoredTicket> read_private(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return failed("read", path, errno);
  if ((about.st_mode & 077) != 0 || about.st_uid != ::geteuid()) {
    return Error{
        Code::local_io,
        path + " holds a ticket and can be used by others; remove it, or: chmod 600 " + path,
        {},
        0};
  }
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  auto ticket = decode<StoredTicket>(bytes);
  if (!ticket) {
    return Error{Code::local_io, path + " is damaged; remove it and log in again", {}, 0};
  }
  return ticket;
}

bool share_any(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::any_of(some.begin(), some.end(), [&](const std::string& one) {
    return std::find(others.begin(), others.end(), one) != others.end();
  });
}

}  // namespace

Result<void> write_private(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return failed("write", fresh, errno);
  const ssize_t written = ::write(file, content.data(), content.size());
  const int why = errno;
  (void)::close(file);
  if (written != static_cast<ssize_t>(content.size())) return failed("write", fresh, why);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed("write", path, errno);
  return {};
}

std::string TicketStore::default_directory() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/zdfs";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.local/state/zdfs";
  return {};
}

std::string TicketStore::path_of(const std::string& cluster) const {
  return directory_ + "/" + cluster + kSuffix;
}

Result<void> TicketStore::save(const StoredTicket& ticket) const {
  if (directory_.empty()) {
    return {Code::local_io, "there is no place for the ticket; set HOME or XDG_STATE_HOME"};
  }
  if (ticket.cluster.empty() || ticket.cluster.find('/') != std::string::npos) {
    return {Code::malformed, "the ticket names no cluster"};
  }
  std::error_code error;
  fs::create_directories(fs::path(directory_).parent_path(), error);
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed("make", directory_, errno);
  }
  return write_private(path_of(ticket.cluster), encode(ticket));
}

Result<std::optional<StoredTicket>> TicketStore::find(
    const std::vector<std::string>& brokers) const {
  std::optional<StoredTicket> newest;
  std::error_code error;
  if (directory_.empty()) return newest;
  for (const auto& file : fs::directory_iterator(directory_, error)) {
    if (file.path().extension() != kSuffix) continue;
    auto ticket = read_private(file.path().string());
    if (!ticket) return ticket.error();
    if (!share_any(ticket->brokers, brokers)) continue;
    if (!newest || newest->got_ms < ticket->got_ms) newest = std::move(*ticket);
  }
  return newest;
}

Result<void> TicketStore::remove(const std::string& cluster) const {
  const std::string path = path_of(cluster);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path, errno);
  return {};
}

std::string ticket_text(const std::string& ticket) {
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : ticket) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text.push_back(kDigits[bits >> (count - 6) & 63]);
  }
  if (count > 0) text.push_back(kDigits[bits << (6 - count) & 63]);
  return text;
}

Result<std::string> ticket_of_text(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  std::string ticket;
  uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const size_t value = kDigits.find(digit);
    if (value == kDigits.npos) {
      return Error{Code::usage, "the ticket is no ticket: it has other characters", {}, 0};
    }
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    ticket.push_back(static_cast<char>(bits >> count & 255));
  }
  if (ticket.empty() || ticket.size() > kTicketBytesMax) {
    return Error{Code::usage, "the ticket is empty or too long", {}, 0};
  }
  return ticket;
}

}  // namespace dfs::cli
