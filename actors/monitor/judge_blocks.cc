// Which uploads live, and which blocks nobody will ever read.
#include <algorithm>

#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

constexpr size_t kDeclaredAtOnce = 1024;

// What the rows say of objects and their blocks. Object ids are settled or handed out in order.
class Judge {
 public:
  static Result<Judge> of(Rows& rows) {
    auto cluster = rows.require<ClusterRow>(keys::cluster());
    if (!cluster) return cluster.error();
    auto content = rows.get<ContentRow>(keys::content());
    if (!content) return content.error();
    return Judge(rows, cluster->next_object, content->value_or(ContentRow()));
  }

  // Nothing: no row knows the object.
  Result<std::optional<ObjectRow>> find(ObjectId id) {
    return rows_.get<ObjectRow>(keys::object(id));
  }
  bool settled(ObjectId id) const { return id >= unknown_ && id < settled_; }
  bool handed_out(ObjectId id) const { return id >= unknown_ && id != 0 && id < next_; }

 private:
  Judge(Rows& rows, ObjectId next, const ContentRow& content)
      : rows_(rows), next_(next), settled_(content.settled), unknown_(content.unknown_below) {}

  Rows& rows_;
  ObjectId next_;
  ObjectId settled_;
  ObjectId unknown_;  // below it, what has no row is nobody's knowledge
};

// A block past the end of its object is none that a commit of ours could have left: nothing is
// certain about it.
BlockVerdict verdict_of(const ObjectRow& object, const BlockName& block) {
  if (object.state == ObjectState::dead) return {Verdict::dead, 0};
  const Layout layout{block.object, object.block_bytes, object.groups, object.overrides};
  const bool inside = object.block_bytes != 0 && !object.groups.empty() &&
                      block.index <= (std::max<uint64_t>(object.size, 1) - 1) / object.block_bytes;
  if (!inside) return {Verdict::pending, 0};
  const GroupId home = layout.group_of(block.index);
  if (home == block.group) return {Verdict::live, 0};
  return {Verdict::stray, home};
}

}  // namespace

Result<RenewUploadsReply> Monitor::State::renew_uploads(Rows& rows, const RenewUploads& request,
                                                        const Requester& who) {
  if (!serving()) return not_serving();
  auto judge = Judge::of(rows);
  if (!judge) return judge.error();
  RenewUploadsReply reply{lease_ms(), {}, {}};
  for (size_t i = 0; i < request.objects.size(); ++i) {
    const ObjectId id = request.objects[i];
    DFS_CHECK(check_upload_of(who, id, request.grants.empty() ? Blob() : request.grants[i]));
    if (authenticates()) reply.grants.emplace_back();
    auto object = judge->find(id);
    if (!object) return object.error();
    if (*object && (*object)->state == ObjectState::live) continue;
    if (*object || judge->settled(id) || !judge->handed_out(id) || reign.doomed.contains(id)) {
      reply.lost.push_back(id);
    } else if (!reign.leases.renew(id)) {
      return Error{Code::busy, "too many uploads are under way; try again", {}, 1000};
    } else if (authenticates()) {
      reply.grants.back() = grant_for(id, BlockRight::write, who);
    }
  }
  return reply;
}

Result<JudgeBlocksReply> Monitor::State::judge_blocks(Rows& rows, const JudgeBlocks& request) {
  if (!serving()) return not_serving();
  auto judge = Judge::of(rows);
  if (!judge) return judge.error();
  JudgeBlocksReply reply;
  Result<std::optional<ObjectRow>> object = std::optional<ObjectRow>();
  for (size_t i = 0; i < request.blocks.size(); ++i) {
    const BlockName& block = request.blocks[i];
    // Nodes ask about the blocks of an object together.
    if (i == 0 || block.object != request.blocks[i - 1].object) object = judge->find(block.object);
    if (!object) return object.error();
    BlockVerdict verdict;
    if (*object) {
      verdict = verdict_of(**object, block);
    } else if (block.object != 0 && judge->settled(block.object)) {
      verdict = {Verdict::dead, 0};
    } else if (request.node != 0 && judge->handed_out(block.object) && given_up(block.object)) {
      reign.doomed.insert(block.object);
    }
    reply.verdicts.push_back(verdict);
  }
  declare_dead();
  return reply;
}

// Of an object that is no content: whether no upload can be under way.
bool Monitor::State::given_up(ObjectId object) const {
  const auto still_ours = [&](const ObjectRange& range) {
    return object >= range.first && object - range.first < range.count;
  };
  return reign.leases.complete() && !reign.leases.holds(object) && !still_ours(reign.ids) &&
         !still_ours(reign.next_ids);
}

void Monitor::State::declare_dead() {
  if (stopping || !serving() || reign.declaring || reign.doomed.empty()) return;
  DeclareDead command;
  for (auto object = reign.doomed.begin();
       object != reign.doomed.end() && command.objects.size() < kDeclaredAtOnce; ++object) {
    command.objects.push_back(*object);
  }
  reign.declaring = true;
  propose(command, [this, objects = command.objects](const Result<Outcome>& outcome) {
    reign.declaring = false;
    for (const ObjectId object : objects) reign.doomed.erase(object);
    if (!outcome) return command_failed("DeclareDead", outcome.error());
    declare_dead();
  });
}

uint32_t Monitor::State::lease_ms() const {
  return static_cast<uint32_t>(settings.upload_lease / std::chrono::milliseconds(1));
}

void Monitor::State::tick_leases() {
  reign.leases.tick();
  reign.lease_timer = bus.after(settings.upload_lease / kLeaseTicks, [this] { tick_leases(); });
}

// The lowest object that is, or may become, an upload under way: no object below it that is not
// content will ever be. 0: too early to tell.
ObjectId Monitor::State::lowest_upload(Rows& rows) {
  if (!reign.leases.complete()) return 0;
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return 0;
  ObjectId lowest = std::min(cluster->next_object, reign.leases.first().value_or(UINT64_MAX));
  for (const ObjectRange& range : {reign.ids, reign.next_ids}) {
    if (range.count > 0) lowest = std::min(lowest, range.first);
  }
  return lowest;
}

}  // namespace dfs
