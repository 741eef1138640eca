#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <mutex>

#include "cli/commands.h"

namespace dfs::cli {

namespace {

std::mutex& output_mutex() {
  static std::mutex mutex;
  return mutex;
}

void clear_progress_line() {
  if (isatty(STDERR_FILENO) != 0) std::fputs("\r\x1b[K", stderr);
}

// "not_found" as a person says it.
std::string spoken(Code code) {
  switch (code) {
    case Code::is_directory:
      return "is a directory";
    case Code::not_directory:
      return "is not a directory";
    case Code::exists:
      return "exists already";
    default:
      break;
  }
  std::string name = name_of(code);
  for (char& letter : name) letter = letter == '_' ? ' ' : letter;
  return name;
}

// Many texts end with the path, which stands at the beginning of the line already.
std::string without_subject(std::string text, std::string_view subject) {
  const std::string tail = ": " + std::string(subject);
  if (!subject.empty() && text.ends_with(tail)) text.erase(text.size() - tail.size());
  return text;
}

}  // namespace

Session& Context::session() {
  if (!session_) {
    SessionSettings settings;
    settings.brokers = options.brokers;
    settings.deadline = options.timeout;
    settings.pool_threads = std::max<size_t>(4, options.jobs);
    session_ = std::make_unique<Session>(std::move(settings));
    live_session_ = session_.get();
  }
  return *session_;
}

void Context::interrupt() {
  interrupted_ = true;
  status_ = kExitInterrupted;
  if (Session* session = live_session_) session->cancel();
}

int Context::fail(std::string_view subject, const Error& error) {
  // What a Ctrl-C tore down needs no explanation.
  if (interrupted_) return kExitInterrupted;
  const int code = exit_code_of(error.code);
  int expected = kExitOk;
  status_.compare_exchange_strong(expected, code);
  const std::scoped_lock lock(output_mutex());
  clear_progress_line();
  if (json()) {
    JsonLine line;
    line.add("command", command).add("path", subject).add("error", name_of(error.code));
    line.add("text", error.text).add("exit", code);
    for (const auto& [key, value] : error.cause) line.add("cause_" + key, value);
    std::cerr << line.str() << std::endl;
    return code;
  }
  std::string text = "dfsctl " + command + ": ";
  // Messages about local files name them already.
  const bool local = error.code == Code::local_io || error.code == Code::local_changed;
  if (!subject.empty() && !local) text += printable(subject) + ": ";
  if (error.code != Code::usage && !local) text += spoken(error.code) + ": ";
  text += printable(without_subject(error.text, subject));
  if (const std::string hint = hint_for(error, command, std::string(subject)); !hint.empty())
    text += "; " + hint;
  std::cerr << text << std::endl;
  return code;
}

void Context::warn(std::string_view text) {
  if (options.quiet) return;
  const std::scoped_lock lock(output_mutex());
  clear_progress_line();
  std::cerr << "dfsctl " << command << ": warning: " << text << std::endl;
}

void Context::print(std::string_view line) {
  const std::scoped_lock lock(output_mutex());
  std::cout << line << '\n' << std::flush;
  if (std::cout || status_ != kExitOk) return;
  // A closed pipe (`dfsctl ls | head`) is the reader's choice and no failure; a full disk is one.
  const int why = errno;
  status_ = kExitFailed;
  if (why != EPIPE) std::cerr << "dfsctl " << command << ": stdout: " << std::strerror(why) << '\n';
}

void Context::summary(std::string_view line, bool stdout_is_data) {
  if (options.quiet) return;
  {
    const std::scoped_lock lock(output_mutex());
    clear_progress_line();
  }
  if (!stdout_is_data) return print(line);
  const std::scoped_lock lock(output_mutex());
  std::cerr << line << std::endl;
}

std::string Context::shown(std::string_view name) {
  return isatty(STDOUT_FILENO) != 0 ? printable(name) : std::string(name);
}

Result<TargetKind> Context::kind_of(const std::string& path) {
  auto info = session().stat(path);
  if (info) {
    return info->type == FileType::directory ? TargetKind::directory : TargetKind::file;
  }
  if (info.code() == Code::not_found) return TargetKind::missing;
  return std::move(info).error();
}

}  // namespace dfs::cli
