#include "actors/agent/node_folder.h"

#include <algorithm>

namespace dfs::agent {

namespace {

constexpr size_t kWordsMax = 600;  // bytes of what a node said last
constexpr size_t kLinesMax = 3;
constexpr const char* kReadyLine = "ready role=";
constexpr uint64_t kLogBytes = 16 << 20;

std::string config_path(const std::string& folder) {
  return folder + "/node.conf";
}
std::string record_path(const std::string& folder) {
  return folder + "/record";
}
std::string ready_path(const std::string& folder) {
  return folder + "/ready";
}
std::string output_path(const std::string& folder) {
  return folder + "/output";
}

// A text of the file of settings. What would need escapes there is refused: nobody wants it.
Result<std::string> quoted(const std::string& text) {
  const bool odd = std::any_of(text.begin(), text.end(), [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  });
  if (odd) {
    return Error{Code::invalid,
                 "\"" + text +
                     "\" cannot be a setting; use no quotes, backslashes and control "
                     "characters",
                 {},
                 0};
  }
  return "\"" + text + "\"";
}

Result<void> add_line(std::string& out, const char* key, const std::string& value) {
  auto text = quoted(value);
  if (!text) return text.error();
  out.append(key).append(" = ").append(*text).append("\n");
  return {};
}

Result<std::string> config_text(const std::string& folder, const NodeSettings& settings) {
  std::string out;
  DFS_CHECK(add_line(out, "listen", settings.listen));
  std::string brokers;
  for (const std::string& broker : settings.brokers) {
    auto text = quoted(broker);
    if (!text) return text.error();
    brokers += (brokers.empty() ? "" : ", ") + *text;
  }
  out += "broker = [" + brokers + "]\n";
  DFS_CHECK(add_line(out, "data", folder + "/data"));
  DFS_CHECK(add_line(out, "host", settings.host));
  if (!settings.rack.empty()) DFS_CHECK(add_line(out, "rack", settings.rack));
  if (settings.capacity_bytes != 0) {
    out += "capacity = \"" + std::to_string(settings.capacity_bytes) + "\"\n";
  }
  DFS_CHECK(add_line(out, "log-file", folder + "/node.log"));
  out += "log-size = \"" + std::to_string(kLogBytes) + "\"\n";
  DFS_CHECK(add_line(out, "pid-file", folder + "/pid"));
  DFS_CHECK(add_line(out, "ready-file", ready_path(folder)));
  return out + settings.more;
}

}  // namespace

Result<void> prepare_folder(Disk& disk, const std::string& folder, const NodeSettings& settings,
                            const NodeRecord& record) {
  auto text = config_text(folder, settings);
  if (!text) return text.error();
  DFS_CHECK(disk.make_directories(folder));
  DFS_CHECK(write_file_atomically(disk, config_path(folder), *text));
  return save_record(disk, folder, record);
}

Result<NodeRecord> load_record(Disk& disk, const std::string& folder) {
  auto bytes = read_file(disk, record_path(folder));
  if (!bytes) return bytes.error();
  auto record = decode<NodeRecord>(*bytes);
  if (record) return record;
  return Error{Code::corrupt, record_path(folder) + " cannot be read", {}, 0};
}

Result<void> save_record(Disk& disk, const std::string& folder, const NodeRecord& record) {
  return write_file_atomically(disk, record_path(folder), encode(record));
}

std::vector<std::string> identifying_arguments(const std::string& folder) {
  return {"storage", "--config", config_path(folder)};
}

LaunchPlan launch_plan(const std::string& program, const std::string& folder,
                       const std::string& token) {
  LaunchPlan plan{program, identifying_arguments(folder), {}, output_path(folder)};
  // Not among the arguments, which every user of the machine can see.
  if (!token.empty()) plan.environment["DFS_JOIN_TOKEN"] = token;
  return plan;
}

std::string read_endpoint(Disk& disk, const std::string& folder) {
  const auto text = read_file(disk, ready_path(folder));
  if (!text) return {};
  constexpr std::string_view kMark = " listen=";
  const size_t at = text->find(kMark);
  if (at == std::string::npos) return {};
  const size_t begin = at + kMark.size();
  return text->substr(begin, text->find_first_of(" \n", begin) - begin);
}

void forget_endpoint(Disk& disk, const std::string& folder) {
  (void)disk.remove(ready_path(folder));
}

uint64_t output_bytes(Disk& disk, const std::string& folder) {
  auto file = disk.open(output_path(folder), {.read_only = true});
  if (!file) return 0;
  const auto size = (*file)->size();
  return size ? *size : 0;
}

std::string size_text(uint64_t bytes) {
  constexpr uint64_t kGiB = 1ull << 30;
  constexpr uint64_t kMiB = 1ull << 20;
  if (bytes >= 10 * kGiB) return std::to_string(bytes / kGiB) + " GiB";
  return std::to_string(bytes / kMiB) + " MiB";
}

std::string last_words(Disk& disk, const std::string& folder, uint64_t since) {
  auto file = disk.open(output_path(folder), {.read_only = true});
  if (!file) return {};
  const auto size = (*file)->size();
  if (!size || *size <= since) return {};
  const uint64_t begin = std::max<uint64_t>(since, *size - std::min<uint64_t>(*size, kWordsMax));
  std::string text(*size - begin, '\0');
  const auto got = (*file)->read_at(begin, text.data(), text.size());
  if (!got) return {};
  text.resize(*got);
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    // That it was ready explains nothing.
    const std::string line = text.substr(at, end - at);
    if (!line.empty() && !line.starts_with(kReadyLine)) lines.push_back(line);
    at = end + 1;
  }
  std::string words;
  for (size_t i = lines.size() - std::min(lines.size(), kLinesMax); i < lines.size(); ++i) {
    words += (words.empty() ? "" : "\n") + lines[i];
  }
  return words;
}

}  // namespace dfs::agent
