// The end of an upload: the commit, and sending blocks again whose groups changed meanwhile.
#include <algorithm>

#include "actors/client/upload.h"
#include "messages/crc32c.h"
#include "messages/reclaim.h"

namespace dfs {

using std::chrono::milliseconds;

namespace {
constexpr uint32_t kCommitRoundsMax = 5;
}

Task<Result<TransferReport>> Upload::finish() {
  Task<Result<void>> checking = check_source();
  const Result<void> unchanged = co_await checking;
  if (!unchanged) co_return unchanged.error();
  Task<Result<LockReply>> locking = await_lock();
  const Result<LockReply> locked = co_await locking;
  if (!locked) co_return locked.error();
  Error last;
  for (uint32_t round = 0; round < kCommitRoundsMax; ++round) {
    std::set<GroupId> again = thin_groups();
    if (again.empty()) {
      CommitFile request = commit_request();
      const Layout layout = request.layout;
      InodeInfo info;
      info.size = request.size;
      info.crc32c = request.crc32c;
      info.object = layout.object;
      info.block_bytes = layout.block_bytes;
      Task<Result<Answer<CommitFile>>> asking = transfer_.ask_monitor(std::move(request));
      const Result<Answer<CommitFile>> answer = co_await asking;
      if (answer) co_return report_of(answer->message, info);
      if (answer.code() != Code::stale_map) co_return answer.error();
      last = answer.error();
      again = groups_refused(last);
    } else {
      last = {Code::stale_map, "too few nodes hold all blocks of a group", {}, 0};
    }
    if (!seekable_) break;
    for (const GroupId group : again) placement_.mark_stale(group);
    std::vector<uint32_t> blocks = blocks_in(again);
    blocks_resent_ += static_cast<uint32_t>(blocks.size());
    Task<Result<void>> sending = send_blocks(std::move(blocks));
    const Result<void> sent = co_await sending;
    if (!sent) co_return sent.error();
  }
  last.text = path_ + " was not changed: the cluster's groups changed during the upload (" +
              last.text + "); put it again";
  co_return last;
}

// Tells whoever leads that this upload is under way, until it ends. The source may be silent for
// any time, and a leader that does not hear of an upload gives its blocks up.
Task<void> Upload::keep_lease() {
  Duration pause = placement_.lease() / 3;
  while (pause > Duration::zero()) {
    Task<void> pausing = sleep(transfer_.bench.bus, pause);
    co_await pausing;
    RenewUploads request;
    request.objects = {placement_.object()};
    if (!placement_.grant().bytes.empty()) request.grants = {placement_.grant()};
    Task<Result<Answer<RenewUploads>>> asking = transfer_.ask_monitor(std::move(request));
    const Result<Answer<RenewUploads>> answer = co_await asking;
    if (!answer) {
      pause = placement_.lease() / 12;  // the rest of the lease may suffice
      continue;
    }
    pause = milliseconds(answer->message.lease_ms) / 3;
    if (!answer->message.grants.empty() && !answer->message.grants.front().bytes.empty()) {
      placement_.renew_grant(answer->message.grants.front());
    }
    if (answer->message.lost.empty()) continue;
    transfer_.fail(Error{Code::expired,
                         "the cluster gave the upload of " + path_ +
                             " up, for it did not hear of it in time; what is there at " + path_ +
                             " was not changed: put it again",
                         {{"path", path_}},
                         0});
    co_return;
  }
}

LockWish Upload::lock_wish() const {
  LockWish wish;
  wish.target.path = path_;
  wish.wait = transfer_.options.lock.wait;
  wish.label = "put";
  wish.waiting = transfer_.options.lock.waiting;
  return wish;
}

Task<void> Upload::take_lock() {
  Task<Result<LockReply>> acquiring = owner_.acquire(lock_wish());
  const Result<LockReply> reply = co_await acquiring;
  if (!reply) {
    transfer_.fail(reply.error());
    co_return;
  }
  held_ = *reply;
  transfer_.changed.notify();
}

// The lock to commit under; without one, none of fence 0.
Task<Result<LockReply>> Upload::await_lock() {
  if (!locking_) co_return LockReply();
  Task<void> waiting = transfer_.until([this] { return held_.has_value(); });
  co_await waiting;
  if (!held_) co_return transfer_.error();
  co_return *held_;
}

// One step needs no lock to be whole. It is enough that nobody holds one, or waits for one, when it
// is made: who was granted it in between, and has committed, is not overwritten, for the fence is
// older than theirs.
Task<Result<LockReply>> Upload::pass_lock() {
  if (!transfer_.options.lock.take) co_return LockReply();
  if (locking_) {
    Task<Result<LockReply>> locking = await_lock();
    Result<LockReply> held = co_await locking;
    co_return held;
  }
  Task<Result<LockReply>> asking = owner_.ask(lock_wish());
  Result<LockReply> free = co_await asking;
  if (free && free->state == LockState::granted) co_return free;
  if (!free && free.code() != Code::locked) co_return free.error();
  Task<Result<LockReply>> acquiring = owner_.acquire(lock_wish());
  Result<LockReply> held = co_await acquiring;
  co_return held;
}

CommitFile Upload::commit_request() const {
  CommitFile request;
  request.path = path_;
  request.size = content_size_;
  request.mode = transfer_.options.mode;
  request.expected_version = transfer_.options.expected_version;
  request.copies = placement_.copies_asked();
  if (held_) {
    request.fence = held_->fence;
    request.fence_proof = held_->fence_proof;
  }
  request.grant = placement_.grant();
  request.layout.object = placement_.object();
  request.layout.block_bytes = placement_.block_bytes();
  request.layout.groups = placement_.home_groups();
  for (uint32_t i = 0; i < stored_.size(); ++i) {
    request.crc32c = crc32c_combine(request.crc32c, stored_[i].crc, stored_[i].length);
    if (stored_[i].group != placement_.home(i)) {
      request.layout.overrides.push_back({i, stored_[i].group});
    }
  }
  if (sealed_) {
    request.seal = sealed_->seal();
    request.seal.crc32c = std::exchange(request.crc32c, sealed_->content_crc());
  }
  request.writes = writes();
  return request;
}

// Per group: the nodes that hold every one of its blocks, and the oldest epoch that was written
// under, which is the one the monitor must still be content with.
std::vector<GroupWrites> Upload::writes() const {
  std::map<GroupId, GroupWrites> by_group;
  for (const Stored& block : stored_) {
    auto [found, first] = by_group.try_emplace(block.group);
    GroupWrites& writes = found->second;
    if (first) {
      writes = {block.group, block.epoch, block.nodes};
      continue;
    }
    writes.epoch = std::min(writes.epoch, block.epoch);
    std::erase_if(writes.nodes, [&](NodeId node) {
      return std::find(block.nodes.begin(), block.nodes.end(), node) == block.nodes.end();
    });
  }
  std::vector<GroupWrites> all;
  for (auto& [group, writes] : by_group) all.push_back(std::move(writes));
  return all;
}

// Groups whose blocks were written to different members, so that too few hold all of them.
std::set<GroupId> Upload::thin_groups() const {
  std::set<GroupId> thin;
  for (const GroupWrites& writes : writes()) {
    if (writes.nodes.size() < placement_.min_copies()) thin.insert(writes.group);
  }
  return thin;
}

// The groups a refused commit speaks of: the one in its cause, else all of the file's.
std::set<GroupId> Upload::groups_refused(const Error& error) const {
  std::set<GroupId> groups;
  for (const Stored& block : stored_) groups.insert(block.group);
  const auto named = error.cause.find("group");
  if (named == error.cause.end()) return groups;
  const auto one = static_cast<GroupId>(std::strtoul(named->second.c_str(), nullptr, 10));
  return groups.contains(one) ? std::set<GroupId>{one} : groups;
}

std::vector<uint32_t> Upload::blocks_in(const std::set<GroupId>& groups) const {
  std::vector<uint32_t> blocks;
  for (uint32_t i = 0; i < stored_.size(); ++i) {
    if (groups.contains(stored_[i].group)) blocks.push_back(i);
  }
  return blocks;
}

TransferReport Upload::report_of(const CommitFileReply& reply, InodeInfo info) {
  TransferReport report = transfer_.report();
  report.info = info;
  report.info.ino = reply.ino;
  report.info.version = reply.version;
  report.info.mode = transfer_.options.mode;
  report.receipt = reply.receipt;
  report.bytes = info.size;
  report.blocks = static_cast<uint32_t>(stored_.size());
  report.blocks_resent = blocks_resent_;
  report.copies_min = reply.receipt.replicas;  // of inline content, which is metadata
  report.copies_wanted = stored_.empty() ? reply.receipt.replicas : placement_.replicas();
  for (size_t i = 0; i < stored_.size(); ++i) {
    const auto copies = static_cast<uint32_t>(stored_[i].nodes.size());
    report.copies_min = i == 0 ? copies : std::min(report.copies_min, copies);
  }
  return report;
}

}  // namespace dfs
