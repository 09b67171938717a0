// The visitor that fills a message from bytes. Included by instantiate.h only. Rules: codec.h.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>

#include "protocol/codec/encoder.h"
#include "protocol/codec/message.h"
#include "protocol/codec/reader.h"

namespace protocol {

class Decoder {
 public:
  Decoder(base::ByteView bytes, std::int16_t version, bool flexible)
      : reader_(bytes),
        version_(version),
        flexible_(flexible),
        array_bytes_left_(std::min(kArrayBytesFree + kArrayBytesPerByte * bytes.size(), kArrayBytesMax)) {}

  template <class Struct>
  void read_struct(Struct& message) {
    Struct::fields(message, *this);
    if constexpr (requires { message.unknown_tags; }) {
      if (flexible_ && !reader_.failed()) read_tags(message);
    }
  }

  template <class T>
  void operator()(const FieldSpec& spec, T& value) {
    if (reader_.failed() || !spec.in(version_) || spec.tag >= 0) return;
    read(spec, value);
    if (reader_.failed()) [[unlikely]]
      add_to_path(spec.name);
  }

  bool failed() const { return reader_.failed(); }
  std::size_t left() const { return reader_.left(); }
  [[gnu::cold]] std::string error() const { return path_ + ": " + reader_.reason(); }

 private:
  // Memory that an array may take before its count has been checked against the least size of its elements.
  static constexpr std::size_t kUncheckedBytesMax = 4096;
  // Memory that all arrays of a message may take, for each byte on the wire. Real messages stay far below; a frame of
  // millions of empty elements would otherwise become gigabytes.
  static constexpr std::size_t kArrayBytesPerByte = 24;
  static constexpr std::size_t kArrayBytesFree = 65536;
  // And at all, as nothing else accounts for that memory, and what serves a request takes a few times as much: that of some
  // 400,000 partitions, more than there are in a cluster.
  static constexpr std::size_t kArrayBytesMax = 32u << 20;
  static constexpr std::int32_t kStringLengthMax = 32767;

  // Looks for the field with one tag.
  struct TagVisitor {
    Decoder& decoder;
    std::uint32_t tag;
    bool found = false;

    template <class T>
    void operator()(const FieldSpec& spec, T& value) {
      if (found || spec.tag != static_cast<std::int64_t>(tag) || !spec.in(decoder.version_)) return;
      found = true;
      decoder.read_tagged(spec, value);
      if (decoder.failed()) decoder.add_to_path(spec.name);
    }
  };

  template <class Struct>
  void read_tags(Struct& message) {
    const std::uint32_t count = reader_.varint();
    if (count > reader_.left() / 2) reader_.fail("more tagged fields than bytes left");  // each has a tag and a size
    for (std::uint32_t index = 0; index < count && !reader_.failed(); ++index) {
      const std::uint32_t tag = reader_.varint();
      const base::ByteView bytes = reader_.take(reader_.varint());
      if (reader_.failed()) break;
      if constexpr (Struct::kHasTags) {
        Decoder inner(bytes, version_, flexible_);
        inner.array_bytes_left_ = array_bytes_left_;
        TagVisitor visitor{inner, tag};
        Struct::tagged_fields(message, visitor);
        array_bytes_left_ = inner.array_bytes_left_;
        if (inner.failed()) {
          reader_.fail(inner.reader_.reason());
          path_ = inner.path_;
          return;
        }
        if (visitor.found) continue;
      }
      if (array_bytes_left_ < sizeof(UnknownTag)) {
        reader_.fail("too many that are unknown");
        break;
      }
      array_bytes_left_ -= sizeof(UnknownTag);
      message.unknown_tags.add(tag, bytes);
    }
    if (reader_.failed()) add_to_path("tagged fields");
  }

  [[gnu::cold, gnu::noinline]] void add_to_path(const char* name) {
    if (!path_.empty() && path_[0] != '[') path_.insert(0, ".");
    path_.insert(0, name);
  }
  [[gnu::cold, gnu::noinline]] void add_to_path(std::size_t index) {
    add_to_path(("[" + std::to_string(index) + "]").c_str());
  }

  bool compact(const FieldSpec& spec) const { return flexible_ && !spec.inflexible; }

  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void read(const FieldSpec&, T& value) {
    value = reader_.number<T>();
  }
  void read(const FieldSpec&, bool& value) { value = reader_.number<std::uint8_t>() != 0; }
  void read(const FieldSpec&, ErrorCode& value) { value = static_cast<ErrorCode>(reader_.number<std::int16_t>()); }
  void read(const FieldSpec&, double& value) { value = reader_.float64(); }
  void read(const FieldSpec&, base::Uuid& value) { value = reader_.uuid(); }

