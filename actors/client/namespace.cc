// The operations on names that are one request, and what is known of the cluster.
#include <array>

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

namespace {

LockWish wish_for(const std::string& path, bool subtree, const LockOptions& options,
                  const char* label) {
  LockWish wish;
  wish.target.path = path;
  wish.target.subtree = subtree;
  wish.wait = options.wait;
  wish.label = label;
  wish.waiting = options.waiting;
  return wish;
}

}  // namespace

// The names are locked in their order, so that two who exchange files do not wait for each other.
Task<Result<RenameReply>> Client::rename(Rename request, LockOptions lock) {
  LockOwner owner(state_->locks, lock.owner);
  if (lock.take) {
    const bool forward = request.from <= request.to;
    const std::array<bool, 2> order{forward, !forward};
    for (const bool of_from : order) {
      const std::string& path = of_from ? request.from : request.to;
      Task<Result<LockReply>> locking = owner.acquire(wish_for(path, true, lock, "mv"));
      const Result<LockReply> locked = co_await locking;
      if (!locked) co_return locked.error();
      (of_from ? request.fence : request.to_fence) = locked->fence;
      (of_from ? request.fence_proof : request.to_fence_proof) = locked->fence_proof;
    }
  }
  Task<Result<RenameReply>> asking = state_->ask(std::move(request));
  Result<RenameReply> reply = co_await asking;
  co_return reply;
}

Task<Result<RemoveReply>> Client::remove(Remove request, LockOptions lock) {
  LockOwner owner(state_->locks, lock.owner);
  if (lock.take) {
    Task<Result<LockReply>> locking =
        owner.acquire(wish_for(request.path, request.recursive, lock, "rm"));
    const Result<LockReply> locked = co_await locking;
    if (!locked) co_return locked.error();
    request.fence = locked->fence;
    request.fence_proof = locked->fence_proof;
  }
  Task<Result<RemoveReply>> asking = state_->ask(std::move(request));
  Result<RemoveReply> reply = co_await asking;
  co_return reply;
}

Task<Result<CopyFileReply>> Client::copy(CopyFile request, LockOptions lock) {
  LockOwner owner(state_->locks, lock.owner);
  if (lock.take) {
    Task<Result<LockReply>> locking = owner.acquire(wish_for(request.to, false, lock, "cp"));
    const Result<LockReply> locked = co_await locking;
    if (!locked) co_return locked.error();
    request.fence = locked->fence;
    request.fence_proof = locked->fence_proof;
  }
  Task<Result<CopyFileReply>> asking = state_->ask(std::move(request));
  Result<CopyFileReply> reply = co_await asking;
  co_return reply;
}

Task<Result<HistoryList>> Client::history(GetHistory request) {
  return state_->ask(std::move(request));
}

Task<Result<LockList>> Client::list_locks(ListLocks request) {
  return state_->ask(std::move(request));
}

Task<Result<ReleaseLockReply>> Client::break_lock(LockId lock) {
  return state_->ask(BreakLock{lock});
}

Task<Result<ReleaseLockReply>> Client::release_lock(LockId lock, std::string owner) {
  return state_->ask(ReleaseLock{lock, std::move(owner)});
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
