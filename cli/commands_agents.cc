// node create|add|agents|token|tokens: how storage nodes come to be
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "actors/agent/node_process.h"
#include "actors/posix_disk.h"
#include "actors/posix_launcher.h"
#include "broker/config.h"
#include "cli/agents_view.h"
#include "cli/commands.h"
#include "messages/join_token.h"

namespace dfs::cli {

namespace {

using std::chrono::milliseconds;

// A token that a command makes and uses by itself is needed for moments.
constexpr Duration kOwnTokenLasts = std::chrono::minutes(10);

Result<AddJoinTokenReply> register_token(Context& context, const std::string& token, Duration lasts,
                                         uint32_t uses) {
  const AddJoinToken request{hash_of_token(token), lasts / milliseconds(1), uses};
  if (const char* why = request.invalid()) return Error{Code::usage, why, {}, 0};
  return context.session().run<AddJoinTokenReply>(
      [&](Client& client) { return client.add_join_token(request); });
}

Result<AgentList> ask_agents(Context& context) {
  return context.session().run<AgentList>([](Client& client) { return client.agents(); });
}

// --- node agents --------------------------------------------------------------------------------

int list_agents(Context& context) {
  auto list = ask_agents(context);
  if (!list) return context.fail("", list.error());
  if (context.json()) {
    for (const AgentStatus& agent : list->agents) context.print(to_json(agent));
    return context.status();
  }
  if (list->agents.empty()) context.say("dfsctl node agents: " + no_agent_text());
  std::string table = agent_table(list->agents);
  table.pop_back();
  context.print(table);
  const std::string nodes = agent_node_table(list->agents);
  if (nodes.empty()) return context.status();
  context.print("");
  context.print(nodes.substr(0, nodes.size() - 1));
  return context.status();
}

// --- node create --------------------------------------------------------------------------------

struct Creation {
  std::string host;
  std::string name;
  std::string rack;
  std::string capacity;
  uint32_t port = 0;
};

int create(Context& context, const Creation& wanted) {
  CreateNode request;
  request.name = wanted.name;
  request.rack = wanted.rack;
  request.port = wanted.port;
  if (!wanted.capacity.empty()) {
    auto capacity = parse_size(wanted.capacity);
    if (!capacity) return context.fail("--capacity", capacity.error());
    request.capacity_bytes = *capacity;
  }
  request.token = make_join_token();
  if (const char* why = request.invalid()) {
    return context.fail("", Error{Code::usage, why, {}, 0});
  }
  auto list = ask_agents(context);
  if (!list) return context.fail("", list.error());
  auto host = choose_agent(list->agents, wanted.host);
  if (!host) return context.fail("", host.error());
  auto registered = register_token(context, request.token, kOwnTokenLasts, 1);
  if (!registered) return context.fail("", registered.error());
  auto created = context.session().run<CreateNodeReply>(
      [&](Client& client) { return client.create_node(*host, request); });
  if (!created) return context.fail("host " + *host, created.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("node", created->node).add("host", *host);
    line.add("name", created->name).add("endpoint", created->endpoint);
    context.print(line.add("folder", created->folder).add("pid", created->pid).str());
    return context.status();
  }
  context.print("storage/" + std::to_string(created->node) + " is up on host " + printable(*host) +
                ", at " + created->endpoint + ", in " + printable(created->folder));
  context.print(
      "it takes new data from now on; to give it a share of what is there: dfsctl "
      "rebalance");
  return context.status();
}

// --- node add -----------------------------------------------------------------------------------

struct Addition {
  std::string directory;
  std::string host;
  std::string rack;
  std::string listen = "tcp://127.0.0.1:0";
  std::string capacity;
  std::string token;
  std::string settings;
};

Result<std::string> program_of_nodes() {
  auto own = own_program();
  if (!own) return own;
  std::string program = std::filesystem::path(*own).parent_path() / "dfsd";
  if (::access(program.c_str(), X_OK) == 0) return program;
  return Error{Code::local_io, "there is no " + program + "; install dfsd beside dfsctl", {}, 0};
}

Result<std::string> first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (in && std::getline(in, line)) return line;
  return Error{Code::local_io, "cannot read " + path, {}, 0};
}

Result<agent::NodeSettings> settings_of(const Context& context, const Addition& wanted) {
  agent::NodeSettings settings{.host = wanted.host,
                               .rack = wanted.rack,
                               .listen = wanted.listen,
                               .brokers = context.options.brokers};
  if (settings.host.empty()) {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0) settings.host = name;
  }
  if (!wanted.capacity.empty()) {
    auto capacity = parse_size(wanted.capacity);
    if (!capacity) return capacity.error();
    settings.capacity_bytes = *capacity;
  }
  if (!wanted.settings.empty()) {
    std::ifstream in(wanted.settings);
    settings.more.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return Error{Code::local_io, "cannot read " + wanted.settings, {}, 0};
  }
  settings.more += node_security_settings(context.options.security_options, settings.more);
  return settings;
}

