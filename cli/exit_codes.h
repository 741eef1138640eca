// How the programs end, and what they say when the arguments make no sense.
#pragma once

#include <string>
#include <vector>

#include "messages/result.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace dfs::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitUnavailable = 4;  // nobody answers, or not in time
inline constexpr int kExitDenied = 5;
inline constexpr int kExitIntegrity = 6;  // the bytes are not those that were stored
inline constexpr int kExitExpired = 7;    // what was asked for is no longer kept
inline constexpr int kExitGuessed = 8;    // rebuild: done, and some of it is a guess
inline constexpr int kExitInterrupted = 130;

int exit_code_of(Code code);

// What to try after `command` failed on `path` with `error`, or empty when the error's text says so
// already or nothing helps.
std::string hint_for(const Error& error, const std::string& command, const std::string& path);

// What is wrong with the command line, with the nearest command or option that exists.
std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error,
                             const std::vector<std::string>& arguments);

const char* version_number();                          // "0.1.0"
std::string version_text(const std::string& program);  // "dfsctl 0.1.0 (protocol 1)"

}  // namespace dfs::cli
