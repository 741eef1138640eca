// Several heads of one group and a network between them, for tests. All clocks go together, in
// steps of a millisecond; what is sent in a step arrives in it, unless `pass` holds it up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/actors/replica/head.h"

namespace dfs {

using namespace std::chrono_literals;

class Members {
 public:
  // The first head founds the group; the others are added and become voters.
  explicit Members(size_t count, const std::function<void(ReplicaSettings&)>& settings = {}) {
    for (size_t i = 0; i < count; ++i) {
      heads_.push_back(std::make_unique<Head>(i + 1));
      if (settings) settings(heads_.back()->settings);
    }
  }
  // All are voters, and one leads.
  void gather() {
    start(1, true);
    for (MemberId id = 2; id <= heads_.size(); ++id) REQUIRE(join(id).ok());
    REQUIRE(run_until([&] { return voters() == heads_.size(); }));
  }
  void start(MemberId id, bool founder = false) {
    at(id).begin(founder);
    REQUIRE(run_until([&] { return at(id).opened.code() != Code::timeout; }));
    REQUIRE_MESSAGE(at(id).opened.ok(), at(id).opened.error().describe());
  }
  // A head with empty disks, added by whoever leads.
  Result<MemberId> join(MemberId id) {
    REQUIRE(run_until([&] { return leader() != nullptr; }));
    Head& head = at(id);
    start(id);
    Result<MemberId> added = Error{Code::timeout, "not answered", {}, 0};
    leader()->replica->add_member(
        Member{0, head.endpoint, "tcp://broker-" + std::to_string(id), head.identity.uuid, {}},
        [&](Result<MemberId> outcome) { added = std::move(outcome); });
    run_until([&] { return added.code() != Code::timeout; });
    return added;
  }

  Head& at(MemberId id) { return *heads_[id - 1]; }
  size_t size() const { return heads_.size(); }
  Head* leader() {
    for (const auto& head : heads_) {
      if (head->replica && head->replica->leading()) return head.get();
    }
    return nullptr;
  }
  std::vector<Head*> followers() {
    std::vector<Head*> found;
    for (const auto& head : heads_) {
      if (head->replica && !head->replica->leading()) found.push_back(head.get());
    }
    return found;
  }
  size_t voters() {
    size_t count = 0;
    if (Head* head = leader()) {
      for (const Member& member : head->replica->members().members) {
        count += member.standing == Standing::voter;
      }
    }
    return count;
  }

  // False: the message is lost.
  std::function<bool(MemberId from, MemberId to, Envelope& envelope)> pass;
  std::function<bool(MemberId from, MemberId to, Envelope& envelope)> isolating(MemberId id) {
    return [id](MemberId from, MemberId to, Envelope&) { return from != id && to != id; };
  }

  void run(Duration duration) {
    for (Duration passed{}; passed < duration; passed += 1ms) step();
  }
  bool run_until(const std::function<bool()>& condition, Duration limit = 20s) {
    for (Duration passed{}; passed < limit; passed += 1ms) {
      if (condition()) return true;
      step();
    }
    return condition();
  }
  // The outcome of a change, asked of whoever leads, as a client does: again until it is known.
  std::string ask(const std::string& body, uint64_t request = 0) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      if (!run_until([&] { return leader() != nullptr; })) return "no leader";
      const auto answer = leader()->propose(body, request);
      if (!run_until([&] { return answer->calls > 0; }, 2s)) continue;
      if (answer->outcome) return answer->outcome->body;
      if (!is_retryable(answer->outcome.code())) return name_of(answer->outcome.code());
    }
    return "asked in vain";
  }
  bool equal() {
    for (const auto& head : heads_) {
      if (!head->replica) continue;
      if (head->replica->applied() != heads_[0]->replica->applied()) return false;
      if (head->replica->state_hash() != heads_[0]->replica->state_hash()) return false;
    }
    return true;
  }

 private:
  void step() {
    for (const auto& head : heads_) head->bus.advance(1ms);
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t from = 0; from < heads_.size(); ++from) {
        for (FakeBus::Sent& sent : heads_[from]->bus.take_sent()) {
          deliver(from + 1, sent);
          moved = true;
        }
      }
      for (const auto& head : heads_) head->bus.advance();
    }
  }
  void deliver(MemberId from, FakeBus::Sent& sent) {
    for (const auto& head : heads_) {
      const MemberId to = head->identity.member;
      const bool answers = sent.link == "peer/" + std::to_string(to);
      if (!answers && sent.link != head->endpoint) continue;
      if (!head->replica || (pass && !pass(from, to, sent.envelope))) return;
      // Who connected knows the link by its endpoint, who was connected to by the peer.
      sent.envelope.link = answers ? at(from).endpoint : "peer/" + std::to_string(from);
      head->replica->receive(sent.envelope);
      return;
    }
  }

  std::vector<std::unique_ptr<Head>> heads_;
};

}  // namespace dfs
