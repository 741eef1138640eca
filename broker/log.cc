#include "broker/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <map>
#include <mutex>
#include <optional>

#include "broker/config.h"
#include "messages/codec.h"

namespace dfs {
namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e%z %v";
constexpr int kOff = static_cast<int>(Level::error) + 1;
constexpr const char* kLevelNames[] = {"debug", "info", "warn", "error", "off"};

struct Log {
  std::shared_ptr<spdlog::logger> logger;
  int level = static_cast<int>(Level::warn);
  std::map<std::string, int, std::less<>> modules;
};

std::shared_ptr<spdlog::logger> logger_over(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("dfs", std::move(sink));
  logger->set_pattern(kPattern);
  logger->flush_on(spdlog::level::info);
  return logger;
}

struct Current {
  std::mutex mutex;
  std::shared_ptr<const Log> log;
};
Current& current() {
  // Never destroyed: threads may log while the process ends.
  static Current& only =
      *new Current{{},
                   std::make_shared<const Log>(
                       Log{logger_over(std::make_shared<spdlog::sinks::stderr_sink_mt>()), 2, {}})};
  return only;
}
std::shared_ptr<const Log> current_log() {
  const std::lock_guard lock(current().mutex);
  return current().log;
}

std::string_view module_of(std::string_view actor) {
  return actor.substr(0, actor.find('/'));
}

std::optional<int> level_of(std::string_view name) {
  for (int i = 0; i <= kOff; ++i) {
    if (name == kLevelNames[i]) return i;
  }
  return std::nullopt;
}

Result<void> read_levels(std::string_view text, Log& log) {
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t equals = item.find('=');
    const bool whole = equals == std::string_view::npos;
    const auto level = level_of(whole ? item : item.substr(equals + 1));
    if (!level) {
      return {Code::usage, "`" + std::string(item) +
                               "` is not a log level; write debug, info, warn, error or off, or "
                               "MODULE=LEVEL"};
    }
    if (whole) {
      log.level = *level;
    } else {
      log.modules.insert_or_assign(std::string(item.substr(0, equals)), *level);
    }
  }
  return {};
}

void append_text(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > ' ' && c != '"' && c != '=' && c != '\\' && c < 0x7f;
  });
  if (plain) {
    out += text;
  } else {
    out += json_quote(text);
  }
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

bool enabled(const Log& log, Level level, std::string_view actor) {
  const auto found = log.modules.find(module_of(actor));
  const int least = found != log.modules.end() ? found->second : log.level;
  return static_cast<int>(level) >= least;
}

}  // namespace

Result<void> open_log(const LogSettings& settings) {
  auto log = std::make_shared<Log>();
  log->level = static_cast<int>(Level::info);
  DFS_CHECK(read_levels(settings.levels, *log));
  try {
    if (settings.file.empty()) {
      log->logger = logger_over(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } else {
      log->logger = logger_over(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
          settings.file, std::max<uint64_t>(settings.file_bytes, 4096), settings.files));
    }
  } catch (const spdlog::spdlog_ex& error) {
    return {Code::local_io, "cannot open the log " + settings.file + ": " + error.what()};
  }
  log->logger->set_level(spdlog::level::trace);
  const std::lock_guard lock(current().mutex);
  current().log = std::move(log);
  return {};
}

void flush_log() {
  current_log()->logger->flush();
}

bool log_enabled(Level level, std::string_view actor) {
  return enabled(*current_log(), level, actor);
}

std::string format_event(Level level, std::string_view actor, std::string_view event,
                         std::initializer_list<LogField> fields) {
  const std::string_view module = module_of(actor);
  std::string line = kLevelNames[static_cast<int>(level)];
  line += ' ';
  append_text(line, module);
  line += ' ';
  append_text(line, event);
  if (module != actor) {
    line += " actor=";
    append_text(line, actor);
  }
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_text(line, is_secret_name(field.key) ? "***" : std::string_view(field.value));
  }
  return line;
}

void log_event(Level level, std::string_view actor, std::string_view event,
               std::initializer_list<LogField> fields) {
  const std::shared_ptr<const Log> log = current_log();
  if (!enabled(*log, level, actor)) return;
  log->logger->log(spdlog_level(level),
                   spdlog::string_view_t(format_event(level, actor, event, fields)));
}

}  // namespace dfs
