#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>

#include "cli/broker_doors.h"
#include "cli/colours.h"
#include "cli/commands.h"
#include "cli/moment.h"
#include "messages/ticket.h"

namespace dfs::cli {

namespace {

std::mutex& output_mutex() {
  static std::mutex mutex;
  return mutex;
}

// The time that finding out what is wrong may take.
constexpr Duration kDiagnosis = std::chrono::milliseconds(300);
// Names are for the eye: numbers do as well.
constexpr Duration kNamesDeadline = std::chrono::seconds(2);

// For an error that tells what is wrong.
constexpr Duration kLeastTime = std::chrono::milliseconds(200);

int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

StoredTicket stored_ticket(const TicketReply& got, const std::string& cluster,
                           const std::vector<std::string>& brokers) {
  StoredTicket stored;
  stored.ticket = got.ticket;
  stored.cluster = cluster;
  stored.user = got.user;
  stored.brokers = brokers;
  stored.got_ms = wall_ms();
  stored.lasts_ms = got.lasts_ms;
  stored.must_change = got.must_change;
  return stored;
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

// Shared with the client's thread, which renews the ticket of a long session by itself.
struct Context::RenewalTarget {
  std::mutex mutex;
  std::string cluster;  // empty: the ticket is not one that is kept
  std::vector<std::string> brokers;

  void set(const StoredTicket* ticket) {
    const std::scoped_lock lock(mutex);
    cluster = ticket == nullptr ? "" : ticket->cluster;
    brokers = ticket == nullptr ? std::vector<std::string>() : ticket->brokers;
  }
};

Context::Context() : renewal_(std::make_shared<RenewalTarget>()) {}
Context::~Context() = default;

Session& Context::session() {
  if (!session_) {
    SessionSettings settings;
    settings.brokers = options.brokers;
    settings.deadline = wait_for_brokers();
    settings.pool_threads = std::max<size_t>(4, options.jobs);
    settings.ticket = ticket();
    settings.security = options.security;
    settings.ticket_renewed = [store = TicketStore(options.ticket_directory),
                               target = renewal_](const TicketReply& renewed) {
      const std::scoped_lock lock(target->mutex);
      if (target->cluster.empty()) return;
      (void)store.save(stored_ticket(renewed, target->cluster, target->brokers));
    };
    session_ = std::make_unique<Session>(std::move(settings));
    live_session_ = session_.get();
    renew_ticket();
  }
  return *session_;
}

// A client gives up early when no broker accepts its connections. Who said how long to wait has
// brokers waited for that are being started; returns what is left of that time.
Duration Context::wait_for_brokers() {
  if (!waits_for_brokers) return options.timeout;
  const Instant begun = steady_now();
  const auto interrupted = [this] { return interrupted_.load(); };
  wait_for_a_door(options.brokers, options.timeout, interrupted);
  // The connection of a shell is for commands to come, too.
  if (in_shell) return options.timeout;
  return std::max<Duration>(options.timeout - (steady_now() - begun), kLeastTime);
}

Result<std::string> Context::find_ticket() {
  if (options.ticket.starts_with("@")) {
    std::ifstream in(options.ticket.substr(1));
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) return Error{Code::local_io, "cannot read " + options.ticket.substr(1), {}, 0};
    return ticket_of_text(text);
  }
  if (!options.ticket.empty()) return ticket_of_text(options.ticket);
  auto stored = TicketStore(options.ticket_directory).find(options.brokers);
  if (!stored) return stored.error();
  if (!*stored || (*stored)->is_over(wall_ms())) return std::string();
  stored_ = std::move(**stored);
  renewal_->set(&*stored_);
  return stored_->ticket.bytes;
}

const std::string& Context::ticket() {
  if (!ticket_) {
    auto found = find_ticket();
    if (!found) warn(found.error().text);
    ticket_ = found ? std::move(*found) : std::string();
  }
  return *ticket_;
}

// When half of its time is over. Whatever keeps that from being done, the ticket is still good.
void Context::renew_ticket() {
  if (!stored_ || stored_->must_change || !stored_->wants_renewal(wall_ms())) return;
  const bool logs_in = command == "login" || command == "signup" || command == "logout";
  if (logs_in) return;
  auto renewed = session_->run<TicketReply>([](Client& client) { return client.renew_ticket(); });
  if (renewed) (void)keep_ticket(*renewed);
}

Result<void> Context::keep_ticket(const TicketReply& session) {
  auto ticket = unverified_ticket(session.ticket.bytes);
  if (!ticket) return ticket.error();
  StoredTicket stored = stored_ticket(session, ticket->cluster, options.brokers);
  DFS_CHECK(TicketStore(options.ticket_directory).save(stored));
  ticket_ = session.ticket.bytes;
  this->session().post([bytes = *ticket_](Client& client) { client.set_ticket(bytes); });
  stored_ = std::move(stored);
  renewal_->set(&*stored_);
  users_.reset();
  return {};
}

Result<void> Context::drop_ticket() {
  ticket_ = std::string();
  renewal_->set(nullptr);
  if (session_) session_->post([](Client& client) { client.set_ticket({}); });
  if (!stored_) return {};
  const std::string cluster = stored_->cluster;
  stored_.reset();
  return TicketStore(options.ticket_directory).remove(cluster);
}

void Context::interrupt() {
  interrupted_ = true;
  status_ = kExitInterrupted;
  if (Session* session = live_session_) session->cancel();
}

void Context::begin_command() {
  command.clear();
  stale = false;
  at = Moment();
  run = nullptr;
  freshness_.reset();
  status_ = kExitOk;
  interrupted_ = false;
  if (session_) session_->resume();
  std::cout.clear();
}

// When the heads were asked and none of them leads, that is what to tell.
Error Context::explained(Error error) {
  const auto service = error.cause.find("service");
  const bool of_heads = service != error.cause.end() &&
                        (service->second == "monitor" || service->second == kLockService);
  if (!of_heads || exit_code_of(error.code) != kExitUnavailable) return error;
  // Where no broker is there is no head to ask, and the error says so already.
  if (!any_accepts(options.brokers, kDiagnosis)) return error;
  auto view = look_at_heads(*this, kDiagnosis);
  if (!view || view->list.leader != 0) return error;
  error.text = no_leader_text(*view);
  error.cause["reason"] = "no_leader";
  return error;
}

int Context::fail(std::string_view subject, const Error& failure) {
  // What a Ctrl-C tore down needs no explanation.
  if (interrupted_) return kExitInterrupted;
  const Error error = explained(failure);
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
  std::string text = painted_for(STDERR_FILENO, Colour::bad, "dfsctl " + command + ":") + " ";
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

void Context::say(std::string_view line) {
  if (options.quiet) return;
  const std::scoped_lock lock(output_mutex());
  clear_progress_line();
  std::cerr << line << std::endl;
}

void Context::warn(std::string_view text) {
  say("dfsctl " + command + ": warning: " + std::string(text));
}

void Context::print(std::string_view line) {
  write(std::string(line) + '\n');
}

bool Context::write(std::string_view bytes) {
  const std::scoped_lock lock(output_mutex());
  std::cout << bytes << std::flush;
  if (std::cout) return true;
  if (status_ != kExitOk) return false;
  // A closed pipe (`dfsctl ls | head`) is the reader's choice and no failure; a full disk is one.
  const int why = errno;
  status_ = kExitFailed;
  if (why != EPIPE) std::cerr << "dfsctl " << command << ": stdout: " << std::strerror(why) << '\n';
  return false;
}

void Context::summary(std::string_view line, bool stdout_is_data) {
  if (options.quiet) return;
  {
    const std::scoped_lock lock(output_mutex());
    clear_progress_line();
  }
  if (!stdout_is_data) return print(line);
  say(line);
}

std::string Context::shown(std::string_view name) {
  return isatty(STDOUT_FILENO) != 0 ? printable(name) : std::string(name);
}

void Context::note(const Freshness& freshness) {
  if (!stale) return;
  const std::scoped_lock lock(output_mutex());
  if (!freshness_) freshness_ = freshness;
  freshness_->stale |= freshness.stale;
  freshness_->stale_ms = std::max(freshness_->stale_ms, freshness.stale_ms);
  freshness_->applied = std::min(freshness_->applied, freshness.applied);
}

void Context::tell_freshness() {
  if (!freshness_) return;
  JsonLine line;
  say(json() ? add_freshness(line.add("command", command), *freshness_).str()
             : "dfsctl " + command + ": " + freshness_text(*freshness_));
}

JsonLine& Context::add_freshness_to(JsonLine& line) const {
  const std::scoped_lock lock(output_mutex());
  return freshness_ ? add_freshness(line, *freshness_) : line;
}

UserDirectory& Context::users() {
  if (!users_) {
    users_ = std::make_unique<UserDirectory>([this](const GetUserNames& request) {
      return session().run<UserNames>([&](Client& client) {
        return client.user_names(request, std::min<Duration>(options.timeout, kNamesDeadline));
      });
    });
  }
  return *users_;
}

Result<InodeInfo> Context::stat(const std::string& path) {
  return stat(path, at);
}

Result<InodeInfo> Context::stat(const std::string& path, Moment moment) {
  auto reply = session().run<StatReply>([&](Client& client) {
    return client.stat(Stat{path, stale, moment});
  });
  if (!reply) return std::move(reply).error();
  note(reply->freshness);
  return std::move(reply->info);
}

Result<TargetKind> Context::kind_of(const std::string& path) {
  auto info = stat(path);
  if (info) {
    return info->type == FileType::directory ? TargetKind::directory : TargetKind::file;
  }
  if (info.code() == Code::not_found) return TargetKind::missing;
  return std::move(info).error();
}

void add_stale_flag(CLI::App& command, Context& context) {
  command.add_flag("--stale", context.stale,
                   "let any head answer, even while none leads; says how old that may be");
}

CLI::Option* add_moment_option(CLI::App& command, const std::string& name, Moment& moment,
                               const std::string& description) {
  const auto read = [&moment](const std::string& text) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto parsed = parse_moment(text, now / std::chrono::milliseconds(1));
    if (!parsed) throw CLI::ValidationError(parsed.error().text);
    moment = *parsed;
  };
  return command.add_option_function<std::string>(name, read, description);
}

CLI::Option* add_at_option(CLI::App& command, Context& context) {
  return add_moment_option(command, "--at", context.at,
                           "what was then: a log entry, an age (2h, 3d) or a time");
}

}  // namespace dfs::cli
