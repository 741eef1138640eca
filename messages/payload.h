// Raw bytes that travel beside a message, shared and never copied on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dfs {

// A read-only view of bytes together with whatever keeps them alive. Copying a Payload shares the
// bytes. The owner may be released on any thread (libzmq frees a sent frame on its I/O thread).
class Payload {
 public:
  Payload() = default;
  Payload(std::shared_ptr<const void> owner, const uint8_t* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}

  static Payload of(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    const auto* data = reinterpret_cast<const uint8_t*>(owner->data());
    return Payload(owner, data, owner->size());
  }

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  // The bytes [offset, offset + size), which must lie inside; shares the owner.
  Payload slice(size_t offset, size_t size) const { return Payload(owner_, data_ + offset, size); }

 private:
  std::shared_ptr<const void> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace dfs
