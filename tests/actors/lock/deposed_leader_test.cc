// Three heads that keep locks, one of which led and does not know that it does not any more.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>

#include "actors/mem_table.h"
#include "tests/actors/lock/lock_host.h"
#include "tests/sim/sim_disk.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

class HeadBus : public FakeBus {
 public:
  explicit HeadBus(MemberId number) : FakeBus("lock/" + std::to_string(number)), chance_(number) {}
  uint64_t random() override { return chance_(); }

 private:
  std::mt19937_64 chance_;
};

struct LockHead {
  explicit LockHead(MemberId its_number) : number(its_number), bus(its_number) {
    ReplicaSettings settings;
    settings.directory = "/lock";
    settings.group = "lock";
    host.emplace(bus, disk, table, settings);
  }
  std::string endpoint() const { return "tcp://head-" + std::to_string(number) + ":7004"; }
  std::string uuid() const { return std::string(31, 'a') + std::to_string(number); }

  const MemberId number;
  HeadBus bus;
  sim::SimDisk disk;
  MemTable table;
  std::optional<LockHost> host;
  bool cut = false;                // nothing that is sent to it or by it arrives
  bool frozen = false;             // its process stands still
  bool held_up = false;            // what is sent to it arrives later
  std::vector<Envelope> underway;  // the messages that are held up
};

// The clocks go together, in steps of a millisecond; what is sent in a step arrives in it.
class LockHeads {
 public:
  LockHeads() {
    for (MemberId number = 1; number <= 3; ++number) {
      heads_.push_back(std::make_unique<LockHead>(number));
      LockHead& head = *heads_.back();
      const Identity self{std::string(32, 'c'), number, head.uuid()};
      head.host->replica.open(self, head.endpoint(), "", number == 1, [&head](auto outcome) {
        REQUIRE(outcome.ok());
        head.host->opened = true;
      });
      REQUIRE(run_until([&] { return head.host->opened && leader() != nullptr; }));
      if (number > 1) join(head);
    }
  }

  LockHead& at(MemberId number) { return *heads_[number - 1]; }
  // Of those that are in contact with each other.
  LockHead* leader() {
    for (const auto& head : heads_) {
      if (!head->cut && head->host->leading) return head.get();
    }
    return nullptr;
  }

  void run(Duration time) {
    for (Duration passed{}; passed < time; passed += 1ms) step();
  }
  bool run_until(const std::function<bool()>& condition, Duration limit = 20s) {
    for (Duration passed{}; passed < limit && !condition(); passed += 1ms) step();
    return condition();
  }
  // Its process stood still for `time`, and goes on with what had reached it by then.
  void wake(LockHead& head, Duration time) {
    head.bus.stand_still(time);
    head.frozen = head.held_up = false;
    for (Envelope& envelope : std::exchange(head.underway, {})) {
      head.host->replica.receive(envelope);
    }
  }

  template <Request R>
  uint64_t tell(LockHead& head, const std::string& from, const R& request) {
    Envelope envelope = envelope_of(request, "lock");
    envelope.header.from = from;
    envelope.header.request = ++last_request_;
    envelope.link = kClients;
    head.host->receive(envelope);
    return last_request_;
  }
  template <Request R>
  std::optional<Result<typename R::Reply>> answer(uint64_t request) {
    const auto found = answers_.find(request);
    if (found == answers_.end()) return std::nullopt;
    return reply_as<typename R::Reply>(found->second);
  }
  template <Request R>
  Result<typename R::Reply> ask(LockHead& head, const std::string& from, const R& request) {
    const uint64_t number = tell(head, from, request);
    REQUIRE(run_until([&] { return answers_.contains(number); }));
    return *answer<R>(number);
  }
  Result<LockReply> lock(const std::string& owner, const std::string& path) {
    AcquireLock request;
    request.target.path = path;
    request.wait_ms = 60'000;
    return ask(*leader(), owner, request);
  }

 private:
  static constexpr const char* kClients = "peer/clients";

