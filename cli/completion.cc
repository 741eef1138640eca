#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/commands.h"

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

constexpr size_t kSuggestionsMax = 1000;

// Options whose value is a file or directory of this machine.
constexpr std::array kLocalOptions = {"config", "password-file", "ticket-dir", "dir",
                                      "output", "settings",      "keys"};

bool is_local_option(const CLI::Option& option) {
  return std::any_of(kLocalOptions.begin(), kLocalOptions.end(),
                     [&](const char* name) { return option.check_lname(name); });
}

bool is_hidden(const CLI::Option& option) {
  return option.get_group().empty();
}

// Where the words lead: the command, and what is expected there.
class Walk {
 public:
  explicit Walk(const CLI::App& app) : at_(&app) {}

  void step(const std::string& word) {
    if (awaited_ != nullptr) {
      awaited_ = nullptr;
    } else if (only_arguments_) {
      ++arguments_;
    } else if (word == "--") {
      only_arguments_ = true;
    } else if (word.starts_with("-") && word.size() > 1) {
      const bool has_value = word.find('=') != std::string::npos;
      const CLI::Option* option = option_named(word.substr(0, word.find('=')));
      if (option != nullptr && !has_value && option->get_items_expected_max() > 0) {
        awaited_ = option;
      }
    } else if (const CLI::App* below = arguments_ == 0 ? command_named(word) : nullptr) {
      at_ = below;
    } else {
      ++arguments_;
    }
  }

  Expected expected(const std::string& word) const {
    Expected out;
    if (awaited_ != nullptr) {
      add_values(*awaited_, word, out);
    } else if (!only_arguments_ && word.starts_with("-")) {
      add_options(word, out);
    } else {
      if (arguments_ == 0 && !only_arguments_) add_commands(word, out);
      add_argument(word, out);
    }
    return out;
  }

 private:
  const CLI::Option* option_named(const std::string& word) const {
    for (const CLI::App* at = at_; at != nullptr; at = at->get_parent()) {
      for (const CLI::Option* option : at->get_options({})) {
        if (option->nonpositional() && option->check_name(word)) return option;
      }
    }
    return nullptr;
  }

  const CLI::App* command_named(const std::string& word) const {
    const std::string name = at_->get_parent() == nullptr ? meant_command(word) : word;
    for (const CLI::App* command : at_->get_subcommands({})) {
      if (command->get_name() == name) return command;
    }
    return nullptr;
  }

  void add_commands(const std::string& word, Expected& out) const {
    for (const CLI::App* command : at_->get_subcommands({})) {
      if (command->get_group().empty() || !command->get_name().starts_with(word)) continue;
      out.words.push_back({command->get_name(), command->get_description()});
    }
  }

  void add_options(const std::string& word, Expected& out) const {
    for (const CLI::App* at = at_; at != nullptr; at = at->get_parent()) {
      for (const CLI::Option* option : at->get_options({})) {
        if (!option->nonpositional() || is_hidden(*option)) continue;
        for (const std::string& name : option->get_lnames()) {
          const std::string full = "--" + name;
          if (full.starts_with(word)) out.words.push_back({full, option->get_description()});
        }
      }
    }
  }

  // The choices of an option or argument stand in its type, as {on,off} or one|two.
  static void add_values(const CLI::Option& option, const std::string& word, Expected& out) {
    std::string type = option.get_type_name();
    const size_t brace = type.find('{');
    if (brace != std::string::npos) type = type.substr(brace + 1, type.find('}') - brace - 1);
    const bool is_choice = brace != std::string::npos || type.find('|') != std::string::npos;
    for (size_t begin = 0; is_choice && begin < type.size();) {
      const size_t end = std::min(type.find_first_of(",|", begin), type.size());
      const std::string value = type.substr(begin, end - begin);
      if (value.starts_with(word)) out.words.push_back({value, ""});
      begin = end + 1;
    }
    out.local_path = is_local_option(option);
  }

  // The argument that the next word is: the last one takes all that follow.
  void add_argument(const std::string& word, Expected& out) const {
    const CLI::Option* argument = nullptr;
    size_t before = 0;
    for (const CLI::Option* option : at_->get_options({})) {
      if (option->nonpositional() || !option->get_positional()) continue;
      argument = option;
      const auto takes = static_cast<size_t>(std::max(1, option->get_items_expected_max()));
      if (before + takes > arguments_) break;
      before += takes;
    }
    if (argument == nullptr) return;
    const std::string name = argument->get_name(true);
    const std::string command = at_->get_name();
    add_values(*argument, word, out);
    if (name == "FILE" || name == "DIRECTORY") out.local_path = true;
    if (name != "PATH" && name != "SUBJECT") return;
    out.local_path = command == "put" || (command == "get" && arguments_ > 0);
    out.remote_path = command != "put" || arguments_ > 0;
  }

