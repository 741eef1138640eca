// cd pwd lcd lpwd lls exit quit: what only the shell has.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/arguments.h"
#include "cli/examples.h"
#include "cli/shell.h"

namespace dfs::cli {

namespace fs = std::filesystem;

int Shell::change_directory(const std::string& typed) {
  auto path = typed == "-" ? Result<std::string>(before_) : normal_path(typed);
  if (!path) return context_.fail(typed, path.error());
  auto kind = context_.kind_of(*path);
  if (!kind) return context_.fail(*path, kind.error());
  if (*kind == TargetKind::missing) {
    return context_.fail(*path, Error{Code::not_found, "there is no such directory", {}, 0});
  }
  if (*kind == TargetKind::file) {
    return context_.fail(*path, Error{Code::not_directory, "cd wants a directory", {}, 0});
  }
  before_ = working_directory();
  set_working_directory(std::move(*path));
  return kExitOk;
}

int Shell::change_local_directory(const std::string& typed) {
  const char* const home = std::getenv("HOME");
  const std::string path = !typed.empty() ? typed : home != nullptr ? home : "/";
  if (::chdir(path.c_str()) == 0) return kExitOk;
  return context_.fail(path, Error{Code::local_io, path + ": " + std::strerror(errno), {}, 0});
}

// By the program that everybody knows, with its options.
int Shell::list_local(const Words& words) {
  std::vector<char*> arguments = {const_cast<char*>("ls")};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "ls", nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    const std::string why = std::string("ls cannot be run: ") + std::strerror(failed);
    return context_.fail("", Error{Code::local_io, why, {}, 0});
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kExitFailed;
}

void Shell::add_words(CLI::App& app) {
  auto* cd = app.add_subcommand("cd", "change the remote directory; - goes back");
  auto path = std::make_shared<std::string>("/");
  cd->add_option("PATH", *path, "the directory; the root unless given");
  cd->callback([this, path] {
    context_.run = [this, path] { return change_directory(unshielded(*path)); };
  });
  app.add_subcommand("pwd", "print the remote directory")->callback([this] {
    context_.run = [this] {
      context_.print(printable(working_directory()));
      return context_.status();
    };
  });

  auto* lcd = app.add_subcommand("lcd", "change the local directory");
  auto local = std::make_shared<std::string>();
  lcd->add_option("DIRECTORY", *local, "the directory; your home unless given");
  lcd->callback([this, local] {
    context_.run = [this, local] { return change_local_directory(unshielded(*local)); };
  });
  app.add_subcommand("lpwd", "print the local directory")->callback([this] {
    context_.run = [this] {
      std::error_code error;
      context_.print(printable(fs::current_path(error).string()));
      return context_.status();
    };
  });
  // What follows lls is for the program of that name; see run_words().
  auto* lls = app.add_subcommand("lls", "list local directories, with the options of ls");
  auto words = std::make_shared<Words>();
  lls->add_option("FILE", *words, "what to list");

  for (const char* name : {"exit", "quit"}) {
    app.add_subcommand(name, "end the shell")->callback([this] {
      context_.run = [this] {
        over_ = true;
        return kExitOk;
      };
    });
  }
  add_examples(app);
}

}  // namespace dfs::cli
