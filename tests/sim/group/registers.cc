#include "tests/sim/group/registers.h"

#include "messages/envelope.h"

namespace dfs::sim {

namespace {

std::string key_of(const std::string& name) {
  return "r" + name;
}

Outcome refusal(Code code, std::string text) {
  return {ErrorReply::kType, encode(ErrorReply::of({code, std::move(text), {}, 0}))};
}

}  // namespace

Outcome Registers::apply(const Command& command, Table& table, Batch& batch) {
  watch_(command);
  if (command.type != ChangeRegister::kType) {
    return refusal(Code::unsupported, "registers do not know this command");
  }
  const auto change = decode<ChangeRegister>(command.body);
  DFS_ASSERT(change);
  const auto before = read(table, change->name);
  if (!before) return refusal(before.code(), before.error().text);
  const uint64_t after = change->after(*before);
  if (after == 0) {
    batch.erase(key_of(change->name));
  } else if (after != *before) {
    std::string row;
    append_u64(row, after);
    batch.put(key_of(change->name), row + change->padding);
  }
  return {ChangeRegisterReply::kType, encode(ChangeRegisterReply{*before, after})};
}

Result<uint64_t> Registers::read(Table& table, const std::string& name) {
  const auto row = table.get(key_of(name));
  if (!row) return row.error();
  return *row ? read_u64(**row, 0) : 0;
}

}  // namespace dfs::sim
