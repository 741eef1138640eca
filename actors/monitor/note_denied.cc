#include "actors/monitor/operations.h"

namespace dfs {

Result<Done> note_denied(VersionedRows& rows, const NoteDenied& request) {
  for (const Denial& denial : request.denials) {
    std::map<std::string, std::string> fields = {{"from", denial.from},
                                                 {"request", std::to_string(denial.request)},
                                                 {"reason", denial.reason},
                                                 {"count", std::to_string(denial.count)}};
    if (!denial.user.empty()) fields["user"] = denial.user;
    if (!denial.path.empty()) fields["path"] = denial.path;
    rows.note("denied", std::move(fields));
  }
  if (request.left_out > 0) rows.note("denied", {{"left_out", std::to_string(request.left_out)}});
  return Done{};
}

}  // namespace dfs
