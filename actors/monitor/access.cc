#include "actors/monitor/access.h"

#include <string>

namespace dfs {

namespace {

struct Rule {
  Type type;
  Access access;
  bool question;
};

constexpr Rule kRules[] = {
    {Type::Ping, Access::everybody, true},
    {Type::Join, Access::everybody, false},

    {Type::Stat, Access::users, true},
    {Type::List, Access::users, true},
    {Type::OpenFile, Access::users, true},
    {Type::MakeDir, Access::users, false},
    {Type::Rename, Access::users, false},
    {Type::Remove, Access::users, false},
    {Type::SetAttributes, Access::users, false},
    {Type::PlanFile, Access::users, false},
    {Type::CommitFile, Access::users, false},
    {Type::ShowFence, Access::users, false},
    {Type::GetHistory, Access::users, true},
    {Type::CopyFile, Access::users, false},
    {Type::RenewUploads, Access::users, false},

    {Type::ReadEvents, Access::admins, true},
    {Type::ListTasks, Access::admins, true},
    {Type::GetNodePass, Access::admins, false},
    {Type::ListAgents, Access::admins, true},
    {Type::ListJoinTokens, Access::admins, true},
    {Type::GetRebuild, Access::admins, true},
    {Type::RemoveHead, Access::admins, false},
    {Type::TransferLead, Access::admins, false},
    {Type::ControlTask, Access::admins, false},
    {Type::ChangeNode, Access::admins, false},
    {Type::SetPool, Access::admins, false},
    {Type::RotatePoolKey, Access::admins, false},
    {Type::ExportPoolKeys, Access::admins, false},
    {Type::ImportPoolKeys, Access::admins, false},
    {Type::AddJoinToken, Access::admins, false},
    {Type::SetJoinRule, Access::admins, false},
    {Type::ImportGroups, Access::admins, false},
    {Type::ImportFiles, Access::admins, false},
    {Type::EndRebuild, Access::admins, false},
    {Type::RotateGrantKey, Access::admins, false},

    {Type::AddHead, Access::heads_or_admins, false},
    {Type::GetGrantKeys, Access::nodes, true},
    {Type::ConfirmSurplus, Access::cluster, true},

    {Type::GetMap, Access::cluster_or_admins, true},
    {Type::GetStatus, Access::cluster_or_admins, true},
    {Type::ListHeads, Access::cluster_or_admins, true},
    {Type::JudgeBlocks, Access::cluster_or_admins, false},
};

const Rule* rule_of(Type type) {
  for (const Rule& rule : kRules) {
    if (rule.type == type) return &rule;
  }
  return nullptr;
}

std::string name_of(const Requester& who) {
  return who.user.empty() ? "uid " + std::to_string(who.uid) : who.user;
}

}  // namespace

std::optional<Access> access_to(Type type) {
  const Rule* const rule = rule_of(type);
  return rule == nullptr ? std::nullopt : std::optional(rule->access);
}

bool is_question(Type type) {
  const Rule* const rule = rule_of(type);
  return rule != nullptr && rule->question;
}

Result<void> check_administrator(const Requester& who, Type type) {
  if (!who.admin) {
    return Error{Code::denied,
                 name_of(who) +
                     " is no administrator; only administrators see and change what the "
                     "cluster is made of",
                 {{"reason", "role"}},
                 0};
  }
  if (who.below.empty() && (!who.read_only || is_question(type))) return {};
  return Error{Code::denied,
               "the ticket of " + name_of(who) + " is for " +
                   (who.below.empty() ? "reading alone" : "files below " + who.below + " alone"),
               {{"reason", "ticket"}},
               0};
}

}  // namespace dfs
