// The bytes of the protocol. Each message has a vector golden/NAME.msgpack and, for people, the
// same value as golden/NAME.json. A change of either is a change of the protocol: when it is meant,
// run the suite once with DFS_WRITE_GOLDEN=1 and commit the new files.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/messages/enumerators.h"
#include "tests/messages/samples.h"

namespace dfs {
namespace {

std::string path_of(const std::string& name) {
  return std::string(DFS_GOLDEN_DIR) + "/" + name;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), "cannot read " << path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Compares `bytes` with the file of that name, or writes the file when that was asked for.
void check_golden(const std::string& name, const std::string& bytes) {
  if (std::getenv("DFS_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path_of(name), std::ios::binary) << bytes;
    MESSAGE("wrote " << path_of(name));
  }
  CHECK_MESSAGE(read_file(path_of(name)) == bytes, name << " differs from what is encoded now");
}

template <class T>
void check_vector(const std::string& name, const T& value) {
  CAPTURE(name);
  check_golden(name + ".msgpack", encode(value));
  check_golden(name + ".json", to_json(value) + "\n");
  const auto decoded = decode<T>(read_file(path_of(name + ".msgpack")));
  REQUIRE(decoded);
  CHECK(same(*decoded, value));
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("every message encodes to its golden vector and decodes from it") {
    const auto check = []<class T>() { check_vector(T::kName, samples::sample<T>()); };
    samples::for_each_message(check);
    samples::for_each_command(check);
    check_vector("CommitFile.inline", samples::inline_file());
  }

  TEST_CASE("the header encodes to its golden vector and decodes from it") {
    const std::string bytes = encode_header(samples::header());
    check_golden("Header.msgpack", bytes);
    auto document = Document::parse(bytes);
    REQUIRE(document);
    check_golden("Header.json", document->root().to_json() + "\n");
    const auto decoded = decode_header(bytes);
    REQUIRE(decoded);
    CHECK(*decoded == samples::header());
  }

  TEST_CASE("a sample leaves no field at its default, so that its vector shows every field") {
    const auto check = []<class T>() {
      std::map<std::string, std::string> defaults;
      const T fresh{};
      T::each_field(fresh, [&](const char* name, const auto& field) {
        Writer writer(defaults[name]);
        write_value(writer, field);
      });
      const T sample = samples::sample<T>();
      T::each_field(sample, [&](const char* name, const auto& field) {
        if (std::is_same_v<T, CommitFile> && std::string(name) == "content") return;
        std::string bytes;
        Writer writer(bytes);
        write_value(writer, field);
        CHECK_MESSAGE(bytes != defaults[name], T::kName << "." << name);
      });
    };
    samples::for_each_message(check);
    samples::for_each_command(check);
  }

  TEST_CASE("every number is given once and every type has a vector") {
    const auto declared = samples::enumerators("types.h", "Type");
    std::set<int> numbers;
    for (const auto& [name, number] : declared) {
      CHECK_MESSAGE(numbers.insert(number).second, number << " is given twice");
    }
    std::map<std::string, int> sampled;
    const auto note = [&]<class T>() { sampled[T::kName] = static_cast<int>(T::kType); };
    samples::for_each_message(note);
    samples::for_each_command(note);
    for (const auto& [name, number] : declared) {
      if (number == 0) continue;  // None
      CHECK_MESSAGE(sampled.count(name) == 1, name << " has no sample");
      CHECK_MESSAGE(sampled[name] == number, name << " has the number of another message");
    }
    CHECK(sampled.size() == declared.size() - 1);
  }

  TEST_CASE("the folder of vectors holds nothing else") {
    std::set<std::string> expected = {"Header", "CommitFile.inline"};
    const auto expect = [&]<class T>() { expected.insert(T::kName); };
    samples::for_each_message(expect);
    samples::for_each_command(expect);
    for (const auto& file : std::filesystem::directory_iterator(DFS_GOLDEN_DIR)) {
      CHECK_MESSAGE(expected.count(file.path().stem().string()) == 1, file.path());
    }
  }
}

}  // namespace dfs
