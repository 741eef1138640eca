#include "broker/process.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>

#include "tests/broker/harness.h"

namespace dfs {
namespace {

using test::Puppet;
using test::Setup;

// A daemon in a child process, with a pipe on which it tells what happens.
class Daemon {
 public:
  explicit Daemon(std::vector<Setup> parts, Duration stop_deadline = std::chrono::seconds(10)) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::cout.flush();  // or the child would say again what is buffered
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      alarm(60);
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      _exit(run(parts, stop_deadline));
    }
    close(ends[1]);
    in_ = ends[0];
  }
  ~Daemon() {
    close(in_);
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  std::string line() const {
    std::string text;
    for (char c = 0; read(in_, &c, 1) == 1 && c != '\n';) text += c;
    return text;
  }
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  static int run(const std::vector<Setup>& parts, Duration stop_deadline) {
    ProcessSettings settings;
    settings.name = "test";
    settings.log.levels = "off";
    settings.ready_line = "ready";
    settings.stop_deadline = stop_deadline;
    Process process(settings);
    for (size_t i = 0; i < parts.size(); ++i) {
      ActorSettings actor;
      actor.address = "part/" + std::to_string(i);
      const auto started = process.start(actor, [&](Bus& bus) {
        auto puppet = std::make_unique<Puppet>(bus);
        parts[i](*puppet);
        return puppet;
      });
      if (!started) return 99;
    }
    return process.run();
  }
  pid_t pid_ = -1;
  int in_ = -1;
};

void tell(const std::string& text) {
  (void)!write(STDOUT_FILENO, text.data(), text.size());
}

Setup says_when_stopped(const char* text) {
  return [text](Puppet& self) {
    self.on_stop = [text](auto stopped) {
      tell(text);
      stopped();
    };
  };
}

const Setup kStuck = [](Puppet& self) { self.on_stop = [](auto) { tell("stuck\n"); }; };

TEST_SUITE_BEGIN("broker");

TEST_CASE("a signal stops a process's parts in reverse order, with status 0") {
  for (const int number : {SIGTERM, SIGINT}) {
    Daemon daemon({says_when_stopped("first\n"), says_when_stopped("second\n")});
    CHECK(daemon.line() == "ready");
    daemon.signal(number);
    CHECK(daemon.line() == "second");
    CHECK(daemon.line() == "first");
    const int status = daemon.wait();
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

TEST_CASE("a second signal ends a process that is stuck in its stop") {
  Daemon daemon({kStuck});
  CHECK(daemon.line() == "ready");
  daemon.signal(SIGTERM);
  CHECK(daemon.line() == "stuck");
  daemon.signal(SIGTERM);
  const int status = daemon.wait();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("a stop over its deadline ends the process") {
  Daemon daemon({says_when_stopped("never\n"), kStuck}, std::chrono::milliseconds(50));
  CHECK(daemon.line() == "ready");
  daemon.signal(SIGTERM);
  CHECK(daemon.line() == "stuck");
  const int status = daemon.wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
