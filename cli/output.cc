#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "cli/colours.h"
#include "messages/codec.h"

namespace dfs::cli {

namespace {

constexpr uint32_t kNoCharacter = UINT32_MAX;

template <class... Args>
std::string formatted(const char* format, Args... args) {
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), format, args...);
  return text.data();
}

// The code point at `text[at]` and its length in bytes, or {kNoCharacter, 1} for invalid UTF-8.
std::pair<uint32_t, size_t> character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + size > text.size()) return {kNoCharacter, 1};
  uint32_t character = first & (0xff >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return {kNoCharacter, 1};
    character = character << 6 | (byte(at + i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < kSmallest[size] || character > 0x10ffff || surrogate) return {kNoCharacter, 1};
  return {character, size};
}

// Characters that steer the terminal or reorder the line rather than show themselves.
bool is_harmless(uint32_t character) {
  if (character == kNoCharacter || character < 0x20) return false;
  if (character >= 0x7f && character < 0xa0) return false;
  if (character == 0x200e || character == 0x200f || character == 0x2028 || character == 0x2029) {
    return false;
  }
  const bool embedding = character >= 0x202a && character <= 0x202e;
  const bool isolate = character >= 0x2066 && character <= 0x2069;
  return !embedding && !isolate;
}

std::string escaped(unsigned char byte) {
  switch (byte) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    case '\\':
    case '\'':
      return {'\\', static_cast<char>(byte)};
    default:
      return formatted("\\x%02x", byte);
  }
}

}  // namespace

std::string printable(std::string_view name) {
  bool plain = !name.starts_with("$'");
  for (size_t at = 0; plain && at < name.size();) {
    const auto [character, size] = character_at(name, at);
    plain = is_harmless(character);
    at += size;
  }
  if (plain) return std::string(name);
  std::string out = "$'";
  for (size_t at = 0; at < name.size();) {
    const auto [character, size] = character_at(name, at);
    const std::string_view bytes = name.substr(at, size);
    if (is_harmless(character) && character != '\\' && character != '\'') {
      out += bytes;
    } else {
      for (const char byte : bytes) out += escaped(static_cast<unsigned char>(byte));
    }
    at += size;
  }
  return out + "'";
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  // Three digits that say something, whatever the size.
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return formatted("%.*f %s", decimals, value, kUnits[unit]);
}

std::string human_rate(uint64_t bytes, Duration elapsed) {
  const double seconds = std::max(std::chrono::duration<double>(elapsed).count(), 1e-6);
  const double rate = std::min(static_cast<double>(bytes) / seconds, 1e18);
  return human_bytes(static_cast<uint64_t>(rate)) + "/s";
}

