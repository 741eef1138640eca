#include "cli/man_pages.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include "cli/examples.h"
#include "cli/exit_codes.h"
#include "cli/help_topics.h"

namespace dfs::cli {

namespace {

// Text as troff prints it: none of its own signs, and no line that would be a request.
std::string plain(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char letter : text) {
    if (line_begins && (letter == '.' || letter == '\'')) out += "\\&";
    if (static_cast<unsigned char>(letter) >= 0x80) {
      // The one character beyond ASCII is the ellipsis, of three bytes.
      if (letter == '\xe2') out += "...";
    } else if (letter == '\\') {
      out += "\\e";
    } else if (letter == '-') {
      out += "\\-";
    } else if (letter == '\'') {
      out += "\\(aq";
    } else if (letter == '`') {
      out += "\\(ga";
    } else if (letter == '^') {
      out += "\\(ha";
    } else if (letter == '~') {
      out += "\\(ti";
    } else {
      out += letter;
    }
    line_begins = letter == '\n';
  }
  return out;
}

std::string upper(std::string text) {
  for (char& letter : text) {
    letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return text;
}

// As it stands, in lines of its own.
std::string literal(const std::string& text) {
  return ".nf\n" + plain(text) + "\n.fi\n";
}

std::string title(const std::string& name) {
  return ".TH " + upper(plain(name)) + " 1 \"\" \"zdfs " + version_number() +
         "\" \"ZDFS manual\"\n.SH NAME\n";
}

std::string argument_name(const CLI::Option& argument) {
  std::string name = argument.get_name(true);
  if (argument.get_expected_max() > 1) name += "...";
  return argument.get_required() ? name : "[" + name + "]";
}

std::string synopsis(const CLI::App& command, const std::string& name) {
  std::string text = ".B " + plain(name) + "\n";
  std::string rest = "[options]";
  for (const CLI::Option* option : command.get_options({})) {
    if (option->get_positional()) rest += " " + argument_name(*option);
  }
  const auto below = command.get_subcommands({});
  if (!below.empty()) {
    rest += command.get_require_subcommand_min() == 0 ? " [command]" : " command";
  }
  return text + plain(rest) + "\n";
}

std::string options_of(const CLI::App& command) {
  std::string text;
  for (const bool arguments : {true, false}) {
    for (const CLI::Option* option : command.get_options({})) {
      if (option->get_positional() != arguments || option->get_group().empty()) continue;
      std::string name = option->get_name(arguments, !arguments);
      std::replace(name.begin(), name.end(), ',', ' ');
      const bool takes_value = !arguments && option->get_items_expected_max() > 0;
      if (takes_value) name += " " + option->get_type_name();
      text += ".TP\n.B " + plain(name) + "\n" + plain(option->get_description()) + "\n";
    }
  }
  return text;
}

// The footer, of which examples are a section of their own.
void add_footer(std::string& text, const CLI::App& command, const char* section) {
  const std::string footer = command.get_footer();
  const size_t examples = footer.find(kExamplesTitle);
  std::string before = footer.substr(0, examples);
  while (before.ends_with("\n")) before.pop_back();
  if (!before.empty()) text += ".PP\n" + literal(before);
  if (examples == std::string::npos) return;
  const size_t lines = footer.find('\n', examples) + 1;
  text += std::string(section) + literal(footer.substr(lines));
}

std::string command_text(const CLI::App& command, const std::string& name) {
  std::string text = ".SH SYNOPSIS\n" + synopsis(command, name);
  text += ".SH DESCRIPTION\n" + plain(command.get_description()) + ".\n";
  if (const std::string options = options_of(command); !options.empty()) {
    text += ".SH OPTIONS\n" + options;
  }
  const auto below = command.get_subcommands({});
  if (!below.empty()) text += ".SH COMMANDS\n";
  for (const CLI::App* one : below) {
    const std::string whole = name + " " + one->get_name();
    text += ".SS " + plain(whole) + "\n" + synopsis(*one, whole) + ".PP\n";
    text += plain(one->get_description()) + ".\n" + options_of(*one);
    add_footer(text, *one, ".PP\nExamples:\n.PP\n");
  }
  add_footer(text, command, ".SH EXAMPLES\n");
  return text + ".SH \"SEE ALSO\"\n.BR dfsctl (1)\n";
}

ManPage program_page(const CLI::App& app, const std::vector<const CLI::App*>& commands) {
  std::string text = title("dfsctl") + "dfsctl \\- files and nodes of a ZDFS cluster\n";
  text += ".SH SYNOPSIS\n" + synopsis(app, "dfsctl");
  text += ".SH DESCRIPTION\n" + plain(app.get_description()) + "\n";
  text += ".SH OPTIONS\nThese hold for all commands.\n" + options_of(app);
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    text += ".TP\n.BR dfsctl\\-" + plain(command->get_name()) + " (1)\n" +
            plain(command->get_description()) + "\n";
  }
  for (const HelpTopic& topic : help_topics()) {
    text += ".SH \"" + upper(plain(topic.name)) + "\"\n" + literal(topic.text);
  }
  return {"dfsctl.1", text};
}

}  // namespace

std::vector<ManPage> man_pages(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) commands.push_back(command);
  }
  std::vector<ManPage> pages = {program_page(app, commands)};
  for (const CLI::App* command : commands) {
    const std::string name = "dfsctl-" + command->get_name();
    const std::string about = command->get_description();
    pages.push_back({name + ".1", title(name) + plain(name) + " \\- " + plain(about) + "\n" +
                                      command_text(*command, "dfsctl " + command->get_name())});
  }
  return pages;
}

}  // namespace dfs::cli
