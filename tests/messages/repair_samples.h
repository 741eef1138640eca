// Samples of the conversations "repair", "reclaim" and "tasks", and of the commands behind them;
// see samples.h.
#pragma once

#include "actors/monitor/commands.h"
#include "messages/namespace.h"
#include "messages/reclaim.h"
#include "messages/repair.h"
#include "messages/tasks.h"
#include "tests/messages/block_samples.h"

namespace dfs::samples {

template <class T>
T sample();
Receipt receipt();

template <>
inline GetDigests sample() {
  return {.groups = {5, 9}};
}
template <>
inline DigestList sample() {
  return {.epoch = 12,
          .digests = {{.group = 5,
                       .blocks = 300,
                       .bytes = 123'456'789,
                       .sum_a = 0xfedcba9876543210,
                       .sum_b = 0x0123456789abcdef}}};
}
template <>
inline CheckCopies sample() {
  return {.group = 5,
          .copies = {{.object = 0x2002, .index = 4, .length = 3'145'733, .crc32c = 0x01020304},
                     {.object = 0x2003, .index = 70'000, .length = 1, .crc32c = 0xdeadbeef}}};
}
template <>
inline CheckCopiesReply sample() {
  return {.epoch = 12, .good = {1, 0}};
}
template <>
inline FillGroup sample() {
  return {.group = 5,
          .epoch = 12,
          .as_of = 4711,
          .sources = {{.node = 7, .endpoint = "tcp://127.0.0.1:7107", .complete = false},
                      {.node = 8, .endpoint = "tcp://127.0.0.1:7108", .complete = true}},
          .bytes_per_second = 50 << 20,
          .wait_ms = 300};
}
template <>
inline FillGroupReply sample() {
  return {.group = 5,
          .epoch = 12,
          .state = FillState::failed,
          .as_of = 4711,
          .blocks_total = 300,
          .bytes_total = 123'456'789,
          .blocks_done = 17,
          .bytes_done = 7'000'000,
          .blocks_same = 4000,
          .blocks_unreadable = 1,
          .why = "storage/7 does not answer"};
}
template <>
inline ConfirmSurplus sample() {
  return {.node = 9, .group = 5};
}
template <>
inline ConfirmSurplusReply sample() {
  return {.epoch = 12,
          .replicas = 2,
          .members = {{.node = 7, .endpoint = "tcp://127.0.0.1:7107", .complete = true}}};
}
template <>
inline ControlScrub sample() {
  return {.action = ScrubAction::pause};
}
template <>
inline ScrubStatus sample() {
  return {.node = 7,
          .state = "running",
          .pass = 3,
          .bytes_done = 123'456'789,
          .bytes_total = 1ull << 40,
          .blocks_done = 30,
          .bad_found = 2,
          .bad_now = 1,
          .pass_began_ms = 1'700'000'000'123,
          .last_finished_ms = 1'600'000'000'123,
          .next_ms = 1'800'000'000'123,
          .bytes_per_second = 20 << 20};
}

template <>
inline NoteDenied sample() {
  return {.denials = {{.user = "ada",
                       .from = "client/1",
                       .request = 300,
                       .reason = "rights",
                       .path = "/photos",
                       .count = 3}},
          .left_out = 2};
}
template <>
inline RenewUploads sample() {
  return {.objects = {0x2002, 0x2003}, .grants = {grant(), grant()}};
}
template <>
inline RenewUploadsReply sample() {
  return {.lease_ms = 60'000, .lost = {0x2003}, .grants = {grant()}};
}
template <>
inline JudgeBlocks sample() {
  return {.node = 7, .blocks = {{.object = 0x2002, .index = 4, .group = 5}}};
}
template <>
inline JudgeBlocksReply sample() {
  return {.verdicts = {{.verdict = Verdict::stray, .home = 9}}};
}

template <>
inline ListTasks sample() {
  return {};
}
template <>
inline TaskList sample() {
  return {.tasks = {{.id = "drain/7",
                     .kind = "drain",
                     .state = TaskState::paused,
                     .groups_left = 12,
                     .blocks_done = 300,
                     .bytes_done = 123'456'789,
                     .bytes_total = 1ull << 33,
                     .bytes_per_second = 90 << 20,
                     .limit = 100 << 20,
                     .eta_ms = 17'000,
                     .began_ms = 1'700'000'000'123,
                     .text = "12 groups wait for their new members"}}};
}
template <>
inline ControlTask sample() {
  return {.id = "rebalance",
          .action = TaskAction::start,
          .bytes_per_second = 50 << 20,
          .dry_run = true};
}
template <>
inline ControlTaskReply sample() {
  return {.plan = {{.group = 5, .from = 7, .to = 9, .bytes = 123'456'789}}, .receipt = receipt()};
}
template <>
inline ChangeNode sample() {
  return {.node = 7,
          .action = NodeAction::remove,
          .dry_run = true,
          .accept_loss = true,
          .accepted = {3, 9}};
}
template <>
inline ChangeNodeReply sample() {
  return {.groups_left = 12, .receipt = receipt(), .losing = {3, 9}};
}
template <>
inline SetPool sample() {
  return {.name = "archive",
          .create = true,
          .replicas = 3,
          .min_copies = 2,
          .groups = 128,
          .encrypted = true,
          .kept = {.id = 0x1122334455667788,
                   .key = {.bytes = std::string(kKeyBytes, 'k')},
                   .wrapped = true}};
}
template <>
inline SetPoolReply sample() {
  return {.id = 1, .receipt = receipt()};
}

template <>
inline MoveGroups sample() {
  return {.moves = {{.group = 5, .epoch = 11, .members = {8, 9}}}, .reason = "storage/7 is out"};
}
template <>
inline SetFilled sample() {
  return {.filled = {{.group = 5, .node = 9, .as_of = 4711, .sources = {7, 8}, .unreadable = 2}}};
}
template <>
inline SetLacking sample() {
  return {.node = 7, .groups = {5, 9}, .reason = "its disk lost blocks", .boot = 77, .losses = 3};
}
template <>
inline SetStanding sample() {
  return {.node = 7,
          .standing = NodeStanding::draining,
          .remove = true,
          .reason = "an administrator asked for it",
          .accept_loss = true,
          .accepted = {3, 9}};
}
template <>
inline SetTask sample() {
  return {.id = "rebalance", .active = true, .paused = true, .bytes_per_second = 50 << 20};
}
template <>
inline ExpireHistory sample() {
  return {.before_ms = 1'700'000'000'123, .limit = 100};
}
template <>
inline DeclareDead sample() {
  return {.objects = {0x2002, 0x2003}};
}
template <>
inline ForgetObjects sample() {
  return {.before_ms = 1'700'000'000'123, .limit = 100, .below = 0x2002};
}

}  // namespace dfs::samples
