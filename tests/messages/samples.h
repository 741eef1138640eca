// One fixed value of every message, in which no field has its default. The golden vectors are these
// values encoded; the hostile inputs are these values damaged.
#pragma once

#include "actors/monitor/commands.h"
#include "messages/blocks.h"
#include "messages/cluster.h"
#include "messages/envelope.h"
#include "messages/events.h"
#include "messages/grant_keys.h"
#include "messages/namespace.h"
#include "tests/messages/agent_samples.h"
#include "tests/messages/block_samples.h"
#include "tests/messages/consensus_samples.h"
#include "tests/messages/head_samples.h"
#include "tests/messages/history_samples.h"
#include "tests/messages/lock_samples.h"
#include "tests/messages/pass_samples.h"
#include "tests/messages/pool_key_samples.h"
#include "tests/messages/rebuild_samples.h"
#include "tests/messages/repair_samples.h"
#include "tests/messages/user_samples.h"

namespace dfs::samples {

// Calls visit.operator()<T>() for every message that may appear on a socket.
template <class Visitor>
void for_each_message(Visitor&& visit) {
  const auto all = [&]<class... T>() { (visit.template operator()<T>(), ...); };
  all.template operator()<ErrorReply>();
  all.template operator()<Announce, Join, JoinReply, Heartbeat, GetMap, ClusterMap, GetStatus,
                          ClusterStatus, Ping, Pong>();
  all.template operator()<AddHead, AddHeadReply, RemoveHead, RemoveHeadReply, TransferLead,
                          TransferLeadReply, ListHeads, HeadList>();
  all.template
  operator()<Stat, StatReply, List, ListReply, MakeDir, MakeDirReply, Rename, RenameReply, Remove,
             RemoveReply, SetAttributes, SetAttributesReply, ShowFence, ShowFenceReply, GetHistory,
             HistoryList, CopyFile, CopyFileReply>();
  all.template
  operator()<PlanFile, PlanFileReply, CommitFile, CommitFileReply, OpenFile, OpenFileReply>();
  all.template operator()<WriteBlock, WriteBlockReply, ReadBlock, ReadBlockReply, AbortBlock,
                          AbortBlockReply, ListBlocks, ListBlocksReply>();
  all.template
  operator()<GetDigests, DigestList, CheckCopies, CheckCopiesReply, FillGroup, FillGroupReply,
             ConfirmSurplus, ConfirmSurplusReply, ControlScrub, ScrubStatus>();
  all.template operator()<RenewUploads, RenewUploadsReply, JudgeBlocks, JudgeBlocksReply>();
  all.template operator()<ListTasks, TaskList, ControlTask, ControlTaskReply, ChangeNode,
                          ChangeNodeReply, SetPool, SetPoolReply>();
  all.template
  operator()<ReadHints, HintList, GetRebuild, RebuildStatus, ImportGroups, ImportGroupsReply,
             ImportFiles, ImportFilesReply, EndRebuild, EndRebuildReply>();
  all.template operator()<Event, ReadEvents, ReadEventsReply>();
  all.template operator()<AgentBeat, ListAgents, AgentList, CreateNode, CreateNodeReply>();
  all.template operator()<AddJoinToken, AddJoinTokenReply, SetJoinRule, SetJoinRuleReply,
                          ListJoinTokens, JoinTokenList>();
  all.template
  operator()<SignUp, LogIn, TicketReply, RenewTicket, LogOut, LogOutReply, ChangePassword, AddUser,
             UserReply, ChangeUser, RemoveUser, ListUsers, UserList, SetSignUp, SetSignUpReply,
             AddServiceToken, ListSessions, SessionList, EndSession, GetTicketKeys, TicketKeys>();
  all.template operator()<GetGrantKeys, GrantKeys, RotateGrantKey, RotateGrantKeyReply,
                          RotateTicketKey, RotateTicketKeyReply>();
  all.template operator()<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply,
                          InstallSnapshot, ReadSnapshot, ReadSnapshotReply, TimeoutNow>();
  all.template operator()<AcquireLock, LockReply, AwaitLock, RenewLocks, RenewLocksReply,
                          ReleaseLock, ReleaseLockReply, BreakLock, ListLocks, LockList>();
  all.template operator()<GetNodePass, NodePass, GetUserNames, UserNames>();
  all.template operator()<RotatePoolKey, RotatePoolKeyReply, ExportPoolKeys, PoolKeyList,
                          ImportPoolKeys, ImportPoolKeysReply>();
}

// The same for the entries of the monitor's and the lock actor's logs, which must stay readable as
// long as logs do.
template <class Visitor>
void for_each_command(Visitor&& visit) {
  const auto all = [&]<class... T>() { (visit.template operator()<T>(), ...); };
  all.template operator()<CreateCluster, RegisterNode, SetNodeState, SetGroups, ReserveObjects,
                          PruneOrphans, TrimEvents, BecomeLeader, ChangeMembers>();
  all.template
  operator()<MoveGroups, SetFilled, SetLacking, SetStanding, SetTask, ExpireHistory, DeclareDead,
             ForgetObjects, NoteDenied, RaiseEpoch, AddGrantKey, TurnGrantKey>();
  all.template operator()<lock::TakeLock, lock::EndLock, lock::EndOwners, lock::ExpireWaits>();
  all.template
  operator()<lock::FoundUsers, lock::CreateUser, lock::EnrollUser, lock::EditUser, lock::DeleteUser,
             lock::OpenSignUp, lock::BeginSession, lock::ExtendSession, lock::FinishSessions,
             lock::ReplacePassword, lock::IssueToken, lock::NoteDenials, lock::TidyUsers,
             lock::AddTicketKey>();
}

inline constexpr const char* kPublicKey =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

inline Header header() {
  return {.version = kProtocolVersion,
          .type = Type::WriteBlock,
          .request = 0x1122334455667788,
          .trace = 0x99aabbccddeeff00,
          .deadline_ms = 10'000,
          .from = "client/9f3c5a7e01d2b4c6",
          .to = "storage/7",
          .ticket = std::string("\x00\xff ticket", 9),
          .source = "10.0.0.7"};
}

inline InodeInfo inode() {
  return {.ino = 0x1001,
          .type = FileType::directory,
          .mode = 0640,
          .uid = 1000,
          .gid = 100,
          .size = 3'926'917'120,
          .links = 2,
          .created_ms = 1'700'000'000'123,
          .modified_ms = -1,
          .version = 3,
          .crc32c = 0xdeadbeef,
          .object = 0x2002,
          .block_bytes = 128ull << 20,
          .pool = "archive",
          .has_acl = true,
          .encrypted = true,
          .crc32c_known = false};
}
inline Receipt receipt() {
  return {.index = 4711, .term = 2, .synced = true, .replicas = 3};
}
inline Freshness freshness() {
  return {.stale = true, .stale_ms = 350, .applied = 4711};
}
inline PoolView pool() {
  return {
      .name = "default", .replicas = 3, .min_copies = 2, .groups = 128, .id = 1, .encrypted = true};
}
inline NodeView node() {
  return {.node = 7,
          .uuid = "0123456789abcdef0123456789abcdef",
          .endpoint = "tcp://127.0.0.1:7107",
          .host = "h1",
          .rack = "r1",
          .state = NodeState::down,
          .total_bytes = 1ull << 40,
          .standing = NodeStanding::out,
          .key = kPublicKey};
}
inline Layout layout() {
  return {.object = 0x2002,
          .block_bytes = 16ull << 20,
          .groups = {1, 5, 9},
          .overrides = {{.index = 4, .group = 12}, {.index = 70'000, .group = 13}}};
}
inline std::vector<GroupRoute> routes() {
  return {{.group = 5,
           .epoch = 11,
           .members = {{.node = 7,
                        .endpoint = "tcp://127.0.0.1:7107",
                        .up = false,
                        .complete = false,
                        .leaving = true},
                       {.node = 8, .endpoint = "tcp://127.0.0.1:7108", .up = true}}}};
}

template <class T>
T sample();

template <>
inline ErrorReply sample() {
  return {.code = 300,
          .text = "no such file: /a/b",
          .cause = {{"missing", "/a"}, {"path", "/a/b"}},
          .retry_after_ms = 250};
}

// membership

template <>
inline Announce sample() {
  return {.service = "storage/7", .term = 3};
}
template <>
inline Join sample() {
  return {.uuid = "0123456789abcdef0123456789abcdef",
          .cluster = "fedcba9876543210fedcba9876543210",
          .endpoint = "tcp://127.0.0.1:7107",
          .host = "h1",
          .rack = "r1",
          .total_bytes = 1ull << 40,
          .used_bytes = 123'456'789,
          .feature_level = 2,
          .node = 7,
          .token = "0123456789abcdef0123456789abcdef",
          .key = kPublicKey,
          .verify_key = {.bytes = std::string(32, '\x81')}};
}
template <>
inline JoinReply sample() {
  return {.node = 7,
          .cluster = "fedcba9876543210fedcba9876543210",
          .epoch = 12,
          .heartbeat_ms = 2500,
          .grant_keys = {.bytes = std::string(32, '\x80')},
          .warrant = {.bytes = "warrant"}};
}
template <>
inline Heartbeat sample() {
  return {.node = 7,
          .boot = 0xfedcba9876543210,
          .sequence = 65'536,
          .epoch = 12,
          .total_bytes = 1ull << 40,
          .used_bytes = 123'456'789,
          .blocks = 300,
          .jobs_queued = 5,
          .bytes_written = 1ull << 33,
          .bytes_read = 1ull << 34,
          .accepts_writes = false,
          .blocks_bad = 2,
          .directories = 3,
          .directories_failed = 1,
          .losses = 4,
          .jobs = {{.kind = "scrub",
                    .state = "running",
                    .done = 123'456'789,
                    .total = 1ull << 40,
                    .found = 2,
                    .until_ms = 1'700'000'000'123}},
          .denied = 5};
}
template <>
inline GetMap sample() {
  return {};
}
template <>
inline ClusterMap sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210",
          .epoch = 12,
          .pools = {pool()},
          .nodes = {node()},
          .groups = {{.group = 5,
                      .epoch = 11,
                      .members = {7, 8},
                      .used = true,
                      .pool = 1,
                      .leaving = {9},
                      .lacking = {{.node = 8, .since = 4711}}}},
          .heads = {{.id = 2, .broker = "tcp://127.0.0.1:7000"}}};
}
template <>
inline GetStatus sample() {
  return {.stale = true};
}
template <>
inline ClusterStatus sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210",
          .health = "degraded",
          .reason = "storage/7 is down",
          .epoch = 12,
          .monitor = "monitor/1",
          .applied = 4711,
          .uptime_ms = 86'400'000,
          .files = 2000,
          .directories = 12,
          .pools = {pool()},
          .groups_healthy = 100,
          .groups_degraded = 27,
          .groups_down = 1,
          .nodes =
              {{.view = node(), .heartbeat = sample<Heartbeat>(), .silent_ms = 3100, .groups = 64}},
          .heads = sample<HeadList>(),
          .freshness = freshness(),
          .content = {.live = 1900, .live_bytes = 1 << 30, .dead = 3, .dead_bytes = 4096},
          .authentication = true,
          .denied = 6,
          .secure = true,
          .refused = {.connections = 7, .floods = 8, .requests = 9, .publications = 10}};
}
template <>
inline Ping sample() {
  return {.nonce = 42};
}
template <>
inline Pong sample() {
  return {.nonce = 42, .actor = "storage/7"};
}

