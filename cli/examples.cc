#include "cli/examples.h"

#include <CLI/CLI.hpp>
#include <map>

namespace dfs::cli {

namespace {

// By the words of the command; one example per line.
const std::map<std::string, std::string>& examples() {
  static const std::map<std::string, std::string> all = {
      {"acl get", "dfsctl acl get /films"},
      {"acl set", "dfsctl acl set u::rwx,u:1000:r-x,g::r-x,o::--- /films"},
      {"audit", "dfsctl audit --since 2h --user ada"},
      {"cat", "dfsctl cat /dir.tar | tar t"},
      {"cd", "cd /films"},
      {"checksum", "dfsctl checksum --md5 /films/video.mkv"},
      {"chgrp", "dfsctl chgrp ada /films"},
      {"chmod", "dfsctl chmod 750 /films\ndfsctl chmod -R go-w /films"},
      {"chown", "dfsctl chown ada /films"},
      {"cluster", "dfsctl cluster status"},
      {"cluster map", "dfsctl cluster map"},
      {"cluster rotate-keys", "dfsctl cluster rotate-keys"},
      {"cluster status", "dfsctl cluster status\ndfsctl cluster status --json"},
      {"completion", "eval \"$(dfsctl completion bash)\""},
      {"df", "dfsctl df"},
      {"events", "dfsctl events node- --since 0\ndfsctl events --for 10s"},
      {"exit", "exit"},
      {"explain", "dfsctl explain /films/video.mkv\ndfsctl explain storage/3"},
      {"fsck", "dfsctl fsck\ndfsctl fsck /films"},
      {"get", "dfsctl get /films/video.mkv .\ndfsctl get -r /photos backup/"},
      {"head", "dfsctl head -n 20 /logs/today.log\ndfsctl head list"},
      {"head add", "dfsctl head add tcp://10.0.0.4:7000"},
      {"head list", "dfsctl head list"},
      {"head remove", "dfsctl head remove 3"},
      {"head transfer", "dfsctl head transfer 2"},
      {"help", "dfsctl help put\ndfsctl help paths"},
      {"lcd", "lcd ~/films"},
      {"lls", "lls -l"},
      {"lock", "dfsctl lock run /films -- ./import.sh"},
      {"lock acquire", "dfsctl lock acquire /films"},
      {"lock break", "dfsctl lock break 17"},
      {"lock list", "dfsctl lock list /films"},
      {"lock release", "dfsctl lock release 17"},
      {"lock run", "dfsctl lock run /films -- ./import.sh"},
      {"login", "dfsctl login ada\ndfsctl login ada --password-file - < secret"},
      {"logout", "dfsctl logout"},
      {"lpwd", "lpwd"},
      {"ls", "dfsctl ls -l /films"},
      {"man", "dfsctl man ~/.local/share/man/man1"},
      {"mkdir", "dfsctl mkdir -p /films/2026"},
      {"mv", "dfsctl mv /films/old.mkv /films/new.mkv\ndfsctl mv /a /b /films/"},
      {"node", "dfsctl node list"},
      {"node add", "dfsctl node add --dir /srv/zdfs"},
      {"node agents", "dfsctl node agents"},
      {"node create", "dfsctl node create --host alpha"},
      {"node drain", "dfsctl node drain 3"},
      {"node info", "dfsctl node info 3"},
      {"node list", "dfsctl node list"},
      {"node remove", "dfsctl node drain 3\ndfsctl node remove 3"},
      {"node token", "dfsctl node token --expires 1h --uses 2"},
      {"node tokens", "dfsctl node tokens"},
      {"node undrain", "dfsctl node undrain 3"},
      {"passwd", "dfsctl passwd"},
      {"pool", "dfsctl pool list"},
      {"pool create", "dfsctl pool create scratch --replicas 2"},
      {"pool export-key", "dfsctl pool export-key secret --output secret.keys"},
      {"pool import-key", "dfsctl pool import-key secret.keys"},
      {"pool list", "dfsctl pool list"},
      {"pool rotate-key", "dfsctl pool rotate-key secret"},
      {"pool set", "dfsctl pool set default --replicas 3"},
      {"put", "dfsctl put video.mkv /films/\ntar c dir | dfsctl put - /dir.tar"},
      {"pwd", "pwd"},
      {"quit", "quit"},
      {"rebalance", "dfsctl rebalance --dry-run"},
      {"rebuild", "dfsctl rebuild --nodes 4 --dry-run"},
      {"rm", "dfsctl rm /films/old.mkv\ndfsctl rm -r /photos"},
      {"scrub", "dfsctl scrub status"},
      {"scrub pause", "dfsctl scrub pause 3"},
      {"scrub start", "dfsctl scrub start"},
      {"scrub status", "dfsctl scrub status"},
      {"setattr", "dfsctl setattr --pool scratch /tmp"},
      {"shell", "dfsctl shell\ndfsctl shell < commands.txt"},
      {"signup", "dfsctl signup ada"},
      {"stat", "dfsctl stat /films/video.mkv\ndfsctl stat --blocks /films/video.mkv"},
      {"tasks", "dfsctl tasks"},
      {"tasks abort", "dfsctl tasks abort drain/7"},
      {"tasks limit", "dfsctl tasks limit repair 50M"},
      {"tasks pause", "dfsctl tasks pause rebalance"},
      {"tasks resume", "dfsctl tasks resume rebalance"},
      {"token", "dfsctl token list"},
      {"token create", "dfsctl token create --label backup --below /photos --read-only"},
      {"token list", "dfsctl token list"},
      {"token remove", "dfsctl token remove 5"},
      {"user", "dfsctl user list"},
      {"user add", "dfsctl user add ada"},
      {"user groups", "dfsctl user groups ada 1001,1002"},
      {"user list", "dfsctl user list"},
      {"user lock", "dfsctl user lock ada"},
      {"user password", "dfsctl user password ada"},
      {"user remove", "dfsctl user remove ada"},
      {"user role", "dfsctl user role ada admin"},
      {"user sign-up", "dfsctl user sign-up open"},
      {"user unlock", "dfsctl user unlock ada"},
      {"version", "dfsctl version"},
      {"whoami", "dfsctl whoami"},
  };
  return all;
}

void add_below(CLI::App& app, const std::string& path, const std::string& of_all) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    const std::string words = path + (path.empty() ? "" : " ") + command->get_name();
    add_below(*command, words, of_all);
    const auto known = examples().find(words);
    if (known == examples().end()) continue;
    std::string text = command->get_footer();
    if (text == of_all) text.clear();  // it is inherited, and shown where it belongs
    if (text.find(kExamplesTitle) != std::string::npos) continue;
    if (!text.empty()) text += "\n\n";
    text += std::string(kExamplesTitle) + "\n";
    for (size_t begin = 0; begin < known->second.size();) {
      const size_t end = std::min(known->second.find('\n', begin), known->second.size());
      text += (begin == 0 ? "  " : "\n  ") + known->second.substr(begin, end - begin);
      begin = end + 1;
    }
    command->footer(text);
  }
}

}  // namespace

void add_examples(CLI::App& app) {
  add_below(app, "", app.get_footer());
}

}  // namespace dfs::cli