  const CLI::App* at_;
  const CLI::Option* awaited_ = nullptr;  // the next word is its value
  size_t arguments_ = 0;
  bool only_arguments_ = false;
};

}  // namespace

const std::vector<Alias>& aliases() {
  static const std::vector<Alias> all = {{"upload", "put", "file to upload: "},
                                         {"download", "get", "file to download: "},
                                         {"delete", "rm", "file to delete: "},
                                         {"open", "cat", "file to open: "}};
  return all;
}

std::string meant_command(const std::string& command) {
  for (const Alias& alias : aliases()) {
    if (command == alias.word) return alias.command;
  }
  return command;
}

Expected expected_at(const CLI::App& app, const std::vector<std::string>& words) {
  Walk walk(app);
  for (size_t i = 0; i + 1 < words.size(); ++i) walk.step(words[i]);
  return walk.expected(words.empty() ? std::string() : words.back());
}

std::vector<Suggestion> local_paths(const std::string& typed) {
  std::vector<Suggestion> found;
  const size_t slash = typed.rfind('/');
  const std::string above = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::string begun = typed.substr(above.size());
  std::error_code error;
  fs::directory_iterator walk(above.empty() ? "." : above, error);
  for (; !error && walk != fs::directory_iterator() && found.size() < kSuggestionsMax;
       walk.increment(error)) {
    const std::string name = walk->path().filename().string();
    const bool hidden = name.starts_with(".") && !begun.starts_with(".");
    if (!name.starts_with(begun) || hidden) continue;
    std::error_code unknown;
    found.push_back({above + name + (walk->is_directory(unknown) ? "/" : ""), ""});
  }
  return found;
}

std::vector<Suggestion> remote_paths(Context& context, const std::string& typed) {
  std::vector<Suggestion> found;
  const size_t slash = typed.rfind('/');
  const std::string above = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::string begun = typed.substr(above.size());
  auto directory = normal_path(above.empty() ? "." : above);
  if (!directory || begun.size() > kNameBytesMax) return found;
  const auto add = [&](const std::string& name, const InodeInfo& info) {
    found.push_back({above + name + (info.type == FileType::directory ? "/" : ""), ""});
  };
  Session& session = context.session();
  session.limit(std::chrono::milliseconds(kCompletionMsMax));
  // Names are listed from behind `begun` on, so that of a large directory only this part is asked
  // for; the one that is just that has to be asked for by itself.
  auto page = session.run<ListReply>([&](Client& client) {
    return client.list(List{*directory, begun, kSuggestionsMax, true});
  });
  if (page && !begun.empty()) {
    auto exact = session.run<StatReply>([&](Client& client) {
      return client.stat(Stat{join_path(*directory, begun), true});
    });
    if (exact) add(begun, exact->info);
  }
  session.limit(Duration::zero());
  if (!page) return found;
  for (const ListEntry& entry : page->entries) {
    if (entry.name.starts_with(begun)) add(entry.name, entry.info);
  }
  return found;
}

std::vector<Suggestion> suggestions(const CLI::App& app, Context& context,
                                    const std::vector<std::string>& words, bool ask_cluster) {
  Expected expected = expected_at(app, words);
  std::vector<Suggestion> all = std::move(expected.words);
  const std::string typed = words.empty() ? "" : words.back();
  const auto add = [&](const std::vector<Suggestion>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  if (expected.local_path) add(local_paths(typed));
  if (expected.remote_path && ask_cluster) add(remote_paths(context, typed));
  std::sort(all.begin(), all.end());
  const auto same = [](const Suggestion& a, const Suggestion& b) { return a.word == b.word; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

std::string common_beginning(const std::vector<Suggestion>& choices) {
  if (choices.empty()) return {};
  std::string common = choices.front().word;
  for (const Suggestion& choice : choices) {
    const auto differ =
        std::mismatch(common.begin(), common.end(), choice.word.begin(), choice.word.end());
    common.erase(differ.first, common.end());
  }
  // Not in the middle of a character.
  const std::string& whole = choices.front().word;
  const auto continues = [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
  };
  while (!common.empty() && common.size() < whole.size() && continues(whole[common.size()])) {
    common.pop_back();
  }
  return common;
}

}  // namespace dfs::cli
