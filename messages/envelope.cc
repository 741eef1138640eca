#include "messages/envelope.h"

#include "messages/ids.h"

namespace dfs {

std::string encode_header(const Header& header) {
  std::string out;
  out.reserve(96);
  Writer writer(out);
  writer.array(header.source.empty() ? 8 : 9);
  writer.uint(header.version);
  writer.uint(static_cast<uint64_t>(header.type));
  writer.uint(header.request);
  writer.uint(header.trace);
  writer.uint(header.deadline_ms);
  writer.str(header.from);
  writer.str(header.to);
  writer.bin(header.ticket);
  if (!header.source.empty()) writer.str(header.source);
  return out;
}

Result<Header> decode_header(std::string_view bytes) {
  using R = Result<Header>;
  if (bytes.size() > kHeaderBytesMax) return R(Code::too_large, "message header over 4 KiB");
  auto document = Document::parse(bytes);
  if (!document) return std::move(document).error();
  const Value root = document->root();
  if (!root.is_array() || root.size() < 7) {
    return R(Code::malformed, "the header is not an array of at least 7 elements");
  }
  Header header;
  bool good = read_value(root.at(0), header.version);
  // The version is checked before the rest: another version may give the rest another meaning.
  if (good && header.version != kProtocolVersion) {
    return R(Code::unsupported, "protocol version " + std::to_string(header.version) +
                                    " is not spoken here; this side speaks 1");
  }
  good = good && read_value(root.at(1), header.type) && read_value(root.at(2), header.request) &&
         read_value(root.at(3), header.trace) && read_value(root.at(4), header.deadline_ms) &&
         read_value(root.at(5), header.from) && read_value(root.at(6), header.to);
  if (good && root.size() > 7 && !root.at(7).is_nil()) good = read_value(root.at(7), header.ticket);
  if (good && root.size() > 8 && !root.at(8).is_nil()) good = read_value(root.at(8), header.source);
  if (!good) return R(Code::malformed, "an element of the header has the wrong type");
  if (header.from.size() > kAddressBytesMax || header.to.size() > kAddressBytesMax) {
    return R(Code::too_large, "an address in the header is over 255 bytes");
  }
  if (header.ticket.size() > kTicketBytesMax) {
    return R(Code::too_large, "the ticket in the header is over 1 KiB");
  }
  if (header.source.size() > kSourceBytesMax) {
    return R(Code::too_large, "the source in the header is over 64 bytes");
  }
  return header;
}

std::string to_string(const BlockId& id) {
  char text[40];
  std::snprintf(text, sizeof text, "%llx:%u", static_cast<unsigned long long>(id.object), id.index);
  return text;
}

}  // namespace dfs
