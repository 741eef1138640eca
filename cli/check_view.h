// How space, copies and what is wrong with them are shown.
#pragma once

#include <string>
#include <vector>

#include "actors/client/fsck.h"
#include "actors/client/survey.h"
#include "cli/output.h"
#include "messages/cluster.h"

namespace dfs::cli {

// One row per node and one for all of them.
std::string space_table(const ClusterStatus& status);
// What is stored, and what waits to be reclaimed; two lines.
std::vector<std::string> space_notes(const ClusterStatus& status);
std::string space_json(const ClusterStatus& status);

// What the heads promise of every change that they acknowledged.
std::string metadata_text(const HeadList& heads);
// What is known of a file's copies; the last lines name blocks with fewer than promised.
std::vector<std::string> durability_lines(const FileSurvey& file, const HeadList& heads);
std::string durability_json(const FileSurvey& file, const HeadList& heads);

std::string finding_text(const FsckFinding& finding);
std::string finding_json(const FsckFinding& finding);
std::vector<std::string> summary_lines(const FsckSummary& summary);
std::string summary_json(const FsckSummary& summary);

}  // namespace dfs::cli
