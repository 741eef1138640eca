// The heads of the cluster: who they are, and changing that.
#include <algorithm>

#include "actors/client/client_state.h"
#include "messages/heads.h"

namespace dfs {

namespace {

// The answers of several heads, as they come in.
struct Survey {
  std::vector<HeadList> answers;
  size_t asked = 0;
  size_t over = 0;
  Signal step;
};

Task<void> ask_head(Calls* calls, HeadStatus head, Duration deadline, Survey* survey) {
  CallOptions options;
  options.deadline = deadline;
  options.shows_ticket = true;
  // Through its own broker: the port for the other heads is for them alone.
  Task<Result<Answer<ListHeads>>> calling = calls->call<ListHeads>(
      head.broker, "monitor/" + std::to_string(head.head), ListHeads{true}, std::move(options));
  Result<Answer<ListHeads>> answer = co_await calling;
  // Another head may have taken over the address of one that is gone.
  if (answer && answer->message.from == head.head) {
    survey->answers.push_back(std::move(answer->message));
  }
  ++survey->over;
  survey->step.notify();
}

}  // namespace

Task<Result<HeadList>> Client::heads(bool stale, Duration deadline) {
  return state_->ask(ListHeads{stale}, deadline);
}

Task<Result<std::vector<HeadList>>> Client::ask_heads(std::vector<HeadStatus> heads,
                                                      Duration deadline) {
  Survey survey;
  {
    TaskScope scope;
    for (const HeadStatus& head : heads) {
      ++survey.asked;
      scope.spawn(ask_head(&state_->calls, head, deadline, &survey));
    }
    while (survey.over < survey.asked) {
      Signal::Waiter step = survey.step.wait();
      co_await step;
    }
    // Not on the stack of the flow that is about to be destroyed.
    Task<void> stepping_aside = sleep(state_->bus, Duration::zero());
    co_await stepping_aside;
  }
  std::sort(survey.answers.begin(), survey.answers.end(),
            [](const HeadList& a, const HeadList& b) { return a.from < b.from; });
  co_return std::move(survey.answers);
}

Task<Result<AddHeadReply>> Client::add_head(std::string endpoint, std::string broker) {
  AddHead request;
  request.endpoint = std::move(endpoint);
  request.broker = std::move(broker);
  return state_->ask(std::move(request));
}

Task<Result<RemoveHeadReply>> Client::remove_head(MemberId head) {
  return state_->ask(RemoveHead{head});
}

Task<Result<TransferLeadReply>> Client::transfer_lead(MemberId to) {
  return state_->ask(TransferLead{to});
}

}  // namespace dfs
