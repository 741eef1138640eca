// The operations on names that are one request, and what is known of the cluster.
#include "actors/client/client_state.h"

namespace dfs {

Task<Result<InodeInfo>> Client::stat(std::string path) {
  Task<Result<StatReply>> asking = stat(Stat{std::move(path)});
  Result<StatReply> reply = co_await asking;
  if (!reply) co_return std::move(reply).error();
  co_return std::move(reply->info);
}

Task<Result<ListReply>> Client::list(std::string path, std::string after, uint32_t limit) {
  return list(List{std::move(path), std::move(after), limit});
}

Task<Result<StatReply>> Client::stat(Stat request) {
  return state_->ask(std::move(request));
}

Task<Result<ListReply>> Client::list(List request) {
  return state_->ask(std::move(request));
}

Task<Result<MakeDirReply>> Client::make_dir(std::string path, bool parents) {
  MakeDir request;
  request.path = std::move(path);
  request.parents = parents;
  return state_->ask(std::move(request));
}

Task<Result<MakeDirReply>> Client::make_dir(MakeDir request) {
  return state_->ask(std::move(request));
}

Task<Result<RenameReply>> Client::rename(std::string from, std::string to, bool replace) {
  return state_->ask(Rename{std::move(from), std::move(to), replace});
}

Task<Result<RemoveReply>> Client::remove(std::string path, bool recursive) {
  return state_->ask(Remove{std::move(path), recursive});
}

Task<Result<OpenFileReply>> Client::open(std::string path) {
  return open(OpenFile{std::move(path)});
}

Task<Result<OpenFileReply>> Client::open(OpenFile request) {
  return state_->ask(std::move(request));
}

Task<Result<ClusterMap>> Client::map() {
  return state_->ask(GetMap{});
}

Task<Result<ClusterStatus>> Client::status(bool stale, Duration deadline) {
  return state_->ask(GetStatus{stale}, deadline);
}

}  // namespace dfs
