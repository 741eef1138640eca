// Colours on a terminal, and nowhere else.
#pragma once

#include <string>
#include <string_view>

namespace dfs::cli {

enum class Colour { none, good, warning, bad, directory };

// Whether what goes to the file descriptor is to be coloured: it is a terminal that is not dumb,
// and NO_COLOR is not set (https://no-color.org).
bool colours_on(int file);
// The same, told all that matters; a null pointer is a variable that is not set.
bool colours_wanted(bool is_terminal, const char* no_color, const char* term);

std::string painted(Colour colour, std::string_view text);
// Painted where the file descriptor takes colours, else `text`.
std::string painted_for(int file, Colour colour, std::string_view text);

// Of the states in tables: up, running and ok are good, down and failed are bad, what lies between
// is a warning; none for other words.
Colour colour_of_state(std::string_view state);

}  // namespace dfs::cli
