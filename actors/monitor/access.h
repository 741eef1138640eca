// Who may ask the monitor for what, where the cluster demands authentication. The one place that
// says so: a request that is not in the table is not served.
#pragma once

#include <optional>

#include "messages/requester.h"
#include "messages/result.h"
#include "messages/types.h"

namespace dfs {

enum class Access : uint8_t {
  everybody,          // it tells nothing of the cluster, or shows what lets it in
  users,              // whoever has a ticket; what of it they may is decided by the path
  admins,             // it tells of the cluster's inside or changes it
  cluster,            // storage nodes, heads and agents among themselves
  cluster_or_admins,  // they, and administrators who look at the same
  nodes,              // storage nodes alone
  heads_or_admins,
};

std::optional<Access> access_to(Type type);

// Whether the request only looks. A ticket for reading alone is good for no other.
bool is_question(Type type);

// `denied`, cause `reason` "role" or "ticket".
Result<void> check_administrator(const Requester& who, Type type);

}  // namespace dfs
