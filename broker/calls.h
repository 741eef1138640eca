// Requests and their replies, with deadlines, retries and idempotent request ids.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "broker/bus.h"
#include "broker/task.h"
#include "messages/dispatch.h"

namespace dfs {

struct CallOptions {
  Duration deadline = std::chrono::seconds(10);
  Payload payload = {};
  uint64_t trace = 0;
  uint64_t request = 0;       // 0: a fresh id. The same id marks a retry of the same request.
  bool shows_ticket = false;  // of call(): to a head; storage nodes are shown a pass, if anything
  std::string ticket = {};    // of ask(): somebody else's, in place of one's own
};

template <Request R>
struct Answer {
  typename R::Reply message;
  Payload payload;
};

// One per actor. The actor passes replies to receive() and broken links to link_down().
class Calls {
 public:
  explicit Calls(Bus& bus);
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // One attempt on one link. Fails with the peer's error, with `unavailable` at once when the link
  // breaks, with `busy` when its queue is full, with `timeout` after the deadline.
  template <Request R>
  Task<Result<Answer<R>>> call(Link link, std::string to, R request, CallOptions options = {}) {
    Envelope envelope = envelope_of(request, std::move(to), std::move(options.payload));
    if (options.shows_ticket) {
      envelope.header.ticket = ticket_;
    } else if constexpr (!requires { request.grant; }) {
      if (pass_ && envelope.header.to.starts_with("storage")) envelope.header.ticket = pass_();
    }
    envelope.header.trace = options.trace;
    envelope.header.request = options.request != 0 ? options.request : fresh_request();
    Completion<Result<Envelope>> completion;
    const uint64_t id = begin(link, std::move(envelope), options.deadline, completion.fire());
    Guard guard{*this, id};
    Result<Envelope> reply = co_await completion;
    co_return answer_of<R>(std::move(reply));
  }

  // Asks a service through the brokers and keeps asking (the new leader, another broker, a little
  // later with jitter) while the error is retryable and the deadline allows, always with the same
  // request id. An election is waited out with short pauses. When a broker stays silent for
  // kAttempt the next one is asked too, and whichever answers first counts; when all have been
  // silent each is given twice the time. When no broker was ever reached, gives up after
  // kNobodyThere already, once each was tried. The error's text names the brokers.
  template <Request R>
  Task<Result<Answer<R>>> ask(std::string service, R request, CallOptions options = {}) {
    Envelope envelope = envelope_of(request, std::move(service), std::move(options.payload));
    envelope.header.ticket = options.ticket.empty() ? ticket_ : std::move(options.ticket);
    envelope.header.trace = options.trace;
    envelope.header.request = options.request != 0 ? options.request : fresh_request();
    Task<Result<Envelope>> asking = ask_envelope(std::move(envelope), options.deadline);
    Result<Envelope> reply = co_await asking;
    co_return answer_of<R>(std::move(reply));
  }

  // What ask() shows from now on, to say who asks (messages/ticket.h); empty: nothing.
  void set_ticket(std::string ticket) { ticket_ = std::move(ticket); }
  bool has_ticket() const { return !ticket_.empty(); }
  // Makes what call() shows to storage nodes (messages/passes.h), but with requests that have a
  // grant of their own.
  void set_pass(std::function<std::string()> pass) { pass_ = std::move(pass); }

  // True when the envelope was the reply to a pending call, which has been resumed. A reply that
  // comes after its call gave up is false, and is to be dropped.
  bool receive(Envelope& envelope);
  void link_down(const Link& link);

  uint64_t fresh_request();
  size_t pending() const { return pending_.size(); }

  static constexpr Duration kNobodyThere = std::chrono::milliseconds(1500);
  static constexpr Duration kAttempt = std::chrono::milliseconds(600);  // of ask(), the first
  static constexpr Duration kAttemptMax = std::chrono::seconds(3);
  // Pauses grow to the first while somebody may be about to lead, then to the second.
  static constexpr Duration kElectionPause = std::chrono::milliseconds(50);
  static constexpr Duration kPauseMax = std::chrono::milliseconds(400);
  static constexpr Duration kElection = std::chrono::seconds(3);

 private:
  struct Pending {
    Link link;
    uint64_t request;
    Bus::TimerId timer;
    std::function<void(Result<Envelope>)> done;
  };
  class Attempts;  // of one ask(), on several brokers at once when some are silent
  struct Patience;
  struct Guard {
    Calls& calls;
    uint64_t id;
    ~Guard() { calls.forget(id); }
  };

  template <Request R>
  static Result<Answer<R>> answer_of(Result<Envelope> reply) {
    if (!reply) return std::move(reply).error();
    auto message = reply_as<typename R::Reply>(*reply);
    if (!message) return std::move(message).error();
    return Answer<R>{std::move(*message), std::move(reply->payload)};
  }

  // Sends and registers; `done` is called exactly once, never from inside begin(), unless
  // forgotten.
  uint64_t begin(const Link& link, Envelope envelope, Duration deadline,
                 std::function<void(Result<Envelope>)> done);
  void finish(uint64_t id, Result<Envelope> outcome);
  void forget(uint64_t id);
  std::optional<Result<Envelope>> judge(Result<Envelope> reply, size_t index, Patience& patience);
  Instant pause_after(Patience& patience);
  Task<Result<Envelope>> ask_envelope(Envelope envelope, Duration deadline);
  // The broker at `index` is no good; unless that was noticed already, the next one is tried.
  void leave_broker(size_t index);

  Bus& bus_;
  std::map<uint64_t, Pending> pending_;           // by call id
  std::multimap<uint64_t, uint64_t> by_request_;  // request id → call id
  uint64_t last_id_ = 0;
  size_t broker_ = 0;            // index of the broker that worked last
  bool reached_broker_ = false;  // some broker answered something, ever
  std::string ticket_;
  std::function<std::string()> pass_;
};

}  // namespace dfs
