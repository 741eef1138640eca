// Settings of a program: declared once with name, variable and help, then filled from the command
// line, the environment and a file, in this order of precedence:
//
//   --block-size 16M   >   DFS_BLOCK_SIZE=16M   >   block-size = "16M" in the file   >   default
//
//   CLI::App app;
//   Settings settings(app);                 // adds --config FILE and --print-config
//   settings.add("broker", brokers, "…");   // variables keep their value as the default
//   CLI11_PARSE(app, argc, argv);
//   if (auto done = settings.complete(); !done) …;
//   if (settings.print_requested()) { std::cout << settings.print(); return 0; }
//
// With subcommands, make one Settings per CLI::App that has settings of its own and complete() the
// one that was chosen (or give the parent's, with app.fallthrough(), to all).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bus.h"
#include "messages/result.h"

namespace CLI {
class App;
}

namespace dfs {

// "4096", "64K", "16M", "16MiB", "1G", "2TiB", all powers of 1024, and fractions ("1.5G"). Fails
// with `usage` on anything else and on what does not fit.
Result<uint64_t> parse_size(std::string_view text);
// "250us", "500ms", "3s", "2m", "1h", "1d", fractions allowed ("0.5s"); a bare "0" is zero. Fails
// with `usage` on anything else: a number without a unit is a mistake waiting to happen.
Result<Duration> parse_duration(std::string_view text);
// The shortest text that parses to the same value, "16M" and "500ms".
std::string format_size(uint64_t bytes);
std::string format_duration(Duration duration);

// The one of `known` nearest to `word` by edit distance, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// True for names whose values are never shown: …ticket…, …password…, …token…, …secret….
bool is_secret_name(std::string_view name);

class Settings {
 public:
  // `file_variable` is the environment variable that may name the file instead of --config.
  explicit Settings(CLI::App& app, const std::string& file_variable = "DFS_CONFIG");
  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // `name` is in kebab-case: it is the flag (--name) and the file's key; the environment's is
  // DFS_NAME_IN_CAPITALS. The variable must outlive this object and holds the default until then.
  // A bad value on the command line ends the parse with CLI::ValidationError.
  void add(const std::string& name, std::string& value, const std::string& help);
  void add(const std::string& name, bool& value, const std::string& help);  // --name, --name=false
  void add(const std::string& name, uint32_t& value, const std::string& help);
  void add(const std::string& name, uint64_t& value, const std::string& help);
  // A list: the flag repeated, or one value with commas; an array in the file.
  void add(const std::string& name, std::vector<std::string>& value, const std::string& help);
  void add_size(const std::string& name, uint64_t& value, const std::string& help);
  void add_duration(const std::string& name, Duration& value, const std::string& help);
  // A word out of `choices`.
  void add_choice(const std::string& name, std::string& value, std::vector<std::string> choices,
                  const std::string& help);

  // After the command line is parsed: takes from environment and file what it left open. Fails with
  // `usage`: an unreadable file, a key nobody declared (the text names file, key and the nearest
  // known name), a bad value (the text says where it came from).
  Result<void> complete();

  bool print_requested() const;  // --print-config
  // The effective configuration as a file that would give the same, each line with its source:
  //   block-size = "16M"  # environment DFS_BLOCK_SIZE
  // Secrets are masked.
  std::string print() const;
  // "default", "flag --x", "environment DFS_X" or "file PATH".
  std::string source_of(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
