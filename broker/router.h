// The broker's front door: passes requests on to whoever serves them and replies back to whoever
// asked. Keeps nothing that matters: kill it, start it, lose nothing. An actor like any other, so
// it runs over ZeroMQ and in the simulator.
//
//   anyone → broker:  Announce (one way)       "requests for this service come to me"
//   anyone → broker:  Ping → Pong              to = "broker" or empty
//   anyone → broker:  anything to a service    passed on, untouched, to its provider
//   anyone → broker:  anything to an address   passed on to where that address was last heard from
//   broker → sender:  Error                    `unavailable` or `busy`, at once
//
// Where connections are encrypted nobody gets a name that is not theirs: what is sent as, or
// announced for, somebody else (may_speak_as()) is dropped, and answered when it is a request:
// `denied`, or `unavailable` while nothing is known of the sender. A client's address belongs to
// the key that used it first. A Join must name the key of the connection it comes on, since that
// becomes the node's. What members of a group say to each other (Raft) goes from member to member;
// it is passed on for nobody.
//
// The answer to a request to a service goes back on the connection that the request came on,
// whoever was heard under its sender's address since. Addresses that many share ("storage", of
// nodes that have no number yet) are reached in no other way.
//
// Of several providers of a service the one with the highest term is asked: the leader. A request
// is remembered until its answer passes by. When its provider is lost, or another leads, the sender
// is told `unavailable` instead of waiting for an answer that will not come; asking again with the
// same request id does no harm.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/actor.h"
#include "messages/cluster.h"

namespace dfs {

struct RouterSettings {
  size_t addresses_max = 65'536;        // learned; the longest silent is forgotten
  size_t addresses_per_link_max = 256;  // more that a connection uses are not learned
  size_t services_max = 65'536;
  size_t providers_max = 16;                                  // per service
  Duration announce_period = std::chrono::milliseconds(500);  // three in silence: forgotten
  uint32_t retry_after_ms = 50;                               // told with `unavailable` and `busy`
  size_t passed_max = 16'384;  // requests of one provider on their way
};

class Router : public Actor {
 public:
  Router(Bus& bus, RouterSettings settings);
  ~Router() override;
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

  // For dispatch().
  void on(const Envelope& envelope, const Announce& announce);
  void on(const Envelope& envelope, const Ping& ping);

 private:
  struct Provider {
    std::string address;
    Link link;
    uint64_t term = 0;
    Instant heard;
  };
  using Providers = std::vector<Provider>;  // whom to ask first, first
  // A request that was passed on and not answered yet.
  struct Passed {
    std::string service;
    Envelope request;  // as much of it as an answer takes
    Instant until;     // then its sender has given up
  };
  struct Place {
    Link link;
    std::string key;                       // of that connection; empty without encryption
    std::list<std::string>::iterator age;  // in ages_
  };

  void learn(const Envelope& envelope);
  void count_out(const Link& link);
  void forget(const std::string& address);
  void answer(const Envelope& envelope);
  void forward(Envelope envelope);
  Result<void> forward_to_service(Providers& providers, const Envelope& envelope);
  void note(const Link& provider, const Envelope& request);
  // Where the answer to a request that was noted belongs; empty when it is none.
  Link note_answer(const Envelope& envelope);
  void follow_leader(Providers& providers, const Envelope& refusal);
  // Tells the senders of what was passed to `provider` (for `service`, or for any when empty).
  void give_up(const Link& provider, const std::string& service = {});
  static void rank(Providers& providers);
  void refuse(const Envelope& envelope, Error error);
  // Why its sender may not send this, or nothing.
  std::optional<Error> objection(const Envelope& envelope) const;
  void turn_away(const Envelope& envelope, Error error);
  void expire();

  Bus& bus_;
  RouterSettings settings_;
  std::optional<Instant> complained_;
  uint64_t untold_ = 0;  // messages turned away since that
  Bus::TimerId timer_ = 0;
  std::unordered_map<std::string, Place> places_;
  std::unordered_map<Link, size_t> learned_;  // how many places have this link
  std::list<std::string> ages_;               // addresses, longest silent first
  std::map<std::string, Providers> services_;
  std::unordered_map<Link, std::unordered_map<uint64_t, Passed>> passed_;  // by provider, request
};

}  // namespace dfs