// namespace

template <>
inline Stat sample() {
  return {.path = "/photos/2024/caf\xc3\xa9 \"1\".jpg", .stale = true, .at = moment()};
}
template <>
inline StatReply sample() {
  return {.info = inode(), .freshness = freshness(), .acl = acl(), .default_acl = acl()};
}
template <>
inline List sample() {
  return {.path = "/photos", .after = "a\nb", .limit = 500, .stale = true, .at = moment()};
}
template <>
inline ListReply sample() {
  return {.entries = {{.name = "caf\xc3\xa9", .info = inode()}},
          .more = true,
          .freshness = freshness()};
}
template <>
inline MakeDir sample() {
  return {.path = "/photos/2024", .parents = true, .mode = 0700};
}
template <>
inline MakeDirReply sample() {
  return {.ino = 0x1001, .receipt = receipt()};
}
template <>
inline Rename sample() {
  return {.from = "/photos/old",
          .to = "/photos/new",
          .replace = false,
          .fence = 90,
          .to_fence = 91,
          .fence_proof = {"proof"},
          .to_fence_proof = {"other proof"}};
}
template <>
inline RenameReply sample() {
  return {.receipt = receipt()};
}
template <>
inline SetAttributes sample() {
  return {.path = "/photos",
          .set_pool = true,
          .pool = "archive",
          .set_mode = true,
          .mode = 0640,
          .set_owner = true,
          .uid = 1001,
          .set_group = true,
          .gid = 100,
          .set_acl = true,
          .acl = acl(),
          .set_default_acl = true,
          .default_acl = acl()};
}
template <>
inline SetAttributesReply sample() {
  return {.receipt = receipt()};
}
template <>
inline Remove sample() {
  return {.path = "/photos/new", .recursive = true, .fence = 92, .fence_proof = {"proof"}};
}
template <>
inline RemoveReply sample() {
  return {.receipt = receipt()};
}

