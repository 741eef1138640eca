#include "actors/agent/node_process.h"

#include <charconv>

namespace dfs::agent {

namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(50);
constexpr Duration kAskDeadline = std::chrono::milliseconds(500);

// Exit statuses of dfsd.
constexpr int kMisused = 2;
constexpr int kDenied = 5;
constexpr int kDamaged = 6;

constexpr std::string_view kStorageAddress = "storage/";

}  // namespace

bool is_final(int status) {
  return status == kMisused || status == kDenied || status == kDamaged;
}

std::string ended_text(const NodeSight& sight) {
  std::string text = "its process ended";
  if (sight.process.status) text += " with status " + std::to_string(*sight.process.status);
  if (!sight.words.empty()) text += ", saying: " + sight.words;
  return text;
}

Error not_started(const std::string& folder, const NodeSight& sight) {
  const bool denied = sight.process.status == kDenied;
  return Error{denied ? Code::denied : Code::io_error,
               "the node in " + folder + " did not start: " + ended_text(sight) +
                   "; more is in node.log there",
               {{"folder", folder}},
               0};
}

Task<Result<NodeProcess>> start_node(Tools tools, std::string program, std::string folder,
                                     std::string token) {
  const auto work = [disk = tools.disk, launcher = tools.launcher, program, folder,
                     token]() -> Result<NodeProcess> {
    auto there = launcher->find(identifying_arguments(folder));
    if (!there) return there.error();
    if (*there) return NodeProcess{**there, true, output_bytes(*disk, folder)};
    // What a former process said of itself must not be taken for what this one says.
    forget_endpoint(*disk, folder);
    const uint64_t since = output_bytes(*disk, folder);
    auto started = launcher->start(launch_plan(program, folder, token));
    if (!started) return started.error();
    return NodeProcess{*started, false, since};
  };
  Task<Result<NodeProcess>> working = on_pool<NodeProcess>(tools.bus, work);
  Result<NodeProcess> process = co_await working;
  co_return process;
}

Task<Result<NodeSight>> look_at_node(Tools tools, std::string folder, NodeProcess process) {
  const auto work = [disk = tools.disk, launcher = tools.launcher, folder,
                     process]() -> Result<NodeSight> {
    NodeSight sight{launcher->look(process.id), {}, {}};
    if (sight.process.running) {
      sight.endpoint = read_endpoint(*disk, folder);
    } else {
      sight.words = last_words(*disk, folder, process.output_since);
    }
    return sight;
  };
  Task<Result<NodeSight>> working = on_pool<NodeSight>(tools.bus, work);
  Result<NodeSight> sight = co_await working;
  co_return sight;
}

Task<NodeId> ask_number(Tools tools, std::string endpoint) {
  CallOptions options;
  options.deadline = kAskDeadline;
  const Ping ping{tools.bus.random()};
  Task<Result<Answer<Ping>>> asking =
      tools.calls.call<Ping>(endpoint, "storage", ping, std::move(options));
  const Result<Answer<Ping>> answer = co_await asking;
  if (!answer) co_return 0;
  const std::string& actor = answer->message.actor;
  if (!actor.starts_with(kStorageAddress)) co_return 0;
  NodeId node = 0;
  std::from_chars(actor.data() + kStorageAddress.size(), actor.data() + actor.size(), node);
  co_return node;
}

Task<Result<NodeUp>> await_joined(Tools tools, std::string folder, NodeProcess process,
                                  Duration deadline) {
  const Instant until = tools.bus.now() + deadline;
  while (true) {
    Task<Result<NodeSight>> looking = look_at_node(tools, folder, process);
    const Result<NodeSight> sight = co_await looking;
    if (!sight) co_return sight.error();
    if (!sight->process.running) co_return not_started(folder, *sight);
    if (!sight->endpoint.empty()) {
      Task<NodeId> asking = ask_number(tools, sight->endpoint);
      const NodeId node = co_await asking;
      if (node != 0) co_return NodeUp{node, sight->endpoint};
    }
    if (tools.bus.now() >= until) break;
    Task<void> pausing = sleep(tools.bus, kLookAgain);
    co_await pausing;
  }
  co_return Error{Code::timeout,
                  "the node in " + folder +
                      " runs but has not joined yet, and goes on trying; see node.log there",
                  {{"folder", folder}},
                  0};
}

}  // namespace dfs::agent
