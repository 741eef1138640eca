#include "actors/lock/lock_machine.h"

#include "actors/lock/operations.h"
#include "actors/replica/perform.h"

namespace dfs::lock {

namespace {

// One command on its way through its operation.
struct Work {
  const Command& command;
  Table& table;
  Batch& batch;
  uint32_t voters;
  std::vector<Event> events;
};

template <Message Request, Fielded Reply>
Outcome perform(Result<Reply> (*operation)(PendingRows&, const Request&), Work& work) {
  PendingRows rows(work.table, work.command, work.voters, kActor);
  return dfs::perform(operation, work.command, rows, work.batch, work.events);
}

Outcome dispatch_command(Work& work) {
  switch (work.command.type) {
    case Type::FoundUsers:
      return perform(found_users, work);
    case Type::CreateUser:
      return perform(create_user, work);
    case Type::EnrollUser:
      return perform(enroll_user, work);
    case Type::EditUser:
      return perform(edit_user, work);
    case Type::DeleteUser:
      return perform(delete_user, work);
    case Type::OpenSignUp:
      return perform(open_sign_up, work);
    case Type::BeginSession:
      return perform(begin_session, work);
    case Type::ExtendSession:
      return perform(extend_session, work);
    case Type::FinishSessions:
      return perform(finish_sessions, work);
    case Type::ReplacePassword:
      return perform(replace_password, work);
    case Type::IssueToken:
      return perform(issue_token, work);
    case Type::NoteDenials:
      return perform(note_denials, work);
    case Type::AddTicketKey:
      return perform(add_ticket_key, work);
    case Type::TidyUsers:
      return perform(tidy_users, work);
    case Type::ChangeMembers:
      return perform(change_members, work);
    default:
      return refusal_of(Error{Code::unsupported,
                              "log entry of type " +
                                  std::to_string(static_cast<int>(work.command.type)) +
                                  " is not understood by this version",
                              {},
                              0});
  }
}

}  // namespace

Outcome LockMachine::apply_to_locks(const Command& command, Table& table, Batch& batch) {
  lock_work_ = {};
  Outcome outcome = apply_lock_command(locks_, command, voters_, batch, lock_work_);
  PendingRows rows(table, command, voters_, kActor);
  for (LockEvent& event : lock_work_.events) rows.note(event.topic, std::move(event.fields));
  rows.commit(batch);
  events_ = rows.take_events();
  return outcome;
}

Outcome LockMachine::apply(const Command& command, Table& table, Batch& batch) {
  tickets_changed_ = false;
  if (is_lock_command(command.type)) return apply_to_locks(command, table, batch);
  const size_t before = batch.changes().size();
  Work work{command, table, batch, voters_, {}};
  Outcome outcome = dispatch_command(work);
  for (size_t i = before; i < batch.changes().size(); ++i) {
    const auto& [key, value] = batch.changes()[i];
    tickets_changed_ |= key[0] == keys::kRevocation || key[0] == keys::kTicketKey;
    founded_ |= key == keys::users();
    if (key != keys::group() || !value) continue;
    if (const auto group = decode<GroupRow>(*value)) voters_ = group->voters;
  }
  events_ = std::move(work.events);
  return outcome;
}

void LockMachine::applied(const Command& command, const Outcome& outcome) {
  if (is_lock_command(command.type) && lock_listener_) lock_listener_(command, lock_work_);
  if (outcome.type == Type::Error || !listener_) return;
  listener_(Change{command, events_, tickets_changed_});
}

Result<void> LockMachine::loaded(Table& table) {
  locks_ = LockTable();
  DFS_CHECK(load_locks(table, locks_));
  Rows rows(table);
  auto group = rows.get<GroupRow>(keys::group());
  if (!group) return group.error();
  auto users = rows.get<UsersRow>(keys::users());
  if (!users) return users.error();
  voters_ = group->value_or(GroupRow()).voters;
  founded_ = users->has_value();
  return {};
}

}  // namespace dfs::lock
