#include "messages/users.h"

#include <algorithm>

namespace dfs {

namespace {

constexpr int64_t kTokenMsMax = 366 * 24 * 3600 * int64_t{1000};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

const char* bad_log_in(const std::string& user, const std::string& password) {
  if (const char* why = bad_user(user)) return why;
  return password.size() > kPasswordBytesMax ? "the password is longer than 1024 bytes" : nullptr;
}

const char* bad_new_user(const std::string& user, const std::string& password) {
  if (const char* why = bad_user(user)) return why;
  return bad_password(password);
}

}  // namespace

const char* bad_user(const std::string& name) {
  if (name.empty()) return "the name is empty";
  if (name.size() > kUserBytesMax) return "the name is longer than 64 bytes";
  if (!is_letter(name[0]) && name[0] != '_') return "the name does not begin with a letter or '_'";
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
  return good ? nullptr : "the name has other characters than letters, digits, '-', '_' and '.'";
}

const char* bad_password(const std::string& password) {
  if (password.size() < kPasswordBytesMin) return "the password is shorter than 8 bytes";
  if (password.size() > kPasswordBytesMax) return "the password is longer than 1024 bytes";
  return nullptr;
}

const char* SignUp::invalid() const {
  return bad_new_user(user, password.bytes);
}

// A password that could not have been set is a wrong one, and is told so like any other.
const char* LogIn::invalid() const {
  return bad_log_in(user, password.bytes);
}

const char* ChangePassword::invalid() const {
  if (old_password.bytes.size() > kPasswordBytesMax) {
    return "the old password is longer than 1024 bytes";
  }
  return bad_password(new_password.bytes);
}

const char* AddUser::invalid() const {
  if (const char* why = bad_new_user(user, password.bytes)) return why;
  if (role != Role::user && role != Role::admin) return "the role is not known";
  return nullptr;
}

const char* ChangeUser::invalid() const {
  if (const char* why = bad_user(user)) return why;
  if (set_role && role != Role::user && role != Role::admin) return "the role is not known";
  if (groups.size() > kGroupsOfUserMax) return "more than 64 groups";
  if (!set_role && !set_locked && !set_groups && password.bytes.empty()) {
    return "nothing is to be changed";
  }
  return password.bytes.empty() ? nullptr : bad_password(password.bytes);
}

const char* AddServiceToken::invalid() const {
  if (!user.empty()) {
    if (const char* why = bad_user(user)) return why;
  }
  if (label.size() > kNameBytesMax) return "the label is longer than 255 bytes";
  if (lasts_ms <= 0 || lasts_ms > kTokenMsMax) return "it lasts no time, or more than a year";
  if (below.empty()) return nullptr;
  if (below.size() > kTicketPathBytesMax) return "the path is longer than 256 bytes";
  return bad_path(below);
}

}  // namespace dfs
