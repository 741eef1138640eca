// The native interface of libedit is used, not its imitation of readline: it takes functions of the
// caller with a pointer of his instead of global variables, and lets keys be bound to them.
#include "cli/line_editor.h"

#include <histedit.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "cli/output.h"

namespace dfs::cli {

namespace {

constexpr int kHistoryMax = 1000;
constexpr size_t kListedMax = 200;
constexpr char kInvisible = '\1';

termios terminal_before{};
bool terminal_known = false;

size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// As ls shows names: in columns, down and then across.
std::string in_columns(const std::vector<std::string>& names, size_t columns) {
  size_t widest = 0;
  for (const std::string& name : names) widest = std::max(widest, columns_of(name));
  const size_t across = std::max<size_t>(1, columns / (widest + 2));
  const size_t rows = (names.size() + across - 1) / across;
  std::string text;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t at = row; at < names.size(); at += rows) {
      text += names[at];
      if (at + rows < names.size()) text.append(widest + 2 - columns_of(names[at]), ' ');
    }
    text += "\n";
  }
  return text;
}

// Names are bytes: where the locale says nothing of them, they are taken for UTF-8.
void choose_locale() {
  const char* const chosen = std::setlocale(LC_CTYPE, "");
  if (chosen == nullptr || std::strstr(chosen, "UTF-8") == nullptr) {
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");
  }
}

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  Complete complete;
  std::string prompt;
  bool cancelled = false;

  static State& of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }

  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }

  static unsigned char on_cancel(EditLine* editor, int) {
    of(editor).cancelled = true;
    (void)std::fputs("^C\r\n", stdout);
    return CC_NEWLINE;
  }

  // libedit's own handler of the signal gives the terminal back, and takes it again afterwards.
  static unsigned char on_suspend(EditLine*, int) {
    (void)std::raise(SIGTSTP);
    return CC_REFRESH;
  }

  static unsigned char on_complete(EditLine* editor, int) {
    State& state = of(editor);
    const LineInfo* const line = el_line(editor);
    const std::string before(line->buffer, line->cursor);
    const Completion found = state.complete(before);
    const std::string replaced = before.substr(before.size() - found.erase);
    if (found.insert != replaced && !found.insert.empty()) {
      el_deletestr(editor, static_cast<int>(found.erase));
      return el_insertstr(editor, found.insert.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (found.shown.empty()) return CC_REFRESH_BEEP;
    std::vector<std::string> shown = found.shown;
    std::string more;
    if (shown.size() > kListedMax) {
      more = "and " + std::to_string(shown.size() - kListedMax) + " more\n";
      shown.resize(kListedMax);
    }
    const std::string list = "\n" + in_columns(shown, terminal_columns()) + more;
    (void)std::fputs(list.c_str(), stdout);
    return CC_REDISPLAY;
  }
};

LineEditor::LineEditor(Complete complete) : state_(std::make_unique<State>()) {
  choose_locale();
  terminal_known = ::tcgetattr(STDIN_FILENO, &terminal_before) == 0;
  state_->complete = std::move(complete);
  state_->editor = el_init("dfsctl", stdin, stdout, stderr);
  state_->history = history_init();
  EditLine* const editor = state_->editor;
  HistEvent event;
  history(state_->history, &event, H_SETSIZE, kHistoryMax);
  history(state_->history, &event, H_SETUNIQUE, 1);
  el_set(editor, EL_CLIENTDATA, static_cast<void*>(state_.get()));
  el_set(editor, EL_PROMPT_ESC, &State::prompt_of, kInvisible);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_SIGNAL, 1);
  el_set(editor, EL_HIST, history, state_->history);
  el_source(editor, nullptr);
  el_set(editor, EL_ADDFN, "dfs-complete", "complete", &State::on_complete);
  el_set(editor, EL_ADDFN, "dfs-cancel", "give the line up", &State::on_cancel);
  el_set(editor, EL_ADDFN, "dfs-suspend", "stop until continued", &State::on_suspend);
  // While a line is typed, what usually makes the terminal send signals are keys.
  el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(editor, EL_BIND, "^I", "dfs-complete", nullptr);
  el_set(editor, EL_BIND, "^C", "dfs-cancel", nullptr);
  el_set(editor, EL_BIND, "^Z", "dfs-suspend", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  history_end(state_->history);
  el_end(state_->editor);
}

void LineEditor::add_to_history(const std::string& line) {
  HistEvent event;
  history(state_->history, &event, H_ENTER, line.c_str());
}

TypedLine LineEditor::read(const std::string& prompt) {
  state_->prompt = prompt;
  state_->cancelled = false;
  int count = 0;
  const char* const got = el_gets(state_->editor, &count);
  if (got == nullptr || count <= 0) {
    (void)std::fputs("\n", stdout);
    return {};
  }
  std::string text(got, static_cast<size_t>(count));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  using Kind = TypedLine::Kind;
  return {state_->cancelled ? Kind::cancelled : Kind::text, std::move(text)};
}

void restore_terminal() {
  if (terminal_known) (void)::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

}  // namespace dfs::cli
