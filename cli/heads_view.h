// How the heads of a cluster, and what they say, are shown.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "messages/heads.h"

namespace dfs::cli {

// What is known of the heads: the list of one of them, and what others said when they were asked
// directly, which goes before. `asked` is false when only the list is known.
struct HeadsView {
  HeadList list;
  std::vector<HeadList> answers;
  bool asked = false;
};

// "follower", "learner, fetches a snapshot", "follower, is leaving".
std::string role_text(const HeadStatus& head);
// One row per head.
std::string heads_table(const HeadsView& view);
std::string leader_text(const HeadList& list);  // "head 2 leads in term 5"
// Why nobody leads, as far as those tell who answered.
std::string no_leader_text(const HeadsView& view);
// What an answer that may be stale leaves out.
std::string freshness_text(const Freshness& freshness);
JsonLine& add_freshness(JsonLine& line, const Freshness& freshness);

}  // namespace dfs::cli
