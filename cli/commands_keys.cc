// cluster rotate-keys
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"

namespace dfs::cli {

namespace {

struct RotateOptions {
  bool at_once = false;
};

// Grants first: with `at_once` the ticket that this command shows is void afterwards.
int rotate_keys(Context& context, const RotateOptions& options) {
  auto grants = context.session().run<RotateGrantKeyReply>(
      [](Client& client) { return client.rotate_grant_key(); });
  if (!grants) return context.fail("", grants.error());
  auto tickets = context.session().run<RotateTicketKeyReply>(
      [&](Client& client) { return client.rotate_ticket_key(options.at_once); });
  if (!tickets) return context.fail("", tickets.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("ticket_key", tickets->key);
    line.add("tickets_until_ms", tickets->until_ms).add("grants_from_ms", grants->from_ms);
    context.print(line.add("grants_until_ms", grants->until_ms).str());
    return context.status();
  }
  context.print("grants of blocks: the new key is used from " + human_time(grants->from_ms) +
                ", the old one is good until " + human_time(grants->until_ms));
  context.print("tickets: key " + std::to_string(tickets->key) + " is used from now on, " +
                (options.at_once ? "and everybody logs in anew"
                                 : "older ones are good until " + human_time(tickets->until_ms)));
  return context.status();
}

}  // namespace

void add_key_commands(CLI::App& app, Context& context) {
  auto* cluster = app.get_subcommand("cluster");
  auto* rotate = cluster->add_subcommand(
      "rotate-keys", "sign tickets, and grants of blocks, with new keys; nobody is interrupted");
  auto options = std::make_shared<RotateOptions>();
  rotate->add_flag("--at-once", options->at_once,
                   "tickets of the old key are void at once: everybody logs in anew, and service "
                   "tokens have to be made again");
  rotate->callback([&context, options] {
    context.run = [&context, options] { return rotate_keys(context, *options); };
  });
}

}  // namespace dfs::cli
