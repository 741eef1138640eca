// Grants at a storage node: who shows none, or not the right one, gets nothing done.
#include "actors/storage/doorkeeper.h"

#include "messages/grant.h"
#include "messages/users.h"
#include "tests/actors/storage/node_fixture.h"

namespace dfs {
namespace {

struct GuardedNode : Node {
  explicit GuardedNode(bool told_map = true, StorageSettings settings = {})
      : Node(settings, make_grant_key(), told_map) {}

  Blob grant(ObjectId object, BlockRight right, int64_t lasts_ms = 60'000) {
    return signed_by_head({object, right, 1000, 0, bus.wall_ms() + lasts_ms, 1});
  }
  Blob warrant_for(NodeId other, const GrantSigner& signer) {
    const Warrant said{other, {signer.verify_keys()}, bus.wall_ms() + 60'000};
    return {GrantSigner(grant_key).sign(said)};
  }
  Blob signed_by_head(const Grant& grant) { return {GrantSigner(grant_key).sign(grant)}; }
  template <Request R>
  Error refusal(R request, Blob shown, Payload its = {}) {
    request.grant = std::move(shown);
    const uint64_t number = ask(request, std::move(its));
    step();
    const auto answer = reply(number);
    if (!answer) return {};
    const auto outcome = reply_as<typename R::Reply>(*answer);
    return outcome ? Error() : outcome.error();
  }
  template <Request R>
  std::string reason(R request, Blob shown, Payload its = {}) {
    const Error error = refusal(std::move(request), std::move(shown), std::move(its));
    if (error.code == Code::ok) return "";
    return error.code == Code::denied ? error.cause.at("reason") : error.describe();
  }
  uint64_t denied() {
    step(std::chrono::seconds(1));
    uint64_t last = 0;
    for (const auto& published : bus.published) {
      if (published.topic != "heartbeat/storage/1") continue;
      last = decode<Heartbeat>(published.envelope.body)->denied;
    }
    return last;
  }
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a block is written and read with the grant for it, and with no other") {
    GuardedNode node;
    const std::string bytes(5000, 'x');
    const WriteBlock write = node.part(bytes, 0);
    const Payload payload = Node::payload(bytes, 0);
    const ReadBlock read{7, 2, 5, 0, 5000};
    CHECK(node.reason(write, {}, payload) == "missing");
    CHECK(node.reason(write, {"nonsense"}, payload) == "malformed");
    CHECK(node.reason(write, node.grant(7, BlockRight::read), payload) == "right");
    CHECK(node.reason(write, node.grant(8, BlockRight::write), payload) == "object");
    const int64_t long_ago = -TicketJudge::kClockSkewMs - 60'000;
    CHECK(node.reason(write, node.grant(7, BlockRight::write, long_ago), payload) == "expired");
    Blob forged = node.grant(7, BlockRight::write);
    forged.bytes.back() = static_cast<char>(forged.bytes.back() ^ 1);
    CHECK(node.reason(write, forged, payload) == "forged");
    CHECK(node.reason(read, node.grant(7, BlockRight::read)).starts_with("no_such_block"));
    CHECK(node.reason(write, node.grant(7, BlockRight::write), payload) == "");
    CHECK(node.reason(read, node.grant(7, BlockRight::read)) == "");
    CHECK(node.reason(read, node.grant(7, BlockRight::write)) == "right");
    CHECK(node.reason(read, {}) == "missing");
    CHECK(node.denied() == 8);
  }

  TEST_CASE("only who may write a block gives it up") {
    GuardedNode node;
    const std::string bytes(2 * kPartBytes, 'x');
    WriteBlock first = node.part(bytes, 0);
    first.grant = node.grant(7, BlockRight::write);
    node.ask(first, Node::payload(bytes, 0));
    node.step();
    const AbortBlock abort{7, 2, 5, first.upload};
    CHECK(node.reason(abort, {}) == "missing");
    CHECK(node.reason(abort, node.grant(7, BlockRight::read)) == "right");
    WriteBlock second = node.part(bytes, kPartBytes);
    second.grant = first.grant;
    const uint64_t number = node.ask(second, Node::payload(bytes, kPartBytes));
    node.step();
    REQUIRE(node.written(number).ok());
    CHECK(node.written(number)->durable);
    CHECK(node.reason(abort, first.grant) == "");
  }

