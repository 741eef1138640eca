#include "actors/lock/rows.h"

namespace dfs::lock::keys {

namespace {

std::string with_text(char kind, std::string_view text) {
  return std::string(1, kind).append(text);
}

// Names have no NUL, so nobody's marks run into another's.
std::string of_user(char kind, std::string_view user) {
  std::string key = with_text(kind, user);
  key.push_back('\0');
  return key;
}

std::string with_u64(std::string key, uint64_t number) {
  append_u64(key, number);
  return key;
}

std::string with_u32(std::string key, uint32_t number) {
  append_u32(key, number);
  return key;
}

}  // namespace

std::string user(std::string_view name) {
  return with_text(kUser, name);
}
std::string uid(uint32_t uid) {
  return with_u32(std::string(1, kUid), uid);
}
std::string session(uint64_t session) {
  return with_u64(std::string(1, kSession), session);
}
std::string sessions_of(std::string_view user) {
  return of_user(kSessionOfUser, user);
}
std::string session_of(std::string_view user, uint64_t session) {
  return with_u64(sessions_of(user), session);
}
// Logged times are never negative, so that bytewise order is theirs.
std::string expiry(int64_t expires_ms, uint64_t session) {
  return with_u64(with_u64(std::string(1, kExpiry), static_cast<uint64_t>(expires_ms)), session);
}
std::string revocations_of(std::string_view user) {
  return of_user(kRevocation, user);
}
std::string revocation(std::string_view user, uint64_t session) {
  return with_u64(revocations_of(user), session);
}
std::string ticket_key(uint32_t number) {
  return with_u32(std::string(1, kTicketKey), number);
}
std::string users() {
  return "all-users";
}
std::string group() {
  return "group";
}

}  // namespace dfs::lock::keys
