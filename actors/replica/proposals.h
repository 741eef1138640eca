// Who waits for which entry of the log.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "actors/replica/state_machine.h"

namespace dfs {

class Proposals {
 public:
  using Done = std::function<void(Result<Outcome>)>;
  using Request = std::pair<std::string, uint64_t>;

  // Without a client when the command cannot come again.
  static Request request_of(const Command& command);

  // True when the same request is under way; `done` then waits with it.
  bool join(const Request& request, Done& done);
  // Entries are added in the order of the log.
  void add(LogIndex index, uint64_t term, Request request, Done done);

  // Who waits for this entry; nobody when another leader put another entry there. Whoever waited
  // for an earlier one has been taken.
  std::vector<Done> take(LogIndex index, uint64_t term);
  std::vector<Done> take_all();

  size_t waiting() const { return waiting_; }

 private:
  struct Proposal {
    LogIndex index = 0;
    uint64_t term = 0;
    Request request;
    std::vector<Done> done;
  };

  std::deque<Proposal> proposals_;
  std::map<Request, Proposal*> by_request_;
  size_t waiting_ = 0;
};

}  // namespace dfs
