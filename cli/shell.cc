#include "cli/shell.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>

#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/words.h"

namespace dfs::cli {

namespace {

// What holds for the whole shell, because its connection was made with it.
constexpr std::array kSessionSettings = {"broker",    "timeout",  "ticket",     "ticket-dir",
                                         "log-level", "insecure", "cluster-key"};

// Which the commands come from.
bool takes_stdin(const std::vector<std::string>& words) {
  for (size_t i = 1; i < words.size(); ++i) {
    const bool is_password = words[i - 1] == "--password-file" && words[i] == "-";
    if (is_password || words[i] == "--password-file=-") return true;
    if (words[i] == "-" && words.front() == "put") return true;
  }
  return false;
}

}  // namespace

Shell::Shell(Context& context)
    : context_(context),
      options_(context.options),
      interactive_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0),
      history_(TicketStore::default_directory()) {
  if (!interactive_) return;
  editor_ =
      std::make_unique<LineEditor>([this](const std::string& text) { return complete(text); });
  for (const std::string& line : history_.load()) editor_->add_to_history(line);
}

Shell::~Shell() = default;

void Shell::greet() {
  if (!interactive_ || options_.quiet) return;
  std::cout << "The shell of " << version_text("dfsctl") << ". help lists the commands, Tab "
            << "completes, exit or Ctrl-D ends it." << std::endl;
}

std::string Shell::prompt() const {
  return "zdfs:" + printable(working_directory()) + "> ";
}

std::optional<std::string> Shell::next_line() {
  const bool waits = !context_.ending;
  context_.at_prompt = waits;
  std::optional<std::string> line;
  if (!waits) {
    // A signal came while the last command ran.
  } else if (interactive_) {
    TypedLine typed = editor_->read(prompt());
    while (typed.kind == TypedLine::Kind::cancelled) typed = editor_->read(prompt());
    if (typed.kind == TypedLine::Kind::text) line = std::move(typed.text);
  } else {
    std::string text;
    if (std::getline(std::cin, text)) line = std::move(text);
  }
  context_.at_prompt = false;
  return line;
}

int Shell::run() {
  context_.in_shell = true;
  greet();
  int first_failure = kExitOk;
  while (!over_ && !context_.ending) {
    const auto line = next_line();
    if (!line) break;
    const int status = run_line(*line);
    if (first_failure == kExitOk) first_failure = status;
  }
  context_.in_shell = false;
  if (context_.ending) return kExitInterrupted;
  return interactive_ ? kExitOk : first_failure;
}

int Shell::run_line(const std::string& line) {
  context_.begin_command();
  auto words = split_words(line);
  // A line that begins with a blank is not kept, as bash has it.
  const bool keeps = interactive_ && !line.empty() && line.front() != ' ';
  if (keeps) {
    editor_->add_to_history(line);
    (void)history_.add(line);
  }
  if (!words) return misuse(context_, words.error().text);
  if (words->empty()) return kExitOk;
  const int status = run_words(std::move(*words));
  end_last_line();
  return status;
}

int Shell::run_words(Words words) {
  // Hints say "try dfsctl ls /": that may be typed here too.
  if (words.size() > 1 && words.front() == "dfsctl") words.erase(words.begin());
  if (const auto over = ask_for_name(words)) return *over;
  const std::string said = words.front();
  if (said == "lls" && (words.size() == 1 || words[1] != "--help")) {
    words.erase(words.begin());
    return list_local(words);
  }
  words.front() = meant_command(said);
  // One name is enough: it goes to where one is.
  if (said == "upload" && words.size() == 2 && !words[1].starts_with("-")) words.push_back(".");
  return run_command(words);
}

