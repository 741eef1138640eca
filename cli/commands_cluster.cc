// cluster events version
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "broker/config.h"
#include "cli/commands.h"

namespace dfs::cli {

namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const auto& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

const char* name_of_state(NodeState state) {
  switch (state) {
    case NodeState::up:
      return "up";
    case NodeState::down:
      return "down";
  }
  return "unknown";
}

std::string share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? "-" : std::to_string(part * 100 / whole) + "%";
}

std::string node_table(const ClusterStatus& status) {
  using Align = TextTable::Align;
  TextTable table({{"NODE", Align::right},
                   {"STATE"},
                   {"HOST"},
                   {"ENDPOINT"},
                   {"USED", Align::right},
                   {"TOTAL", Align::right},
                   {"FULL", Align::right},
                   {"BLOCKS", Align::right},
                   {"GROUPS", Align::right},
                   {"QUEUE", Align::right},
                   {"HEARD", Align::right}});
  for (const NodeStatus& node : status.nodes) {
    const Heartbeat& beat = node.heartbeat;
    std::string state = name_of_state(node.view.state);
    if (node.view.state == NodeState::up && !beat.accepts_writes) state = "read-only";
    const uint64_t total = beat.total_bytes != 0 ? beat.total_bytes : node.view.total_bytes;
    const bool heard = beat.sequence != 0 || beat.boot != 0;
    table.add({std::to_string(node.view.node), state, printable(node.view.host), node.view.endpoint,
               heard ? human_bytes(beat.used_bytes) : "-", human_bytes(total),
               heard ? share_of(beat.used_bytes, total) : "-", std::to_string(beat.blocks),
               std::to_string(node.groups), std::to_string(beat.jobs_queued),
               human_duration(std::chrono::milliseconds(node.silent_ms)) + " ago"});
  }
  return table.str();
}

Result<ClusterStatus> ask_status(Context& context) {
  return context.session().run<ClusterStatus>([](Client& client) { return client.status(); });
}

int cluster_status(Context& context) {
  auto status = ask_status(context);
  if (!status) return context.fail("", status.error());
  if (context.json()) {
    context.print(to_json(*status));
    return context.status();
  }
  const PoolView& pool = status->pool;
  std::string health = status->health;
  if (!status->reason.empty()) health += " (" + status->reason + ")";
  context.print("cluster  " + status->cluster);
  context.print("health   " + health);
  context.print("monitor  up " + human_duration(std::chrono::milliseconds(status->uptime_ms)) +
                ", log index " + std::to_string(status->applied) + ", map epoch " +
                std::to_string(status->epoch));
  context.print("brokers  " + joined(context.options.brokers, ", "));
  context.print("content  " + counted(status->files, "file") + " in " +
                counted(status->directories, "directory"));
  const uint32_t groups = status->groups_healthy + status->groups_degraded + status->groups_down;
  std::string states =
      std::to_string(status->groups_healthy) + " of " + counted(groups, "group") + " healthy";
  if (status->groups_degraded != 0) {
    states += ", " + std::to_string(status->groups_degraded) + " degraded";
  }
  if (status->groups_down != 0) states += ", " + std::to_string(status->groups_down) + " down";
  context.print("pool     " + counted(pool.replicas, "copy") + " of each block, at least " +
                std::to_string(pool.min_copies) + " to write; " + states);
  if (status->nodes.empty()) {
    context.print("\nno storage node has joined; start one: dfsd storage --data DIR --broker " +
                  context.options.brokers.front());
    return context.status();
  }
  std::string table = "\n" + node_table(*status);
  table.pop_back();
  context.print(table);
  return context.status();
}

int cluster_map(Context& context) {
  auto map = context.session().run<ClusterMap>([](Client& client) { return client.map(); });
  if (!map) return context.fail("", map.error());
  if (context.json()) {
    context.print(to_json(*map));
    return context.status();
  }
  context.print("cluster " + map->cluster + ", map epoch " + std::to_string(map->epoch));
  using Align = TextTable::Align;
  TextTable nodes({{"NODE", Align::right}, {"STATE"}, {"HOST"}, {"RACK"}, {"ENDPOINT"}, {"UUID"}});
  for (const NodeView& node : map->nodes) {
    nodes.add({std::to_string(node.node), name_of_state(node.state), printable(node.host),
               node.rack.empty() ? "-" : printable(node.rack), node.endpoint, node.uuid});
  }
  context.print("\n" + nodes.str());
  TextTable groups({{"GROUP", Align::right}, {"EPOCH", Align::right}, {"USED"}, {"NODES"}});
  for (const GroupView& group : map->groups) {
    std::vector<std::string> members;
    for (const NodeId node : group.members) members.push_back(std::to_string(node));
    groups.add({std::to_string(group.group), std::to_string(group.epoch), group.used ? "yes" : "no",
                joined(members, " ")});
  }
  std::string table = groups.str();
  table.pop_back();
  context.print(table);
  return context.status();
}

