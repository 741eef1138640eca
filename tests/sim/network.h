// The network between processes. A connection is like TCP: in order and whole while it is up, and
// gone with all that was under way when it breaks; loss on the wire shows as delay or as a break.
// On request it is worse than TCP: single messages vanish, come twice or out of order.
// What is published travels separately, through the relay of each broker, and may be lost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/bus.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class Process;
class World;

struct NetworkOptions {
  Duration delay_min = std::chrono::microseconds(30);
  Duration delay_max = std::chrono::microseconds(300);
  double slow_probability = 0;  // of a message: retransmitted, and all behind it on the link wait
  Duration slow_max = std::chrono::milliseconds(400);
  double break_probability = 0;      // of a message: its connection breaks instead
  double drop_probability = 0;       // of a message: vanishes in silence
  double duplicate_probability = 0;  // of a message: arrives twice
  double reorder_probability = 0;    // of a message: others overtake it, or it overtakes them
  double news_loss = 0;              // of a published value, on each of its two ways
  Duration stray_max = std::chrono::milliseconds(60);      // on its way, of one out of order
  uint64_t bytes_per_second = 1ull << 30;                  // of each direction of a connection
  Duration notice_max = std::chrono::milliseconds(20);     // until a closed connection is noticed
  Duration silence_max = std::chrono::milliseconds(2500);  // then a silent peer counts as gone
};

class Network {
 public:
  Network(World& world, Random random);
  ~Network();

  NetworkOptions& options() { return options_; }

  // What SimBus offers to its actor; see bus.h for the contracts.
  Result<void> send(Process& from, const Link& link, Envelope envelope);
  void publish(Process& from, const std::string& topic, const Envelope& envelope);
  void subscribe(Process& subscriber, const std::string& prefix);

  // Partitions are between machines. A blocked way holds messages up; a connection that is held up
  // for silence_max breaks.
  void block(const std::string& from_machine, const std::string& to_machine);
  void partition(const std::string& one, const std::string& other);  // both ways
  void isolate(const std::string& machine);                          // from all others, both ways
  void unblock(const std::string& from_machine, const std::string& to_machine);  // block() undone
  void heal();                                                                   // everything
  bool blocked(const Process& from, const Process& to) const;

  // Breaks every connection of a process; what is under way on them is lost.
  void break_connections(const Process& process);

  void process_started(Process& process);
  void process_ended(Process& process, bool silently);  // silently: nobody is told, peers time out

  // For checkers: called with whatever an actor sends, before anything becomes of it.
  std::function<void(Process& from, const Envelope&)> on_send;

  size_t connections() const { return connections_.size(); }
  uint64_t messages() const { return messages_; }
  size_t queued_max() const { return queued_max_; }  // the longest queue of one link ever

 private:
  struct End {
    Process* process = nullptr;
    uint64_t incarnation = 0;
    Link name;                             // what this end calls the connection
    uint64_t sent = 0;                     // messages numbered so far
    uint64_t delivered = 0;                // of those, by the other end
    Duration last_arrival{0};              // of what this end sent
    std::map<uint64_t, Envelope> arrived;  // from the other end; held up or out of order
    bool stalled = false;                  // what this end should get is held up
  };
  struct Connection {
    uint64_t id = 0;
    std::string endpoint;
    bool up = false;
    bool broken = false;
    End ends[2];                   // who connected, who listens
    std::deque<Envelope> waiting;  // sent by ends[0] before the connection was up
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  struct Subscription {
    Process* subscriber;
    uint64_t incarnation;
    std::string prefix;
  };
  struct Relay {
    std::map<std::string, Envelope> last;  // by topic
    std::vector<Subscription> subscriptions;
  };

  ConnectionPtr connect(Process& from, const Link& endpoint);
  void establish(const ConnectionPtr& connection);
  void launch(const ConnectionPtr& connection, size_t sender, Envelope envelope);
  void fly(const ConnectionPtr& connection, size_t sender, Envelope envelope);
  void stray(const ConnectionPtr& connection, size_t sender, Envelope envelope);
  void arrive(const ConnectionPtr& connection, size_t receiver);
  void deliver(End& to, Envelope envelope);
  void go_on();
  void stall(const ConnectionPtr& connection, size_t receiver);
  void break_after(const ConnectionPtr& connection, Duration delay);
  void break_now(const ConnectionPtr& connection);
  void relay_news(Process& relay, const std::string& topic, const Envelope& envelope);
  void send_news(Process& relay, const Subscription& to, const std::string& topic,
                 const Envelope& envelope);
  void try_subscribe(Process& subscriber, const std::string& endpoint, const std::string& prefix);
  Process* listener(const std::string& endpoint) const;
  bool alive(const End& end) const;
  Duration delay();

  World& world_;
  Random random_;
  NetworkOptions options_;
  std::map<std::string, Process*> listeners_;  // by endpoint
  std::map<uint64_t, ConnectionPtr> connections_;
  std::map<std::pair<size_t, Link>, std::pair<ConnectionPtr, size_t>> links_;  // by process index
  // As often as it was blocked.
  std::multiset<std::pair<std::string, std::string>> blocked_;
  std::map<size_t, Relay> relays_;                      // by process index
  std::map<std::pair<size_t, size_t>, Duration> news_;  // last arrival, keeps the order
  uint64_t last_id_ = 0;
  uint64_t messages_ = 0;
  size_t queued_max_ = 0;
};

}  // namespace dfs::sim
