#include "messages/result.h"

namespace dfs {

const char* name_of(Code code) {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::malformed:
      return "malformed";
    case Code::too_large:
      return "too_large";
    case Code::unsupported:
      return "unsupported";
    case Code::invalid:
      return "invalid";
    case Code::unavailable:
      return "unavailable";
    case Code::busy:
      return "busy";
    case Code::timeout:
      return "timeout";
    case Code::not_leader:
      return "not_leader";
    case Code::stale_map:
      return "stale_map";
    case Code::stopping:
      return "stopping";
    case Code::cancelled:
      return "cancelled";
    case Code::not_found:
      return "not_found";
    case Code::exists:
      return "exists";
    case Code::not_directory:
      return "not_directory";
    case Code::is_directory:
      return "is_directory";
    case Code::not_empty:
      return "not_empty";
    case Code::bad_name:
      return "bad_name";
    case Code::loop:
      return "loop";
    case Code::conflict:
      return "conflict";
    case Code::expired:
      return "expired";
    case Code::locked:
      return "locked";
    case Code::deadlock:
      return "deadlock";
    case Code::fenced:
      return "fenced";
    case Code::no_space:
      return "no_space";
    case Code::corrupt:
      return "corrupt";
    case Code::io_error:
      return "io_error";
    case Code::no_such_block:
      return "no_such_block";
    case Code::too_few_nodes:
      return "too_few_nodes";
    case Code::denied:
      return "denied";
    case Code::login_needed:
      return "login_needed";
    case Code::local_io:
      return "local_io";
    case Code::local_changed:
      return "local_changed";
    case Code::usage:
      return "usage";
  }
  return "unknown";
}

bool is_retryable(Code code) {
  switch (code) {
    case Code::unavailable:
    case Code::busy:
    case Code::timeout:
    case Code::not_leader:
    case Code::stale_map:
    case Code::stopping:
      return true;
    default:
      return false;
  }
}

std::string Error::describe() const {
  return std::string(name_of(code)) + ": " + text;
}

}  // namespace dfs