  TEST_CASE("a chain hands the grant on, with the block and when it is given up") {
    GuardedNode node;
    const std::string bytes(2 * kPartBytes, 'x');
    WriteBlock part = node.part(bytes, 0);
    part.chain = {{2, kNext}};
    part.grant = node.grant(7, BlockRight::write);
    node.ask(part, Node::payload(bytes, 0));
    node.step();
    const auto forwarded = node.sent_to_next();
    REQUIRE(forwarded.size() == 1);
    CHECK(decode<WriteBlock>(forwarded[0].envelope.body)->grant == part.grant);
    CHECK(node.reason(AbortBlock{7, 2, 5, part.upload}, part.grant) == "");
    const auto aborts = node.sent_to_next(Type::AbortBlock);
    REQUIRE(aborts.size() == 1);
    CHECK(decode<AbortBlock>(aborts[0].envelope.body)->grant == part.grant);
  }

  TEST_CASE("a chain leads only to where the map says that its nodes are") {
    GuardedNode node;
    const std::string bytes(2 * kPartBytes, 'x');
    const auto answer_to = [&](std::vector<ChainNode> chain) {
      WriteBlock part = node.part(bytes, 0, node.bus.random() | 1);
      part.chain = std::move(chain);
      const auto error =
          node.refusal(part, node.grant(7, BlockRight::write), Node::payload(bytes, 0));
      return error.code;
    };
    const auto sent_to = [&](const std::string& link) {
      return std::count_if(node.bus.sent.begin(), node.bus.sent.end(),
                           [&](const FakeBus::Sent& sent) { return sent.link == link; });
    };
    for (const char* elsewhere : {"tcp://evil:1", "tcp://next:1#plain", "tcp://next:2", ""}) {
      CAPTURE(elsewhere);
      CHECK(answer_to({{2, elsewhere}}) == Code::stale_map);
      CHECK(answer_to({{2, kNext}, {1, elsewhere}}) == Code::stale_map);
      CHECK(sent_to(elsewhere) == 0);
    }
    CHECK(answer_to({{3, kNext}}) == Code::stale_map);
    CHECK(sent_to(kNext) == 0);
    CHECK(answer_to({{2, kNext}, {1, "tcp://self:1"}}) == Code::ok);
    CHECK(node.sent_to_next().size() == 1);
    // It asks what the writer may know already, and believes the map.
    CHECK(answer_to({{2, "tcp://moved:1"}}) == Code::stale_map);
    node.step(std::chrono::seconds(1));
    CHECK(answer_to({{2, "tcp://moved:1"}}) == Code::stale_map);
    const auto asked = std::find_if(
        node.bus.sent.rbegin(), node.bus.sent.rend(),
        [](const FakeBus::Sent& sent) { return sent.envelope.header.type == Type::GetMap; });
    REQUIRE(asked != node.bus.sent.rend());
    node.next_endpoint = "tcp://moved:1";
    node.map(2, 3);
    CHECK(answer_to({{2, kNext}}) == Code::stale_map);
    CHECK(answer_to({{2, "tcp://moved:1"}}) == Code::ok);
    CHECK(sent_to("tcp://moved:1") > 0);
  }

  TEST_CASE("before the first map a chain is asked for again, and a single copy is taken") {
    GuardedNode node(false);
    const std::string bytes(5000, 'x');
    WriteBlock part = node.part(bytes, 0);
    const Blob grant = node.grant(7, BlockRight::write);
    part.chain = {{2, kNext}};
    CHECK(node.refusal(part, grant, Node::payload(bytes, 0)).code == Code::busy);
    node.map(1, 3);
    CHECK(node.refusal(part, grant, Node::payload(bytes, 0)).code == Code::ok);
  }