// upload and download

template <>
inline PlanFile sample() {
  return {.path = "/photos/film.mkv",
          .size = 3'926'917'120,
          .block_bytes = 128ull << 20,
          .object = 0x2002,
          .avoid = {7},
          .copies = 2,
          .grant = grant(),
          .key = {.bytes = std::string(kKeyBytes, 'k')}};
}
template <>
inline PlanFileReply sample() {
  return {.object = 0x2002,
          .block_bytes = 16ull << 20,
          .replicas = 2,
          .min_copies = 2,
          .groups = routes(),
          .lease_ms = 60'000,
          .grant = grant(),
          .wrapped_key = seal().key};
}
template <>
inline CommitFile sample() {
  return {.path = "/photos/film.mkv",
          .size = 3'926'917'120,
          .crc32c = 0xdeadbeef,
          .mode = 0600,
          .content = {},  // see inline_file()
          .layout = layout(),
          .writes = {{.group = 5, .epoch = 11, .nodes = {7, 8}}},
          .expected_version = 2,
          .copies = 2,
          .fence = 93,
          .grant = grant(),
          .seal = seal(),
          .content_wrapped = true,
          .fence_proof = {"proof"}};
}
inline CommitFile inline_file() {
  return {.path = "/photos/note",
          .size = 5,
          .crc32c = 0x9a71bb4c,  // of "hello"
          .mode = 0600,
          .content = {.bytes = "hello"},
          .layout = {},
          .writes = {},
          .expected_version = 0,
          .copies = 1,
          .fence = 0};
}
template <>
inline CommitFileReply sample() {
  return {.ino = 0x1001, .version = 3, .created = true, .receipt = receipt()};
}
template <>
inline OpenFile sample() {
  return {.path = "/photos/film.mkv", .stale = true, .at = moment()};
}
template <>
inline OpenFileReply sample() {
  return {.info = inode(),
          .content = {.bytes = std::string("\x00\x01\xff", 3)},
          .layout = layout(),
          .routes = routes(),
          .freshness = freshness(),
          .grant = grant(),
          .seal = {.cipher = Cipher::aes_256_gcm,
                   .key = {.bytes = std::string(kKeyBytes, 'k')},
                   .crc32c = 0x12345678}};
}
template <>
inline Event sample() {
  return {.topic = "file-committed",
          .index = 4711,
          .time_ms = 1'700'000'000'123,
          .actor = "monitor/1",
          .trace = 0x99aabbccddeeff00,
          .fields = {{"path", "/photos/film.mkv"}, {"size", "3926917120"}}};
}

