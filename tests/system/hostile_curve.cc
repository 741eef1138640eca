#include "hostile_curve.h"

#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "broker/hex.h"

namespace dfs::hostile {

namespace {

constexpr size_t kGreetingBytes = 64;
constexpr uint8_t kMore = 1;
constexpr uint8_t kLong = 2;
constexpr uint8_t kCommand = 4;
constexpr size_t kBriefBytesMax = 255;  // of a frame whose size is one byte

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

std::string random_bytes(size_t size) {
  std::string bytes(size, '\0');
  randombytes_buf(bytes.data(), size);
  return bytes;
}

std::string boxed(std::string_view text, std::string_view nonce, std::string_view to,
                  std::string_view from_secret) {
  std::string box(text.size() + crypto_box_MACBYTES, '\0');
  const int failed = crypto_box_easy(bytes_of(box), bytes_of(text), text.size(), bytes_of(nonce),
                                     bytes_of(to), bytes_of(from_secret));
  if (failed != 0) box.clear();
  return box;
}

std::string greeting(const char* mechanism) {
  std::string text("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12);
  text += mechanism;
  text.resize(kGreetingBytes, '\0');
  return text;
}

std::string big_endian(uint64_t number, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i-- > 0;) text.push_back(static_cast<char>(number >> (8 * i)));
  return text;
}

std::string framed(std::string_view body, uint8_t flags) {
  const bool is_long = body.size() > kBriefBytesMax;
  std::string text(1, static_cast<char>(flags | (is_long ? kLong : 0)));
  return text.append(big_endian(body.size(), is_long ? 8 : 1)).append(body);
}

std::string property(const std::string& name, const std::string& value) {
  return std::string(1, static_cast<char>(name.size())) + name + big_endian(value.size(), 4) +
         value;
}

bool send_bytes(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool receive_bytes(int connection, std::string& bytes, size_t size) {
  bytes.assign(size, '\0');
  return size == 0 ||
         ::recv(connection, bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

}  // namespace

CurveClient::CurveClient(int connection, const std::string& server_key)
    : connection_(connection), server_(*from_hex(server_key)) {
  if (sodium_init() < 0) std::abort();
  for (auto [key, secret] :
       {std::pair(&own_public_, &own_secret_), std::pair(&brief_public_, &brief_secret_)}) {
    key->assign(crypto_box_PUBLICKEYBYTES, '\0');
    secret->assign(crypto_box_SECRETKEYBYTES, '\0');
    (void)crypto_box_keypair(bytes_of(*key), bytes_of(*secret));
  }
}

CurveClient::~CurveClient() {
  ::close(connection_);
}

bool CurveClient::send_all(std::string_view bytes) {
  return send_bytes(connection_, bytes);
}

bool CurveClient::receive(std::string& bytes, size_t size) {
  return receive_bytes(connection_, bytes, size);
}

bool CurveClient::receive_command(std::string& body) {
  std::string head;
  return receive(head, 2) && receive(body, static_cast<uint8_t>(head[1]));
}

bool CurveClient::send_command(std::string_view body) {
  return send_all(framed(body, kCommand));
}

std::string CurveClient::short_nonce() {
  return big_endian(++nonce_, 8);
}

bool CurveClient::hello_and_welcome(std::string& cookie) {
  const std::string nonce = short_nonce();
  const std::string box =
      boxed(std::string(64, '\0'), "CurveZMQHELLO---" + nonce, server_, brief_secret_);
  const std::string version("\x01\0", 2);
  if (!send_command("\x05HELLO" + version + std::string(72, '\0') + brief_public_ + nonce + box)) {
    return false;
  }
  std::string welcome;
  if (!receive_command(welcome) || welcome.size() != 168) return false;
  const std::string opened_by = "WELCOME-" + welcome.substr(8, 16);
  std::string opened(128, '\0');
  if (crypto_box_open_easy(bytes_of(opened), bytes_of(welcome) + 24, 144, bytes_of(opened_by),
                           bytes_of(server_), bytes_of(brief_secret_)) != 0) {
    return false;
  }
  server_brief_ = opened.substr(0, 32);
  cookie = opened.substr(32);
  return true;
}

bool CurveClient::initiate(const std::string& cookie, const std::string& socket_type) {
  const std::string vouch_nonce = random_bytes(16);
  const std::string vouch =
      boxed(brief_public_ + server_, "VOUCH---" + vouch_nonce, server_brief_, own_secret_);
  const std::string nonce = short_nonce();
  const std::string box =
      boxed(own_public_ + vouch_nonce + vouch + property("Socket-Type", socket_type),
            "CurveZMQINITIATE" + nonce, server_brief_, brief_secret_);
  if (!send_command("\x08INITIATE" + cookie + nonce + box)) return false;
  std::string ready;
  return receive_command(ready) && ready.starts_with("\x05READY");
}

bool CurveClient::shake_hands(const std::string& socket_type) {
  std::string theirs, cookie;
  return send_all(greeting("CURVE")) && receive(theirs, kGreetingBytes) &&
         hello_and_welcome(cookie) && initiate(cookie, socket_type);
}

bool CurveClient::send_frame(std::string_view frame, bool more) {
  const std::string nonce = short_nonce();
  std::string text(1, static_cast<char>(more ? kMore : 0));
  text += frame;
  const std::string box = boxed(text, "CurveZMQMESSAGEC" + nonce, server_brief_, brief_secret_);
  return send_all(framed("\x07MESSAGE" + nonce + box, 0));
}

bool shake_hands_plainly(int connection, const std::string& socket_type) {
  std::string theirs, head, ready;
  return send_bytes(connection, greeting("NULL")) &&
         receive_bytes(connection, theirs, kGreetingBytes) &&
         send_bytes(connection,
                    framed("\x05READY" + property("Socket-Type", socket_type), kCommand)) &&
         receive_bytes(connection, head, 2) &&
         receive_bytes(connection, ready, static_cast<uint8_t>(head[1]));
}

std::string plain_frame(std::string_view frame, bool more) {
  return framed(frame, more ? kMore : 0);
}

}  // namespace dfs::hostile