  TEST_CASE("nobody with a pass makes a node pull from where no node is") {
    GuardedNode node;
    node.map(3, 3);
    const auto fill_from = [&](NodeId source, const std::string& endpoint) {
      FillGroup fill;
      fill.group = 5;
      fill.epoch = 3;
      fill.sources = {{source, endpoint, true}};
      Envelope envelope = envelope_of(fill, "storage/1");
      envelope.header.ticket =
          node.signed_by_head({0, BlockRight::inside, 0, 0, node.bus.wall_ms() + 60'000, 1}).bytes;
      envelope.header.request = ++node.last_request;
      envelope.header.from = "client/c1";
      envelope.link = kPeer;
      node.actor->receive(std::move(envelope));
      node.step();
      const auto answer = node.reply(node.last_request);
      REQUIRE(answer);
      const auto progress = reply_as<FillGroupReply>(*answer);
      REQUIRE(progress);
      return *progress;
    };
    const auto asked = [&](const std::string& link) {
      return std::any_of(node.bus.sent.begin(), node.bus.sent.end(), [&](const auto& sent) {
        return sent.link == link && sent.envelope.header.type == Type::GetDigests;
      });
    };
    FillGroupReply progress;
    for (int second = 0; second < 40 && progress.state != FillState::failed; ++second) {
      progress = fill_from(2, "tcp://evil:1");
      node.step(std::chrono::seconds(1));
    }
    CHECK(progress.state == FillState::failed);
    CHECK(progress.why.find("storage/2 is not at the endpoint given") != std::string::npos);
    CHECK_FALSE(asked("tcp://evil:1"));
    (void)fill_from(2, kNext);
    CHECK(asked(kNext));
  }

  TEST_CASE("one user's unfinished blocks leave room for those of others") {
    StorageSettings settings;
    settings.writes_max = 8;
    GuardedNode node(true, settings);
    const std::string bytes(2 * kPartBytes, 'x');
    uint32_t index = 0;
    const auto begin = [&](uint32_t uid) {
      WriteBlock part = node.part(bytes, 0, ++index);
      part.index = index;
      const Blob grant =
          node.signed_by_head({7, BlockRight::write, uid, 0, node.bus.wall_ms() + 60'000, index});
      return node.refusal(part, grant, Node::payload(bytes, 0)).code;
    };
    for (int i = 0; i < 6; ++i) CHECK(begin(1000) == Code::ok);
    CHECK(begin(1000) == Code::busy);
    CHECK(begin(1001) == Code::ok);
    CHECK(begin(1000) == Code::busy);
    CHECK(begin(1001) == Code::ok);
    CHECK(begin(1002) == Code::busy);  // all places are taken
  }

  TEST_CASE("a node that just started knows no grants, and serves nobody until it has joined") {
    GuardedNode node;
    const auto text = read_file(node.disk, "/data/identity");
    REQUIRE(text);
    CHECK(text->find("grants=required") != std::string::npos);
    CHECK(text->find(node.grant_key) == std::string::npos);
    node.actor.reset();
    node.disk.restart();
    StorageSettings settings;
    settings.directory = "/data";
    settings.segment_bytes = 8 << 20;
    node.actor = std::make_unique<Storage>(node.bus, node.disk, node.table, settings);
    node.actor->start([](Result<void>) {});
    node.step();
    const ReadBlock read{7, 2, 5, 0, 5000};
    CHECK(node.refusal(read, node.grant(7, BlockRight::read)).code == Code::unavailable);
    node.answer_join();
    CHECK(node.refusal(read, node.grant(7, BlockRight::read)).code == Code::no_such_block);
  }

  TEST_CASE("the inside of a node opens to a pass, and to nobody by name") {
    GuardedNode node;
    const auto ask = [&](const Grant& pass, std::string from = "client/c1") {
      Envelope envelope = envelope_of(ListBlocks{}, "storage/1");
      envelope.header.request = ++node.last_request;
      envelope.header.from = std::move(from);
      envelope.header.ticket = node.signed_by_head(pass).bytes;
      envelope.link = kPeer;
      node.actor->receive(std::move(envelope));
      node.step();
      for (const FakeBus::Sent& sent : node.bus.take_sent()) {
        if (sent.envelope.header.request != node.last_request) continue;
        const auto outcome = reply_as<ListBlocksReply>(sent.envelope);
        return outcome ? std::string() : outcome.error().cause.at("reason");
      }
      return std::string("no answer");
    };
    Grant pass;
    pass.right = BlockRight::inside;
    pass.expires_ms = node.bus.wall_ms() + 60'000;
    CHECK(ask(pass) == "");
    Grant other = pass;
    other.right = BlockRight::read;
    CHECK(ask(other) == "right");
    CHECK(ask(other, "storage/2") == "right");
    CHECK(ask(other, "monitor/1") == "right");
    other = pass;
    other.object = 7;
    CHECK(ask(other) == "object");
    other = pass;
    other.expires_ms = node.bus.wall_ms() - TicketJudge::kClockSkewMs - 1;
    CHECK(ask(other) == "expired");
    for (const char* from : {"client/c1", "storage", "storage/2", "monitor/1", "agent/h1"}) {
      Envelope envelope = envelope_of(FillGroup{}, "storage/1");
      envelope.header.request = ++node.last_request;
      envelope.header.from = from;
      envelope.link = kPeer;
      node.actor->receive(std::move(envelope));
      node.step();
      size_t answers = 0;
      for (const FakeBus::Sent& sent : node.bus.take_sent()) {
        if (sent.envelope.header.request != node.last_request) continue;
        ++answers;
        CHECK(reply_as<Pong>(sent.envelope).code() == Code::denied);
      }
      CHECK(answers == 1);
    }
    const uint64_t ping = node.ask(Ping{4});
    CHECK(reply_as<Pong>(*node.reply(ping)).ok());
  }

  TEST_CASE("a node shows what it signed itself, and a node controls no other") {
    GuardedNode node;
    REQUIRE(node.verify_key.bytes.size() == kVerifyKeyBytes);
    const GrantSigner other(make_grant_key());
    Grant grant;
    grant.right = BlockRight::inside;
    grant.expires_ms = node.bus.wall_ms() + 60'000;
    grant.warrant = node.warrant_for(2, other);
    const auto reason = [&](Envelope envelope) {
      envelope.header.to = "storage/1";
      envelope.header.ticket = other.sign(grant);
      envelope.header.request = ++node.last_request;
      envelope.header.from = "client/c1";
      envelope.link = kPeer;
      node.actor->receive(std::move(envelope));
      node.step();
      const auto answer = node.reply(node.last_request);
      REQUIRE(answer);
      if (answer->header.type != Type::Error) return std::string();
      return reply_as<Pong>(*answer).error().cause.at("reason");
    };
    CHECK(reason(envelope_of(ListBlocks{})) == "");
    CHECK(reason(envelope_of(FillGroup{})) == "role");
    CHECK(reason(envelope_of(ControlScrub{})) == "role");
    grant.object = 7;
    grant.right = BlockRight::read;
    const ReadBlock read{7, 2, 5, 0, 5000};
    CHECK(node.reason(read, {other.sign(grant)}).starts_with("no_such_block"));
    grant.right = BlockRight::write;
    const std::string bytes(5000, 'x');
    CHECK(node.reason(node.part(bytes, 0), {other.sign(grant)}, Node::payload(bytes, 0)) ==
          "warrant");
    // Its own, for others: of this cluster, and with the warrant that it was told last.
    node.map(3, 3);
    FillGroup fill;
    fill.group = 5;
    fill.epoch = 3;
    fill.sources = {{2, kNext, true}};
    Envelope envelope = envelope_of(fill, "storage/1");
    envelope.header.ticket =
        node.signed_by_head({0, BlockRight::inside, 0, 0, node.bus.wall_ms() + 60'000, 1}).bytes;
    envelope.header.request = ++node.last_request;
    envelope.header.from = "monitor/1";
    envelope.link = kPeer;
    node.actor->receive(std::move(envelope));
    node.step();
    const auto asked = node.sent_to_next(Type::GetDigests);
    REQUIRE_FALSE(asked.empty());
    GrantJudge judge;
    judge.learn(GrantSigner(node.grant_key).verify_keys());
    const auto shown =
        judge.check(asked[0].envelope.header.ticket, 0, BlockRight::inside, 2, node.bus.wall_ms());
    REQUIRE(shown);
    CHECK(shown->warrant == node.warrant);
  }

  TEST_CASE("a node that hears of no log-ins that ended serves no user") {
    GuardedNode node;
    Grant grant;
    grant.object = 7;
    grant.right = BlockRight::read;
    grant.expires_ms = node.bus.wall_ms() + 3'600'000;
    grant.holder = holder_of("ada");
    const ReadBlock read{7, 2, 5, 0, 5000};
    const auto code = [&] { return node.refusal(read, node.signed_by_head(grant)).code; };
    const auto hear = [&](uint64_t version) {
      TicketKeys keys;
      keys.cluster = kNodeCluster;
      keys.version = version;
      node.actor->observe(kTicketsTopic, envelope_of(keys));
    };
    CHECK(code() == Code::no_such_block);  // it has just begun to listen
    for (int i = 0; i < 3; ++i) {
      node.step(std::chrono::seconds(50));
      hear(4);  // the same again
      CHECK(code() == Code::no_such_block);
    }
    node.step(std::chrono::seconds(61));
    const Error unheard = node.refusal(read, node.signed_by_head(grant));
    CHECK(unheard.code == Code::unavailable);
    CHECK(unheard.cause.at("reason") == kUnheard);
    hear(3);  // of one who does not know better
    CHECK(code() == Code::unavailable);
    grant.holder = 0;  // of nobody who logged in
    CHECK(code() == Code::no_such_block);
    grant.holder = holder_of("ada");
    hear(4);
    CHECK(code() == Code::no_such_block);
  }

  TEST_CASE("a grant ends with the log-in that it was given for") {
    GuardedNode node;
    Grant grant;
    grant.object = 7;
    grant.right = BlockRight::read;
    grant.expires_ms = node.bus.wall_ms() + 60'000;
    grant.holder = holder_of("ada");
    grant.session = 11;
    grant.since_ms = 1000;
    const ReadBlock read{7, 2, 5, 0, 5000};
    const auto reason = [&] { return node.reason(read, node.signed_by_head(grant)); };
    uint64_t version = 0;
    const auto revoke = [&](Revocation revocation, std::string cluster = kNodeCluster) {
      TicketKeys keys;
      keys.cluster = std::move(cluster);
      keys.version = ++version;
      keys.revoked = {std::move(revocation)};
      node.actor->observe(kTicketsTopic, envelope_of(keys));
    };
    CHECK(reason().starts_with("no_such_block"));
    revoke({"ben", 1000, 0});
    revoke({"ada", 999, 0});
    revoke({"ada", 1000, 12});
    revoke({"ada", 1000, 0}, std::string(32, 'f'));
    CHECK(reason().starts_with("no_such_block"));
    revoke({"ada", 1000, 11});
    CHECK(reason() == "revoked");
    grant.session = 12;
    CHECK(reason().starts_with("no_such_block"));
    revoke({"ada", 1000, 0});
    CHECK(reason() == "revoked");
    grant.since_ms = 1001;  // logged in again
    CHECK(reason().starts_with("no_such_block"));
    --version;
    TicketKeys old;
    old.cluster = kNodeCluster;
    old.version = version;
    node.actor->observe(kTicketsTopic, envelope_of(old));
    grant.since_ms = 1000;
    CHECK(reason() == "revoked");
  }
}

}  // namespace dfs
