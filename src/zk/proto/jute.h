// Jute, ZooKeeper's serialization: big-endian, every string, buffer and vector with an int32 length, -1 for null.
// Reader takes one record after another from a frame that it doesn't own; Writer appends to its own bytes. Both belong
// to one thread. Bad input: read() returns false, error() says which field and why, and every later read fails too.
// A null where the field can't say so reads as empty, and has_null() tells.
// A length is checked against the bytes left before anything is allocated. The schemas are not recursive, so the depth
// is bounded by them. Records come from the generated "zk/proto/records.h".
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "zk/proto/nullable.h"

namespace zk::proto {

class Reader {
 public:
  explicit Reader(base::ByteView bytes) : bytes_(bytes) {}

  // One record, string, buffer, vector or number.
  template <class T>
  [[nodiscard]] bool read(T& value) {
    take(value);
    return !failed_;
  }

  // The same of a string that can't say whether it was null.
  [[nodiscard]] bool read(std::string& value, bool& is_null) {
    const std::int32_t length = take_length(1);
    if (failed_) return false;
    is_null = length < 0;
    value = is_null ? std::string_view() : take_text(length);
    return true;
  }

  // Whether these bytes come next; if so, it goes on behind them.
  bool skip(std::string_view bytes) {
    if (failed_ || !base::as_text(bytes_).starts_with(bytes)) return false;
    bytes_ = bytes_.subspan(bytes.size());
    return true;
  }

  std::size_t left() const { return bytes_.size(); }
  base::ByteView rest() const { return bytes_; }
  const std::string& error() const { return error_; }  // empty: none
  bool has_null() const { return has_null_; }

  // For the fields() of a record.
  template <class T>
  void operator()(const char* name, T& value) {
    if (failed_) return;
    take(value);
    if (failed_) error_.insert(0, error_.starts_with(':') ? std::string(name) : std::string(name) + ".");
  }

 private:
  // No element of a vector takes less: the smallest is a string with its length.
  static constexpr std::size_t kElementBytesMin = 4;
  static constexpr std::size_t kReserveMax = 256;

  void fail(const char* reason) {
    failed_ = true;
    error_ = std::string(": ") + reason;
  }

  template <std::integral T>
  void take(T& value) {
    if (bytes_.size() < sizeof(T)) return fail("ends too early");
    if constexpr (std::is_same_v<T, bool>) {
      value = bytes_[0] != 0;
    } else {
      value = base::load_big_endian<T>(bytes_.data());
    }
    bytes_ = bytes_.subspan(sizeof(T));
  }

  // The length of what follows, -1 for null.
  std::int32_t take_length(std::size_t unit_bytes) {
    std::int32_t length = 0;
    take(length);
    if (failed_ || length == -1) return length;
    if (length < -1) {
      fail("negative length");
    } else if (static_cast<std::size_t>(length) > bytes_.size() / unit_bytes) {
      fail("length exceeds the bytes left");
    }
    return length;
  }

  std::string_view take_text(std::int32_t length) {
    const std::string_view text = base::as_text(bytes_.first(static_cast<std::size_t>(length)));
    bytes_ = bytes_.subspan(text.size());
    return text;
  }

  void take(std::string& value) {
    const std::int32_t length = take_length(1);
    if (failed_) return;
    has_null_ = has_null_ || length < 0;
    value = length < 0 ? std::string_view() : take_text(length);
  }

  void take(Nullable<std::string>& value) {
    const std::int32_t length = take_length(1);
    if (failed_) return;
    if (length < 0) {
      value = Nullable<std::string>::null();
    } else {
      value = take_text(length);
    }
  }

  void take(std::optional<std::string>& value) {
    const std::int32_t length = take_length(1);
    if (failed_) return;
    if (length < 0) {
      value.reset();
    } else if (value) {
      *value = take_text(length);
    } else {
      value.emplace(take_text(length));
    }
  }

  template <class T>
  void take(std::vector<T>& value) {
    const std::int32_t count = take_length(kElementBytesMin);
    if (failed_) return;
    has_null_ = has_null_ || count < 0;
    take_elements(value, count);
  }

  template <class T>
  void take(Nullable<std::vector<T>>& value) {
    const std::int32_t count = take_length(kElementBytesMin);
    if (failed_) return;
    value = count < 0 ? Nullable<std::vector<T>>::null() : Nullable<std::vector<T>>();
    take_elements(value, count);
  }

