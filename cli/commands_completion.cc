// completion complete man
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/completion_scripts.h"
#include "cli/man_pages.h"
#include "cli/words.h"

namespace dfs::cli {

namespace {

struct CompleteOptions {
  std::vector<std::string> words;
  bool as_line = false;
};

// Says nothing of failures: whoever presses Tab without a cluster just gets nothing.
int complete(Context& context, const CLI::App& app, const CompleteOptions& options) {
  auto security = client_security(context.options.security_options);
  if (security) context.options.security = *security;
  context.options.quiet = true;
  context.options.timeout = std::chrono::milliseconds(kCompletionMsMax);
  if (!options.as_line) {
    for (const Suggestion& one : suggestions(app, context, options.words, security.ok())) {
      context.print(one.word + "\t" + one.about);
    }
    return kExitOk;
  }
  OpenLine line = open_words(options.words.empty() ? "" : options.words.front());
  if (line.words.size() > 1) line.words.erase(line.words.begin());
  for (const Suggestion& one : suggestions(app, context, line.words, security.ok())) {
    // An opening quote is the shell's own: it keeps it, and closes it.
    const bool quoted = line.quote == '\'' || line.quote == '"';
    context.print(quoted ? one.word : open_quoted_word(one.word, 0));
  }
  return kExitOk;
}

int write_pages(Context& context, const std::vector<ManPage>& pages, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  for (const ManPage& page : pages) {
    const std::string path = directory + "/" + page.name;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << page.text << std::flush;
    if (out) continue;
    const std::string why = "cannot write " + path + ": " + std::strerror(errno);
    return context.fail("", Error{Code::local_io, why, {}, 0});
  }
  context.say("wrote " + counted(pages.size(), "page") + " to " + printable(directory));
  return context.status();
}

}  // namespace

void add_completion_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("completion", "the script that completes dfsctl in a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&context, shell] {
    context.run = [&context, shell] {
      std::string script = completion_script(*shell);
      script.pop_back();
      context.print(script);
      return context.status();
    };
  });

  auto* asked = app.add_subcommand("complete", "what may come next, for those scripts");
  asked->group("");
  auto options = std::make_shared<CompleteOptions>();
  asked->add_option("WORD", options->words, "of the command line, the last one unfinished");
  asked->add_flag("--line", options->as_line, "the one word is the whole line, quotes and all");
  asked->callback([&context, &app, options] {
    unshield(options->words);
    context.run = [&context, &app, options] { return complete(context, app, *options); };
  });
}

void add_man_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("man", "write the manual pages of dfsctl");
  auto directory = std::make_shared<std::string>();
  command->add_option("DIRECTORY", *directory, "where to")->required();
  command->callback([&context, &app, directory] {
    context.run = [&context, &app, directory] {
      return write_pages(context, man_pages(app), unshielded(*directory));
    };
  });
}

}  // namespace dfs::cli
