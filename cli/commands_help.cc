// help
#include <CLI/CLI.hpp>
#include <algorithm>

#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/help_topics.h"

namespace dfs::cli {

namespace {

const HelpTopic* topic_of(const std::string& name) {
  const auto& topics = help_topics();
  const auto found = std::find_if(topics.begin(), topics.end(),
                                  [&](const HelpTopic& topic) { return topic.name == name; });
  return found == topics.end() ? nullptr : &*found;
}

// Columns of two, as in the lists of --help.
std::string entry(const std::string& name, const std::string& about) {
  return "\n  " + name + std::string(name.size() < 26 ? 26 - name.size() : 1, ' ') + about;
}

// That of `app` itself, whatever command was read.
std::string help_of(const CLI::App& app, const std::string& name) {
  return app.get_formatter()->make_help(&app, name, CLI::AppFormatMode::Normal);
}

void print_overview(Context& context, const CLI::App& app) {
  std::string text = help_of(app, "dfsctl");
  if (context.in_shell) {
    text += "\nOther words for them in the shell:";
    for (const Alias& alias : aliases()) text += entry(alias.word, alias.command);
    text += "\n";
  }
  text += "\nTopics, for help TOPIC:";
  for (const HelpTopic& topic : help_topics()) text += entry(topic.name, topic.about);
  context.print(text);
}

const CLI::App* below(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == word) return command;
  }
  return nullptr;
}

int unknown(const Context& context, const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  for (const HelpTopic& topic : help_topics()) known.emplace_back(topic.name);
  const std::string near = nearest(word, known);
  return misuse(context, "there is no command or topic " + word +
                             (near.empty() ? "" : "; did you mean " + near + "?"));
}

int help(Context& context, const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) {
    print_overview(context, app);
    return context.status();
  }
  const CLI::App* at = &app;
  std::string name = "dfsctl";
  for (const std::string& word : words) {
    const CLI::App* next = below(*at, at == &app ? meant_command(word) : word);
    // A command is meant before a topic of the same name, which is shown with it.
    const HelpTopic* topic = at == &app ? topic_of(word) : nullptr;
    if (next == nullptr && topic == nullptr) return unknown(context, *at, word);
    if (topic != nullptr && words.size() == 1) {
      context.print(topic->text);
      if (next == nullptr) return context.status();
      context.print("");
    }
    if (next == nullptr) return unknown(context, app, word);
    name += " " + next->get_name();
    at = next;
  }
  std::string text = help_of(*at, name);
  while (text.ends_with("\n")) text.pop_back();
  context.print(text);
  return context.status();
}

}  // namespace

void add_help_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("help", "explain a command or a topic");
  auto words = std::make_shared<std::vector<std::string>>();
  command->add_option("TOPIC", *words, "words of a command, or a topic; without: all of them");
  command->callback([&context, &app, words] {
    unshield(*words);
    context.run = [&context, &app, words] { return help(context, app, *words); };
  });
}

}  // namespace dfs::cli
