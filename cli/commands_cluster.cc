// cluster version
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/broker_doors.h"
#include "cli/colours.h"
#include "cli/commands.h"
#include "cli/nodes_view.h"

namespace dfs::cli {

namespace {

const char* name_of_state(NodeState state) {
  switch (state) {
    case NodeState::up:
      return "up";
    case NodeState::down:
      return "down";
  }
  return "unknown";
}

// How the cluster is, as the head that leads knows it, or any head while none does.
struct StatusView {
  ClusterStatus status;
  HeadsView heads;
  bool led = true;
};

// An election is over sooner than this.
constexpr Duration kLeaderDeadline = std::chrono::seconds(3);
constexpr Duration kHeadDeadline = std::chrono::seconds(1);

Result<StatusView> ask_status(Context& context) {
  StatusView view;
  const auto ask = [&context](bool stale, Duration longest) {
    const Duration deadline = std::min(context.options.timeout, longest);
    return context.session().run<ClusterStatus>(
        [=](Client& client) { return client.status(stale, deadline); });
  };
  auto status = ask(false, kLeaderDeadline);
  if (status) {
    view.status = std::move(*status);
    view.heads.list = view.status.heads;
    return view;
  }
  if (exit_code_of(status.code()) != kExitUnavailable) return std::move(status).error();
  if (!any_accepts(context.options.brokers, kHeadDeadline)) return std::move(status).error();
  auto known = ask(true, kHeadDeadline);
  if (!known) return std::move(status).error();
  auto heads = look_at_heads(context, kHeadDeadline);
  if (!heads) return std::move(heads).error();
  view.status = std::move(*known);
  view.heads = std::move(*heads);
  view.led = false;
  view.status.health = "unavailable";
  view.status.reason = view.heads.list.leader == 0
                           ? no_leader_text(view.heads)
                           : "head " + std::to_string(view.heads.list.leader) +
                                 " leads but does not answer: " + status.error().text;
  return view;
}

std::string status_json(const StatusView& view) {
  std::string json = to_json(view.status);
  if (view.led) return json;
  std::string answering;
  for (const HeadList& answer : view.heads.answers) {
    answering += (answering.empty() ? "" : ",") + std::to_string(answer.from);
  }
  json.pop_back();
  return json + ",\"heads_answering\":[" + answering + "]}";
}

// How the answering head is reached, and the nodes' blocks.
std::string security_text(const ClusterStatus& status) {
  if (!status.secure) {
    return "INSECURE: nothing is encrypted, and whoever connects is taken at their word";
  }
  const auto plain = std::count_if(status.nodes.begin(), status.nodes.end(), [](const auto& node) {
    return node.view.endpoint.find('#') == std::string::npos ||
           node.view.endpoint.ends_with("#plain");
  });
  std::string text = "control traffic is encrypted (CURVE)";
  if (status.nodes.empty()) return text;
  return text + (plain == 0 ? ", blocks too"
                            : "; blocks travel as they are to " + std::to_string(plain) + " of " +
                                  counted(status.nodes.size(), "node"));
}

// What never reached an actor; empty when there was nothing.
std::string refusals_text(const SocketRefusals& refused) {
  std::string text;
  const auto add = [&](uint64_t count, const char* one, const char* why) {
    if (count == 0) return;
    text += (text.empty() ? "" : ", ") + counted(count, one) + why;
  };
  add(refused.connections, "connection", " of keys not known (yet)");
  add(refused.floods, "connection", " without end");
  add(refused.requests, "request", " in other names");
  add(refused.publications, "publication", " in other names");
  return text;
}

void print_summary(Context& context, const StatusView& view) {
  const ClusterStatus& status = view.status;
  const PoolView pool = status.pools.empty() ? PoolView() : status.pools.front();
  std::string health = painted_for(STDOUT_FILENO, colour_of_state(status.health), status.health);
  if (!status.reason.empty()) health += " (" + status.reason + ")";
  context.print("cluster  " + status.cluster);
  context.print("health   " + health);
  context.print("heads    " + std::to_string(view.heads.list.heads.size()) + ", " +
                leader_text(view.heads.list));
  context.print("monitor  " + status.monitor + ", up " +
                human_duration(std::chrono::milliseconds(status.uptime_ms)) + ", log index " +
                std::to_string(status.applied) + ", map epoch " + std::to_string(status.epoch));
  context.print("brokers  " + joined(context.options.brokers, ", "));
  if (status.authentication) {
    context.print("rights   authentication required; " + counted(status.denied, "request") +
                  " denied by this head");
  }
  context.print("security " + security_text(status));
  if (const std::string refused = refusals_text(status.refused); !refused.empty()) {
    context.print("refused  " + refused + ", by the process of this head since its start");
  }
  context.print("content  " + counted(status.files, "file") + " in " +
                counted(status.directories, "directory"));
  const uint32_t groups = status.groups_healthy + status.groups_degraded + status.groups_down;
  std::string states =
      std::to_string(status.groups_healthy) + " of " + counted(groups, "group") + " healthy";
  if (status.groups_degraded != 0) {
    states += ", " + std::to_string(status.groups_degraded) + " degraded";
  }
  if (status.groups_down != 0) states += ", " + std::to_string(status.groups_down) + " down";
  context.print("pool     " + counted(pool.replicas, "copy") + " of each block, at least " +
                std::to_string(pool.min_copies) + " to write; " + states);
  if (!view.led) context.print("         " + freshness_text(status.freshness));
}

int cluster_status(Context& context) {
  auto view = ask_status(context);
  if (!view) return context.fail("", view.error());
  const int code = view->led ? kExitOk : kExitUnavailable;
  if (context.json()) {
    context.print(status_json(*view));
    return context.status() != kExitOk ? context.status() : code;
  }
  print_summary(context, *view);
  std::string tables = "\n" + heads_table(view->heads) + "\n";
  if (view->status.nodes.empty()) {
    tables += "no storage node has joined; start one: dfsd storage --data DIR --broker " +
              context.options.brokers.front();
  } else {
    tables += node_table(view->status);
    tables.pop_back();
  }
  context.print(tables);
  return context.status() != kExitOk ? context.status() : code;
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

  auto* about = app.add_subcommand("version", "of this program and its protocol");
  about->callback([&context] { context.run = [&context] { return version(context); }; });
}

}  // namespace dfs::cli
