// Block grants: the right to write or read the blocks of one object, for a while. The monitor,
// which knows who may, makes one with each plan and each opened file; storage nodes, which know
// nobody, verify it alone.
//
// On the wire a grant is its fields as msgpack followed by an Ed25519 signature (RFC 8032) of
// kSignatureBytes over kGrantContext and those fields. The heads sign with a key that they alone
// have; storage nodes are told what verifies it. While that key changes (grant_keys.h) there are
// two, one after the other in one string: grants are made with the first, and good when they were
// made with either.
//
// What storage nodes ask of each other, to make copies anew, each signs for itself, with a key of
// its own. Such a grant has a warrant in it: the word of a head that the key is this node's, signed
// likewise. With a warrant blocks are read and compared, never written, and no node is controlled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/remembered.h"
#include "messages/signature.h"

namespace dfs {

inline constexpr size_t kGrantKeyBytes = kSeedBytes;  // what a key of heads is made of
inline constexpr size_t kGrantKeysMax = 2;
inline constexpr size_t kWarrantBytesMax = 192;
inline constexpr size_t kGrantBytesMax = 448;  // of a whole grant, with a warrant
static_assert(kGrantKeyBytes == kVerifyKeyBytes);

enum class BlockRight : uint8_t {
  read = 1,
  write = 2,
  inside = 3,  // of a pass (passes.h): everything but the content of blocks; no object is named
};

struct Grant {
  ObjectId object = 0;
  BlockRight right = BlockRight::read;
  uint32_t uid = 0;        // of whom it was made for
  NodeId node = 0;         // the only node that may take it; 0: any
  int64_t expires_ms = 0;  // by the clock of who made it
  uint64_t serial = 0;     // tells it from others in logs
  // Of the ticket that it was given for, with which it ends: see Revocation. 0: of no ticket.
  uint64_t holder = 0;  // holder_of() the user
  uint64_t session = 0;
  int64_t since_ms = 0;
  Blob warrant = {};  // of the node that made it; empty: a head did
  bool operator==(const Grant&) const = default;
  DFS_FIELDS(object, right, uid, node, expires_ms, serial, holder, session, since_ms, warrant)
};

// A head says that this is the key of a storage node.
struct Warrant {
  NodeId node = 0;
  Blob verify_key;
  int64_t expires_ms = 0;  // by the clock of the head; what was made with the key ends with it
  DFS_FIELDS(node, verify_key, expires_ms)
};

// A number for a user's name, which need not be on the wire; never 0.
uint64_t holder_of(std::string_view user);

// Random, and secret.
std::string make_grant_key();
// Whether the string is of one key, or of as many as there may be: secret ones, or what verifies
// them.
inline bool are_grant_keys(std::string_view keys) {
  return !keys.empty() && keys.size() % kGrantKeyBytes == 0 &&
         keys.size() <= kGrantKeysMax * kGrantKeyBytes;
}

// Makes grants.
class GrantSigner {
 public:
  // `keys`: are_grant_keys() of make_grant_key(). Grants are made with the first.
  explicit GrantSigner(std::string_view keys);
  // What verifies them, in the same order.
  const std::string& verify_keys() const { return verify_keys_; }

  std::string sign(const Grant& grant) const;
  std::string sign(const Warrant& warrant) const;

 private:
  std::string secret_;  // of the first
  std::string verify_keys_;
};

// Tells good grants from others. What was found genuine is remembered. Not thread-safe.
class GrantJudge {
 public:
  static constexpr size_t kRememberedMax = 4096;

  // Of the heads (GrantSigner::verify_keys()); from now on no others count.
  void learn(std::string verify_keys);
  bool knows_keys() const { return !verify_keys_.empty(); }

  // What was made here need not be verified.
  void remember(std::string_view bytes, Grant grant);
  // The grant, if a head made it, or a node with a warrant may have; expired ones too. It expires
  // with its warrant at the latest. `denied`, cause `reason`: "missing", "malformed", "forged" or
  // "warrant". Keys are known.
  Result<Grant> open(std::string_view bytes);
  // The grant, if a node may do what is asked. `denied`, cause `reason`: as above, "object",
  // "right", "node" or "expired". Clocks of machines may differ by TicketJudge::kClockSkewMs.
  Result<Grant> check(std::string_view bytes, ObjectId object, BlockRight right, NodeId node,
                      int64_t now_ms);

 private:
  Result<Grant> verify(std::string_view bytes);
  bool is_of_head(std::string_view context, std::string_view fields,
                  std::string_view signature) const;
  Result<Warrant> open_warrant(std::string_view bytes);

  std::string verify_keys_;
  Remembered<Grant> grants_{kRememberedMax};
  Remembered<Warrant> warrants_{kRememberedMax};
};

}  // namespace dfs
