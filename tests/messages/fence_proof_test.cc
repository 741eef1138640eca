#include "messages/fence_proof.h"

#include <doctest/doctest.h>

namespace dfs {
namespace {

const std::string kKey = fence_key_of("the secret of the heads");

std::string reason(const FenceClaim& claim, const Blob& proof) {
  const auto checked = check_fence_proof(kKey, claim, proof);
  return checked ? "" : checked.error().cause.at("reason");
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a fence is good for its path and its user, as it was given") {
    const Blob proof = prove_fence(kKey, {"/a", false, 7, "ada"});
    CHECK(reason({"/a", false, 7, "ada"}, proof) == "");
    CHECK(reason({"/a", false, 8, "ada"}, proof) == "fence");
    CHECK(reason({"/b", false, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/a/b", false, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/a", true, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/a", false, 7, "bob"}, proof) == "fence");
    CHECK(reason({"/a", false, 7, "ada"}, {}) == "fence");
    CHECK(reason({"/a", false, 7, "ada"}, {std::string(kFenceMacBytes, 'x')}) == "fence");
    CHECK(reason({"/a", false, 7, "ada"}, {proof.bytes + "x"}) == "fence");
    for (size_t bit = 0; bit < proof.bytes.size() * 8; ++bit) {
      Blob altered = proof;
      altered.bytes[bit / 8] = static_cast<char>(altered.bytes[bit / 8] ^ (1 << bit % 8));
      REQUIRE(reason({"/a", false, 7, "ada"}, altered) == "fence");
    }
    CHECK(reason({"/a", false, 0, "ada"}, {}) == "");  // claims nothing
    CHECK(prove_fence(kKey, {"/a", false, 0, "ada"}).bytes.empty());
  }

  TEST_CASE("the fence of a tree is good for all in it") {
    const Blob proof = prove_fence(kKey, {"/a", true, 7, "ada"});
    for (const char* path : {"/a", "/a/b", "/a/b/c"}) {
      CHECK(reason({path, false, 7, "ada"}, proof) == "");
    }
    CHECK(reason({"/a", true, 7, "ada"}, proof) == "");
    CHECK(reason({"/a/b", true, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/ab", false, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/", false, 7, "ada"}, proof) == "fence");
    CHECK(reason({"/any", false, 7, "ada"}, prove_fence(kKey, {"/", true, 7, "ada"})) == "");
  }

  TEST_CASE("another secret makes other proofs, and without one there are none") {
    const std::string other = fence_key_of("another");
    CHECK(kKey != other);
    CHECK(reason({"/a", false, 7, "ada"}, prove_fence(other, {"/a", false, 7, "ada"})) == "fence");
    CHECK(fence_key_of("").empty());
    CHECK(prove_fence("", {"/a", false, 7, "ada"}).bytes.empty());
    CHECK(check_fence_proof("", {"/a", false, 7, "ada"}, {}).ok());
    CHECK(fence_key_of(std::string(1000, 'k')).size() == kKey.size());
  }
}

}  // namespace dfs
