#include "actors/replica/proposals.h"

#include <utility>

#include "actors/replica/replies.h"

namespace dfs {

Proposals::Request Proposals::request_of(const Command& command) {
  return Replies::identified(command) ? Request(command.client, command.request) : Request();
}

bool Proposals::join(const Request& request, Done& done) {
  if (request.first.empty()) return false;
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return false;
  found->second->done.push_back(std::move(done));
  ++waiting_;
  return true;
}

void Proposals::add(LogIndex index, uint64_t term, Request request, Done done) {
  DFS_ASSERT(proposals_.empty() || proposals_.back().index < index);
  Proposal& proposal = proposals_.emplace_back();
  proposal.index = index;
  proposal.term = term;
  proposal.request = std::move(request);
  if (!proposal.request.first.empty()) by_request_[proposal.request] = &proposal;
  proposal.done.push_back(std::move(done));
  ++waiting_;
}

std::vector<Proposals::Done> Proposals::take(LogIndex index, uint64_t term) {
  if (proposals_.empty() || proposals_.front().index != index) return {};
  if (proposals_.front().term != term) return {};
  std::vector<Done> done = std::move(proposals_.front().done);
  by_request_.erase(proposals_.front().request);
  proposals_.pop_front();
  waiting_ -= done.size();
  return done;
}

std::vector<Proposals::Done> Proposals::take_all() {
  std::vector<Done> all;
  for (Proposal& proposal : proposals_) {
    for (Done& done : proposal.done) all.push_back(std::move(done));
  }
  proposals_.clear();
  by_request_.clear();
  waiting_ = 0;
  return all;
}

}  // namespace dfs
