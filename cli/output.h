// How results look: names, sizes, tables, lines of JSON, the progress line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/bus.h"
#include "messages/namespace.h"

namespace dfs::cli {

// `name` as it may be shown to a person: itself, or $'…' with escapes (as bash reads them) when it
// holds control characters, invalid UTF-8, or characters that reorder the line.
std::string printable(std::string_view name);
// Terminal columns that UTF-8 text takes, one per code point.
size_t columns_of(std::string_view text);

std::string human_bytes(uint64_t bytes);                    // "999 B", "4.00 KiB", "3.66 GiB"
std::string human_rate(uint64_t bytes, Duration elapsed);   // "734 MiB/s"
std::string human_duration(Duration duration);              // "42 ms", "5.1 s", "2 m 05 s"
std::string human_time(int64_t unix_ms);                    // local, "2026-01-31 12:34:56"
std::string machine_time(int64_t unix_ms);                  // UTC, "2026-01-31T11:34:56.789Z"
std::string hex32(uint32_t value);                          // "0a1b2c3d"
std::string human_mode(FileType type, uint32_t mode);       // "drwxr-xr-x"
std::string counted(uint64_t count, std::string_view one);  // "1 copy", "2 copies", "3 files"

// One line of JSON, in the order of the calls.
class JsonLine {
 public:
  JsonLine& add(std::string_view key, std::string_view text);
  JsonLine& add(std::string_view key, const char* text) { return add(key, std::string_view(text)); }
  template <class T>
  requires std::is_integral_v<T> JsonLine& add(std::string_view key, T value) {
    if constexpr (std::is_same_v<T, bool>) return raw(key, value ? "true" : "false");
    return raw(key, std::to_string(value));
  }
  JsonLine& add(std::string_view key, double value);  // three decimals
  JsonLine& raw(std::string_view key, std::string_view json);
  std::string str() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

// The fields of an inode that every command shows in the same way.
JsonLine& add_info(JsonLine& line, const InodeInfo& info);

// Columns separated by two spaces, with a line of titles. The last column is not padded.
class TextTable {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);  // one per column
  std::string str() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

struct ProgressView {
  std::string label;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // UINT64_MAX: unknown
  double bytes_per_second = 0;
};
// The progress line, at most `columns` wide: label, bar, share, bytes, rate and time left.
std::string progress_text(const ProgressView& view, size_t columns);

// Draws the progress line on stderr while a transfer runs; silent unless stderr is a terminal.
// show() is called on one thread at a time; the destructor clears the line.
class ProgressLine {
 public:
  ProgressLine(std::string label, bool enabled);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(uint64_t done_bytes, uint64_t total_bytes);

 private:
  ProgressView view_;
  bool enabled_;
  uint64_t drawn_ = 0;  // times
  Instant shown_;
  uint64_t shown_bytes_ = 0;
};

// Time since some fixed point, for durations that people see.
Instant steady_now();

}  // namespace dfs::cli