// What is in the folder: a node that was added before is started as it is.
Result<agent::NodeRecord> make_folder(const Context& context, Disk& disk, const std::string& folder,
                                      const Addition& wanted) {
  auto record = agent::load_record(disk, folder);
  if (record || record.code() != Code::not_found) return record;
  auto foreign = disk.exists(folder + "/data");
  if (!foreign) return foreign.error();
  if (*foreign) {
    return Error{Code::exists, folder + "/data is there already; choose another --dir", {}, 0};
  }
  auto settings = settings_of(context, wanted);
  if (!settings) return settings.error();
  DFS_CHECK(agent::prepare_folder(disk, folder, *settings, {}));
  return agent::NodeRecord();
}

struct Added {
  agent::NodeUp up;
  agent::NodeProcess process;
};

Task<Result<Added>> bring_up(agent::Tools tools, std::string program, std::string folder,
                             std::string token, Duration deadline) {
  Task<Result<agent::NodeProcess>> starting =
      agent::start_node(tools, std::move(program), folder, std::move(token));
  const Result<agent::NodeProcess> process = co_await starting;
  if (!process) co_return process.error();
  Task<Result<agent::NodeUp>> waiting = agent::await_joined(tools, folder, *process, deadline);
  const Result<agent::NodeUp> up = co_await waiting;
  if (!up) co_return up.error();
  co_return Added{*up, *process};
}

Result<std::string> token_for(Context& context, const Addition& wanted) {
  if (wanted.token.starts_with("@")) return first_line(wanted.token.substr(1));
  if (!wanted.token.empty()) return wanted.token;
  std::string token = make_join_token();
  auto registered = register_token(context, token, kOwnTokenLasts, 1);
  if (!registered) return registered.error();
  return token;
}

void tell_added(Context& context, const std::string& folder, const Added& added) {
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("node", added.up.node);
    line.add("endpoint", added.up.endpoint).add("folder", folder);
    line.add("pid", added.process.id.pid).add("was_running", added.process.adopted);
    return context.print(line.str());
  }
  context.print("storage/" + std::to_string(added.up.node) +
                (added.process.adopted ? " was up already" : " is up") + ", at " +
                added.up.endpoint + ", in " + printable(folder) + ", pid " +
                std::to_string(added.process.id.pid));
  context.print("stop it with: kill $(cat " + printable(folder) +
                "/pid); start it again with: dfsctl node add --dir " + printable(folder));
}

int add(Context& context, const Addition& wanted) {
  std::error_code unknown;
  std::filesystem::path path = std::filesystem::absolute(wanted.directory, unknown);
  path = (path / "").lexically_normal().parent_path();
  const std::string folder = path;
  auto program = program_of_nodes();
  if (!program) return context.fail(folder, program.error());
  const std::shared_ptr<Disk> disk = make_posix_disk();
  const std::shared_ptr<Launcher> launcher = make_posix_launcher();
  auto record = make_folder(context, *disk, folder, wanted);
  if (!record) return context.fail(folder, record.error());
  std::string token;
  // One that has a number needs none, unless the heads were made anew and do not know it.
  if (record->node == 0 || !wanted.token.empty()) {
    auto made = token_for(context, wanted);
    if (!made) return context.fail(folder, made.error());
    token = *made;
  }
  auto added = context.session().run<Added>([&](Client& client) {
    return bring_up({client.bus(), client.calls(), disk, launcher}, *program, folder, token,
                    context.options.timeout);
  });
  if (!added) return context.fail(folder, added.error());
  if (record->node != added->up.node) {
    record->node = added->up.node;
    auto saved = agent::save_record(*disk, folder, *record);
    if (!saved) return context.fail(folder, saved.error());
  }
  tell_added(context, folder, *added);
  return context.status();
}

// --- node token, node tokens --------------------------------------------------------------------

struct TokenWish {
  std::string expires = "1h";
  uint32_t uses = 1;
  std::string require;  // "on", "off" or nothing
};