std::string human_duration(Duration duration) {
  const double seconds = std::max(std::chrono::duration<double>(duration).count(), 0.0);
  if (seconds < 0.9995) return formatted("%.0f ms", seconds * 1000);
  if (seconds < 99.95) return formatted("%.1f s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  const unsigned long long days = whole / 86400, hours = whole / 3600, minutes = whole / 60;
  if (whole < 3600) return formatted("%llu m %02llu s", minutes, whole % 60ull);
  if (whole < 86400) return formatted("%llu h %02llu m", hours, minutes % 60);
  return formatted("%llu d %02llu h", days, hours % 24);
}

std::string human_time(int64_t unix_ms) {
  const time_t seconds = static_cast<time_t>(unix_ms / 1000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string machine_time(int64_t unix_ms) {
  const time_t seconds = static_cast<time_t>(unix_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return text.data() + formatted(".%03dZ", static_cast<int>(unix_ms % 1000));
}

std::string hex32(uint32_t value) {
  return formatted("%08x", value);
}

std::string human_mode(FileType type, uint32_t mode) {
  std::string text(type == FileType::directory ? "d" : "-");
  for (int bit = 8; bit >= 0; --bit) text += (mode >> bit & 1) != 0 ? "xwr"[bit % 3] : '-';
  // As ls(1) shows set-uid, set-gid and the sticky bit: in capitals where there is no x below.
  const auto mark = [&](uint32_t bit, size_t at, char letter) {
    if ((mode & bit) == 0) return;
    text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  mark(04000, 3, 's');
  mark(02000, 6, 's');
  mark(01000, 9, 't');
  return text;
}

std::string counted(uint64_t count, std::string_view one) {
  std::string text = std::to_string(count) + " ";
  if (count == 1) return text.append(one);
  if (one.ends_with("y")) return text.append(one.substr(0, one.size() - 1)).append("ies");
  return text.append(one).append("s");
}

JsonLine& JsonLine::add(std::string_view key, std::string_view text) {
  return raw(key, json_quote(text));
}

JsonLine& JsonLine::add(std::string_view key, double value) {
  return raw(key, std::isfinite(value) ? formatted("%.3f", value) : "null");
}

JsonLine& JsonLine::raw(std::string_view key, std::string_view json) {
  if (!body_.empty()) body_ += ',';
  body_ += json_quote(key);
  body_ += ':';
  body_ += json;
  return *this;
}

JsonLine& add_info(JsonLine& line, const InodeInfo& info) {
  const bool directory = info.type == FileType::directory;
  line.add("type", directory ? "directory" : "file").add("ino", info.ino).add("size", info.size);
  line.add("mode", formatted("%04o", info.mode)).add("uid", info.uid).add("gid", info.gid);
  line.add("links", info.links).add("version", info.version);
  line.add("created", machine_time(info.created_ms)).add("created_ms", info.created_ms);
  line.add("modified", machine_time(info.modified_ms)).add("modified_ms", info.modified_ms);
  if (directory) return line;
  line.add("crc32c", hex32(info.crc32c)).add("object", info.object);
  return line.add("block_bytes", info.block_bytes).add("encrypted", info.encrypted);
}

void TextTable::add(std::vector<std::string> cells) {
  DFS_ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::str() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_of(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  std::string out;
  const auto put_row = [&](const auto& text_of, bool is_title) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& text = text_of(i);
      const std::string padding(widths[i] - columns_of(text), ' ');
      if (i != 0) line += "  ";
      const bool is_state = columns_[i].title == "STATE" && !is_title;
      const std::string shown =
          is_state ? painted_for(STDOUT_FILENO, colour_of_state(text), text) : text;
      line += columns_[i].align == Align::right ? padding + shown : shown + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  put_row([&](size_t i) -> const std::string& { return columns_[i].title; }, true);
  for (const auto& row : rows_) {
    put_row([&](size_t i) -> const std::string& { return row[i]; }, false);
  }
  return out;
}

namespace {

// The first `columns` columns of `text`, the end replaced by "…" where it is longer.
std::string shortened(const std::string& text, size_t columns) {
  if (columns_of(text) <= columns) return text;
  std::string out;
  size_t taken = 0;
  for (size_t at = 0; at < text.size() && taken + 1 < columns; ++taken) {
    const size_t size = character_at(text, at).second;
    out += text.substr(at, size);
    at += size;
  }
  return out + "…";
}

std::string bar(double share, size_t columns) {
  const auto full = static_cast<size_t>(share * static_cast<double>(columns) + 0.5);
  std::string out;
  for (size_t i = 0; i < columns; ++i) out += i < full ? "█" : "░";
  return out;
}

std::string padded(const std::string& text, size_t columns) {
  return std::string(columns - std::min(columns, columns_of(text)), ' ') + text;
}

// Whole seconds are all one can tell of the future.
std::string time_left(uint64_t bytes, uint64_t bytes_per_second) {
  const uint64_t seconds = std::min<uint64_t>(bytes / bytes_per_second + 1, 100 * 86400);
  if (seconds < 100) return std::to_string(seconds) + " s left";
  return human_duration(std::chrono::seconds(seconds)) + " left";
}

}  // namespace

std::string progress_text(const ProgressView& view, size_t columns) {
  constexpr size_t kLabelMin = 16, kBarMin = 8, kBarMax = 30, kGap = 2;
  const auto rate = static_cast<uint64_t>(std::max(view.bytes_per_second, 0.0));
  const bool known = view.total_bytes != UINT64_MAX;
  const uint64_t done = std::min(view.done_bytes, view.total_bytes);
  double share = 1;
  if (known && view.total_bytes != 0) {
    share = static_cast<double>(done) / static_cast<double>(view.total_bytes);
  }
  // Fixed widths, so that the line stands still.
  std::string tail = known ? formatted("%3.0f%%  ", std::floor(share * 100)) : "";
  tail += padded(human_bytes(done), 8);
  if (known) tail += " of " + human_bytes(view.total_bytes);
  tail += "  " + padded(human_bytes(rate) + "/s", 10);
  if (known) {
    const bool moving = rate > 0 && done < view.total_bytes;
    tail += "  " + padded(moving ? time_left(view.total_bytes - done, rate) : "", 9);
  }
  if (columns <= columns_of(tail) + kGap + kBarMin) return shortened(tail, columns);
  size_t room = columns - columns_of(tail) - kGap;
  std::string middle;
  const size_t label = std::min(columns_of(view.label), std::max(kLabelMin, room / 2));
  if (known && room >= label + kGap + kBarMin) {
    const size_t width = std::min(kBarMax, room - label - kGap);
    middle = bar(share, width) + "  ";
    room -= width + kGap;
  }
  return shortened(view.label, room) + "  " + middle + tail;
}

Instant steady_now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

ProgressLine::ProgressLine(std::string label, bool enabled)
    : enabled_(enabled && isatty(STDERR_FILENO) != 0), shown_(steady_now()) {
  view_.label = std::move(label);
}

ProgressLine::~ProgressLine() {
  if (drawn_ != 0) std::fputs("\r\x1b[K", stderr);
}

void ProgressLine::show(uint64_t done_bytes, uint64_t total_bytes) {
  if (!enabled_) return;
  const Instant now = steady_now();
  const double passed = std::chrono::duration<double>(now - shown_).count();
  if (passed < 0.1) return;
  const uint64_t moved = done_bytes > shown_bytes_ ? done_bytes - shown_bytes_ : 0;
  const double rate = static_cast<double>(moved) / passed;
  // The mean of the first two seconds, then smoothed over about as long, so that the time left does
  // not jump about.
  ++drawn_;
  const double weight = std::max(std::min(1.0, passed / 2), 1.0 / static_cast<double>(drawn_));
  view_.bytes_per_second += (rate - view_.bytes_per_second) * weight;
  view_.done_bytes = done_bytes;
  view_.total_bytes = total_bytes;
  shown_ = now;
  shown_bytes_ = done_bytes;
  winsize size{};
  const bool sized = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::string line = progress_text(view_, sized ? size.ws_col - 1u : 79u);
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
}

}  // namespace dfs::cli
