#include "cli/passwords.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

namespace dfs::cli {

namespace {

constexpr char kCancel = '\x03';  // what Ctrl-C types

// The terminal of this process, which shows nothing of what is typed while this object lives.
class QuietTerminal {
 public:
  QuietTerminal() : file_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (file_ < 0 || ::tcgetattr(file_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    // Ctrl-C is a key here, so that the terminal is given back as it was, whatever it ends.
    quiet.c_lflag &= ~static_cast<tcflag_t>(ISIG);
    quiet.c_cc[VEOL] = kCancel;
    good_ = ::tcsetattr(file_, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (good_) (void)::tcsetattr(file_, TCSAFLUSH, &before_);
    if (file_ >= 0) (void)::close(file_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  bool good() const { return good_; }
  Result<std::string> ask(const std::string& prompt) {
    (void)!::write(file_, prompt.data(), prompt.size());
    std::string line;
    char byte = 0;
    while (true) {
      const ssize_t got = ::read(file_, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return Error{Code::local_io, "the terminal gave no password", {}, 0};
      if (byte == '\n') return line;
      if (byte == kCancel) {
        (void)!::write(file_, "\n", 1);
        return Error{Code::cancelled, "no password was given", {}, 0};
      }
      line.push_back(byte);
    }
  }

 private:
  const int file_;
  termios before_{};
  bool good_ = false;
};

}  // namespace

Result<std::string> PasswordSource::next_line() {
  if (!read_) {
    read_ = true;
    if (file_ == "-") {
      rest_.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      std::ifstream in(file_, std::ios::binary);
      if (!in) {
        return Error{Code::local_io, "cannot read " + file_ + ": " + std::strerror(errno), {}, 0};
      }
      rest_.assign(std::istreambuf_iterator<char>(in), {});
    }
  }
  if (rest_.empty()) {
    return Error{Code::usage, "--password-file " + file_ + " has no more lines", {}, 0};
  }
  const size_t end = rest_.find('\n');
  std::string line = rest_.substr(0, end);
  rest_ = end == std::string::npos ? std::string() : rest_.substr(end + 1);
  return line;
}

Result<std::string> PasswordSource::next(const std::string& prompt) {
  if (!file_.empty()) return next_line();
  QuietTerminal terminal;
  if (!terminal.good()) {
    return Error{Code::usage,
                 "there is no terminal to ask for the password on; give --password-file FILE, or - "
                 "for stdin",
                 {},
                 0};
  }
  return terminal.ask(prompt + ": ");
}

Result<std::string> PasswordSource::next_new(const std::string& prompt) {
  auto first = next(prompt);
  if (!first || !file_.empty()) return first;
  auto second = next(prompt + ", once more");
  if (!second) return second;
  if (*first != *second) return Error{Code::usage, "the two are not the same", {}, 0};
  return first;
}

}  // namespace dfs::cli