  template <class T>
  void take_elements(std::vector<T>& value, std::int32_t count) {
    value.clear();
    if (count > 0) value.reserve(std::min(static_cast<std::size_t>(count), kReserveMax));
    for (std::int32_t index = 0; index < count && !failed_; ++index) take(value.emplace_back());
  }

  template <class Record>
  requires requires { Record::kName; }
  void take(Record& record) { Record::fields(record, *this); }

  base::ByteView bytes_;
  bool failed_ = false;
  bool has_null_ = false;
  std::string error_;
};

// For a Writer: bytes that are serialized already.
struct Serialized {
  std::string_view bytes;
};

class Writer {
 public:
  Writer() = default;
  explicit Writer(base::Bytes bytes) : bytes_(std::move(bytes)) {}  // goes on behind them

  // Records, strings, buffers, vectors and numbers, one behind the other. All of the room is made before: asked for field
  // by field, most of a small record's time went into it.
  template <class... T>
  Writer& write(const T&... values) {
    to_ = grow((std::size_t{0} + ... + size_of(values)));
    (put(values), ...);
    return *this;
  }

  // What another writer has made.
  void append(base::ByteView written) { bytes_.insert(bytes_.end(), written.begin(), written.end()); }

  const base::Bytes& bytes() const { return bytes_; }
  base::Bytes take() { return std::move(bytes_); }

  // For the fields() of a record.
  template <class T>
  void operator()(const char* /*name*/, const T& value) {
    put(value);
  }

 private:
  static constexpr std::size_t kLengthBytes = 4;

  // Not inline: every record would have a copy of what a vector does to grow.
  [[gnu::noinline]] std::uint8_t* grow(std::size_t bytes) {
    const std::size_t start = bytes_.size();
    bytes_.resize(start + bytes);
    return bytes_.data() + start;
  }

  struct Sizer {
    std::size_t bytes = 0;
    template <class T>
    void operator()(const char* /*name*/, const T& value) {
      bytes += size_of(value);
    }
  };

  template <std::integral T>
  static std::size_t size_of(T) {
    return std::is_same_v<T, bool> ? 1 : sizeof(T);
  }
  static std::size_t size_of(Serialized value) { return value.bytes.size(); }
  static std::size_t size_of(std::string_view text) { return kLengthBytes + text.size(); }
  static std::size_t size_of(const std::string& text) { return kLengthBytes + text.size(); }
  static std::size_t size_of(const Nullable<std::string>& value) { return kLengthBytes + value.size(); }
  static std::size_t size_of(const std::optional<std::string>& value) {
    return kLengthBytes + (value ? value->size() : 0);
  }
  template <class T>
  static std::size_t size_of(const std::vector<T>& value) {
    std::size_t bytes = kLengthBytes;
    for (const T& element : value) bytes += size_of(element);
    return bytes;
  }
  template <class Record>
  requires requires { Record::kName; }
  static std::size_t size_of(const Record& record) {
    Sizer sizer;
    Record::fields(record, sizer);
    return sizer.bytes;
  }

  template <std::integral T>
  void put(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      *to_ = value ? 1 : 0;
    } else {
      base::store_big_endian(to_, value);
    }
    to_ += size_of(value);
  }

  void put(Serialized value) {
    std::memcpy(to_, value.bytes.data(), value.bytes.size());
    to_ += value.bytes.size();
  }

  void put(std::string_view text) {
    put(static_cast<std::int32_t>(text.size()));
    if (!text.empty()) std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
  }
  void put(const std::string& text) { put(std::string_view(text)); }

  void put(const Nullable<std::string>& value) {
    if (value.is_null()) return put(std::int32_t{-1});
    put(std::string_view(value));
  }

  void put(const std::optional<std::string>& value) {
    if (!value) return put(std::int32_t{-1});
    put(std::string_view(*value));
  }

  template <class T>
  void put(const std::vector<T>& value) {
    put(static_cast<std::int32_t>(value.size()));
    for (const T& element : value) put(element);
  }

  template <class T>
  void put(const Nullable<std::vector<T>>& value) {
    if (value.is_null()) return put(std::int32_t{-1});
    put(static_cast<const std::vector<T>&>(value));
  }

  template <class Record>
  requires requires { Record::kName; }
  void put(const Record& record) { Record::fields(record, *this); }

  base::Bytes bytes_;
  std::uint8_t* to_ = nullptr;  // within write(): where the next field goes
};

// The bytes of one record alone.
template <class Record>
base::Bytes to_bytes(const Record& record) {
  return Writer().write(record).take();
}

}  // namespace zk::proto
