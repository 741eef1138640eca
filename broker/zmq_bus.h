// The Bus over ZeroMQ: all sockets of one actor and the round that serves them. Used by
// ActorThread alone; everything on the actor's thread.
#pragma once

#include <poll.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

#include "broker/actor_thread.h"
#include "broker/echo_filter.h"
#include "broker/frames.h"
#include "broker/intake.h"
#include "broker/link_troubles.h"
#include "broker/pool.h"
#include "broker/sockets.h"
#include "broker/timers.h"
#include "messages/secure_random.h"

namespace dfs {

class ZmqBus : public Bus {
 public:
  // turn() also ends when `wake_fd` becomes readable; reading it is the caller's business.
  ZmqBus(zmq::context_t& context, const ActorSettings& settings, int wake_fd);
  ~ZmqBus() override;

  // Opens the ROUTER. Fails when an endpoint is unusable or taken.
  Result<void> open();
  // One round: waits until something happens, at most `wait_max`, then hands a limited batch from
  // each source to the actor, so that no source starves another. True when `wake_fd` is readable.
  bool turn(Actor& actor, Duration wait_max);
  // No more works; returns when the running ones have ended. Their `done` is not called.
  void stop_pool() { pool_.stop(); }

  const std::string& address() const override { return address_; }
  void set_address(std::string address) override;
  Instant now() const override;
  int64_t wall_ms() const override;
  uint64_t random() override { return random_.next(); }
  TimerId after(Duration delay, std::function<void()> fire) override;
  void cancel(TimerId timer) override { timers_.cancel(timer); }
  Result<void> send(const Link& link, Envelope envelope) override;
  const std::vector<Link>& brokers() const override { return settings_.brokers; }
  void add_broker(const Link& broker) override;
  const std::string& endpoint() const override { return endpoint_; }
  void publish(std::string topic, Envelope envelope) override;
  void subscribe(std::string prefix) override;
  Result<void> run(std::function<void()> work, std::function<void()> done) override;
  void log(Level level, std::string_view event, std::initializer_list<LogField> fields) override;

 private:
  // A link to an endpoint: a DEALER of its own, so that its end is seen and its queue is its own.
  struct Connection {
    ~Connection() { stop_watching(dealer); }
    Link link;
    zmq::socket_t dealer;
    zmq::socket_t watcher;
    bool due = true;  // see due_
    bool watcher_due = true;
    Instant used;
    bool closed = false;
  };
  struct Complaint {
    Instant logged;
    uint64_t count = 0;  // since it was logged
  };

  Result<Connection*> connect(const Link& link);
  Result<std::string> key_for(const Link& link, const LinkParts& parts);
  void note_news(const Link& link, const LinkNews& news);
  void follow_key(const Link& broker);
  void renew_news(const Link& broker);
  void close_idlest();
  zmq::socket_t connect_all(zmq::socket_type type, std::string BrokerEndpoints::*endpoint);
  void connect_news(zmq::socket_t& socket, const Link& broker,
                    std::string BrokerEndpoints::*endpoint);

  int wait_ms(Duration wait_max);
  void list_poll_items();
  bool anything_due() const;
  bool poll_items(Duration wait_max);
  void serve_connections(Actor& actor);
  void serve_router(Actor& actor);
  void serve_news(Actor& actor);
  void serve_connection(Connection& connection, Actor& actor, size_t batch);
  void report_broken(Actor& actor);
  void take(std::span<zmq::message_t> frames, Envelope envelope, Actor& actor, std::string* source);
  void refuse(const Envelope& envelope, const Error& error);

  zmq::context_t& context_;
  ActorSettings settings_;
  int wake_fd_;
  std::string address_;
  std::string endpoint_;
  SecureNumbers random_;
  Timers timers_;
  Pool pool_;

  zmq::socket_t router_;
  std::unique_ptr<Intake> intake_;  // of the ROUTER
  zmq::socket_t publisher_;
  zmq::socket_t subscriber_;
  std::unordered_map<Link, std::unique_ptr<Connection>> connections_;
  // Broken or closed during this round; destroyed, and reported, at its end.
  std::vector<std::unique_ptr<Connection>> broken_;

  // What is waited for are the descriptors of the sockets, which tell of a change and not of a
  // state: once, and perhaps not at all when a send on the same socket noticed the change first. So
  // a socket that was told of, or sent on, is due, and is received from until it proves empty.
  std::vector<pollfd> items_;
  std::vector<Connection*> polled_;  // two items each, behind the fixed ones
  bool items_valid_ = false;
  struct {
    bool results = true;
    bool router = true;
    bool subscriber = true;
  } due_;

  RawMessage raw_;          // reused, like routing_id_, to spare allocations
  std::string routing_id_;  // of the peer being answered
  EchoFilter echoes_;
  uint64_t published_;  // sequence of the last publication
  std::unordered_map<Link, Complaint> complaints_;
  LinkTroubles troubles_;
  std::unordered_map<Link, std::string> news_keys_;  // with which they are connected to brokers
};

}  // namespace dfs