  void join(LockHead& head) {
    const Member wanted{0, head.endpoint(), "", head.uuid(), {}};
    std::optional<Result<MemberId>> added;
    leader()->host->replica.add_member(wanted, [&](auto outcome) { added = outcome; });
    REQUIRE(run_until([&] { return added.has_value() && votes(head.number); }));
    REQUIRE(added->ok());
  }
  bool votes(MemberId number) {
    for (const Member& member : leader()->host->replica.members().members) {
      if (member.id == number) return member.standing == Standing::voter;
    }
    return false;
  }
  void step() {
    for (const auto& head : heads_) {
      if (!head->frozen) head->bus.advance(1ms);
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& head : heads_) {
        for (FakeBus::Sent& sent : head->bus.take_sent()) {
          deliver(*head, sent);
          moved = true;
        }
      }
      for (const auto& head : heads_) {
        if (!head->frozen) head->bus.advance();
      }
    }
  }
  void deliver(LockHead& from, FakeBus::Sent& sent) {
    if (sent.link == kClients) {
      answers_.insert_or_assign(sent.envelope.header.request, std::move(sent.envelope));
      return;
    }
    for (const auto& head : heads_) {
      // Who connected knows the link by its endpoint, who was connected to by the peer.
      const bool answers = sent.link == "peer/" + std::to_string(head->number);
      if (!answers && sent.link != head->endpoint()) continue;
      if (head->cut || from.cut) return;
      sent.envelope.link = answers ? from.endpoint() : "peer/" + std::to_string(from.number);
      if (head->held_up) {
        head->underway.push_back(std::move(sent.envelope));
      } else {
        head->host->replica.receive(sent.envelope);
      }
      return;
    }
  }

  std::vector<std::unique_ptr<LockHead>> heads_;
  std::map<uint64_t, Envelope> answers_;  // by request
  uint64_t last_request_ = 0;
};

// A head that led stood still while the others elected another, which ended what it is about to
// grant: `lock`, for which client/2 waits with `wait`.
struct DeposedLeader {
  DeposedLeader() {
    const LockId first = heads.lock("client/1", "/x")->lock;
    lock = heads.lock("client/2", "/x")->lock;
    wait = heads.tell(old, "client/2", AwaitLock{lock, {}});
    // The others have the end of the first lock, and the head does not hear of that any more.
    old.held_up = true;
    heads.tell(old, "client/1", ReleaseLock{first, {}});
    heads.run(20ms);
    old.cut = old.frozen = true;
    REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
    REQUIRE(granted(*heads.leader()));
    REQUIRE(heads.ask(*heads.leader(), "client/3", BreakLock{lock}).ok());
    // They take another one's word by now. What they answered in time is read now.
    heads.wake(old, heads.leader()->bus.now() - old.bus.now());
    heads.run(1ms);
    REQUIRE(old.host->leading);
    REQUIRE(granted(old));
  }
  bool granted(LockHead& head) const {
    const LockRow* const row = head.host->machine.locks.find(lock);
    return row != nullptr && row->state == LockState::granted;
  }
  // What a client hears that asks this head: to ask again, and no more.
  template <Request R>
  void check_sent_away(uint64_t request) {
    CHECK_FALSE(heads.answer<R>(request));
    old.cut = false;
    REQUIRE(heads.run_until([&] { return heads.answer<R>(request).has_value(); }, 5s));
    const auto outcome = *heads.answer<R>(request);
    CHECK_FALSE(outcome.ok());
    CHECK(is_retryable(outcome.code()));
    const auto gone = heads.ask(*heads.leader(), "client/2", AwaitLock{lock, {}});
    REQUIRE(gone.code() == Code::not_found);
    CHECK(gone.error().cause.at("reason") == "broken");
  }

  LockHeads heads;
  LockHead& old = heads.at(1);
  LockId lock = 0;
  uint64_t wait = 0;
};

}  // namespace

TEST_SUITE_BEGIN("locks");

TEST_CASE("a leader that was deposed unawares tells nobody who waits that the lock is theirs") {
  DeposedLeader test;
  test.check_sent_away<AwaitLock>(test.wait);
}

TEST_CASE("a leader that was deposed unawares tells nobody who asks that the lock is theirs") {
  DeposedLeader test;
  const uint64_t asked = test.heads.tell(test.old, "client/2", AwaitLock{test.lock, {}});
  test.heads.run(1ms);
  test.check_sent_away<AwaitLock>(asked);
}

TEST_SUITE_END();
