#include "cli/rights_text.h"

#include <algorithm>
#include <charconv>

namespace dfs::cli {

namespace {

Error misused(std::string text) {
  return Error{Code::usage, std::move(text), {}, 0};
}

// Takes the bytes up to `end` off the front, and `end` itself.
std::string_view take_until(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

constexpr uint32_t kSetUid = 04000;
constexpr uint32_t kSetGid = 02000;
constexpr uint32_t kSticky = 01000;

constexpr const char* kNoOwner = "no owner is named; write USER, USER:GROUP, USER: or :GROUP";

// `text` is no number.
Result<UserName> find_user(std::string_view text, const FindUser& find) {
  const bool number = !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
  if (number || text.empty()) {
    return misused("'" + std::string(text) + "' is neither a user nor a number");
  }
  return find(std::string(text));
}

struct Who {
  bool user = false, group = false, others = false;
  uint32_t spread(uint32_t rights) const {
    return (user ? rights << 6 : 0) | (group ? rights << 3 : 0) | (others ? rights : 0);
  }
};

// "u+rwx" or "=": one clause of a symbolic mode.
Result<uint32_t> apply_clause(std::string_view clause, FileType type, uint32_t mode) {
  const auto bad = [whole = std::string(clause)] {
    return misused("'" + whole + "' is no change of a mode; write 640, u+rw, go-w or a=rX");
  };
  Who who;
  size_t at = 0;
  for (; at < clause.size() && std::string_view("ugoa").find(clause[at]) != std::string::npos;
       ++at) {
    who.user = who.user || clause[at] == 'u' || clause[at] == 'a';
    who.group = who.group || clause[at] == 'g' || clause[at] == 'a';
    who.others = who.others || clause[at] == 'o' || clause[at] == 'a';
  }
  if (at == 0) who = {true, true, true};
  if (at == clause.size()) return bad();
  const char operation = clause[at++];
  if (operation != '+' && operation != '-' && operation != '=') return bad();
  uint32_t rights = 0;
  uint32_t special = 0;
  for (; at < clause.size(); ++at) {
    const bool runs = type == FileType::directory || (mode & 0111) != 0;
    switch (clause[at]) {
      case 'r':
        rights |= 4;
        break;
      case 'w':
        rights |= 2;
        break;
      case 'x':
        rights |= 1;
        break;
      case 'X':
        rights |= runs ? 1 : 0;
        break;
      case 's':
        special |= (who.user ? kSetUid : 0) | (who.group ? kSetGid : 0);
        break;
      case 't':
        special |= kSticky;
        break;
      default:
        return bad();
    }
  }
  const uint32_t bits = who.spread(rights) | special;
  if (operation == '+') return mode | bits;
  if (operation == '-') return mode & ~bits;
  return (mode & ~who.spread(7)) | bits;
}

Result<AclTag> parse_tag(std::string_view word, bool named) {
  if (word == "u" || word == "user") return named ? AclTag::user : AclTag::owner;
  if (word == "g" || word == "group") return named ? AclTag::group : AclTag::owning_group;
  if ((word == "m" || word == "mask") && !named) return AclTag::mask;
  if ((word == "o" || word == "other") && !named) return AclTag::others;
  return misused("'" + std::string(word) + "' is not one of user, group, mask, other");
}

Result<uint32_t> parse_rights(std::string_view text) {
  uint32_t rights = 0;
  for (const char letter : text) {
    const size_t at = std::string_view("xwr-").find(letter);
    if (at == std::string_view::npos) {
      return misused("'" + std::string(text) + "' are no rights; write rwx, r-x or ---");
    }
    if (letter != '-') rights |= 1u << at;
  }
  return rights;
}

Result<AclEntry> parse_entry(std::string_view text) {
  const std::string whole(text);
  const std::string_view word = take_until(text, ':');
  const bool single =
      (word.starts_with("m") || word.starts_with("o")) && text.find(':') == std::string_view::npos;
  const std::string_view name = single ? std::string_view() : take_until(text, ':');
  auto tag = parse_tag(word, !name.empty());
  if (!tag) return tag.error();
  AclEntry entry{*tag, 0, 0};
  if (!name.empty()) {
    auto id = parse_id(name);
    if (!id) return id.error();
    entry.id = *id;
  }
  if (text.empty()) return misused("'" + whole + "' names no rights; write user:1000:rwx");
  auto rights = parse_rights(text);
  if (!rights) return rights.error();
  entry.rights = *rights;
  return entry;
}

void add_mask(std::vector<AclEntry>& acl) {
  uint32_t together = 0;
  bool named = false;
  for (const AclEntry& entry : acl) {
    if (entry.tag == AclTag::mask) return;
    named = named || entry.tag == AclTag::user || entry.tag == AclTag::group;
    const bool of_class = entry.tag != AclTag::owner && entry.tag != AclTag::others;
    if (of_class) together |= entry.rights;
  }
  if (named) acl.push_back({AclTag::mask, 0, together});
}

}  // namespace

Result<uint32_t> changed_mode(std::string_view text, FileType type, uint32_t mode) {
  if (text.empty()) return misused("an empty mode; write 640, u+rw, go-w or a=rX");
  if (text.find_first_not_of("01234567") == std::string_view::npos) {
    uint32_t bits = 0;
    std::from_chars(text.data(), text.data() + text.size(), bits, 8);
    if (text.size() > 5 || bits > 07777) return misused("a mode is 0 to 7777, in octal digits");
    return bits;
  }
  while (!text.empty()) {
    auto next = apply_clause(take_until(text, ','), type, mode);
    if (!next) return next;
    mode = *next;
  }
  return mode;
}

Result<uint32_t> parse_id(std::string_view text) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc() && end == text.data() + text.size()) return id;
  return misused("'" + std::string(text) + "' is no number of a user or group");
}

