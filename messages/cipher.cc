#include "messages/cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <memory>

namespace dfs {

namespace {

// What is authenticated of a part is never what something else under the same key authenticates.
constexpr std::string_view kPartContext = "zdfs part 1:";

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* algorithm_of(Cipher cipher) {
  return cipher == Cipher::aes_256_gcm ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void append_number(std::string& out, uint64_t number, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(number >> shift));
  }
}

// The library fails only for want of memory, or when it was built without the cipher.
Context begin(Cipher cipher, std::string_view key, std::string_view nonce, std::string_view context,
              bool encrypts) {
  DFS_ASSERT(cipher != Cipher::none && key.size() == kKeyBytes && nonce.size() == kNonceBytes);
  Context made(EVP_CIPHER_CTX_new());
  DFS_ASSERT(made != nullptr);
  const int began = EVP_CipherInit_ex(made.get(), algorithm_of(cipher), nullptr, bytes_of(key),
                                      bytes_of(nonce), encrypts ? 1 : 0);
  DFS_ASSERT(began == 1);
  int length = 0;
  const int named = EVP_CipherUpdate(made.get(), nullptr, &length, bytes_of(context),
                                     static_cast<int>(context.size()));
  DFS_ASSERT(named == 1);
  return made;
}

std::string nonce_of(PartPlace place) {
  std::string nonce;
  append_number(nonce, place.block, 4);
  append_number(nonce, place.part, 4);
  append_number(nonce, 0, 4);
  return nonce;
}

bool has_aes_instructions() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  constexpr unsigned long kAes = 1 << 3;  // HWCAP_AES
  return (getauxval(AT_HWCAP) & kAes) != 0;
#else
  return false;
#endif
}

}  // namespace

void encrypt(Cipher cipher, std::string_view key, std::string_view nonce, std::string_view context,
             const uint8_t* data, size_t size, uint8_t* out, uint8_t* tag) {
  const Context run = begin(cipher, key, nonce, context, true);
  int length = 0;
  const bool done = EVP_EncryptUpdate(run.get(), out, &length, data, static_cast<int>(size)) == 1 &&
                    EVP_EncryptFinal_ex(run.get(), out + length, &length) == 1 &&
                    EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1;
  DFS_ASSERT(done);
}

bool decrypt(Cipher cipher, std::string_view key, std::string_view nonce, std::string_view context,
             const uint8_t* data, size_t size, const uint8_t* tag, uint8_t* out) {
  const Context run = begin(cipher, key, nonce, context, false);
  int length = 0;
  const bool decrypted =
      EVP_DecryptUpdate(run.get(), out, &length, data, static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, const_cast<uint8_t*>(tag)) ==
          1;
  DFS_ASSERT(decrypted);
  return EVP_DecryptFinal_ex(run.get(), out + length, &length) == 1;
}

PartCipher::PartCipher(Cipher cipher, std::string key, ObjectId object)
    : cipher_(cipher), key_(std::move(key)), object_(object) {}

PartCipher::~PartCipher() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

Cipher PartCipher::choice() {
  return has_aes_instructions() ? Cipher::aes_256_gcm : Cipher::chacha20_poly1305;
}

std::string PartCipher::context_of(PartPlace place) const {
  std::string context(kPartContext);
  append_number(context, object_, 8);
  append_number(context, place.block, 4);
  append_number(context, place.part, 4);
  return context;
}

void PartCipher::seal(PartPlace place, uint8_t* data, size_t size) const {
  encrypt(cipher_, key_, nonce_of(place), context_of(place), data, size, data, data + size);
}

bool PartCipher::open(PartPlace place, const uint8_t* data, size_t size, uint8_t* out) const {
  if (size < kTagBytes) return false;
  const size_t content = size - kTagBytes;
  return decrypt(cipher_, key_, nonce_of(place), context_of(place), data, content, data + content,
                 out);
}

}  // namespace dfs
