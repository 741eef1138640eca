// How --help looks: no line is longer than kHelpColumns.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class FormatterBase;
}

namespace dfs::cli {

inline constexpr size_t kHelpColumns = 100;

std::shared_ptr<CLI::FormatterBase> help_form();

// The lines of `text` at most `columns` wide, broken between words.
std::vector<std::string> wrapped(std::string_view text, size_t columns);

}  // namespace dfs::cli