Result<Owners> parse_owners(std::string_view text, const FindUser& find) {
  Owners owners;
  const bool two = text.find(':') != std::string_view::npos;
  const std::string_view user = take_until(text, ':');
  if (text.find(':') != std::string_view::npos) return misused(kNoOwner);
  bool own_group = false;
  if (!user.empty()) {
    owners.user = true;
    if (const auto uid = parse_id(user)) {
      owners.uid = *uid;
    } else {
      const auto found = find_user(user, find);
      if (!found) return found.error();
      owners.uid = found->uid;
      own_group = two && text.empty();
      owners.gid = found->gid;
    }
  }
  if (own_group) {
    owners.group = true;
  } else if (two) {
    const auto gid = parse_group(text, find);
    if (!gid) return gid.error();
    owners.group = true;
    owners.gid = *gid;
  }
  if (!owners.user && !owners.group) return misused(kNoOwner);
  return owners;
}

Result<uint32_t> parse_group(std::string_view text, const FindUser& find) {
  auto number = parse_id(text);
  if (number) return number;
  const auto found = find_user(text, find);
  if (!found) return found.error();
  return found->gid;
}

Result<AccessLists> parse_access_lists(std::string_view text) {
  AccessLists lists;
  if (text == "none") {
    lists.set_access = lists.set_default = true;
    return lists;
  }
  while (!text.empty()) {
    std::string_view word = take_until(text, ',');
    bool standard = false;
    for (const std::string_view prefix : {"default:", "d:"}) {
      if (!word.starts_with(prefix)) continue;
      word.remove_prefix(prefix.size());
      standard = true;
      break;
    }
    auto entry = parse_entry(word);
    if (!entry) return entry.error();
    (standard ? lists.standard : lists.access).push_back(*entry);
    (standard ? lists.set_default : lists.set_access) = true;
  }
  if (!lists.set_access && !lists.set_default) {
    return misused("no entries; write u::rwx,u:1000:r-x,g::r-x,o::--- or none");
  }
  for (std::vector<AclEntry>* acl : {&lists.access, &lists.standard}) {
    add_mask(*acl);
    if (const char* why = bad_acl(*acl)) return misused(why);
  }
  return lists;
}

std::string text_of(const AclEntry& entry) {
  std::string text;
  switch (entry.tag) {
    case AclTag::owner:
    case AclTag::user:
      text = "user:";
      break;
    case AclTag::owning_group:
    case AclTag::group:
      text = "group:";
      break;
    case AclTag::mask:
      text = "mask:";
      break;
    case AclTag::others:
      text = "other:";
      break;
  }
  if (entry.tag == AclTag::user || entry.tag == AclTag::group) text += std::to_string(entry.id);
  text += ':';
  for (const char letter : {'r', 'w', 'x'}) {
    const uint32_t right = letter == 'r' ? 4 : letter == 'w' ? 2 : 1;
    text += (entry.rights & right) != 0 ? letter : '-';
  }
  return text;
}

std::vector<AclEntry> list_of_mode(uint32_t mode) {
  return {{AclTag::owner, 0, mode >> 6 & 7},
          {AclTag::owning_group, 0, mode >> 3 & 7},
          {AclTag::others, 0, mode & 7}};
}

}  // namespace dfs::cli
