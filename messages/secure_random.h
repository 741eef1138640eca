// So many bytes that nobody can guess, from the machine's source of randomness.
#pragma once

#include <functional>
#include <string>

namespace dfs {

std::string secure_random(size_t size);

// Other sources than secure_random() are for simulations.
using RandomBytes = std::function<std::string(size_t)>;

}  // namespace dfs
