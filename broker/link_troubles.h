// How connections that would not come about fared, so that what will not work is told instead of
// tried for ever, and which of several keys of a cluster is tried next.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "broker/bus.h"
#include "broker/sockets.h"

namespace dfs {

class LinkTroubles {
 public:
  static constexpr size_t kLinksMax = 4096;  // then all is forgotten
  // What was said of a link holds for so long after the last failure.
  static constexpr Duration kLasts = std::chrono::seconds(1);
  // A mismatch goes on for so long before it is told.
  static constexpr Duration kSure = std::chrono::milliseconds(250);

  // Why a connection to `link` will not work; nothing while that is not certain, or long ago.
  std::optional<std::string> why(const Link& link, Instant now) const;
  // Which of the cluster's keys to connect with: a number that grows with each that did not fit.
  size_t key(const Link& link) const;

  // `link` has been connected to. True when there was trouble before.
  bool established(const Link& link, Instant now);
  // An attempt has ended so. `keys` may fit, of which each is to be tried twice before it is
  // certain that none does; this side `encrypts` or not. Returns what is to be logged: why it will
  // not work, the first time.
  std::optional<std::string> ended(const Link& link, LinkEnd end, bool encrypts, size_t keys,
                                   Instant now);

 private:
  struct Trouble {
    size_t key = 0;
    size_t failures = 0;  // in a row
    Instant since;        // of the first of them
    Instant at;
    std::string text;  // empty: not certain
  };
  std::unordered_map<Link, Trouble> troubles_;
};

}  // namespace dfs
