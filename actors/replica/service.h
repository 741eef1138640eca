// What every actor around a Replica does with the requests that reach it: answer from the rows when
// that is linearizable, or at once when the asker can do with less; put a command into the log for
// the asker; refuse, and name the one that leads.
#pragma once

#include <functional>

#include "actors/replica/replica.h"
#include "actors/replica/rows.h"
#include "broker/bus.h"
#include "messages/dispatch.h"

namespace dfs {

class Service {
 public:
  // They must outlive it, and are not used before it is asked for something.
  Service(Bus& bus, Replica& replica, Table& table)
      : service_bus_(bus), service_replica_(replica), service_table_(table) {}
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // The rows are there that the first command of the log makes.
  virtual bool founded() const = 0;
  bool serving() const { return leading && founded(); }
  // Says in a command on whose behalf it is; called while the request is being received.
  virtual void stamp(Command& command) const { (void)command; }
  // A request is answered with this error.
  virtual void refused(const Envelope& request, const Error& error) { (void)request, (void)error; }

  // Answers with what `make(rows, request)` reads, as soon as that is linearizable; or at once,
  // when what this member knows is good enough for the asker.
  template <Request R, class Make>
  void read(const Envelope& envelope, const R& request, Make make) {
    if constexpr (requires { request.stale; }) {
      if (request.stale) return read_stale(envelope, request, make);
    }
    if (!serving()) return refuse(envelope, not_serving());
    Envelope origin{envelope.header, {}, {}, envelope.link};
    service_replica_.read(
        [this, origin = std::move(origin), request, make](const Result<void>& may) {
          if (!may) return refuse(origin, may.error());
          Rows rows(service_table_);
          auto reply = make(rows, request);
          if constexpr (requires { reply->freshness; }) {
            if (reply) reply->freshness = {false, 0, service_replica_.applied()};
          }
          answer_with(origin, reply);
        });
  }
  template <Request R, class Make>
  void read_stale(const Envelope& envelope, const R& request, Make make) {
    const Result<Freshness> freshness = freshness_now();
    if (!freshness) return refuse(envelope, freshness.error());
    Rows rows(service_table_);
    auto reply = make(rows, request);
    if (reply) {
      reply->freshness = *freshness;
    } else if (freshness->stale) {
      reply.error().cause["stale_ms"] = std::to_string(freshness->stale_ms);
    }
    answer_with(envelope, reply);
  }

  // The request goes into the log as it came; dispatch() has seen that it decodes.
  void change(const Envelope& envelope);
  // Puts a command into the log for whoever sent the envelope, under its number of the request, so
  // that a retry is answered like the first. `done` gets the envelope back, without its content.
  using Proposed = std::function<void(const Envelope& origin, const Result<Outcome>& outcome)>;
  void propose_for(const Envelope& envelope, Type type, std::string body, Proposed done);
  // A command of the leader's own. `done` is not called when this member stops leading meanwhile,
  // even if it leads again by then.
  template <Message M>
  void propose(const M& command, std::function<void(Result<Outcome>)> done) {
    Command entry;
    entry.type = M::kType;
    entry.body = encode(command);
    service_replica_.propose(std::move(entry),
                             [this, in = reigns, done = std::move(done)](auto outcome) {
                               if (in == reigns) done(std::move(outcome));
                             });
  }

  void answer(const Envelope& request, const Result<Outcome>& outcome);
  template <Message T>
  void answer_with(const Envelope& request, const Result<T>& reply) {
    if (!reply) return refuse(request, reply.error());
    if (request.header.request == 0) return;
    // A client that is gone needs no answer; a retry will find the remembered one.
    (void)service_bus_.reply(reply_to(request, *reply));
  }
  void refuse(const Envelope& request, Error error);
  Error not_serving() const;  // why a request that only a serving leader answers is refused

  // Kept by the actor.
  bool opened = false;   // Replica::open() has succeeded
  bool leading = false;  // as the replica's watcher was told
  uint64_t reigns = 0;   // grows with each beginning and each end of leading

 private:
  Result<Freshness> freshness_now() const;

  Bus& service_bus_;
  Replica& service_replica_;
  Table& service_table_;
};

}  // namespace dfs
