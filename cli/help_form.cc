#include "cli/help_form.h"

#include <CLI/CLI.hpp>

#include "cli/output.h"

namespace dfs::cli {

namespace {

constexpr size_t kNameColumns = 28;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

class Form : public CLI::Formatter {
 public:
  Form() { column_width(kNameColumns); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return fitted(option->get_description());
  }

  std::string make_subcommand(const CLI::App* command) const override {
    std::stringstream out;
    CLI::detail::format_help(out, command->get_display_name(true),
                             fitted(command->get_description()), kNameColumns);
    return out.str();
  }

  std::string make_description(const CLI::App* app) const override {
    const std::string text = app->get_description();
    return text.empty() ? text : joined(wrapped(text, kHelpColumns)) + "\n";
  }

 private:
  static std::string fitted(const std::string& text) {
    return joined(wrapped(text, kHelpColumns - kNameColumns));
  }
};

}  // namespace

std::vector<std::string> wrapped(std::string_view text, size_t columns) {
  std::vector<std::string> lines(1);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    std::string& line = lines.back();
    if (!line.empty() && columns_of(line) + 1 + columns_of(word) > columns) {
      lines.emplace_back(word);
    } else {
      line += (line.empty() ? "" : " ") + std::string(word);
    }
    begin = end + 1;
  }
  return lines;
}

std::shared_ptr<CLI::FormatterBase> help_form() {
  return std::make_shared<Form>();
}

}  // namespace dfs::cli