std::optional<int> Shell::ask_for_name(Words& words) {
  const auto is_meant = [&](const Alias& alias) { return words.front() == alias.word; };
  const auto alias = std::find_if(aliases().begin(), aliases().end(), is_meant);
  const bool creates = words.front() == "create";
  if (words.size() > 1 || (alias == aliases().end() && !creates)) return std::nullopt;
  const std::string question = creates ? "file to create: " : alias->question;
  context_.at_prompt = true;
  TypedLine typed;
  if (interactive_) {
    typed = editor_->read(question);
  } else if (std::getline(std::cin, typed.text)) {
    typed.kind = TypedLine::Kind::text;
  }
  context_.at_prompt = false;
  if (typed.kind == TypedLine::Kind::cancelled) return kExitInterrupted;
  const std::string name = typed.text.substr(0, typed.text.find_last_not_of(" \t\r") + 1);
  context_.command = words.front();
  if (name.empty()) return misuse(context_, "no name was given; nothing was done");
  words.push_back("--");
  words.push_back(name);
  if (words.front() == "upload") words.push_back(".");
  return std::nullopt;
}

int Shell::run_command(const Words& words) {
  context_.options = options_;
  CommandLine line(context_);
  add_words(line.app());
  std::vector<const char*> arguments = {"dfsctl"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  const auto shielded = shielded_arguments(static_cast<int>(arguments.size()), arguments.data());
  std::optional<int> status = line.read(shielded);
  for (const char* setting : kSessionSettings) {
    const bool given = line.settings().source_of(setting).starts_with("flag");
    if (!status && given) {
      status = misuse(context_, "--" + std::string(setting) +
                                    " holds for the whole shell; give it to dfsctl shell");
    }
  }
  const std::string why = bad_jobs(context_.options);
  if (!status && !why.empty()) status = misuse(context_, why);
  if (!status && takes_stdin(words)) {
    status = misuse(context_, "the shell itself reads stdin; for - use dfsctl outside of it");
  }
  if (!status && !context_.run) status = misuse(context_, "a command is missing");
  if (!status) {
    status = context_.run();
    context_.tell_freshness();
  }
  if (context_.interrupted() && !context_.ending) {
    std::cerr << "dfsctl " << words.front() << ": interrupted" << std::endl;
  }
  context_.options = options_;
  return *status;
}

// What was shown of a file may have ended anywhere: the prompt begins a line of its own. A mark and
// a line of blanks stay on the line only where something stood before them, as zsh does it.
void Shell::end_last_line() {
  const bool shows = context_.command == "cat" || context_.command == "get";
  if (!interactive_ || !shows) return;
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  std::cout << "\x1b[7m%\x1b[0m" << std::string(known ? size.ws_col - 1u : 79u, ' ') << "\r \r"
            << std::flush;
}

Completion Shell::complete(const std::string& before) {
  OpenLine open = open_words(before);
  if (open.words.size() > 1 && open.words.front() == "dfsctl") {
    open.words.erase(open.words.begin());
  }
  const size_t typed_bytes = before.size() - open.last_begins;
  context_.begin_command();
  CommandLine line(context_);
  add_words(line.app());
  std::vector<Suggestion> choices = suggestions(line.app(), context_, open.words);
  if (open.words.size() == 1) {
    for (const Alias& alias : aliases()) {
      if (std::string(alias.word).starts_with(open.words.front())) {
        choices.push_back({alias.word, ""});
      }
    }
    std::sort(choices.begin(), choices.end());
  }
  context_.options = options_;
  Completion found;
  if (choices.empty()) return found;
  found.erase = typed_bytes;
  const std::string common = common_beginning(choices);
  const bool whole = choices.size() == 1 && !common.ends_with("/");
  // What is typed already is not taken away.
  if (common.size() >= open.words.back().size()) {
    found.insert =
        whole ? quoted_word(common, open.quote) + " " : open_quoted_word(common, open.quote);
  }
  for (const Suggestion& choice : choices) {
    const std::string path =
        choice.word.ends_with("/") ? choice.word.substr(0, choice.word.size() - 1) : choice.word;
    const bool is_path = open.words.size() > 1 && !choice.word.starts_with("-");
    const std::string name = is_path ? base_name(path) : path;
    found.shown.push_back(printable(name) + (path.size() < choice.word.size() ? "/" : ""));
  }
  return found;
}

}  // namespace dfs::cli
