// Any bytes at all, given to everything that reads bytes of a peer. Whatever decodes must encode to
// something that decodes to the same.
#include <cstdint>

#include "messages/dispatch.h"
#include "tests/messages/samples.h"

namespace {

template <class T>
void try_message(std::string_view bytes) {
  const auto decoded = dfs::decode<T>(bytes);
  if (!decoded) return;
  const std::string again = dfs::encode(*decoded);
  // What was absent is written out now, so a body may grow past its limit.
  if (again.size() > dfs::kBodyBytesMax) return;
  const auto twice = dfs::decode<T>(again);
  DFS_ASSERT(twice.ok());
  DFS_ASSERT(dfs::same(*decoded, *twice));
  DFS_ASSERT(dfs::to_json(*decoded) != "null");
}

void try_header(std::string_view bytes) {
  const auto header = dfs::decode_header(bytes);
  if (!header) return;
  const auto twice = dfs::decode_header(dfs::encode_header(*header));
  DFS_ASSERT(twice.ok());
  DFS_ASSERT(*twice == *header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto document = dfs::Document::parse(bytes);
  if (document) (void)document->root().to_json();
  try_header(bytes);
  dfs::samples::for_each_message([&]<class T>() { try_message<T>(bytes); });
  (void)dfs::json_quote(bytes);
  const std::string text(bytes);
  (void)dfs::bad_path(text);
  (void)dfs::bad_name(text);
  return 0;
}
