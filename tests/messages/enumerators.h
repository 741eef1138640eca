// What an enum of our headers declares, read from its source: C++ cannot list it.
#pragma once

#include <doctest/doctest.h>

#include <cctype>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace dfs::samples {

// Every "Name = number," of "enum class NAME" in messages/FILE, in order.
inline std::vector<std::pair<std::string, int>> enumerators(const std::string& file,
                                                            const std::string& name) {
  std::ifstream in(std::string(DFS_MESSAGES_DIR) + "/" + file);
  std::vector<std::pair<std::string, int>> found;
  std::string line;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line.starts_with("enum class " + name + " ")) inside = true;
    if (line.starts_with("};")) inside = false;
    if (!inside) continue;
    std::istringstream words(line);
    std::string word, equals;
    int number = 0;
    if (words >> word >> equals >> number && equals == "=") found.emplace_back(word, number);
  }
  REQUIRE(!found.empty());
  return found;
}

}  // namespace dfs::samples