template <>
inline ReadEvents sample() {
  return {.since = 4700, .limit = 100, .prefix = "file-", .stale = true};
}
template <>
inline ReadEventsReply sample() {
  return {.events = {sample<Event>()},
          .next = 4711,
          .more = true,
          .first_kept = 12,
          .freshness = freshness()};
}

// entries of the monitor's log

template <>
inline CreateCluster sample() {
  return {.cluster = "fedcba9876543210fedcba9876543210",
          .replicas = 3,
          .min_copies = 2,
          .groups = 128,
          .rebuild = true,
          .join_rule = JoinRule::token,
          .authentication = Authentication::required,
          .grant_key = {.bytes = std::string(32, '\x80')}};
}
template <>
inline RegisterNode sample() {
  return {.uuid = "0123456789abcdef0123456789abcdef",
          .endpoint = "tcp://127.0.0.1:7107",
          .host = "h1",
          .rack = "r1",
          .total_bytes = 1ull << 40,
          .feature_level = 2,
          .heartbeat_ms = 2500,
          .number = 7,
          .token = kTokenHash,
          .key = kPublicKey,
          .source = "10.0.0.7"};
}
template <>
inline SetNodeState sample() {
  return {.node = 7, .state = NodeState::down, .reason = "silent for 3000 ms"};
}
template <>
inline SetGroups sample() {
  return {.groups = {{.group = 5, .members = {7, 8}}}};
}
template <>
inline ReserveObjects sample() {
  return {.count = 8192};
}
template <>
inline PruneOrphans sample() {
  return {.limit = 100};
}
template <>
inline TrimEvents sample() {
  return {.before = 4000, .limit = 100};
}

}  // namespace dfs::samples
