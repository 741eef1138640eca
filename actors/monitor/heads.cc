#include "actors/monitor/monitor_state.h"

namespace dfs {

// A request to join may come late, when the head that made it was removed already.
Result<void> Monitor::State::check_not_removed(const std::string& uuid) {
  if (uuid.empty()) return {};
  Rows rows(table);
  auto removed = rows.get<RemovedHeadRow>(keys::removed_head(uuid));
  if (!removed) return removed.error();
  if (!*removed) return {};
  return {Code::denied,
          "this was head " + std::to_string((*removed)->head) +
              ", which was removed; to use the machine again, empty its directory and "
              "join anew"};
}

void Monitor::State::on(const Envelope& envelope, const AddHead& request) {
  if (const Result<void> good = check_not_removed(request.uuid); !good) {
    return refuse(envelope, good.error());
  }
  Member wanted;
  wanted.endpoint = request.endpoint;
  wanted.broker = request.broker;
  wanted.uuid = request.uuid;
  wanted.standing = Standing::learner;
  Envelope origin{envelope.header, {}, {}, envelope.link};
  replica.add_member(std::move(wanted),
                     [this, origin = std::move(origin)](const Result<MemberId>& head) {
                       if (!head) return refuse(origin, head.error());
                       AddHeadReply reply{identity.cluster, *head};
                       answer_with(origin, Result<AddHeadReply>(std::move(reply)));
                     });
}

void Monitor::State::on(const Envelope& envelope, const RemoveHead& request) {
  Envelope origin{envelope.header, {}, {}, envelope.link};
  replica.remove_member(request.head,
                        [this, origin = std::move(origin)](const Result<void>& removed) {
                          if (!removed) return refuse(origin, removed.error());
                          answer_with(origin, Result<RemoveHeadReply>(RemoveHeadReply()));
                        });
}

void Monitor::State::on(const Envelope& envelope, const TransferLead& request) {
  Envelope origin{envelope.header, {}, {}, envelope.link};
  replica.transfer(request.to, [this, origin = std::move(origin)](const Result<MemberId>& leader) {
    if (!leader) return refuse(origin, leader.error());
    answer_with(origin, Result<TransferLeadReply>(TransferLeadReply{*leader}));
  });
}

void Monitor::State::on(const Envelope& envelope, const ListHeads& request) {
  if (!request.stale && !serving()) return refuse(envelope, not_serving());
  HeadList list = replica.status();
  list.authentication = founded() && authenticates();
  answer_with(envelope, Result<HeadList>(std::move(list)));
}

// The brokers of all heads are this head's too: whoever leads must be found through each of them.
void Monitor::State::heads_changed() {
  if (settings.map_changed) settings.map_changed(cluster().map());
  bool member = false;
  for (const Member& head : replica.members().members) {
    member = member || head.id == identity.member;
    if (head.broker != settings.broker && !head.broker.empty()) bus.add_broker(head.broker);
  }
  // One that just joined reads of members from before its time.
  const bool was_member = replica.members().last_id >= identity.member;
  if (member || !was_member || std::exchange(told_removed, true)) return;
  bus.log(
      Level::warn,
      "this head was removed from its cluster; stop it, and empty its directory before it joins "
      "anew",
      {{"cluster", identity.cluster}});
}

}  // namespace dfs
