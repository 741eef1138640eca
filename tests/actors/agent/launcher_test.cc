// Real processes, of programs that every machine has.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "actors/posix_launcher.h"

using namespace dfs;

namespace {

// A folder that vanishes, and a pipe that tells when whoever holds its name open is gone.
struct Scene {
  Scene() {
    char name[] = "/tmp/dfs-launcher-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
  }
  ~Scene() {
    if (process.pid > 0 && launcher->look(process).running) {
      ::kill(static_cast<pid_t>(process.pid), SIGKILL);
      (void)wait();
    }
    std::filesystem::remove_all(folder);
  }
  void start(std::vector<std::string> arguments, std::map<std::string, std::string> more = {}) {
    auto started =
        launcher->start({"/bin/sh", std::move(arguments), std::move(more), folder + "/output"});
    REQUIRE(started.ok());
    process = *started;
  }
  // The view when the process has ended.
  ProcessView wait() {
    ProcessView view = launcher->look(process);
    while (view.running) {
      ::poll(nullptr, 0, 5);
      view = launcher->look(process);
    }
    return view;
  }
  std::string output() const {
    std::ifstream in(folder + "/output");
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::unique_ptr<Launcher> launcher = make_posix_launcher();
  std::string folder;
  ProcessId process;
};

}  // namespace

TEST_SUITE_BEGIN("agent");

TEST_CASE("a process is started with its arguments, environment and output, and its end is told") {
  Scene scene;
  ::setenv("DFS_LISTEN", "tcp://not-for-children:1", 1);
  scene.start(
      {"-c", "echo \"$0 $1 [$DFS_LISTEN] [$DFS_JOIN_TOKEN]\"; echo gone >&2; exit 7", "a", "b c"},
      {{"DFS_JOIN_TOKEN", "t"}});
  ::unsetenv("DFS_LISTEN");
  const ProcessView view = scene.wait();
  CHECK(view.status == 7);
  CHECK(scene.output() == "a b c [] [t]\ngone\n");
  // Told once: nobody can ask the system again.
  CHECK(!scene.launcher->look(scene.process).running);
  CHECK(!scene.launcher->look(scene.process).status);
}

TEST_CASE("a process begins with a session of its own and no signal blocked or ignored") {
  Scene scene;
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  scene.start({"-c", "echo; exec sleep 1000"});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  while (scene.output().empty()) ::poll(nullptr, 0, 5);
  CHECK(::getsid(static_cast<pid_t>(scene.process.pid)) == scene.process.pid);
  CHECK(scene.launcher->look(scene.process).running);
  REQUIRE(::kill(static_cast<pid_t>(scene.process.pid), SIGTERM) == 0);
  CHECK(scene.wait().status == 128 + SIGTERM);
}

TEST_CASE("a process is found by the beginning of its arguments, as long as it lives") {
  Scene scene;
  const std::string mark = scene.folder + "/mark";
  const std::vector<std::string> arguments = {"-c", "echo; read x", mark};
  CHECK(!*scene.launcher->find(arguments));
  // A reader of a pipe nobody writes to would end at once, so it reads one that stays open.
  REQUIRE(::mkfifo((scene.folder + "/pipe").c_str(), 0600) == 0);
  const std::vector<std::string> living = {"-c", "echo; read x <>" + scene.folder + "/pipe", mark};
  std::vector<std::string> more = living;
  more.emplace_back("further");
  scene.start(more);
  while (scene.output().empty()) ::poll(nullptr, 0, 5);
  const auto found = scene.launcher->find(living);
  REQUIRE(found.ok());
  REQUIRE(*found);
  CHECK(**found == scene.process);
  CHECK(!*scene.launcher->find({"-c", mark}));
  // Another process that once had the same pid is not this one.
  CHECK(!scene.launcher->look({scene.process.pid, scene.process.started + 1}).running);
  ::kill(static_cast<pid_t>(scene.process.pid), SIGKILL);
  CHECK(scene.wait().status == 128 + SIGKILL);
  CHECK(!*scene.launcher->find(living));
}

TEST_CASE("a program that is not there is an error that names it") {
  Scene scene;
  const auto started =
      scene.launcher->start({"/no/such/program", {}, {}, scene.folder + "/output"});
  REQUIRE(!started.ok());
  CHECK(started.error().text.find("/no/such/program") != std::string::npos);
}

TEST_CASE("a program knows its own file") {
  const auto own = own_program();
  REQUIRE(own.ok());
  CHECK(::access(own->c_str(), X_OK) == 0);
}

TEST_SUITE_END();
