#include "cli/digest.h"

#include <openssl/evp.h>

#include <array>

#include "cli/output.h"
#include "messages/crc32c.h"

namespace dfs::cli {

const char* name_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::crc32c:
      return "crc32c";
    case DigestKind::md5:
      return "md5";
    case DigestKind::sha256:
      return "sha256";
  }
  return "unknown";
}

struct Digest::State {
  uint32_t crc = 0;
  EVP_MD_CTX* context = nullptr;  // none for crc32c
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>()) {
  if (kind == DigestKind::crc32c) return;
  state_->context = EVP_MD_CTX_new();
  DFS_ASSERT(state_->context != nullptr);
  const EVP_MD* method = kind == DigestKind::md5 ? EVP_md5() : EVP_sha256();
  DFS_ASSERT(EVP_DigestInit_ex(state_->context, method, nullptr) == 1);
}

Digest::~Digest() {
  EVP_MD_CTX_free(state_->context);
}

void Digest::update(const void* data, size_t size) {
  if (state_->context == nullptr) {
    state_->crc = crc32c(data, size, state_->crc);
  } else {
    DFS_ASSERT(EVP_DigestUpdate(state_->context, data, size) == 1);
  }
}

std::string Digest::hex() {
  if (state_->context == nullptr) return hex32(state_->crc);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  DFS_ASSERT(EVP_DigestFinal_ex(state_->context, bytes.data(), &size) == 1);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += "0123456789abcdef"[bytes[i] >> 4];
    out += "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}

}  // namespace dfs::cli
