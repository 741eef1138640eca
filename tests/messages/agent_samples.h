// Samples of the messages about agents and join tokens.
#pragma once

#include "actors/monitor/commands.h"
#include "messages/agents.h"

namespace dfs::samples {

template <class T>
T sample();

inline constexpr const char* kTokenHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

template <>
inline AgentBeat sample() {
  return {.host = "h1",
          .rack = "r1",
          .boot = 0xfedcba9876543210,
          .sequence = 65'536,
          .directory = "/srv/zdfs",
          .total_bytes = 1ull << 40,
          .free_bytes = 1ull << 39,
          .nodes_max = 8,
          .nodes = {{.name = "storage-1",
                     .node = 7,
                     .endpoint = "tcp://127.0.0.1:7107",
                     .folder = "/srv/zdfs/storage-1",
                     .state = AgentNodeState::waiting,
                     .pid = 4242,
                     .restarts = 3,
                     .text = "its process ended with status 4"}}};
}
template <>
inline ListAgents sample() {
  return {};
}
template <>
inline AgentList sample() {
  return {.agents = {{.beat = sample<AgentBeat>(), .silent_ms = 350}}};
}
template <>
inline CreateNode sample() {
  return {.name = "storage-1",
          .rack = "r2",
          .capacity_bytes = 1ull << 38,
          .port = 7107,
          .token = "0123456789abcdef0123456789abcdef"};
}
template <>
inline CreateNodeReply sample() {
  return {.node = 7,
          .name = "storage-1",
          .endpoint = "tcp://127.0.0.1:7107",
          .folder = "/srv/zdfs/storage-1",
          .pid = 4242};
}
template <>
inline AddJoinToken sample() {
  return {.hash = kTokenHash, .lasts_ms = 3'600'000, .uses = 3};
}
template <>
inline AddJoinTokenReply sample() {
  return {.expires_ms = 1'700'000'000'123,
          .rule = JoinRule::token,
          .receipt = {.index = 4711, .term = 2, .synced = true, .replicas = 3}};
}
template <>
inline SetJoinRule sample() {
  return {.rule = JoinRule::token};
}
template <>
inline SetJoinRuleReply sample() {
  return {.receipt = {.index = 4711, .term = 2, .synced = true, .replicas = 3}};
}
template <>
inline ListJoinTokens sample() {
  return {};
}
template <>
inline JoinTokenList sample() {
  return {.rule = JoinRule::token,
          .tokens = {{.hash = kTokenHash,
                      .created_ms = 1'700'000'000'000,
                      .expires_ms = 1'700'000'000'123,
                      .uses = 3,
                      .used = 2}},
          .refused_missing = 4,
          .refused_unknown = 5,
          .refused_expired = 6,
          .refused_used = 7};
}

}  // namespace dfs::samples
