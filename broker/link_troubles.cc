#include "broker/link_troubles.h"

namespace dfs {

namespace {

std::string reason(LinkEnd end, bool encrypts) {
  if (end == LinkEnd::refused) return "the key of this side is not admitted there";
  if (end == LinkEnd::unfinished && encrypts) {
    return "cluster-key is not that of the cluster there, or this side is not admitted, or it is "
           "not encrypted there; compare it with that cluster's cluster.pub";
  }
  if (encrypts) {
    return "it is not encrypted there, and this side has a cluster-key; if that cluster is meant "
           "to "
           "be insecure, say so here too";
  }
  return "it is encrypted there, and this side is insecure; set cluster-key to what cluster.pub of "
         "that cluster says";
}

}  // namespace

std::optional<std::string> LinkTroubles::why(const Link& link, Instant now) const {
  const auto trouble = troubles_.find(link);
  if (trouble == troubles_.end() || trouble->second.text.empty()) return std::nullopt;
  if (now - trouble->second.at >= kLasts) return std::nullopt;
  return trouble->second.text;
}

size_t LinkTroubles::key(const Link& link) const {
  const auto trouble = troubles_.find(link);
  return trouble == troubles_.end() ? 0 : trouble->second.key;
}

bool LinkTroubles::established(const Link& link, Instant now) {
  const auto trouble = troubles_.find(link);
  if (trouble == troubles_.end()) return false;
  trouble->second = Trouble{trouble->second.key, 0, {}, now, {}};
  return true;
}

std::optional<std::string> LinkTroubles::ended(const Link& link, LinkEnd end, bool encrypts,
                                               size_t keys, Instant now) {
  if (end <= LinkEnd::broke) {
    // Nobody is there, who could want another key: what ended before was a process.
    const auto trouble = troubles_.find(link);
    if (trouble != troubles_.end()) trouble->second.failures = 0;
    return std::nullopt;
  }
  if (troubles_.size() >= kLinksMax) troubles_.clear();
  Trouble& trouble = troubles_[link];
  trouble.at = now;
  if (++trouble.failures == 1) trouble.since = now;
  if (end == LinkEnd::unfinished) {
    if (encrypts) ++trouble.key;
    // A process that ends just then looks the same, but not twice in a row, and not for long: all
    // connections that wait for it end with it. Of a mismatch either side may be the one that
    // notices it, and the other sees no more than this.
    if (trouble.failures < 2 * keys || now - trouble.since < kSure) return std::nullopt;
  }
  const bool said = !trouble.text.empty();
  trouble.text = "no connection to " + link + ": " + reason(end, encrypts);
  return said ? std::nullopt : std::optional(trouble.text);
}

}  // namespace dfs
