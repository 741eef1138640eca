// Who may do what at this node, where the cluster demands that they show it: a grant for blocks
// (messages/grant.h), a pass for all else (messages/passes.h). Nobody is taken at their word: other
// storage nodes and heads show a pass too. That of a node, which it made itself, is good for what
// nodes ask of each other.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/hearing.h"
#include "actors/storage/membership.h"
#include "messages/grant.h"
#include "messages/ticket.h"

namespace dfs::storage {

class Doorkeeper {
 public:
  // `trust`: StorageSettings::ticket_trust.
  Doorkeeper(Bus& bus, const Membership& membership, Duration trust)
      : bus_(bus), membership_(membership), hearing_(trust) {}

  // Who this node belongs to is known: hears of tickets that ended. May be called again.
  void begin();
  // What was published on kTicketsTopic.
  void observe(const Envelope& envelope);

  // Whether the sender may do this with a block of `object`. `denied`, cause `reason` (grant.h, or
  // "revoked"); `unavailable` as long as this node, which just started, was not told the key, and
  // for users (cause `reason`: "unheard") when it hears of no log-ins that ended.
  // Tells whom the grant was made for, where grants are needed.
  Result<std::optional<uint32_t>> check_block(ObjectId object, BlockRight right, const Blob& grant);
  // Whether the sender may see or control the inside of this node, likewise; also with the reason
  // "role".
  Result<void> check_inside(const Envelope& request);

  uint64_t denied() const { return denied_; }  // since the start

 private:
  Result<Grant> check(std::string_view shown, ObjectId object, BlockRight right);
  bool has_ended(const Grant& grant) const;
  Error counted(Error error);

  Bus& bus_;
  const Membership& membership_;
  GrantJudge judge_;
  bool hears_ = false;
  Hearing hearing_;
  uint64_t version_ = 0;                                         // of what was heard
  std::unordered_map<uint64_t, std::vector<Revocation>> ended_;  // by holder
  uint64_t denied_ = 0;
};

}  // namespace dfs::storage