struct EventOptions {
  std::vector<std::string> topics;
  uint64_t count = 0;
  std::string for_text;
  bool follow = true;
};

bool wanted(const EventOptions& options, const Event& event) {
  if (options.topics.empty()) return true;
  for (const auto& topic : options.topics) {
    if (event.topic.starts_with(topic)) return true;
  }
  return false;
}

std::string event_line(const Event& event) {
  // The time of day is enough for who looks on.
  std::string line = human_time(event.time_ms).substr(11) + "  " + printable(event.topic);
  for (const auto& [key, value] : event.fields)
    line += "  " + printable(key) + "=" + printable(value);
  return line;
}

int events(Context& context, const EventOptions& options) {
  Duration limit{0};
  if (!options.for_text.empty()) {
    auto parsed = parse_duration(options.for_text);
    if (!parsed) return context.fail("--for", parsed.error());
    limit = *parsed;
  }
  // Shared with the client's thread, which may still hear something when we leave.
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    uint64_t heard = 0;
    bool done = false;
  };
  auto shared = std::make_shared<Shared>();
  const auto hear = [shared, &context, options](const Event& event) {
    if (!wanted(options, event)) return;
    const std::scoped_lock lock(shared->mutex);
    if (shared->done) return;
    context.print(context.json() ? to_json(event) : event_line(event));
    ++shared->heard;
    shared->done = (options.count != 0 && shared->heard >= options.count) ||
                   context.status() != kExitOk || context.interrupted();
    shared->changed.notify_all();
  };
  context.session().post([hear](Client& client) { client.listen(hear); });
  // Without anybody there we would wait for ever.
  if (auto status = ask_status(context); !status) return context.fail("", status.error());
  std::unique_lock lock(shared->mutex);
  const auto done = [&] { return shared->done || context.interrupted(); };
  const Instant until = limit.count() == 0 ? Instant::max() : steady_now() + limit;
  while (!done() && steady_now() < until) {
    shared->changed.wait_for(lock, std::chrono::milliseconds(50), done);
  }
  shared->done = true;
  return context.status();
}

int version(Context& context) {
  if (context.json()) {
    JsonLine line;
    context.print(line.add("version", version_number()).add("protocol", kProtocolVersion).str());
  } else {
    context.print(version_text("dfsctl"));
  }
  return context.status();
}

}  // namespace

void add_cluster_commands(CLI::App& app, Context& context) {
  auto* cluster = app.add_subcommand("cluster", "what the cluster is made of and how it is");
  cluster->require_subcommand(1);
  cluster->fallthrough();
  auto* status = cluster->add_subcommand("status", "health, space and load of every node");
  status->callback([&context] { context.run = [&context] { return cluster_status(context); }; });
  auto* map = cluster->add_subcommand("map", "nodes and groups, as clients know them");
  map->callback([&context] { context.run = [&context] { return cluster_map(context); }; });

  auto* tap = app.add_subcommand("events", "what happens, as it happens");
  auto tapping = std::make_shared<EventOptions>();
  tap->add_option("TOPIC", tapping->topics, "only those whose topic begins so, such as node-");
  tap->add_option("-n,--count", tapping->count, "end after so many");
  tap->add_option("--for", tapping->for_text, "end after this time, such as 10s");
  tap->add_flag("-f,--follow", tapping->follow, "go on until interrupted (the default)");
  tap->callback([&context, tapping] {
    context.run = [&context, tapping] { return events(context, *tapping); };
  });

  auto* about = app.add_subcommand("version", "of this program and its protocol");
  about->callback([&context] { context.run = [&context] { return version(context); }; });
}

}  // namespace dfs::cli
