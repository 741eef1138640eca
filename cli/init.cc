#include "cli/init.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "broker/keys.h"
#include "cli/exit_codes.h"
#include "cli/security_options.h"

namespace dfs::cli {

namespace {

struct Wish {
  std::string directory;
  bool next = false;
  bool take_next = false;
  bool drop_previous = false;
};

int fail(const Error& error) {
  std::cerr << "dfsd: " << error.text << std::endl;
  return error.code == Code::exists ? kExitUsage : exit_code_of(error.code);
}

int tell(const std::string& text) {
  std::cout << text << std::endl;
  return kExitOk;
}

int init(const Wish& wish) {
  const std::string& dir = wish.directory;
  if (wish.next) {
    auto made = make_next_keys(dir);
    if (!made) return fail(made.error());
    return tell("cluster-key = \"" + made->public_key + "\"\nThe next key is in " + dir +
                ". Copy next.key and next.pub to the --keys directory of every head, add the line "
                "above to the cluster-key of every client and node, and restart all of them, one "
                "after the other. Then run dfsd init --take-next on every head.");
  }
  if (wish.take_next) {
    if (auto taken = take_next_keys(dir); !taken) return fail(taken.error());
    return tell(
        "Restart this head, then do the same with the next one. When all of them are done, "
        "take the old line out of cluster-key everywhere, and run dfsd init "
        "--drop-previous on every head.");
  }
  if (wish.drop_previous) {
    if (auto dropped = drop_previous_key(dir); !dropped) return fail(dropped.error());
    return tell("The previous key is forgotten here when this head starts anew.");
  }
  auto made = init_cluster_keys(dir);
  if (!made) return fail(made.error());
  if (auto kept = save_key_pair(dir + kSealingKeyFile, make_key_pair()); !kept) {
    return fail(kept.error());
  }
  return tell("cluster-key = \"" + made->public_key + "\"\nThe cluster's keys are in " + dir +
              ". Heads are started with --keys, each with a copy of that directory; clients, "
              "storage nodes and agents have the line above in their --config file. Whoever gets "
              "cluster.key is a head: copy it over ssh, and keep it at 0600. Without sealing.key "
              "nobody can read encrypted pools: keep a copy elsewhere.");
}

int show_key(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  auto keys = load_or_make_key_pair({directory + "/node.key"});
  if (!keys) return fail(keys.error());
  return tell(keys->public_key);
}

}  // namespace

void add_key_commands(CLI::App& app, int& status) {
  auto* init_app = app.add_subcommand("init", "makes the keys of a new cluster, and changes them");
  auto wish = std::make_shared<Wish>();
  init_app->add_option("--dir", wish->directory, "where they are kept")->required();
  auto* next = init_app->add_flag("--next", wish->next, "make the key that comes after this one");
  auto* take = init_app->add_flag("--take-next", wish->take_next, "serve with it from now on");
  auto* drop =
      init_app->add_flag("--drop-previous", wish->drop_previous, "no longer know the last");
  next->excludes(take)->excludes(drop);
  take->excludes(drop);
  init_app->callback([wish, &status] { status = init(*wish); });

  auto* key_app = app.add_subcommand("key", "prints the public key of a node or an agent");
  auto directory = std::make_shared<std::string>();
  key_app->add_option("--dir", *directory, "its directory; the key is made there if need be")
      ->required();
  key_app->callback([directory, &status] { status = show_key(*directory); });
}

}  // namespace dfs::cli
