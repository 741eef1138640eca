// How the members of a group reach each other.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "actors/raft/raft.h"
#include "broker/bus.h"

namespace dfs {

class Peers {
 public:
  // `name`: of the group without its cluster; the members are the actors "<name>/<member>".
  Peers(Bus& bus, std::string name) : bus_(bus), name_(std::move(name)) {}

  std::string address(MemberId member) const { return name_ + "/" + std::to_string(member); }
  // The endpoint that `members` names, or else the link on which the member was heard last; empty
  // when there is neither.
  Link link(MemberId member, const ChangeMembers& members) const;
  void heard(MemberId member, const Link& link);

  // May be lost: the core makes up for it.
  void send(const raft::Message& message, const ChangeMembers& members);

 private:
  Bus& bus_;
  const std::string name_;
  std::map<MemberId, Link> heard_;
};

// What the group of a message of the core is, and the message. Nothing for other types; `malformed`
// when it does not decode.
Result<std::optional<raft::Message>> consensus_message(const Envelope& envelope);
const std::string& group_of(const raft::Message& message);
MemberId sender_of(const raft::Message& message);

}  // namespace dfs
