// Each limit of the protocol, just kept and just broken, with the reason that the peer is told.
#include <doctest/doctest.h>

#include <functional>

#include "tests/messages/samples.h"

namespace dfs {
namespace {

// What decode says about the sample of T after `change`: the reason, or "" when it is accepted.
template <class T>
std::string reason(const std::function<void(T&)>& change) {
  T message = samples::sample<T>();
  change(message);
  const auto result = decode<T>(encode(message));
  if (result) return "";
  CHECK(result.code() == Code::malformed);
  return result.error().text;
}

std::string path_of_size(size_t size) {
  std::string path;
  while (path.size() + 202 < size) path += "/" + std::string(200, 'p');
  return path + "/" + std::string(size - path.size() - 1, 'q');
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("names") {
    const char* const good[] = {"a",           "...",      ".hidden",       "-rf",
                                "with space",  "tab\t",    "new\nline",     "\"q\"",
                                "caf\xc3\xa9", "\xff\xfe", "directory.txt", "a.b.c"};
    for (const char* name : good) CHECK_MESSAGE(bad_name(name) == nullptr, name);
    CHECK(bad_name(std::string(255, 'x')) == nullptr);
    CHECK(std::string(bad_name("")) == "a name is empty");
    CHECK(std::string(bad_name(".")) == "a name is '.' or '..'");
    CHECK(std::string(bad_name("..")) == "a name is '.' or '..'");
    CHECK(std::string(bad_name("a/b")) == "a name contains '/'");
    CHECK(std::string(bad_name(std::string("a\0b", 3))) == "a name contains a NUL byte");
    CHECK(std::string(bad_name(std::string(256, 'x'))) == "a name is longer than 255 bytes");
  }

  TEST_CASE("paths") {
    for (const char* path : {"/", "/a", "/a/b", "/.../..a", "/ ", "/a\nb"}) {
      CHECK_MESSAGE(bad_path(path) == nullptr, path);
    }
    for (const char* path : {"", "a", "a/b", "./a", "//", "//a", "/a/", "/a//b", "/.", "/..",
                             "/a/..", "/../a", "/a/./b"}) {
      CHECK_MESSAGE(bad_path(path) != nullptr, path);
    }
    CHECK(bad_path(std::string("/a\0", 3)) != nullptr);
    CHECK(bad_path(path_of_size(kPathBytesMax)) == nullptr);
    CHECK(bad_path(path_of_size(kPathBytesMax + 1)) != nullptr);
    CHECK(bad_path("/" + std::string(255, 'x') + "/y") == nullptr);
    CHECK(bad_path("/" + std::string(256, 'x') + "/y") != nullptr);
  }

  TEST_CASE("every request with a path refuses a bad one") {
    const std::string why = "a name is '.' or '..'";
    CHECK(reason<Stat>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<List>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<MakeDir>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<ShowFence>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<ShowFence>([](auto& m) { m.fence = 0; }) == "fence is missing");
    CHECK(reason<Rename>([](auto& m) { m.from = "/.."; }) == why);
    CHECK(reason<Rename>([](auto& m) { m.to = "/.."; }) == why);
    CHECK(reason<Remove>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<PlanFile>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<CommitFile>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<OpenFile>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<GetHistory>([](auto& m) { m.path = "/.."; }) == why);
    CHECK(reason<CopyFile>([](auto& m) { m.from = "/.."; }) == why);
    CHECK(reason<CopyFile>([](auto& m) { m.to = "/.."; }) == why);
  }

  TEST_CASE("the header: its size, its addresses, its ticket, its source") {
    Header header = samples::header();
    header.from = std::string(kAddressBytesMax, 'f');
    header.to = std::string(kAddressBytesMax, 't');
    header.ticket = std::string(kTicketBytesMax, 'x');
    CHECK(decode_header(encode_header(header)).ok());
    header.source = std::string(kSourceBytesMax, 's');
    CHECK(decode_header(encode_header(header)).ok());
    Header long_source = header;
    long_source.source += 's';
    CHECK(decode_header(encode_header(long_source)).code() == Code::too_large);
    Header long_from = header, long_to = header, long_ticket = header;
    long_from.from += 'f';
    long_to.to += 't';
    long_ticket.ticket += 'x';
    CHECK(decode_header(encode_header(long_from)).code() == Code::too_large);
    CHECK(decode_header(encode_header(long_to)).code() == Code::too_large);
    CHECK(decode_header(encode_header(long_ticket)).code() == Code::too_large);
    CHECK(decode_header(std::string(kHeaderBytesMax, '\xc0')).code() == Code::malformed);
    CHECK(decode_header(std::string(kHeaderBytesMax + 1, '\xc0')).code() == Code::too_large);
  }

  TEST_CASE("the body: one MiB") {
    const auto body_of = [](size_t size) {
      std::string body;
      Writer writer(body);
      writer.map(1);
      writer.str("unknown");
      const size_t text = size - body.size() - 5;  // behind the 5 bytes of a str32
      writer.str(std::string(text, 'x'));
      REQUIRE(body.size() == size);
      return body;
    };
    CHECK(decode<Ping>(body_of(kBodyBytesMax)).ok());
    CHECK(decode<Ping>(body_of(kBodyBytesMax + 1)).code() == Code::too_large);
  }

  TEST_CASE("lists and maps: 4096 elements") {
    PlanFile plan = samples::sample<PlanFile>();
    plan.avoid.assign(kBatchMax, 7);
    CHECK(decode<PlanFile>(encode(plan)).ok());
    plan.avoid.push_back(7);
    CHECK(decode<PlanFile>(encode(plan)).code() == Code::malformed);
    ErrorReply error = samples::sample<ErrorReply>();
    error.cause.clear();
    while (error.cause.size() < kBatchMax) error.cause[std::to_string(error.cause.size())] = "";
    CHECK(decode<ErrorReply>(encode(error)).ok());
    error.cause["one more"] = "";
    CHECK(decode<ErrorReply>(encode(error)).code() == Code::malformed);
  }

  TEST_CASE("Announce: the service has a name of at most 255 bytes") {
    CHECK(reason<Announce>([](auto& m) { m.service = std::string(255, 's'); }) == "");
    CHECK(reason<Announce>([](auto& m) { m.service = std::string(256, 's'); }) ==
          "service name is empty or long");
    CHECK(reason<Announce>([](auto& m) { m.service.clear(); }) == "service name is empty or long");
  }

  TEST_CASE("Join: uuid, endpoint and labels") {
    const std::string uuid = "uuid is not 32 hex digits";
    CHECK(reason<Join>([](auto& m) { m.uuid.pop_back(); }) == uuid);
    CHECK(reason<Join>([](auto& m) { m.uuid += '0'; }) == uuid);
    CHECK(reason<Join>([](auto& m) { m.uuid[31] = 'g'; }) == uuid);
    CHECK(reason<Join>([](auto& m) { m.endpoint.clear(); }) == "endpoint is empty or long");
    CHECK(reason<Join>([](auto& m) { m.endpoint = std::string(255, 'e'); }) == "");
    CHECK(reason<Join>([](auto& m) { m.endpoint = std::string(256, 'e'); }) ==
          "endpoint is empty or long");
    CHECK(reason<Join>([](auto& m) { m.host = m.rack = std::string(255, 'h'); }) == "");
    CHECK(reason<Join>([](auto& m) { m.host = std::string(256, 'h'); }) == "host or rack is long");
    CHECK(reason<Join>([](auto& m) { m.rack = std::string(256, 'r'); }) == "host or rack is long");
    CHECK(reason<Join>([](auto& m) { m.token = std::string(255, 't'); }) == "");
    CHECK(reason<Join>([](auto& m) { m.token = std::string(256, 't'); }) == "token is long");
  }

  TEST_CASE("List: 1 to 1000 entries behind a name") {
    const std::string why = "limit is not between 1 and 1000";
    CHECK(reason<List>([](auto& m) { m.limit = 1; }) == "");
    CHECK(reason<List>([](auto& m) { m.limit = 1000; }) == "");
    CHECK(reason<List>([](auto& m) { m.limit = 0; }) == why);
    CHECK(reason<List>([](auto& m) { m.limit = 1001; }) == why);
    CHECK(reason<GetHistory>([](auto& m) { m.limit = 1000; }) == "");
    CHECK(reason<GetHistory>([](auto& m) { m.limit = 0; }) == why);
    CHECK(reason<GetHistory>([](auto& m) { m.limit = 1001; }) == why);
    CHECK(reason<List>([](auto& m) { m.after = std::string(255, 'a'); }) == "");
    CHECK(reason<List>([](auto& m) { m.after = std::string(256, 'a'); }) ==
          "after is longer than a name");
  }

  TEST_CASE("PlanFile: blocks of 1 to 128 whole MiB, or the cluster's choice") {
    const std::string why = "block_bytes is not a multiple of 1 MiB between 1 MiB and 128 MiB";
    for (const uint64_t bytes : {0ull, 1ull << 20, 3ull << 20, 128ull << 20}) {
      CHECK(reason<PlanFile>([&](auto& m) { m.block_bytes = bytes; }) == "");
    }
    for (const uint64_t bytes : {1ull, (1ull << 20) - 1, (1ull << 20) + 1, 129ull << 20}) {
      CHECK(reason<PlanFile>([&](auto& m) { m.block_bytes = bytes; }) == why);
    }
  }

  TEST_CASE("CommitFile: inline content") {
    const auto check = [](auto change) {
      CommitFile file = samples::inline_file();
      change(file);
      const auto result = decode<CommitFile>(encode(file));
      return result ? std::string() : result.error().text;
    };
    const auto resize = [](CommitFile& m, size_t size) {
      m.content.bytes.assign(size, 'x');
      m.size = size;
    };
    CHECK(check([&](auto& m) { resize(m, 0); }) == "");
    CHECK(check([&](auto& m) { resize(m, kInlineBytesMax); }) == "");
    CHECK(check([&](auto& m) { resize(m, kInlineBytesMax + 1); }) ==
          "inline content is over 4 KiB");
    CHECK(check([](auto& m) { m.size += 1; }) == "size is not that of the inline content");
    CHECK(check([](auto& m) { m.layout = samples::layout(); }) ==
          "both a layout and inline content");
  }

  TEST_CASE("CommitFile: the layout") {
    const auto check = [](auto change) {
      return reason<CommitFile>([&](CommitFile& m) { change(m); });
    };
    const auto groups = [](size_t count) {
      return [=](CommitFile& m) { m.layout.groups.assign(count, 1); };
    };
    const auto overrides = [](size_t count) {
      return [=](CommitFile& m) {
        m.layout.overrides.clear();
        for (uint32_t i = 0; i < count; ++i) m.layout.overrides.push_back({.index = i, .group = 1});
      };
    };
    CHECK(check(groups(1)) == "");
    CHECK(check(groups(kLayoutGroupsMax)) == "");
    CHECK(check(groups(0)) == "the layout has no groups or more than 64");
    CHECK(check(groups(kLayoutGroupsMax + 1)) == "the layout has no groups or more than 64");
    CHECK(check(overrides(kOverridesMax)) == "");
    CHECK(check(overrides(kOverridesMax + 1)) != "");  // also over the length of any list
    CHECK(check([](auto& m) { std::swap(m.layout.overrides[0], m.layout.overrides[1]); }) ==
          "the overrides are not in the order of their blocks");
    CHECK(check([](auto& m) { m.layout.overrides[1] = m.layout.overrides[0]; }) ==
          "the overrides are not in the order of their blocks");
    CHECK(check([](auto& m) { m.layout.block_bytes = 0; }) ==
          "block_bytes is not between 1 MiB and 128 MiB");
    CHECK(check([](auto& m) { m.layout.block_bytes = 129ull << 20; }) ==
          "block_bytes is not between 1 MiB and 128 MiB");
    CHECK(check([](auto& m) { m.layout.block_bytes += 1; }) ==
          "block_bytes is not a multiple of 1 MiB");
    const uint64_t largest = (uint64_t{UINT32_MAX} + 1) * (16ull << 20);
    CHECK(check([&](auto& m) { m.size = largest; }) == "");
    CHECK(check([&](auto& m) { m.size = largest + 1; }) == "the file has too many blocks");
    CHECK(check([](auto& m) { m.seal.cipher = static_cast<Cipher>(3); }) ==
          "the cipher is not known");
    CHECK(check([](auto& m) { m.seal.key.bytes.pop_back(); }) ==
          "the object's key is not a wrapped key");
  }

  TEST_CASE("replies that a client could not work with are malformed") {
    const auto plan = [](auto change) {
      return reason<PlanFileReply>([&](PlanFileReply& m) { change(m); });
    };
    CHECK(plan([](auto& m) { m.groups.clear(); }) == "the plan has no groups or more than 64");
    CHECK(plan([](auto& m) { m.groups.assign(64, {}); }) == "");
    CHECK(plan([](auto& m) { m.groups.assign(65, {}); }) ==
          "the plan has no groups or more than 64");
    CHECK(plan([](auto& m) { m.object = 0; }) == "object is 0");
    CHECK(plan([](auto& m) { m.block_bytes = 0; }) ==
          "block_bytes is not between 1 MiB and 128 MiB");
    const auto open = [](auto change) {
      return reason<OpenFileReply>([&](OpenFileReply& m) { change(m); });
    };
    CHECK(open([](auto& m) { m.layout = Layout(); }) == "the layout is that of another object");
    CHECK(open([](auto& m) {
            m.layout = Layout();
            m.info.object = 0;
          }) == "");  // inline
    CHECK(open([](auto& m) { m.layout.groups.clear(); }) ==
          "the layout has no groups or more than 64");
    CHECK(open([](auto& m) { m.layout.block_bytes = 0; }) ==
          "block_bytes is not between 1 MiB and 128 MiB");
  }

  TEST_CASE("WriteBlock") {
    const auto check = [](auto change) {
      return reason<WriteBlock>([&](WriteBlock& m) { change(m); });
    };
    CHECK(check([](auto& m) { m.object = 0; }) == "object is 0");
    CHECK(check([](auto& m) { m.capacity = kBlockBytesMax; }) == "");
    CHECK(check([](auto& m) { m.capacity = kBlockBytesMax + 1; }) ==
          "capacity is not in 1 byte … 128 MiB");
    CHECK(check([](auto& m) { m.capacity = 0; }) == "capacity is not in 1 byte … 128 MiB");
    CHECK(check([](auto& m) { m.offset += 1; }) == "offset is not that of a part");
    CHECK(check([](auto& m) { m.offset = m.capacity; }) == "offset is not that of a part");
    CHECK(check([](auto& m) { m.offset = m.capacity - kPartBytes; }) == "");
    CHECK(check([](auto& m) { m.chain.resize(kReplicasMax - 1); }) == "");
    CHECK(check([](auto& m) { m.chain.resize(kReplicasMax); }) == "the chain is too long");
    CHECK(check([](auto& m) { m.path_hint = std::string(kPathBytesMax, 'p'); }) == "");
    CHECK(check([](auto& m) { m.path_hint = std::string(kPathBytesMax + 1, 'p'); }) ==
          "path_hint is over 4096 bytes");
    const auto sealed = [](size_t size) {
      return [=](auto& m) {
        m.path_hint.clear();
        m.file_hint.sealed_path.bytes = std::string(size, 'p');
      };
    };
    CHECK(check(sealed(kWrappedBytesMax)) == "");
    CHECK(check(sealed(kWrappedBytesMax + 1)) == "sealed_path is too long");
    CHECK(check([](auto& m) { m.file_hint.sealed_path.bytes = "p"; }) == "two paths");
    CHECK(check([](auto& m) { m.file_hint.seal.cipher = Cipher::aes_256_gcm; }) ==
          "the object's key is not a wrapped key");
  }

  TEST_CASE("ReadBlock") {
    const auto check = [](auto change) {
      return reason<ReadBlock>([&](ReadBlock& m) { change(m); });
    };
    CHECK(check([](auto& m) { m.object = 0; }) == "object is 0");
    CHECK(check([](auto& m) { m.length = 1; }) == "");
    CHECK(check([](auto& m) { m.length = 0; }) == "length is not in 1 byte … 1 MiB");
    CHECK(check([](auto& m) { m.length = kPartBytes + 1; }) == "length is not in 1 byte … 1 MiB");
    CHECK(check([](auto& m) { m.offset = kBlockBytesMax; }) == "");
    CHECK(check([](auto& m) { m.offset = kBlockBytesMax + 1; }) ==
          "offset is past the largest block");
  }

  TEST_CASE("ListBlocks and Event") {
    const std::string why = "limit is not between 1 and 1000";
    CHECK(reason<ListBlocks>([](auto& m) { m.limit = 1000; }) == "");
    CHECK(reason<ListBlocks>([](auto& m) { m.limit = 0; }) == why);
    CHECK(reason<ListBlocks>([](auto& m) { m.limit = 1001; }) == why);
    CHECK(reason<Event>([](auto& m) { m.topic = std::string(255, 't'); }) == "");
    CHECK(reason<Event>([](auto& m) { m.topic = std::string(256, 't'); }) ==
          "topic is empty or long");
    CHECK(reason<Event>([](auto& m) { m.topic.clear(); }) == "topic is empty or long");
  }

  TEST_CASE("ReadEvents: pages of 1 to 1000 events, a topic's length of prefix") {
    const std::string why = "limit is not between 1 and 1000";
    CHECK(reason<ReadEvents>([](auto& m) { m.limit = 1; }) == "");
    CHECK(reason<ReadEvents>([](auto& m) { m.limit = 1000; }) == "");
    CHECK(reason<ReadEvents>([](auto& m) { m.limit = 0; }) == why);
    CHECK(reason<ReadEvents>([](auto& m) { m.limit = 1001; }) == why);
    CHECK(reason<ReadEvents>([](auto& m) { m.prefix = std::string(255, 'p'); }) == "");
    CHECK(reason<ReadEvents>([](auto& m) { m.prefix = std::string(256, 'p'); }) ==
          "prefix is longer than a topic");
  }

  TEST_CASE("AddHead: uuid, endpoint and broker") {
    const std::string uuid = "uuid is not 32 hex digits";
    CHECK(reason<AddHead>([](auto& m) { m.uuid.clear(); }) == "");
    CHECK(reason<AddHead>([](auto& m) { m.uuid.pop_back(); }) == uuid);
    CHECK(reason<AddHead>([](auto& m) { m.uuid[0] = 'G'; }) == uuid);
    CHECK(reason<AddHead>([](auto& m) { m.endpoint = std::string(255, 'e'); }) == "");
    CHECK(reason<AddHead>([](auto& m) { m.endpoint = std::string(256, 'e'); }) ==
          "endpoint is empty or long");
    CHECK(reason<AddHead>([](auto& m) { m.endpoint.clear(); }) == "endpoint is empty or long");
    CHECK(reason<AddHead>([](auto& m) { m.broker = std::string(255, 'b'); }) == "");
    CHECK(reason<AddHead>([](auto& m) { m.broker = std::string(256, 'b'); }) ==
          "broker is empty or long");
    CHECK(reason<AddHead>([](auto& m) { m.broker.clear(); }) == "broker is empty or long");
  }

  TEST_CASE("ChangeMembers: numbers that were given, known standings, short addresses") {
    const auto check = [](auto change) {
      return reason<ChangeMembers>([&](ChangeMembers& m) { change(m); });
    };
    const auto member = [&](auto change) {
      return check([&](ChangeMembers& m) { change(m.members[0]); });
    };
    CHECK(check([](auto& m) { m.last_id = m.members[0].id; }) == "");
    CHECK(check([](auto& m) { m.last_id = m.members[0].id - 1; }) ==
          "a member's number is out of range");
    CHECK(member([](auto& m) { m.id = 0; }) == "a member's number is out of range");
    CHECK(member([](auto& m) { m.endpoint = std::string(255, 'e'); }) == "");
    CHECK(member([](auto& m) { m.endpoint = std::string(256, 'e'); }) ==
          "a member's endpoint is long");
    CHECK(member([](auto& m) { m.broker = std::string(255, 'b'); }) == "");
    CHECK(member([](auto& m) { m.broker = std::string(256, 'b'); }) == "a member's broker is long");
    CHECK(member([](auto& m) { m.standing = Standing::leaving; }) == "");
    CHECK(member([](auto& m) { m.standing = static_cast<Standing>(0); }) ==
          "a member has no known standing");
    CHECK(member([](auto& m) { m.standing = static_cast<Standing>(5); }) ==
          "a member has no known standing");
  }

  TEST_CASE("ReadSnapshot: 1 byte to 1 MiB") {
    const std::string why = "the length is zero or over 1 MiB";
    CHECK(reason<ReadSnapshot>([](auto& m) { m.length = 1; }) == "");
    CHECK(reason<ReadSnapshot>([](auto& m) { m.length = kPartBytes; }) == "");
    CHECK(reason<ReadSnapshot>([](auto& m) { m.length = 0; }) == why);
    CHECK(reason<ReadSnapshot>([](auto& m) { m.length = kPartBytes + 1; }) == why);
  }

  TEST_CASE("a full page of the longest names fits into a body") {
    ListReply page;
    for (size_t i = 0; i < kListEntriesMax; ++i) {
      page.entries.push_back({.name = std::string(kNameBytesMax, 'n'), .info = samples::inode()});
    }
    CHECK(decode<ListReply>(encode(page)).ok());
  }

  TEST_CASE("the layout tells the group of each block, overrides first") {
    const Layout layout = samples::layout();
    CHECK(layout.group_of(0) == 1);
    CHECK(layout.group_of(1) == 5);
    CHECK(layout.group_of(3) == 1);
    CHECK(layout.group_of(4) == 12);
    CHECK(layout.group_of(5) == 9);
    CHECK(layout.group_of(70'000) == 13);
  }

  TEST_CASE("a block id prints as object in hex and index") {
    CHECK(to_string(BlockId{0x1f, 3}) == "1f:3");
    CHECK(to_string(BlockId{UINT64_MAX, UINT32_MAX}) == "ffffffffffffffff:4294967295");
  }
}

}  // namespace dfs