int set_rule(Context& context, const std::string& require) {
  const JoinRule rule = require == "on" ? JoinRule::token : JoinRule::open;
  auto set = context.session().run<SetJoinRuleReply>(
      [&](Client& client) { return client.set_join_rule(rule); });
  if (!set) return context.fail("", set.error());
  if (context.json()) {
    JsonLine line;
    context.print(line.add("command", context.command).add("require", require == "on").str());
  } else {
    context.print(rule == JoinRule::token
                      ? "new storage nodes need a token from now on: dfsctl node token makes one"
                      : "any storage node that reaches the cluster may join from now on");
  }
  return context.status();
}

int make_token(Context& context, const TokenWish& wish) {
  if (!wish.require.empty()) return set_rule(context, wish.require);
  auto lasts = parse_duration(wish.expires);
  if (!lasts) return context.fail("--expires", lasts.error());
  const std::string token = make_join_token();
  auto made = register_token(context, token, *lasts, wish.uses);
  if (!made) return context.fail("", made.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("token", token).add("uses", wish.uses);
    line.add("expires_ms", made->expires_ms).add("expires", machine_time(made->expires_ms));
    context.print(line.add("required", made->rule == JoinRule::token).str());
    return context.status();
  }
  context.print(token);
  context.say("for " + counted(wish.uses, "new node") + ", until " + human_time(made->expires_ms) +
              "; it is shown this once. On the new machine: dfsd storage … --join-token TOKEN, or "
              "dfsctl node add --dir DIR --join-token TOKEN");
  if (made->rule == JoinRule::open) {
    context.say(
        "nodes may join without one as it is; to change that: dfsctl node token "
        "--require on");
  }
  return context.status();
}

int list_tokens(Context& context) {
  auto list =
      context.session().run<JoinTokenList>([](Client& client) { return client.join_tokens(); });
  if (!list) return context.fail("", list.error());
  if (context.json()) {
    context.print(to_json(*list));
    return context.status();
  }
  const std::string text = token_text(*list);
  context.print(text.substr(0, text.size() - 1));
  return context.status();
}

}  // namespace

void add_agent_commands(CLI::App& node, Context& context) {
  auto* agents = node.add_subcommand("agents", "the agents, which start nodes on their machines");
  agents->callback([&context] { context.run = [&context] { return list_agents(context); }; });

  auto* creating = node.add_subcommand("create", "have an agent start another node");
  auto creation = std::make_shared<Creation>();
  creating->add_option("--host", creation->host, "whose; else where there is most room");
  creating->add_option("--name", creation->name, "of its folder there; else storage-N");
  creating->add_option("--rack", creation->rack, "that it is in; else the agent's");
  creating->add_option("--capacity", creation->capacity, "most it may use, such as 500G");
  creating->add_option("--port", creation->port, "for blocks; else the agent's choice");
  creating->callback([&context, creation] {
    context.run = [&context, creation] { return create(context, *creation); };
  });

  auto* adding = node.add_subcommand("add", "start a node on this machine, without an agent");
  auto addition = std::make_shared<Addition>();
  adding->add_option("--dir", addition->directory, "where it keeps everything")->required();
  adding->add_option("--host", addition->host, "the machine's name; else its own");
  adding->add_option("--rack", addition->rack, "that it is in");
  adding->add_option("--listen", addition->listen, "tcp://HOST:PORT for blocks; this machine's");
  adding->add_option("--capacity", addition->capacity, "most it may use, such as 500G");
  adding->add_option("--join-token", addition->token, "TOKEN or @FILE; else one is made");
  adding->add_option("--settings", addition->settings, "file of further settings of dfsd storage");
  adding->callback([&context, addition] {
    context.run = [&context, addition] { return add(context, *addition); };
  });

  auto* token = node.add_subcommand("token", "make what a new node shows to be let in");
  auto wish = std::make_shared<TokenWish>();
  token->add_option("--expires", wish->expires, "how long it lasts");
  token->add_option("--uses", wish->uses, "how many nodes it lets in");
  token->add_option("--require", wish->require, "on or off: whether new nodes need one")
      ->check(CLI::IsMember({"on", "off"}));
  token->callback(
      [&context, wish] { context.run = [&context, wish] { return make_token(context, *wish); }; });
  auto* tokens = node.add_subcommand("tokens", "who may join, and the tokens that let somebody in");
  tokens->callback([&context] { context.run = [&context] { return list_tokens(context); }; });
}

}  // namespace dfs::cli
