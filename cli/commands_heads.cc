// head list|add|remove|transfer
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/endpoints.h"

namespace dfs::cli {

Result<HeadsView> look_at_heads(Context& context, Duration deadline) {
  HeadsView view;
  auto list =
      context.session().run<HeadList>([&](Client& client) { return client.heads(true, deadline); });
  if (!list) return std::move(list).error();
  view.list = std::move(*list);
  auto answers = context.session().run<std::vector<HeadList>>(
      [&](Client& client) { return client.ask_heads(view.list.heads, deadline); });
  if (!answers) return std::move(answers).error();
  view.answers = std::move(*answers);
  view.asked = true;
  return view;
}

namespace {

Result<HeadList> ask_list(Context& context) {
  return context.session().run<HeadList>([](Client& client) { return client.heads(); });
}

std::string numbers_of(const HeadList& list) {
  std::string out;
  for (const HeadStatus& head : list.heads) {
    out += (out.empty() ? "" : ", ") + std::to_string(head.head);
  }
  return out;
}

bool has(const HeadList& list, MemberId head) {
  return std::any_of(list.heads.begin(), list.heads.end(),
                     [head](const HeadStatus& status) { return status.head == head; });
}

Error no_such_head(const HeadList& list, MemberId head) {
  return Error{Code::not_found,
               "there is no head " + std::to_string(head) + "; the heads are " + numbers_of(list),
               {},
               0};
}

int list(Context& context) {
  auto heads = ask_list(context);
  if (!heads) return context.fail("", heads.error());
  if (context.json()) {
    context.print(to_json(*heads));
    return context.status();
  }
  context.print(counted(heads->heads.size(), "head") + ", " + leader_text(*heads));
  std::string table = "\n" + heads_table({*heads, {}, false});
  table.pop_back();
  context.print(table);
  return context.status();
}

struct AddOptions {
  std::string broker;
  std::string raft;
};

int add(Context& context, const AddOptions& options) {
  const std::string raft = options.raft.empty() ? raft_endpoint_of(options.broker) : options.raft;
  for (const std::string& endpoint : {options.broker, raft}) {
    if (parse_endpoint(endpoint).port > 0) continue;
    const std::string named = endpoint.empty() ? options.broker : endpoint;
    return context.fail("", Error{Code::usage, named + " is not tcp://HOST:PORT", {}, 0});
  }
  auto added = context.session().run<AddHeadReply>(
      [&](Client& client) { return client.add_head(raft, options.broker); });
  if (!added) return context.fail("", added.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("head", added->head).add("cluster", added->cluster);
    context.print(line.add("broker", options.broker).add("endpoint", raft).str());
  } else {
    context.print("head " + std::to_string(added->head) + " is expected at " + options.broker +
                  "; start it there: dfsd head --data DIR --listen " + options.broker + " --join " +
                  context.options.brokers.front());
  }
  return context.status();
}

int remove(Context& context, MemberId head) {
  auto before = ask_list(context);
  if (!before) return context.fail("", before.error());
  if (!has(*before, head)) return context.fail("", no_such_head(*before, head));
  auto removed = context.session().run<RemoveHeadReply>(
      [&](Client& client) { return client.remove_head(head); });
  // It was there a moment ago: an earlier attempt of this very request did it.
  if (!removed && removed.code() != Code::not_found) return context.fail("", removed.error());
  if (context.json()) {
    JsonLine line;
    context.print(line.add("command", context.command).add("head", head).str());
  } else {
    context.print("head " + std::to_string(head) +
                  " is no longer part of the cluster; stop its dfsd, its data is of no use now");
  }
  return context.status();
}

int transfer(Context& context, MemberId to) {
  if (to != 0) {
    auto before = ask_list(context);
    if (!before) return context.fail("", before.error());
    if (!has(*before, to)) return context.fail("", no_such_head(*before, to));
  }
  auto moved = context.session().run<TransferLeadReply>(
      [&](Client& client) { return client.transfer_lead(to); });
  if (!moved) return context.fail("", moved.error());
  if (context.json()) {
    JsonLine line;
    context.print(line.add("command", context.command).add("leader", moved->leader).str());
  } else {
    context.print("head " + std::to_string(moved->leader) + " leads");
  }
  return context.status();
}

}  // namespace

void add_head_commands(CLI::App& app, Context& context) {
  const auto number = [](const std::string& text) { return not_a_number(text, 1); };
  auto* head = app.add_subcommand("head", "the heads, which keep the namespace");
  head->require_subcommand(1);
  head->fallthrough();

  auto* listing = head->add_subcommand("list", "the heads, who leads, and how far each is");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });

  auto* adding = head->add_subcommand(
      "add", "announce a head that is to come; dfsd head --join does it by itself");
  auto added = std::make_shared<AddOptions>();
  adding->add_option("BROKER", added->broker, "tcp://HOST:PORT of its broker")->required();
  adding->add_option("--raft", added->raft, "its --raft-listen; PORT+3 of its broker unless given");
  adding->callback(
      [&context, added] { context.run = [&context, added] { return add(context, *added); }; });

  auto* removing = head->add_subcommand("remove", "take a head out of the cluster, dead or alive");
  auto removed = std::make_shared<MemberId>(0);
  removing->add_option("HEAD", *removed, "its number, as head list shows it")
      ->required()
      ->check(number);
  removing->callback([&context, removed] {
    context.run = [&context, removed] { return remove(context, *removed); };
  });

  auto* moving = head->add_subcommand("transfer", "let another head lead");
  auto to = std::make_shared<MemberId>(0);
  moving->add_option("HEAD", *to, "its number; the one that is furthest unless given")
      ->check(number);
  moving->callback(
      [&context, to] { context.run = [&context, to] { return transfer(context, *to); }; });
}

}  // namespace dfs::cli
