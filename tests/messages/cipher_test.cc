#include "messages/cipher.h"

#include <doctest/doctest.h>

#include <set>

#include "messages/key_wrap.h"

namespace dfs {
namespace {

std::string unhex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

const uint8_t* data_of(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}
uint8_t* data_of(std::string& text) {
  return reinterpret_cast<uint8_t*>(text.data());
}

// A published example of a cipher.
struct Vector {
  Cipher cipher;
  std::string key, nonce, context, content, sealed, tag;
};

// Test cases 13 to 16 of the GCM specification that NIST refers to, and RFC 8439, 2.8.2.
const Vector kVectors[] = {
    {Cipher::aes_256_gcm, std::string(64, '0'), std::string(24, '0'), "", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {Cipher::aes_256_gcm, std::string(64, '0'), std::string(24, '0'), "", std::string(32, '0'),
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {Cipher::aes_256_gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {Cipher::aes_256_gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {Cipher::chacha20_poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492"
     "0"
     "636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c20737"
     "5"
     "6e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da927"
     "2"
     "8b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b483"
     "1"
     "d7bc3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"}};

constexpr ObjectId kObject = 0x2002;
const std::string kKey(kKeyBytes, 'k');

std::string sealed(const PartCipher& cipher, PartPlace place, std::string content) {
  const size_t size = content.size();
  content.resize(size + kTagBytes);
  cipher.seal(place, data_of(content), size);
  return content;
}
bool opens(const PartCipher& cipher, PartPlace place, const std::string& stored) {
  std::string out(stored.size(), '\0');
  return cipher.open(place, data_of(stored), stored.size(), data_of(out));
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("the ciphers are those that were published") {
    for (const Vector& vector : kVectors) {
      const std::string content = unhex(vector.content);
      std::string out(content.size(), '\0');
      std::string tag(kTagBytes, '\0');
      encrypt(vector.cipher, unhex(vector.key), unhex(vector.nonce), unhex(vector.context),
              data_of(content), content.size(), data_of(out), data_of(tag));
      CHECK(out == unhex(vector.sealed));
      CHECK(tag == unhex(vector.tag));
      std::string back(out.size(), '\0');
      CHECK(decrypt(vector.cipher, unhex(vector.key), unhex(vector.nonce), unhex(vector.context),
                    data_of(out), out.size(), data_of(tag), data_of(back)));
      CHECK(back == content);
    }
  }

  TEST_CASE("a part opens only as what it is, where it is, and whole") {
    for (const Cipher which : {Cipher::aes_256_gcm, Cipher::chacha20_poly1305}) {
      const PartCipher cipher(which, kKey, kObject);
      const PartPlace place{3, 4};
      const std::string stored = sealed(cipher, place, "what nobody is to read");
      REQUIRE(opens(cipher, place, stored));
      CHECK_FALSE(opens(cipher, {4, 4}, stored));
      CHECK_FALSE(opens(cipher, {3, 5}, stored));
      CHECK_FALSE(opens(cipher, {4, 3}, stored));
      CHECK_FALSE(opens(PartCipher(which, kKey, kObject + 1), place, stored));
      CHECK_FALSE(opens(PartCipher(which, std::string(kKeyBytes, 'K'), kObject), place, stored));
      const Cipher other =
          which == Cipher::aes_256_gcm ? Cipher::chacha20_poly1305 : Cipher::aes_256_gcm;
      CHECK_FALSE(opens(PartCipher(other, kKey, kObject), place, stored));
      for (size_t bit = 0; bit < stored.size() * 8; ++bit) {
        std::string altered = stored;
        altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
        REQUIRE_FALSE(opens(cipher, place, altered));
      }
      for (size_t size = 0; size < stored.size(); ++size) {
        REQUIRE_FALSE(opens(cipher, place, stored.substr(0, size)));
      }
    }
  }

  TEST_CASE("a part that is sealed again is the same bytes, and no two places are alike") {
    const PartCipher cipher(PartCipher::choice(), kKey, kObject);
    const std::string content(1000, 'c');
    CHECK(sealed(cipher, {1, 2}, content) == sealed(cipher, {1, 2}, content));
    std::set<std::string> all;
    for (uint32_t block = 0; block < 8; ++block) {
      for (uint32_t part = 0; part < 8; ++part) all.insert(sealed(cipher, {block, part}, content));
    }
    CHECK(all.size() == 64);
  }

  TEST_CASE("stored and content lengths belong together") {
    for (const uint64_t size :
         {uint64_t{1}, uint64_t{4097}, uint64_t{kSealedPartBytes - 1}, uint64_t{kSealedPartBytes},
          uint64_t{kSealedPartBytes + 1}, uint64_t{100 * kSealedPartBytes}, uint64_t{1} << 40}) {
      CAPTURE(size);
      const uint64_t parts = (size + kSealedPartBytes - 1) / kSealedPartBytes;
      CHECK(sealed_bytes(size) == size + parts * kTagBytes);
      CHECK(content_bytes(sealed_bytes(size)) == size);
    }
    CHECK(sealed_bytes(kSealedPartBytes) == kPartBytes);
    CHECK(sealed_bytes(0) == 0);
    CHECK(content_bytes(0) == 0);
  }

  TEST_CASE("a wrapped secret opens with its key alone, for its purpose, unchanged") {
    const WrappingKey key{7, std::string(kKeyBytes, 'p')};
    const std::string wrapped = wrap(key, "purpose", "secret", secure_random);
    CHECK(wrapped.size() == 6 + kWrapBytes);
    CHECK(wrapped.find("secret") == std::string::npos);
    CHECK(wrapped_with(wrapped) == 7);
    const auto opened = unwrap(key, "purpose", wrapped);
    REQUIRE(opened);
    CHECK(*opened == "secret");
    CHECK(unwrap(key, "other purpose", wrapped).code() == Code::corrupt);
    CHECK(unwrap({8, key.bytes}, "purpose", wrapped).code() == Code::corrupt);
    CHECK(unwrap({7, std::string(kKeyBytes, 'q')}, "purpose", wrapped).code() == Code::corrupt);
    for (size_t bit = 0; bit < wrapped.size() * 8; ++bit) {
      std::string altered = wrapped;
      altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
      REQUIRE(unwrap(key, "purpose", altered).code() == Code::corrupt);
    }
    for (size_t size = 0; size < wrapped.size(); ++size) {
      REQUIRE(unwrap(key, "purpose", wrapped.substr(0, size)).code() == Code::corrupt);
    }
    CHECK(wrap(key, "purpose", "secret", secure_random) != wrapped);
  }

  TEST_CASE("keys for one use tell nothing of others") {
    CHECK(key_of_paths(kKey).bytes != kKey);
    CHECK(key_of_paths(kKey).bytes != key_of_keys(kKey).bytes);
    CHECK(object_key_purpose(1) != object_key_purpose(2));
    CHECK(object_key_purpose(1) != path_purpose(1));
  }
}

}  // namespace dfs
