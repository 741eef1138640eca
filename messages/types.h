// Limits of the protocol and the numbers of its messages. A number is never reused; see README.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dfs {

inline constexpr uint8_t kProtocolVersion = 1;

// What a peer may send. Anything larger is refused as `too_large` before it is decoded.
inline constexpr size_t kHeaderBytesMax = 4 * 1024;
inline constexpr size_t kBodyBytesMax = 1024 * 1024;
inline constexpr size_t kPartBytes = 1024 * 1024;  // unit in which a block travels
inline constexpr size_t kPayloadBytesMax = kPartBytes + 64 * 1024;
inline constexpr size_t kNameBytesMax = 255;
inline constexpr size_t kPathBytesMax = 4096;
inline constexpr size_t kAddressBytesMax = 255;  // header fields `from` and `to`
inline constexpr size_t kTicketBytesMax = 1024;
inline constexpr size_t kSourceBytesMax = 64;  // header field `source`
inline constexpr size_t kListEntriesMax = 1000;
inline constexpr size_t kBatchMax = 4096;        // elements of any list in a body
inline constexpr size_t kInlineBytesMax = 4096;  // file content carried inside CommitFile
inline constexpr size_t kNestingMax = 16;

inline constexpr uint64_t kBlockBytesMin = 1ull << 20;
inline constexpr uint64_t kBlockBytesMax = 128ull << 20;
inline constexpr uint64_t kBlockBytesDefault = 16ull << 20;
inline constexpr size_t kReplicasMax = 3;
inline constexpr size_t kLayoutGroupsMax = 64;  // width of a layout: block i is in groups[i % w]
inline constexpr size_t kOverridesMax = 4096;   // blocks of one object that were placed elsewhere

// Message numbers, in hundreds per conversation. 0 and 1 are for every conversation.
enum class Type : uint16_t {
  None = 0,
  Error = 1,

  // membership
  Announce = 100,
  Join = 101,
  JoinReply = 102,
  Heartbeat = 103,
  GetMap = 104,
  ClusterMap = 105,
  GetStatus = 106,
  ClusterStatus = 107,
  Ping = 108,
  Pong = 109,
  AddHead = 110,
  AddHeadReply = 111,
  RemoveHead = 112,
  RemoveHeadReply = 113,
  TransferLead = 114,
  TransferLeadReply = 115,
  ListHeads = 116,
  HeadList = 117,
  ChangeNode = 118,
  ChangeNodeReply = 119,
  SetPool = 120,
  SetPoolReply = 121,

  // membership: who starts storage nodes, and who may join
  AgentBeat = 140,
  ListAgents = 141,
  AgentList = 142,
  CreateNode = 143,
  CreateNodeReply = 144,
  AddJoinToken = 145,
  AddJoinTokenReply = 146,
  SetJoinRule = 147,
  SetJoinRuleReply = 148,
  ListJoinTokens = 149,
  JoinTokenList = 150,

  // namespace
  Stat = 200,
  StatReply = 201,
  List = 202,
  ListReply = 203,
  MakeDir = 204,
  MakeDirReply = 205,
  Rename = 206,
  RenameReply = 207,
  Remove = 208,
  RemoveReply = 209,
  SetAttributes = 210,
  SetAttributesReply = 211,
  ShowFence = 212,
  ShowFenceReply = 213,
  GetHistory = 214,
  HistoryList = 215,
  CopyFile = 216,
  CopyFileReply = 217,

  // upload and download: the monitor's part
  PlanFile = 300,
  PlanFileReply = 301,
  CommitFile = 302,
  CommitFileReply = 303,
  OpenFile = 304,
  OpenFileReply = 305,
  RenewUploads = 306,
  RenewUploadsReply = 307,
  JudgeBlocks = 308,
  JudgeBlocksReply = 309,

  // upload and download: the storage node's part
  WriteBlock = 400,
  WriteBlockReply = 401,
  ReadBlock = 402,
  ReadBlockReply = 403,
  AbortBlock = 404,
  AbortBlockReply = 405,
  ListBlocks = 406,
  ListBlocksReply = 407,

