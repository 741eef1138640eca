// Manual pages, from the tree of the commands.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace dfs::cli {

struct ManPage {
  std::string name;  // of the file: "dfsctl-put.1"
  std::string text;  // in the language of man(7)
};

// One of the whole program, and one of each of its commands with all that is below it.
std::vector<ManPage> man_pages(const CLI::App& app);

}  // namespace dfs::cli
