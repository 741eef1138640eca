// The tickets of the person at the terminal: one file per cluster, readable by nobody else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages/message.h"

namespace dfs::cli {

struct StoredTicket {
  Blob ticket;
  std::string cluster;
  std::string user;
  std::vector<std::string> brokers;  // of the cluster, as it was known when this was got
  int64_t got_ms = 0;                // by this machine's clock
  int64_t lasts_ms = 0;              // from then on
  bool must_change = false;
  DFS_FIELDS(ticket, cluster, user, brokers, got_ms, lasts_ms, must_change)

  bool is_over(int64_t now_ms) const { return now_ms >= got_ms + lasts_ms; }
  bool wants_renewal(int64_t now_ms) const { return now_ms >= got_ms + lasts_ms / 2; }
};

class TicketStore {
 public:
  // The directory is made when something is saved.
  explicit TicketStore(std::string directory) : directory_(std::move(directory)) {}
  // $XDG_STATE_HOME/zdfs, or ~/.local/state/zdfs; empty when neither is known.
  static std::string default_directory();

  // All fail with `local_io`. A file that others can read is refused.
  Result<void> save(const StoredTicket& ticket) const;
  // The one of the cluster that has any of these brokers, the newest if several have.
  Result<std::optional<StoredTicket>> find(const std::vector<std::string>& brokers) const;
  Result<void> remove(const std::string& cluster) const;

 private:
  std::string path_of(const std::string& cluster) const;

  std::string directory_;
};

// A file that nobody else can read, whole or not there. `local_io`.
Result<void> write_private(const std::string& path, const std::string& content);

// Tickets as text, for DFS_TICKET and files: unpadded base64url.
std::string ticket_text(const std::string& ticket);
Result<std::string> ticket_of_text(std::string_view text);

}  // namespace dfs::cli
