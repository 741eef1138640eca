// Who may come in: asked of the lock actor.
#include <utility>

#include "actors/client/client_state.h"

namespace dfs {

void Client::set_ticket(std::string ticket) {
  // The pass for the nodes was given to whoever was logged in before.
  state_->bus.cancel(std::exchange(state_->pass_timer, 0));
  state_->pass.clear();
  state_->take_ticket(std::move(ticket));
}

Task<Result<TicketReply>> Client::sign_up(SignUp request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<TicketReply>> Client::log_in(LogIn request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<TicketReply>> Client::renew_ticket() {
  return state_->ask_service(kLockService, RenewTicket{});
}
Task<Result<TicketReply>> Client::change_password(ChangePassword request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<TicketReply>> Client::add_service_token(AddServiceToken request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<LogOutReply>> Client::log_out(bool everywhere) {
  return state_->ask_service(kLockService, LogOut{everywhere});
}
Task<Result<LogOutReply>> Client::end_session(uint64_t session) {
  return state_->ask_service(kLockService, EndSession{session});
}
Task<Result<RotateTicketKeyReply>> Client::rotate_ticket_key(bool at_once) {
  return state_->ask_service(kLockService, RotateTicketKey{at_once});
}
Task<Result<RotateGrantKeyReply>> Client::rotate_grant_key() {
  return state_->ask(RotateGrantKey());
}
Task<Result<SessionList>> Client::sessions(ListSessions request) {
  return state_->ask_service(kLockService, std::move(request));
}

Task<Result<UserReply>> Client::add_user(AddUser request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<UserReply>> Client::change_user(ChangeUser request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<UserReply>> Client::remove_user(std::string user) {
  return state_->ask_service(kLockService, RemoveUser{std::move(user)});
}
Task<Result<UserList>> Client::users(ListUsers request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<UserNames>> Client::user_names(GetUserNames request, Duration deadline) {
  return state_->ask_service(kLockService, std::move(request), deadline);
}
Task<Result<SetSignUpReply>> Client::set_sign_up(bool open) {
  return state_->ask_service(kLockService, SetSignUp{open});
}

Task<Result<ReadEventsReply>> Client::audit(ReadEvents request) {
  return state_->ask_service(kLockService, std::move(request));
}
Task<Result<ReadEventsReply>> Client::read_events(ReadEvents request) {
  return state_->ask(std::move(request));
}

}  // namespace dfs
