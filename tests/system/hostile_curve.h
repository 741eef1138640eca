// A client's side of CURVE (https://rfc.zeromq.org/spec/26) on a plain socket, for what libzmq
// never sends: a message that goes on for ever.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dfs::hostile {

class CurveClient {
 public:
  // `server_key` is 64 hex digits. Owns the connection, a descriptor of a connected TCP socket.
  CurveClient(int connection, const std::string& server_key);
  ~CurveClient();
  CurveClient(const CurveClient&) = delete;
  CurveClient& operator=(const CurveClient&) = delete;

  // As a socket of this type, "DEALER". False when the other side does not want it.
  bool shake_hands(const std::string& socket_type);
  // One frame; `more` promises another. False when the other side has ended the connection.
  bool send_frame(std::string_view frame, bool more);

 private:
  bool send_all(std::string_view bytes);
  bool receive(std::string& bytes, size_t size);
  bool receive_command(std::string& body);
  bool send_command(std::string_view body);
  bool hello_and_welcome(std::string& cookie);
  bool initiate(const std::string& cookie, const std::string& socket_type);
  // The next one, as it is sent.
  std::string short_nonce();

  const int connection_;
  std::string server_;  // its long-term public key
  std::string own_public_, own_secret_;
  std::string brief_public_, brief_secret_;  // of this connection
  std::string server_brief_;
  uint64_t nonce_ = 0;
};

// A plain connection without CURVE, up to where messages may be sent; false when that fails.
bool shake_hands_plainly(int connection, const std::string& socket_type);
std::string plain_frame(std::string_view frame, bool more);

}  // namespace dfs::hostile
