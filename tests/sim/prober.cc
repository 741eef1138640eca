#include "tests/sim/prober.h"

namespace dfs::sim {

Task<Result<std::vector<BlockView>>> Prober::blocks(std::string endpoint, std::string service) {
  std::vector<BlockView> all;
  ListBlocks request;
  while (true) {
    Task<Result<Answer<ListBlocks>>> asking = calls_.call(endpoint, service, request);
    Result<Answer<ListBlocks>> answer = co_await asking;
    if (!answer) co_return std::move(answer).error();
    const ListBlocksReply& page = answer->message;
    all.insert(all.end(), page.blocks.begin(), page.blocks.end());
    if (!page.more || page.blocks.empty()) co_return all;
    request.after_object = page.blocks.back().object;
    request.after_index = page.blocks.back().index;
    request.after_group = page.blocks.back().group;
  }
}

}  // namespace dfs::sim
