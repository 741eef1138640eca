#include "actors/replica/peers.h"

#include "actors/replica/log_record.h"

namespace dfs {

namespace {

constexpr size_t kHeardMax = 64;  // links remembered; anyone may claim to be a member

template <Message M>
Envelope pack(const M& message) {
  if constexpr (std::is_same_v<M, AppendEntries>) {
    return envelope_of(message, {}, Payload::of(encode_entries(message.entries)));
  } else {
    return envelope_of(message);
  }
}

template <Message M>
Result<std::optional<raft::Message>> unpack(const Envelope& envelope) {
  auto message = decode<M>(envelope.body);
  if (!message) return std::move(message).error();
  if constexpr (std::is_same_v<M, AppendEntries>) {
    auto entries = decode_entries(envelope.payload.view());
    if (!entries) return std::move(entries).error();
    message->entries = std::move(*entries);
  }
  return std::optional<raft::Message>(std::move(*message));
}

}  // namespace

Link Peers::link(MemberId member, const ChangeMembers& members) const {
  for (const Member& known : members.members) {
    if (known.id == member && !known.endpoint.empty()) return known.endpoint;
  }
  const auto heard = heard_.find(member);
  return heard == heard_.end() ? Link() : heard->second;
}

void Peers::heard(MemberId member, const Link& link) {
  if (heard_.size() >= kHeardMax && !heard_.contains(member)) heard_.erase(heard_.begin());
  heard_[member] = link;
}

void Peers::send(const raft::Message& message, const ChangeMembers& members) {
  const MemberId to = std::visit([](const auto& m) { return m.to; }, message);
  const Link link = this->link(to, members);
  if (link.empty()) return;
  Envelope envelope = std::visit([](const auto& m) { return pack(m); }, message);
  envelope.header.to = address(to);
  (void)bus_.send(link, std::move(envelope));
}

Result<std::optional<raft::Message>> consensus_message(const Envelope& envelope) {
  switch (envelope.header.type) {
    case Type::RequestVote:
      return unpack<RequestVote>(envelope);
    case Type::RequestVoteReply:
      return unpack<RequestVoteReply>(envelope);
    case Type::AppendEntries:
      return unpack<AppendEntries>(envelope);
    case Type::AppendEntriesReply:
      return unpack<AppendEntriesReply>(envelope);
    case Type::InstallSnapshot:
      return unpack<InstallSnapshot>(envelope);
    case Type::TimeoutNow:
      return unpack<TimeoutNow>(envelope);
    default:
      return std::optional<raft::Message>();
  }
}

const std::string& group_of(const raft::Message& message) {
  return std::visit([](const auto& m) -> const std::string& { return m.group; }, message);
}

MemberId sender_of(const raft::Message& message) {
  return std::visit([](const auto& m) { return m.from; }, message);
}

}  // namespace dfs
