#include "cli/security_options.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

using namespace dfs;
using namespace dfs::cli;

namespace {

const std::string kKey(64, 'a');

struct Folder {
  std::string path = "/tmp/dfs_security_test_XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("without keys nothing is secure, and that must be said") {
    SecurityOptions options;
    CHECK(client_security(options).code() == Code::usage);
    CHECK(has(client_security(options).error().text, "--insecure"));
    CHECK(has(head_security(options).error().text, "dfsd init"));
    CHECK(node_security(options, {}).code() == Code::usage);
    options.insecure = true;
    CHECK(*client_security(options) == nullptr);
    CHECK(*head_security(options) == nullptr);
    CHECK(*node_security(options, {"/nowhere"}) == nullptr);
  }

  TEST_CASE("insecure and keys contradict each other") {
    SecurityOptions options{.insecure = true, .cluster_keys = {kKey}};
    CHECK(client_security(options).code() == Code::usage);
    CHECK(node_security(options, {}).code() == Code::usage);
    CHECK(head_security({.insecure = true, .keys = "/k"}).code() == Code::usage);
    CHECK(node_security({.insecure = true, .data_encryption = true}, {}).code() == Code::usage);
  }

  TEST_CASE("a client has a key for once, and knows the cluster's") {
    const SecurityOptions options{.cluster_keys = {kKey, std::string(64, 'b')}};
    const auto one = client_security(options);
    REQUIRE(one);
    CHECK((*one)->cluster_keys == options.cluster_keys);
    CHECK_FALSE((*one)->served);
    CHECK((*one)->own.public_key != (*client_security(options))->own.public_key);
    CHECK_FALSE(client_security({.cluster_keys = {"0123"}}));
  }

  TEST_CASE("a head has the cluster's key, and knows whom to admit") {
    const Folder folder;
    const auto made = init_cluster_keys(folder.path + "/keys");
    REQUIRE(made);
    SecurityOptions options{.keys = folder.path + "/keys", .admit = {"agent/h1=" + kKey}};
    const auto head = head_security(options);
    REQUIRE(head);
    CHECK((*head)->served->public_key == made->public_key);
    CHECK((*head)->endpoint_suffix().empty());
    CHECK((*head)->known->name_of(made->public_key) == kHeadPeer);
    CHECK((*head)->known->name_of(kKey) == "agent/h1");
    CHECK((*head)->known->name_of(std::string(64, 'c')) == kUnknownPeer);

    ClusterMap map;
    NodeView node;
    node.node = 7;
    map.nodes.push_back(node);
    map.nodes[0].key = std::string(64, 'c');
    learn_nodes(*(*head)->known, map);
    CHECK((*head)->known->name_of(std::string(64, 'c')) == "storage/7");
    learn_nodes(*(*head)->known, ClusterMap());
    CHECK((*head)->known->name_of(std::string(64, 'c')) == kUnknownPeer);
    CHECK((*head)->known->name_of(kKey) == "agent/h1");

    const std::vector<std::string> wrong = {"h1=" + kKey, "agent/=" + kKey, "agent/h1",
                                            "agent/h1=x", "storage/7=" + kKey};
    for (const std::string& entry : wrong) {
      CAPTURE(entry);
      options.admit = {entry};
      CHECK(head_security(options).code() == Code::usage);
    }
  }

  TEST_CASE("a node keeps its key, and serves with it when blocks are to be encrypted") {
    const Folder folder;
    SecurityOptions options{.cluster_keys = {kKey}};
    const auto node = node_security(options, {folder.path + "/data"});
    REQUIRE(node);
    CHECK((*node)->endpoint_suffix() == "#plain");
    options.data_encryption = true;
    const auto again = node_security(options, {folder.path + "/data"});
    REQUIRE(again);
    CHECK((*again)->own.public_key == (*node)->own.public_key);
    CHECK((*again)->endpoint_suffix() == "#" + (*node)->own.public_key);
  }

  TEST_CASE("whoever starts a node hands on how it connects, unless that was said") {
    SecurityOptions options{.cluster_keys = {kKey, "k"}};
    CHECK(node_security_settings(options, "") == "cluster-key = [\"" + kKey + "\", \"k\"]\n");
    CHECK(node_security_settings(options, "workers = 2").starts_with("\ncluster-key"));
    CHECK(node_security_settings(options, "workers = 2\ncluster-key = \"x\"\n").empty());
    CHECK(node_security_settings(options, "insecure = true\n").empty());
    options.insecure = true;
    CHECK(node_security_settings(options, "workers = 2\n") == "insecure = true\n");
  }
}
