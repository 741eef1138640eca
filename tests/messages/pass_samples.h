// Samples of the messages about passes and the names of users.
#pragma once

#include "messages/passes.h"
#include "messages/user_names.h"

namespace dfs::samples {

template <class T>
T sample();

template <>
inline GetNodePass sample() {
  return {};
}
template <>
inline NodePass sample() {
  return {.pass = {std::string("\x00\xff pass", 7)}, .lasts_ms = 600'000};
}
template <>
inline GetUserNames sample() {
  return {.uids = {1000, 65'534}, .users = {"ada"}};
}
template <>
inline UserNames sample() {
  return {.names = {{.user = "ada", .uid = 1001, .gid = 1002}}};
}

}  // namespace dfs::samples
