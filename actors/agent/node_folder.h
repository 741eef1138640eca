// The folder of a storage node that somebody starts for others: all that is needed to start it
// again, by whomever.
//
//   node.conf   settings of `dfsd storage`; once written they are the administrator's
//   record      who asked for the node, and its number when it has joined
//   data/       what the node keeps
//   node.log    what it reports; `output`: what it printed; `pid`, `ready`: while it runs
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "actors/launcher.h"
#include "messages/ids.h"
#include "messages/message.h"

namespace dfs::agent {

struct NodeSettings {
  std::string host;
  std::string rack;
  std::string listen;  // "tcp://127.0.0.1:0"
  std::vector<std::string> brokers;
  uint64_t capacity_bytes = 0;
  std::string more = {};  // further lines
};

struct NodeRecord {
  std::string client;  // whose request made it
  uint64_t request = 0;
  NodeId node = 0;  // 0: it has not joined, as far as is known
  DFS_FIELDS(client, request, node)
};

// Makes the folder, durably; the record last, so that a folder with one is whole. `invalid` when a
// setting cannot be written down. Here and below: blocks.
Result<void> prepare_folder(Disk& disk, const std::string& folder, const NodeSettings& settings,
                            const NodeRecord& record);
// `not_found` when the folder is not one of these.
Result<NodeRecord> load_record(Disk& disk, const std::string& folder);
Result<void> save_record(Disk& disk, const std::string& folder, const NodeRecord& record);

// How the node is started. The first of its arguments name the folder and so the process.
LaunchPlan launch_plan(const std::string& program, const std::string& folder,
                       const std::string& token);
std::vector<std::string> identifying_arguments(const std::string& folder);

// Where the node takes requests; empty until it does.
std::string read_endpoint(Disk& disk, const std::string& folder);
void forget_endpoint(Disk& disk, const std::string& folder);

// The last lines the node printed since its output had `since` bytes; empty when there is nothing.
std::string last_words(Disk& disk, const std::string& folder, uint64_t since = 0);
uint64_t output_bytes(Disk& disk, const std::string& folder);

std::string size_text(uint64_t bytes);  // "512 MiB"

}  // namespace dfs::agent
