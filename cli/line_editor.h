// Lines from a terminal, with editing, history and completion (libedit).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dfs::cli {

// How the text before the cursor may go on.
struct Completion {
  size_t erase = 0;                // bytes before the cursor that `insert` takes the place of
  std::string insert;              // what all choices have in common
  std::vector<std::string> shown;  // the choices, listed when `insert` brings nothing new
};

struct TypedLine {
  enum class Kind { text, cancelled, end };  // Ctrl-C, Ctrl-D
  Kind kind = Kind::end;
  std::string text;  // without the end of the line
};

// Reads from the terminal that is stdin; at most one at a time. While it waits, Ctrl-C is a key and
// no signal.
class LineEditor {
 public:
  using Complete = std::function<Completion(const std::string& before)>;
  explicit LineEditor(Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  void add_to_history(const std::string& line);
  // `prompt` takes no column for what stands between two \1.
  TypedLine read(const std::string& prompt);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Gives the terminal back as it was before the first editor; for a signal that ends the program.
void restore_terminal();

}  // namespace dfs::cli
