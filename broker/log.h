// The log of a process: lines of `time level module event actor=… key=value …`, to a file that is
// rotated or to stderr. Safe from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "broker/bus.h"

namespace dfs {

struct LogSettings {
  std::string file;                   // empty: stderr
  std::string levels = "info";        // "debug|info|warn|error|off", then "module=level", by commas
  uint64_t file_bytes = 16ull << 20;  // then rotated: a.log, a.1.log, a.2.log, …
  uint32_t files = 4;                 // kept besides the current one
};

// Opens the log of this process; until then lines of level warn and error go to stderr. Fails with
// `usage` (a level that does not exist) or `local_io` (the file cannot be opened). May be called
// again, to reopen.
Result<void> open_log(const LogSettings& settings);
// Writes what is buffered. Called on stop.
void flush_log();

// Writes one line. `actor` is an address; its part before '/' is the module. Texts are quoted when
// they need it; values of secret names (see is_secret_name) are masked.
void log_event(Level level, std::string_view actor, std::string_view event,
               std::initializer_list<LogField> fields = {});
bool log_enabled(Level level, std::string_view actor);

// The line without time: `info storage "block stored" actor=storage/7 object=3 path="/a b"`.
std::string format_event(Level level, std::string_view actor, std::string_view event,
                         std::initializer_list<LogField> fields);

}  // namespace dfs
