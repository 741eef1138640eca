// audit
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "broker/config.h"
#include "cli/commands.h"

namespace dfs::cli {

namespace {

struct AuditOptions {
  std::string since;
  std::string user;
};

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Of the monitor's log, what concerns who may do what.
bool is_of_audit(const Event& event) {
  static const std::set<std::string> topics = {"node-joined",     "node-removed",  "loss-accepted",
                                               "join-token-made", "join-rule-set", "denied",
                                               "grant-key-added"};
  return event.actor != kLogActor || topics.contains(event.topic);
}

bool concerns(const Event& event, const std::string& user) {
  if (user.empty()) return true;
  const auto is = [&](const char* field) {
    const auto found = event.fields.find(field);
    return found != event.fields.end() && found->second == user;
  };
  return is("user") || is("by");
}

// All pages of one log.
template <class Read>
Result<void> read_all(Context& context, Read read, std::vector<Event>& events) {
  ReadEvents request;
  while (true) {
    auto page = context.session().run<ReadEventsReply>(
        [&](Client& client) { return read(client, request); });
    if (!page) return page.error();
    for (Event& event : page->events) {
      if (is_of_audit(event)) events.push_back(std::move(event));
    }
    if (!page->more) return {};
    request.since = page->next;
  }
}

int audit(Context& context, const AuditOptions& options) {
  int64_t from_ms = 0;
  if (!options.since.empty()) {
    auto ago = parse_duration(options.since);
    if (!ago) return context.fail("", ago.error());
    from_ms = now_ms() - *ago / std::chrono::milliseconds(1);
  }
  std::vector<Event> events;
  Result<void> read = read_all(
      context, [](Client& client, ReadEvents request) { return client.audit(request); }, events);
  if (read) {
    read = read_all(
        context, [](Client& client, ReadEvents request) { return client.read_events(request); },
        events);
  }
  if (!read) return context.fail("", read.error());
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.time_ms < b.time_ms; });
  for (const Event& event : events) {
    if (event.time_ms < from_ms || !concerns(event, options.user)) continue;
    if (context.json()) {
      context.print(to_json(event));
      continue;
    }
    std::string line = human_time(event.time_ms) + "  " + event.actor + "#" +
                       std::to_string(event.index) + "  " + printable(event.topic);
    for (const auto& [key, value] : event.fields) {
      line += "  " + printable(key) + "=" + printable(value);
    }
    context.print(line);
  }
  return context.status();
}

}  // namespace

void add_audit_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("audit", "who logged in, was refused, and changed what");
  auto options = std::make_shared<AuditOptions>();
  command->add_option("--since", options->since, "only what happened so long ago, such as 2h");
  command->add_option("--user", options->user, "only what this one did, or was done to them");
  command->callback([&context, options] {
    context.run = [&context, options] { return audit(context, *options); };
  });
}

}  // namespace dfs::cli
