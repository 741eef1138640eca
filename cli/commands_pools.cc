// pool list|create|set|rotate-key|export-key|import-key, setattr
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/key_file.h"

namespace dfs::cli {

namespace {

int list(Context& context) {
  auto map = context.session().run<ClusterMap>([](Client& client) { return client.map(); });
  if (!map) return context.fail("", map.error());
  if (context.json()) {
    for (const PoolView& pool : map->pools) context.print(to_json(pool));
    return context.status();
  }
  using Align = TextTable::Align;
  TextTable table({{"POOL"},
                   {"COPIES", Align::right},
                   {"TO WRITE", Align::right},
                   {"GROUPS", Align::right},
                   {"ENCRYPTED"}});
  for (const PoolView& pool : map->pools) {
    table.add({printable(pool.name), std::to_string(pool.replicas), std::to_string(pool.min_copies),
               std::to_string(pool.groups), pool.encrypted ? "yes" : "no"});
  }
  std::string text = table.str();
  text.pop_back();
  context.print(text);
  return context.status();
}

int set(Context& context, const SetPool& request) {
  auto reply =
      context.session().run<SetPoolReply>([&](Client& client) { return client.set_pool(request); });
  if (!reply) return context.fail(request.name, reply.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("pool", request.name).add("id", reply->id);
    context.print(line.str());
  } else if (request.create) {
    context.print("pool " + printable(request.name) +
                  " is there; have a directory use it: dfsctl setattr --pool " +
                  printable(request.name) + " PATH");
  } else {
    context.print("pool " + printable(request.name) + " is changed");
  }
  return context.status();
}

int rotate_key(Context& context, const std::string& pool) {
  auto reply = context.session().run<RotatePoolKeyReply>(
      [&](Client& client) { return client.rotate_pool_key(pool); });
  if (!reply) return context.fail(pool, reply.error());
  if (context.json()) {
    context.print(JsonLine().add("command", context.command).add("pool", pool).str());
  } else {
    context.print("files that are put into pool " + printable(pool) +
                  " from now on are encrypted with a new key; those there are stay as they are");
  }
  return context.status();
}

struct KeyFile {
  std::string pool;
  std::string file;
};

int export_keys(Context& context, const KeyFile& wanted) {
  auto list = context.session().run<PoolKeyList>(
      [&](Client& client) { return client.export_pool_keys(wanted.pool); });
  if (!list) return context.fail(wanted.pool, list.error());
  if (auto written = write_key_file(wanted.file, *list); !written) {
    return context.fail(wanted.file, written.error());
  }
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("pool", wanted.pool).add("keys", list->keys.size());
    context.print(line.str());
  } else {
    context.print(counted(list->keys.size(), "key") + " of pool " + printable(wanted.pool) +
                  " in " + printable(wanted.file) +
                  "; whoever reads that file can read the pool, and without it the pool is lost "
                  "with the heads");
  }
  return context.status();
}

int import_keys(Context& context, const std::string& file) {
  auto keys = read_key_file(file);
  if (!keys) return context.fail(file, keys.error());
  auto reply = context.session().run<ImportPoolKeysReply>(
      [&](Client& client) { return client.import_pool_keys(*keys); });
  if (!reply) return context.fail(file, reply.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("imported", reply->imported);
    context.print(line.str());
  } else {
    context.print(counted(reply->imported, "key") + " imported, " +
                  std::to_string(keys->size() - reply->imported) + " known already");
  }
  return context.status();
}

struct Attributes {
  std::string path;
  std::string pool;
};

int set_attributes(Context& context, const Attributes& wanted) {
  auto path = normal_path(wanted.path);
  if (!path) return context.fail(wanted.path, path.error());
  const std::string pool = wanted.pool == "-" ? std::string() : wanted.pool;
  auto reply = context.session().run<SetAttributesReply>([&](Client& client) {
    return client.set_attributes({*path, true, pool});
  });
  if (!reply) return context.fail(*path, reply.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("path", *path).add("pool", pool);
    context.print(line.str());
  } else {
    context.print("new files below " + Context::shown(*path) + " go " +
                  (pool.empty() ? std::string("where the directory above says")
                                : "to pool " + printable(pool)));
  }
  return context.status();
}

void add_numbers(CLI::App& command, SetPool& pool) {
  const auto number = [](const std::string& text) { return not_a_number(text, 1); };
  command.add_option("--replicas", pool.replicas, "copies of each block, 1 to 3")->check(number);
  command.add_option("--min-copies", pool.min_copies, "fewer live nodes take no new blocks")
      ->check(number);
  command.add_option("--groups", pool.groups, "placement groups, a power of two; may be doubled")
      ->check(number);
}

}  // namespace

namespace {

void add_pool_key_commands(CLI::App& pool, Context& context) {
  auto* rotate = pool.add_subcommand("rotate-key", "give an encrypted pool a new key");
  auto name = std::make_shared<std::string>();
  rotate->add_option("NAME", *name, "of the pool")->required();
  rotate->callback([&context, name] {
    *name = unshielded(*name);
    context.run = [&context, name] { return rotate_key(context, *name); };
  });
  auto* exporting = pool.add_subcommand("export-key", "all keys of an encrypted pool, to a file");
  auto wanted = std::make_shared<KeyFile>();
  exporting->add_option("NAME", wanted->pool, "of the pool")->required();
  exporting->add_option("--output", wanted->file, "a new file, readable by you alone")->required();
  exporting->callback([&context, wanted] {
    wanted->pool = unshielded(wanted->pool);
    wanted->file = unshielded(wanted->file);
    context.run = [&context, wanted] { return export_keys(context, *wanted); };
  });
  auto* importing = pool.add_subcommand("import-key", "keys that the heads have lost");
  auto file = std::make_shared<std::string>();
  importing->add_option("FILE", *file, "that export-key wrote")->required();
  importing->callback([&context, file] {
    *file = unshielded(*file);
    context.run = [&context, file] { return import_keys(context, *file); };
  });
}

}  // namespace

void add_pool_commands(CLI::App& app, Context& context) {
  auto* pool = app.add_subcommand("pool", "how many copies there are, and of what");
  pool->require_subcommand(1);
  pool->fallthrough();
  auto* listing = pool->add_subcommand("list", "every pool");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });
  const auto add = [&](const char* name, const char* help, bool create) {
    auto* command = pool->add_subcommand(name, help);
    auto request = std::make_shared<SetPool>();
    request->create = create;
    command->add_option("NAME", request->name, "of the pool")->required();
    add_numbers(*command, *request);
    command->add_flag("--encrypted", request->encrypted,
                      "clients encrypt what they put from now on; nothing takes that back");
    command->callback([&context, request] {
      request->name = unshielded(request->name);
      context.run = [&context, request] { return set(context, *request); };
    });
  };
  add("create", "make a new pool", true);
  add_pool_key_commands(*pool, context);
  add("set", "change a pool; raised copies are made in the background", false);

  auto* attributes = app.add_subcommand("setattr", "change what holds for a directory");
  auto wanted = std::make_shared<Attributes>();
  attributes->add_option("--pool", wanted->pool, "where new files below it go; -: as above it")
      ->required();
  attributes->add_option("PATH", wanted->path, "the directory")->required();
  attributes->callback([&context, wanted] {
    wanted->path = unshielded(wanted->path);
    wanted->pool = unshielded(wanted->pool);
    context.run = [&context, wanted] { return set_attributes(context, *wanted); };
  });
}

}  // namespace dfs::cli
