// What holds for every command of dfsctl: its help fits a screen and shows an example, and it has a
// manual page.
#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>

#include "cli/command_line.h"
#include "cli/completion_scripts.h"
#include "cli/examples.h"
#include "cli/help_form.h"
#include "cli/help_topics.h"
#include "cli/man_pages.h"
#include "cli/output.h"

using namespace dfs::cli;

namespace {

constexpr size_t kHelpLines = 40;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

size_t widest(const std::vector<std::string>& lines) {
  size_t columns = 0;
  for (const std::string& line : lines) columns = std::max(columns, columns_of(line));
  return columns;
}

using Visit = std::function<void(const std::string& name, const CLI::App& command)>;

void each_below(const CLI::App& app, const std::string& name, const Visit& visit) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group().empty()) continue;
    visit(name + " " + command->get_name(), *command);
    each_below(*command, name + " " + command->get_name(), visit);
  }
}

// Every command of the program, with its name.
void each_command(const Visit& visit) {
  Context context;
  CommandLine line(context);
  add_shell_command(line.app(), context);
  each_below(line.app(), "dfsctl", visit);
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("the help of every command fits a screen and has an example") {
    size_t commands = 0;
    each_command([&](const std::string& name, const CLI::App& command) {
      CAPTURE(name);
      ++commands;
      const std::string help = command.help("");
      const auto lines = lines_of(help);
      CHECK(lines.size() <= kHelpLines);
      CHECK(widest(lines) <= kHelpColumns);
      CHECK_FALSE(command.get_description().empty());
      CHECK(help.find(kExamplesTitle) != std::string::npos);
      // Once: not from here and from the command's own text.
      CHECK(help.find(kExamplesTitle) == help.rfind(kExamplesTitle));
    });
    CHECK(commands > 70);
  }

  TEST_CASE("the examples of a command are lines that its parser takes for that command") {
    each_command([&](const std::string& name, const CLI::App& command) {
      const std::string footer = command.get_footer();
      const size_t at = footer.find(kExamplesTitle);
      if (at == std::string::npos) return;
      const auto lines = lines_of(footer.substr(at));
      // A group of commands shows one of them.
      for (size_t i = 1; i < lines.size(); ++i) {
        CAPTURE(lines[i]);
        CHECK(lines[i].find(name.substr(0, name.rfind(' '))) != std::string::npos);
      }
    });
  }

  TEST_CASE("every topic of help fits a screen") {
    for (const HelpTopic& topic : help_topics()) {
      CAPTURE(std::string(topic.name));
      const auto lines = lines_of(topic.text);
      CHECK(lines.size() <= kHelpLines);
      CHECK(widest(lines) <= kHelpColumns);
    }
  }

  TEST_CASE("descriptions are broken between words") {
    using Lines = std::vector<std::string>;
    CHECK(wrapped("one two three", 7) == Lines{"one two", "three"});
    CHECK(wrapped("incomprehensible", 4) == Lines{"incomprehensible"});
    CHECK(wrapped("", 4) == Lines{""});
  }

  TEST_CASE("every command has a manual page, and pages hold no accidental requests") {
    Context context;
    CommandLine line(context);
    add_shell_command(line.app(), context);
    const auto pages = man_pages(line.app());
    const auto has = [&](const std::string& name) {
      return std::any_of(pages.begin(), pages.end(),
                         [&](const ManPage& page) { return page.name == name; });
    };
    CHECK(has("dfsctl.1"));
    CHECK(has("dfsctl-put.1"));
    CHECK(has("dfsctl-shell.1"));
    CHECK_FALSE(has("dfsctl-complete.1"));
    const std::vector<std::string> known = {".TH", ".SH", ".SS", ".TP", ".B",
                                            ".BR", ".PP", ".nf", ".fi"};
    for (const ManPage& page : pages) {
      CAPTURE(page.name);
      CHECK(page.text.starts_with(".TH "));
      CHECK(std::all_of(page.text.begin(), page.text.end(), [](char c) { return c > 0; }));
      for (const std::string& one : lines_of(page.text)) {
        CAPTURE(one);
        if (!one.starts_with(".") && !one.starts_with("'")) continue;
        const std::string request = one.substr(0, one.find(' '));
        CHECK(std::find(known.begin(), known.end(), request) != known.end());
      }
    }
  }

  TEST_CASE("there are completion scripts for three shells") {
    for (const char* shell : {"bash", "zsh", "fish"}) {
      CHECK(completion_script(shell).find("complete -") != std::string::npos);
    }
    CHECK(completion_script("csh").empty());
  }
}
