// events
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <utility>

#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/event_selection.h"

namespace dfs::cli {

namespace {

// Who looks on needs the time of day alone.
std::string event_line(const EventOptions& options, const Event& event) {
  const std::string time = human_time(event.time_ms);
  std::string line = options.since ? time : time.substr(11);
  if (event.index != 0) line += "  #" + std::to_string(event.index);
  line += "  " + printable(event.topic);
  for (const auto& [key, value] : event.fields) {
    line += "  " + printable(key) + "=" + printable(value);
  }
  return line;
}

// `dfsctl events | head` ends when head does, and not with the next event.
bool reader_left() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

// Prints what it hears, on the client's thread. Shared with that thread, which may still hear
// something when the command is over.
class Listener {
 public:
  Listener(Context& context, const EventOptions& options, LogIndex begin)
      : context_(context), options_(options), selection_(options, begin), resume_(begin) {}

  // What no log has numbered is shown as it is published; all else is read.
  void hear(const Event& event) {
    if (over_ || !selection_.take(event)) return;
    print(event);
    if (selection_.done() && end) end();
  }

  // False when enough was heard.
  bool read(const ReadEventsReply& page) {
    for (const Event& event : selection_.take(page)) print(event);
    resume_ = selection_.resume();
    const LogIndex last = page.freshness.applied;
    if (!std::exchange(told_end_, true) && options_.since && last < *options_.since) {
      context_.warn("the log ends at " + std::to_string(last) +
                    ", before what was asked for; waiting for later events");
    }
    return !selection_.done() && context_.status() == kExitOk && !reader_left();
  }

  void stop() { over_ = true; }
  LogIndex resume() const { return resume_; }

  std::function<void()> end;  // ends the command when an event that was not read was the last

 private:
  void print(const Event& event) {
    context_.print(context_.json() ? to_json(event) : event_line(options_, event));
  }

  Context& context_;
  EventOptions options_;
  EventSelection selection_;
  bool told_end_ = false;
  std::atomic<LogIndex> resume_;
  std::atomic<bool> over_ = false;
};

Task<void> drive(Client* client, ReadEvents query, Listener* listener,
                 std::function<void(Result<void>)> done) {
  Task<Result<void>> following = client->follow(
      std::move(query), [listener](const ReadEventsReply& page) { return listener->read(page); });
  Result<void> followed = co_await following;
  done(std::move(followed));
}

// Follows the log until the listener has heard enough, or for `limit` unless that is 0.
Task<Result<int>> listen(Client* client, ReadEvents query, Duration limit,
                         std::shared_ptr<Listener> listener) {
  client->listen([listener](const Event& event) { listener->hear(event); });
  Completion<Result<void>> completion;
  Bus::TimerId timer = 0;
  if (limit != Duration::zero()) {
    timer = client->bus().after(limit, [fire = completion.fire()] { fire(Result<void>()); });
  }
  listener->end = [fire = completion.fire()] { fire(Result<void>()); };
  TaskScope scope;
  scope.spawn(drive(client, std::move(query), listener.get(), completion.fire()));
  const Result<void> outcome = co_await completion;
  client->bus().cancel(timer);
  // Not on the stack of the flow that is about to be destroyed.
  Task<void> stepping_aside = sleep(client->bus(), Duration::zero());
  co_await stepping_aside;
  if (!outcome) co_return outcome.error();
  co_return 0;
}

Error explained(Error error, LogIndex since) {
  const auto first = error.cause.find("first_kept");
  if (error.code != Code::expired || first == error.cause.end()) return error;
  const LogIndex kept = std::strtoull(first->second.c_str(), nullptr, 10);
  error.text = "events after entry " + std::to_string(since) + " are no longer all kept: entry " +
               first->second + " is the oldest that is; --since " +
               std::to_string(kept == 0 ? 0 : kept - 1) + " begins there and leaves a gap";
  return error;
}

void tell_resume(Context& context, LogIndex resume) {
  if (context.options.quiet) return;
  JsonLine line;
  context.say(context.json() ? line.add("command", "events").add("resume", resume).str()
                             : "dfsctl events: go on with --since " + std::to_string(resume));
}

int events(Context& context, const EventOptions& options, const std::string& for_text) {
  Duration limit{0};
  if (!for_text.empty()) {
    auto parsed = parse_duration(for_text);
    if (!parsed) return context.fail("--for", parsed.error());
    limit = *parsed;
  }
  ReadEvents query;
  query.stale = context.stale;
  if (options.topics.size() == 1) query.prefix = options.topics.front();
  if (options.since) {
    query.since = *options.since;
  } else {
    // From now on: behind the last entry there is.
    auto status = context.session().run<ClusterStatus>(
        [&](Client& client) { return client.status(context.stale); });
    if (!status) return context.fail("", status.error());
    query.since = status->applied;
  }
  auto listener = std::make_shared<Listener>(context, options, query.since);
  auto ended = context.session().run<int>(
      [&](Client& client) { return listen(&client, query, limit, listener); });
  listener->stop();
  const bool stopped = ended.code() == Code::cancelled || context.interrupted();
  if (!ended && !stopped) return context.fail("", explained(ended.error(), query.since));
  tell_resume(context, listener->resume());
  return context.status();
}

}  // namespace

void add_event_commands(CLI::App& app, Context& context) {
  const auto number = [](const std::string& text) { return not_a_number(text); };
  auto* tap = app.add_subcommand("events", "what happens, as it happens, and what has happened");
  auto tapping = std::make_shared<EventOptions>();
  auto for_text = std::make_shared<std::string>();
  tap->add_option("TOPIC", tapping->topics, "only those whose topic begins so, such as node-");
  tap->add_option("--since", tapping->since,
                  "begin after this log entry, 0: with the oldest that are kept; none is left out")
      ->check(number);
  tap->add_option("--until", tapping->until, "end after this log entry")->check(number);
  tap->add_option("-n,--count,--limit", tapping->count,
                  "end after so many, and the others of the same log entry")
      ->check(number);
  tap->add_option("--for", *for_text, "end after this time, such as 10s");
  auto* follow = tap->add_flag_callback(
      "-f,--follow", [] {}, "go on until interrupted (the default)");
  tap->add_flag("--no-follow", tapping->to_the_end, "end when all that there is was printed")
      ->excludes(follow);
  add_stale_flag(*tap, context);
  tap->callback([&context, tapping, for_text] {
    context.run = [&context, tapping, for_text] { return events(context, *tapping, *for_text); };
  });
}

}  // namespace dfs::cli
