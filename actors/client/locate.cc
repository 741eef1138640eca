// Where a file's blocks are, as the nodes themselves say.
#include <algorithm>

#include "actors/client/client_state.h"

namespace dfs {

Task<Result<FileSurvey>> Client::survey(std::string path, bool stale) {
  Task<Result<void>> passing = state_->take_pass();
  const Result<void> passed = co_await passing;
  if (!passed) co_return passed.error();
  Task<Result<ClusterMap>> mapping = map();
  const Result<ClusterMap> cluster = co_await mapping;
  if (!cluster) co_return cluster.error();
  Task<Result<OpenFileReply>> opening = open(OpenFile{std::move(path), stale});
  Result<OpenFileReply> opened = co_await opening;
  if (!opened) co_return std::move(opened).error();
  Task<Result<FileSurvey>> surveying =
      dfs::survey(&state_->bus, &state_->calls, &*cluster, std::move(*opened));
  Result<FileSurvey> file = co_await surveying;
  co_return std::move(file);
}

// The map tells no more than how many copies are wanted, which nobody asks for here.
Task<Result<std::vector<BlockLocation>>> Client::locate(std::string path, bool stale) {
  Task<Result<void>> passing = state_->take_pass();
  const Result<void> passed = co_await passing;
  if (!passed) co_return passed.error();
  Task<Result<OpenFileReply>> opening = open(OpenFile{std::move(path), stale});
  Result<OpenFileReply> opened = co_await opening;
  if (!opened) co_return std::move(opened).error();
  const ClusterMap nothing;
  Task<Result<FileSurvey>> surveying =
      dfs::survey(&state_->bus, &state_->calls, &nothing, std::move(*opened));
  const Result<FileSurvey> file = co_await surveying;
  if (!file) co_return file.error();
  std::vector<BlockLocation> locations;
  for (const BlockSurvey& block : file->blocks) {
    std::vector<NodeId> nodes = block.nodes_with(CopyState::good);
    std::sort(nodes.begin(), nodes.end());
    locations.push_back({block.index, block.group, block.length, std::move(nodes)});
  }
  co_return std::move(locations);
}

}  // namespace dfs
