// Short texts on what concerns more than one command: dfsctl help TOPIC.
#pragma once

#include <vector>

namespace dfs::cli {

struct HelpTopic {
  const char* name;
  const char* about;  // in a few words
  const char* text;   // lines of at most 100 columns
};

const std::vector<HelpTopic>& help_topics();

}  // namespace dfs::cli