  void read(const FieldSpec& spec, std::string& value) {
    const std::int32_t length = string_length(spec);
    if (length < 0) return reader_.fail("null, but it must not be");
    value = base::as_text(reader_.take(static_cast<std::size_t>(length)));
  }
  void read(const FieldSpec& spec, std::optional<std::string>& value) {
    const std::int32_t length = string_length(spec);
    if (length < 0) return read_null(spec, value);
    value.emplace(base::as_text(reader_.take(static_cast<std::size_t>(length))));
  }
  std::int32_t string_length(const FieldSpec& spec) {
    const std::int32_t length = compact(spec) ? reader_.compact_length() : reader_.length16();
    if (length > kStringLengthMax) reader_.fail("a string of more than 32767 bytes");
    return length;
  }

  template <class T>
  void read_null(const FieldSpec& spec, std::optional<T>& value) {
    if (!spec.nullable_in(version_)) return reader_.fail("null, but it must not be");
    value.reset();
  }

  std::int32_t length(const FieldSpec& spec) { return compact(spec) ? reader_.compact_length() : reader_.length32(); }

  void read(const FieldSpec& spec, base::ByteView& value) {
    const std::int32_t size = length(spec);
    if (size < 0) return reader_.fail("null, but it must not be");
    value = reader_.take(static_cast<std::size_t>(size));
  }
  void read(const FieldSpec& spec, std::optional<base::ByteView>& value) {
    const std::int32_t size = length(spec);
    if (size < 0) return read_null(spec, value);
    value = reader_.take(static_cast<std::size_t>(size));
  }
  void read(const FieldSpec& spec, Records& value) {
    const std::int32_t size = length(spec);
    if (size < 0) {
      if (!spec.nullable_in(version_)) reader_.fail("null, but it must not be");
      return;
    }
    value = Records(reader_.take(static_cast<std::size_t>(size)));
  }

  template <class T>
  void read(const FieldSpec& spec, std::vector<T>& value) {
    const std::int32_t count = length(spec);
    if (count < 0) return reader_.fail("null, but it must not be");
    read_elements(spec, value, static_cast<std::size_t>(count));
  }
  template <class T>
  void read(const FieldSpec& spec, std::optional<std::vector<T>>& value) {
    const std::int32_t count = length(spec);
    if (count < 0) return read_null(spec, value);
    read_elements(spec, value.emplace(), static_cast<std::size_t>(count));
  }

  template <class T>
  void read_elements(const FieldSpec& spec, std::vector<T>& value, std::size_t count) {
    if (reader_.failed()) return;
    // A default element has empty strings, arrays and nulls, so nothing on the wire is smaller.
    if (count * sizeof(T) > kUncheckedBytesMax && count > reader_.left() / element_bytes_min<T>()) {
      return reader_.fail("more elements than bytes left");
    }
    if (count * sizeof(T) > array_bytes_left_) return reader_.fail("arrays of too many elements");
    array_bytes_left_ -= count * sizeof(T);
    std::vector<T>(count).swap(value);
    for (std::size_t index = 0; index < count; ++index) {
      if constexpr (std::is_arithmetic_v<T>) {
        value[index] = reader_.number<T>();
      } else {
        read(spec, value[index]);
      }
      if (reader_.failed()) return add_to_path(index);
    }
  }

  template <class T>
  std::size_t element_bytes_min() const {
    if constexpr (std::is_arithmetic_v<T>) return sizeof(T);
    Sizer sizer(version_, flexible_);
    sizer.put(FieldSpec{}, T());
    return std::max<std::size_t>(sizer.size(), 1);
  }

  template <class Struct>
  requires requires { Struct::kHasTags; }
  void read(const FieldSpec&, Struct& value) { read_struct(value); }
  template <class Struct>
  requires requires { Struct::kHasTags; }
  void read(const FieldSpec& spec, std::optional<Struct>& value) {
    if (reader_.number<std::int8_t>() < 0) return read_null(spec, value);
    read_struct(value.emplace());
  }

  // In a tag section, whether a struct is there is told by a varint.
  template <class T>
  void read_tagged(const FieldSpec& spec, T& value) {
    read(spec, value);
  }
  template <class Struct>
  requires requires { Struct::kHasTags; }
  void read_tagged(const FieldSpec& spec, std::optional<Struct>& value) {
    if (reader_.varint() == 0) return read_null(spec, value);
    read_struct(value.emplace());
  }

  Reader reader_;
  const std::int16_t version_;
  const bool flexible_;
  std::size_t array_bytes_left_;
  std::string path_;  // of the failure
};

}  // namespace protocol
