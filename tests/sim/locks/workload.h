// Clients that take locks, change files under them, and do not always get round to giving them
// back.
#pragma once

#include <string>

#include "actors/client/client.h"
#include "tests/sim/findings.h"
#include "tests/sim/locks/checker.h"
#include "tests/sim/options.h"
#include "tests/sim/process.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class LockWorker {
 public:
  LockWorker(Process& process, const Options& options, Random random, LockChecker& checker,
             Findings& findings);

  void assign(uint32_t operations) { left_ += operations; }
  // To be called again and again: notices that the client died, goes to work when it runs.
  void poll();
  bool done() const { return left_ == 0 && !busy_; }
  bool strict = false;  // from now on nothing may fail that need not

 private:
  // A lock on its way, of the flow that has it.
  struct Held {
    std::shared_ptr<LockOwner> owner;
    LockChecker::Id id = 0;
    LockReply reply;
  };

  Task<void> work(Client* client);
  Task<void> make_roots(Client* client);
  Task<void> operate(Client* client);
  Task<void> look(Client* client);
  Task<void> break_one(Client* client);
  Task<void> use_one(Client* client);
  // Two roots after one another, in any order: others do it the other way round.
  Task<void> use_two(Client* client);
  Task<bool> take(Client* client, std::shared_ptr<LockOwner> owner, std::string root, Held* held);
  Task<void> show(const Held* held, LockWish wish);
  Task<void> change(Client* client, const Held* held);
  Task<void> put(Client* client, const Held* held, std::string path);
  Task<void> remove(Client* client, const Held* held, std::string path);
  Task<void> give_back(const Held* held);
  void refused(const Held& held, const Error& error, const std::string& what);

  std::string some_root();
  Wanted something_below(const std::string& root);
  Duration some_time();
  void failed(const std::string& what, const Error& error);

  Process& process_;
  const Options& options_;
  Random random_;
  LockChecker& checker_;
  Findings& findings_;
  uint32_t left_ = 0;
  bool busy_ = false;
  bool made_roots_ = false;
  uint64_t incarnation_ = 0;
};

}  // namespace dfs::sim
