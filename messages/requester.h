// Who asks, as far as it decides what they may do: taken from a verified ticket (ticket.h) by the
// head that was asked, and kept in the log with what they asked for. Nobody says it of themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/message.h"
#include "messages/ticket.h"

namespace dfs {

// Whether requests need a ticket, and blocks a grant. Chosen when a cluster is founded.
enum class Authentication : uint8_t {
  off = 1,  // everybody is an administrator
  required = 2,
};
inline const char* name_of(Authentication authentication) {
  return authentication == Authentication::required ? "required" : "off";
}

struct Requester {
  std::string user;
  uint32_t uid = kNobodyUid;
  uint32_t gid = kNobodyUid;
  std::vector<uint32_t> groups;  // besides gid
  bool admin = false;
  std::string below;       // only what is below this directory, and the directory itself; or empty
  bool read_only = false;  // may change nothing
  uint64_t session = 0;    // of the ticket
  int64_t since_ms = 0;    // when the ticket was issued
  bool operator==(const Requester&) const = default;
  DFS_FIELDS(user, uid, gid, groups, admin, below, read_only, session, since_ms)
};

// The cluster itself, and everybody where there is no authentication.
inline Requester superuser() {
  return {{}, kAdminUid, kAdminUid, {}, true, {}, false, 0, 0};
}

inline Requester requester_of(const Ticket& ticket) {
  return {
      ticket.user,  ticket.uid,       ticket.gid,     ticket.groups,   ticket.role == Role::admin,
      ticket.below, ticket.read_only, ticket.session, ticket.issued_ms};
}

}  // namespace dfs
