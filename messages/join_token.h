// What a new storage node shows to be let in: 128 random bits. Whoever makes a token hands it to
// the node and its hash to the monitor; nobody can find the one from the other.
#pragma once

#include <string>
#include <string_view>

namespace dfs {

// 32 hex digits from the machine's source of randomness.
std::string make_join_token();
// SHA-256 as 64 hex digits.
std::string hash_of_token(std::string_view token);

}  // namespace dfs