  // repair: between storage nodes, and what the monitor asks of them
  GetDigests = 450,
  DigestList = 451,
  CheckCopies = 452,
  CheckCopiesReply = 453,
  FillGroup = 454,
  FillGroupReply = 455,
  ConfirmSurplus = 456,
  ConfirmSurplusReply = 457,
  ControlScrub = 458,
  ScrubStatus = 459,
  ReadHints = 460,
  HintList = 461,

  // events
  Event = 500,
  ReadEvents = 501,
  ReadEventsReply = 502,

  // consensus
  RequestVote = 600,
  RequestVoteReply = 601,
  AppendEntries = 602,
  AppendEntriesReply = 603,
  InstallSnapshot = 604,
  ReadSnapshot = 605,
  ReadSnapshotReply = 606,
  TimeoutNow = 607,
  // entries that any replicated log may hold; never on a socket by themselves
  BecomeLeader = 680,
  ChangeMembers = 681,

  // users
  SignUp = 700,
  LogIn = 701,
  TicketReply = 702,
  RenewTicket = 703,
  LogOut = 704,
  LogOutReply = 705,
  ChangePassword = 706,
  AddUser = 707,
  UserReply = 708,
  ChangeUser = 709,
  RemoveUser = 710,
  ListUsers = 711,
  UserList = 712,
  SetSignUp = 713,
  SetSignUpReply = 714,
  AddServiceToken = 715,
  ListSessions = 716,
  SessionList = 717,
  EndSession = 718,
  GetTicketKeys = 719,
  TicketKeys = 720,

  // locks
  AcquireLock = 750,
  LockReply = 751,
  AwaitLock = 752,
  RenewLocks = 753,
  RenewLocksReply = 754,
  ReleaseLock = 755,
  ReleaseLockReply = 756,
  BreakLock = 757,
  ListLocks = 758,
  LockList = 759,
  GetNodePass = 780,
  NodePass = 781,
  GetUserNames = 782,
  UserNames = 783,

  // keys
  GetGrantKeys = 760,
  GrantKeys = 761,
  RotateGrantKey = 762,
  RotateGrantKeyReply = 763,
  RotateTicketKey = 764,
  RotateTicketKeyReply = 765,

  // tasks
  ListTasks = 800,
  TaskList = 801,
  ControlTask = 802,
  ControlTaskReply = 803,

  // rebuild
  GetRebuild = 820,
  RebuildStatus = 821,
  ImportGroups = 822,
  ImportGroupsReply = 823,
  ImportFiles = 824,
  ImportFilesReply = 825,
  EndRebuild = 826,
  EndRebuildReply = 827,

  // pool keys
  RotatePoolKey = 830,
  RotatePoolKeyReply = 831,
  ExportPoolKeys = 832,
  PoolKeyList = 833,
  ImportPoolKeys = 834,
  ImportPoolKeysReply = 835,

  // 900: commands in the monitor's log; never on a socket
  CreateCluster = 900,
  RegisterNode = 901,
  SetNodeState = 902,
  SetGroups = 903,
  ReserveObjects = 904,
  PruneOrphans = 905,
  TrimEvents = 906,
  MoveGroups = 907,
  SetFilled = 908,
  SetLacking = 909,
  SetStanding = 910,
  SetTask = 911,
  ExpireHistory = 912,
  DeclareDead = 913,
  ForgetObjects = 914,
  NoteDenied = 915,
  RaiseEpoch = 920,
  AddGrantKey = 930,
  TurnGrantKey = 931,

  // 1000: commands in the lock actor's log; never on a socket. Users:
  FoundUsers = 1000,
  CreateUser = 1001,
  EnrollUser = 1002,
  EditUser = 1003,
  DeleteUser = 1004,
  OpenSignUp = 1005,
  BeginSession = 1006,
  ExtendSession = 1007,
  FinishSessions = 1008,
  ReplacePassword = 1009,
  IssueToken = 1010,
  NoteDenials = 1011,
  TidyUsers = 1012,
  AddTicketKey = 1013,
  // Locks:
  TakeLock = 1050,
  EndLock = 1051,
  EndOwners = 1052,
  ExpireWaits = 1053,
};

}  // namespace dfs
