// The replies a replica remembers, so that a request that comes again is not applied again. They
// are rows of the table, written with what they answer; memory holds only where each one is.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "actors/replica/state_machine.h"
#include "actors/table.h"

namespace dfs {

class Replies {
 public:
  // What to forget depends on these and on the log alone, so every replica forgets the same.
  Replies(uint64_t count_max, int64_t age_ms_max) : count_max_(count_max), age_max_(age_ms_max) {}

  // Only these can come again: a client's requests that want an answer.
  static bool identified(const Command& command) {
    return !command.client.empty() && command.request != 0;
  }

  Result<void> load(Table& table);

  // The outcome of the command with the same client and request, if it is remembered.
  Result<std::optional<Outcome>> find(Table& table, const Command& command) const;

  // Adds the row of a command's outcome to the batch, and takes out rows that are too many or, at
  // the time of this command, too old.
  void remember(const Command& command, const Outcome& outcome, Batch& batch);

  size_t size() const { return in_order_.size(); }

 private:
  struct Request {
    std::string client;
    uint64_t request = 0;
  };
  struct RequestView {
    RequestView(std::string_view client_, uint64_t request_) : client(client_), request(request_) {}
    RequestView(const Request& other) : client(other.client), request(other.request) {}
    bool operator==(const RequestView&) const = default;
    std::string_view client;
    uint64_t request;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const RequestView& view) const {
      return std::hash<std::string_view>()(view.client) ^ view.request * 0x9e3779b97f4a7c15;
    }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const RequestView& a, const RequestView& b) const { return a == b; }
  };
  using Places = std::unordered_map<Request, LogIndex, Hash, Same>;
  struct Place {
    LogIndex index;
    int64_t time_ms;
    const Request* request;  // in by_request_
  };
  void add(LogIndex index, int64_t time_ms, Request request);

  const uint64_t count_max_;
  const int64_t age_max_;
  Places by_request_;
  std::deque<Place> in_order_;
};

}  // namespace dfs
