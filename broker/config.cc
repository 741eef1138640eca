#include "broker/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <numeric>

#include "messages/codec.h"

namespace dfs {
namespace {

struct Unit {
  const char* name;
  uint64_t factor;
};
constexpr Unit kDurationUnits[] = {{"ns", 1},
                                   {"us", 1'000},
                                   {"ms", 1'000'000},
                                   {"s", 1'000'000'000},
                                   {"m", 60'000'000'000},
                                   {"h", 3'600'000'000'000},
                                   {"d", 86'400'000'000'000}};
constexpr Unit kSizeUnits[] = {
    {"", 1}, {"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30}, {"T", 1ull << 40}};

// A number with perhaps a fraction; `rest` is what follows it.
bool read_number(std::string_view text, uint64_t& whole, double& fraction, std::string_view& rest) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, whole);
  if (error != std::errc()) return false;
  rest = text.substr(static_cast<size_t>(stop - text.data()));
  fraction = 0;
  if (!rest.starts_with('.')) return true;
  rest.remove_prefix(1);
  size_t digits = 0;
  for (double scale = 0.1;
       digits < rest.size() && std::isdigit(static_cast<unsigned char>(rest[digits])) != 0;
       ++digits, scale /= 10) {
    fraction += scale * (rest[digits] - '0');
  }
  rest.remove_prefix(digits);
  return digits > 0;
}

// whole.fraction × factor, or false when it is over `max`.
bool scale(uint64_t whole, double fraction, uint64_t factor, uint64_t max, uint64_t& out) {
  if (whole > max / factor) return false;
  const auto part = static_cast<uint64_t>(std::llround(fraction * static_cast<double>(factor)));
  out = whole * factor;
  if (part > max - out) return false;
  out += part;
  return true;
}

// Exact in the largest unit that divides it.
template <size_t N>
std::string in_units(uint64_t value, const Unit (&units)[N]) {
  for (size_t i = N; i-- > 0;) {
    if (value != 0 && value % units[i].factor == 0) {
      return std::to_string(value / units[i].factor) + units[i].name;
    }
  }
  return "0";
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

std::string environment_name(const std::string& name) {
  std::string out = "DFS_";
  for (const char c : name) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

Result<uint64_t> parse_count(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value > max) {
    return Result<uint64_t>(
        Code::usage,
        "`" + std::string(text) + "` is not a whole number between 0 and " + std::to_string(max));
  }
  return value;
}

Result<bool> parse_bool(std::string_view text) {
  for (const char* word : {"true", "yes", "on", "1"}) {
    if (text == word) return true;
  }
  for (const char* word : {"false", "no", "off", "0"}) {
    if (text == word) return false;
  }
  return Result<bool>(Code::usage, "`" + std::string(text) + "` is neither true nor false");
}

std::vector<std::string> split_commas(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (std::string_view value : values) {
    while (!value.empty()) {
      const size_t comma = std::min(value.find(','), value.size());
      if (comma > 0) out.emplace_back(value.substr(0, comma));
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
  }
  return out;
}

// Only the last of several values counts, except for lists.
template <class T>
Result<void> assign(Result<T> parsed, T& value) {
  if (!parsed) return std::move(parsed).error();
  value = std::move(*parsed);
  return {};
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  using R = Result<uint64_t>;
  uint64_t whole = 0;
  double fraction = 0;
  std::string_view rest;
  uint64_t bytes = 0;
  if (read_number(text, whole, fraction, rest)) {
    for (const Unit& unit : kSizeUnits) {
      const std::string name = unit.name;
      const bool named =
          rest == name || rest == name + "B" || (!name.empty() && rest == name + "iB");
      if (!named || (unit.factor == 1 && fraction != 0)) continue;
      if (scale(whole, fraction, unit.factor, UINT64_MAX, bytes)) return bytes;
      return R(Code::usage, "`" + std::string(text) + "` is too large for a size");
    }
  }
  return R(Code::usage, "`" + std::string(text) +
                            "` is not a size; write bytes or a number with K, M, G or T, like 16M "
                            "or 1.5GiB (powers of 1024)");
}

Result<Duration> parse_duration(std::string_view text) {
  using R = Result<Duration>;
  uint64_t whole = 0;
  double fraction = 0;
  std::string_view rest;
  uint64_t nanoseconds = 0;
  if (read_number(text, whole, fraction, rest)) {
    if (rest.empty() && whole == 0 && fraction == 0) return Duration::zero();
    for (const Unit& unit : kDurationUnits) {
      if (rest != unit.name) continue;
      if (scale(whole, fraction, unit.factor, INT64_MAX, nanoseconds)) {
        return Duration(static_cast<int64_t>(nanoseconds));
      }
      return R(Code::usage, "`" + std::string(text) + "` is too long for a duration");
    }
  }
  return R(Code::usage, "`" + std::string(text) +
                            "` is not a duration; write a number with ns, us, ms, s, m, h or d, "
                            "like 500ms or 3s");
}

std::string format_size(uint64_t bytes) {
  return in_units(bytes, kSizeUnits);
}

std::string format_duration(Duration duration) {
  return in_units(static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0)), kDurationUnits);
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 2) + 1;  // farther is no suggestion
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

bool is_secret_name(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* secret : {"ticket", "password", "token", "secret"}) {
    if (lower.find(secret) != std::string::npos) return true;
  }
  return false;
}

struct Settings::State {
  struct Setting {
    std::string name;
    // Takes the values given in one place; fails with `usage`.
    std::function<Result<void>(const std::vector<std::string>&)> set;
    std::function<std::string()> show;  // as a value in the file
    CLI::Option* option = nullptr;
    std::string source = "default";
  };

  explicit State(CLI::App& a) : app(a) {}

  CLI::App& app;
  std::vector<std::unique_ptr<Setting>> settings;
  std::string file;
  bool print = false;

  // Declares a setting that takes one value; the last one given counts.
  template <class Parse, class Show>
  Setting& add_value(const std::string& name, const std::string& type, const std::string& help,
                     Parse parse, Show show) {
    Setting& setting = add(name, std::move(show));
    setting.set = [parse](const std::vector<std::string>& values) -> Result<void> {
      if (values.empty()) return {Code::usage, "a value is missing"};
      return parse(values.back());
    };
    setting.option = app.add_option(
        "--" + name,
        [this, &setting](const CLI::results_t& values) { return given(setting, values); }, help);
    setting.option->type_name(type)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return setting;
  }

  Setting& add(const std::string& name, std::function<std::string()> show) {
    settings.push_back(std::make_unique<Setting>());
    Setting& setting = *settings.back();
    setting.name = name;
    setting.show = std::move(show);
    return setting;
  }

  static bool given(Setting& setting, const std::vector<std::string>& values) {
    const Result<void> set = setting.set(values);
    if (!set) throw CLI::ValidationError("--" + setting.name, set.error().text);
    setting.source = "flag --" + setting.name;
    return true;
  }

  Setting* find(const std::string& name) {
    for (const auto& setting : settings) {
      if (setting->name == name) return setting.get();
    }
    return nullptr;
  }

  Result<void> take(Setting& setting, const std::vector<std::string>& values,
                    const std::string& source) {
    Result<void> set = setting.set(values);
    if (!set) {
      set.error().text = source + ": " + setting.name + ": " + set.error().text;
      return set;
    }
    setting.source = source;
    return {};
  }

  Result<void> take_environment() {
    for (const auto& setting : settings) {
      const std::string variable = environment_name(setting->name);
      const char* value = std::getenv(variable.c_str());
      if (setting->source != "default" || value == nullptr) continue;
      DFS_CHECK(take(*setting, {value}, "environment " + variable));
    }
    return {};
  }

  Result<void> take_file() {
    if (file.empty()) return {};
    std::ifstream in(file);
    if (!in) return {Code::usage, "cannot read the configuration file " + file};
    std::vector<CLI::ConfigItem> items;
    try {
      items = CLI::ConfigTOML().from_config(in);
    } catch (const CLI::Error& error) {
      return {Code::usage, file + ": " + error.what()};
    }
    for (const CLI::ConfigItem& item : items) {
      // CLI11 marks the begin and the end of a section by items of these names.
      if (item.name == "++" || item.name == "--") continue;
      std::string name = item.fullname();
      std::replace(name.begin(), name.end(), '_', '-');
      Setting* setting = find(name);
      if (setting == nullptr) return unknown_key(item.fullname());
      if (setting->source != "default" && setting->source != "file " + file) continue;
      DFS_CHECK(take(*setting, item.inputs, "file " + file));
    }
    return {};
  }

  Error unknown_key(const std::string& key) const {
    std::vector<std::string> known;
    for (const auto& setting : settings) known.push_back(setting->name);
    const std::string near = nearest(key, known);
    const std::string hint =
        near.empty() ? "; --help lists the known ones" : "; did you mean `" + near + "`?";
    return {Code::usage,
            file + ": unknown key `" + key + "`" + hint,
            {{"file", file}, {"key", key}, {"nearest", near}},
            0};
  }
};

Settings::Settings(CLI::App& app, const std::string& file_variable)
    : state_(std::make_unique<State>(app)) {
  app.add_option("--config", state_->file, "File with settings, `key = value` per line (TOML)")
      ->type_name("FILE")
      ->envname(file_variable);
  app.add_flag("--print-config", state_->print,
               "Print the effective settings and where each comes from, then exit");
}

Settings::~Settings() = default;

void Settings::add(const std::string& name, std::string& value, const std::string& help) {
  state_->add_value(
      name, "TEXT", help,
      [&value](const std::string& text) {
        value = text;
        return Result<void>();
      },
      [&value] { return json_quote(value); });
}

void Settings::add(const std::string& name, bool& value, const std::string& help) {
  State::Setting& setting = state_->add(name, [&value] { return value ? "true" : "false"; });
  setting.set = [&value](const std::vector<std::string>& values) {
    return assign(parse_bool(values.empty() ? "true" : values.back()), value);
  };
  const auto flagged = [&setting](int64_t count) {
    State::given(setting, {count > 0 ? "true" : "false"});
  };
  setting.option = state_->app.add_flag_function("--" + name, flagged, help);
  setting.option->check([](const std::string& text) {
    const Result<bool> parsed = parse_bool(text);
    return parsed ? std::string() : parsed.error().text;
  });
}

void Settings::add(const std::string& name, uint32_t& value, const std::string& help) {
  state_->add_value(
      name, "N", help,
      [&value](const std::string& text) -> Result<void> {
        const Result<uint64_t> count = parse_count(text, UINT32_MAX);
        if (!count) return count.error();
        value = static_cast<uint32_t>(*count);
        return {};
      },
      [&value] { return std::to_string(value); });
}

void Settings::add(const std::string& name, uint64_t& value, const std::string& help) {
  state_->add_value(
      name, "N", help,
      [&value](const std::string& text) { return assign(parse_count(text, UINT64_MAX), value); },
      [&value] { return std::to_string(value); });
}

void Settings::add(const std::string& name, std::vector<std::string>& value,
                   const std::string& help) {
  State::Setting& setting = state_->add_value(
      name, "TEXT,…", help, [](const std::string&) { return Result<void>(); },
      [&value] {
        std::string out = "[";
        for (const std::string& element : value) {
          out += (out.size() > 1 ? ", " : "") + json_quote(element);
        }
        return out + "]";
      });
  setting.set = [&value](const std::vector<std::string>& values) {
    value = split_commas(values);
    return Result<void>();
  };
  setting.option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Settings::add_size(const std::string& name, uint64_t& value, const std::string& help) {
  state_->add_value(
      name, "SIZE", help,
      [&value](const std::string& text) { return assign(parse_size(text), value); },
      [&value] { return json_quote(format_size(value)); });
}

void Settings::add_duration(const std::string& name, Duration& value, const std::string& help) {
  state_->add_value(
      name, "TIME", help,
      [&value](const std::string& text) { return assign(parse_duration(text), value); },
      [&value] { return json_quote(format_duration(value)); });
}

void Settings::add_choice(const std::string& name, std::string& value,
                          std::vector<std::string> choices, const std::string& help) {
  std::string listed;
  for (const std::string& choice : choices) listed += (listed.empty() ? "" : "|") + choice;
  state_->add_value(
      name, listed, help,
      [&value, choices, listed](const std::string& text) -> Result<void> {
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
          return {Code::usage, "`" + text + "` is none of " + listed};
        }
        value = text;
        return {};
      },
      [&value] { return json_quote(value); });
}

Result<void> Settings::complete() {
  DFS_CHECK(state_->take_environment());
  return state_->take_file();
}

bool Settings::print_requested() const {
  return state_->print;
}

std::string Settings::print() const {
  std::string out;
  for (const auto& setting : state_->settings) {
    const std::string value = is_secret_name(setting->name) ? "\"***\"" : setting->show();
    out += setting->name + " = " + value + "  # " + setting->source + "\n";
  }
  return out;
}

std::string Settings::source_of(const std::string& name) const {
  const State::Setting* setting = state_->find(name);
  return setting == nullptr ? "" : setting->source;
}

}  // namespace dfs
