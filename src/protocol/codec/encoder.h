// The visitors that write a message: first Sizer, then Writer into one buffer of that size. Both walk the same code, so
// that they agree. Included by instantiate.h only. Rules: codec.h.
#pragma once

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "protocol/codec/encoded_message.h"
#include "protocol/codec/message.h"

namespace protocol {

template <class T>
concept MessageStruct = requires {
  T::kHasTags;
};

// Whether a field has its default.
class DefaultCheck {
 public:
  template <class T>
  void operator()(const FieldSpec& spec, const T& value) {
    if (is_default_) is_default_ = holds(spec, value);
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  static bool holds(const FieldSpec& spec, T value) { return value == static_cast<T>(spec.default_number); }
  static bool holds(const FieldSpec& spec, ErrorCode value) {
    return static_cast<std::int64_t>(value) == spec.default_number;
  }
  static bool holds(const FieldSpec&, const base::Uuid& value) { return value.is_zero(); }
  static bool holds(const FieldSpec&, const std::string& value) { return value.empty(); }
  static bool holds(const FieldSpec&, base::ByteView value) { return value.empty(); }
  static bool holds(const FieldSpec&, const Records& value) { return value.is_null(); }
  template <class T>
  static bool holds(const FieldSpec&, const std::vector<T>& value) {
    return value.empty();
  }
  template <MessageStruct Struct>
  static bool holds(const FieldSpec&, const Struct& value) {
    DefaultCheck check;
    Struct::fields(value, check);
    if constexpr (requires { value.unknown_tags; }) return check.is_default_ && value.unknown_tags.empty();
    return check.is_default_;
  }
  template <class T>
  static bool holds(const FieldSpec& spec, const std::optional<T>& value) {
    if (spec.default_is_null) return !value;
    return value && holds(spec, *value);
  }

 private:
  bool is_default_ = true;
};

template <class Sink>
class Encoder {
 public:
  template <class Struct>
  void put_struct(const Struct& message) {
    Struct::fields(message, *this);
    if constexpr (requires { message.unknown_tags; }) {
      if (flexible_) put_tags(message);
    }
  }

  template <class T>
  void operator()(const FieldSpec& spec, const T& value) {
    if (!spec.in(version_)) {
      if constexpr (Sink::kChecks) check_absent(spec, value);
      return;
    }
    if (spec.tag < 0) put(spec, value);
  }

  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void put(const FieldSpec&, T value) {
    sink().number(value);
  }
  void put(const FieldSpec&, bool value) { sink().number(static_cast<std::uint8_t>(value)); }
  void put(const FieldSpec&, ErrorCode value) { sink().number(static_cast<std::int16_t>(value)); }
  void put(const FieldSpec&, double value) { sink().number(std::bit_cast<std::uint64_t>(value)); }
  void put(const FieldSpec&, const base::Uuid& value) { sink().bytes(value.bytes.data(), value.bytes.size()); }

  void put(const FieldSpec& spec, const std::string& value) {
    if (value.size() > 32767) fail_length(spec, ": a string of more than 32767 bytes");
    if (compact(spec)) {
      sink().varint(static_cast<std::uint32_t>(value.size()) + 1);
    } else {
      sink().number(static_cast<std::int16_t>(value.size()));
    }
    sink().bytes(value.data(), value.size());
  }
  void put(const FieldSpec& spec, const std::optional<std::string>& value) {
    if (value) return put(spec, *value);
    check_null(spec);
    if (compact(spec)) {
      sink().varint(0);
    } else {
      sink().number(std::int16_t{-1});
    }
  }

  void put(const FieldSpec& spec, base::ByteView value) {
    put_length(spec, value.size());
    sink().bytes(value.data(), value.size());
  }
  void put(const FieldSpec& spec, const Records& value) {
    if (value.is_null()) return put_null(spec);
    put_length(spec, value.size());
    if (value.is_slice() || value.size() > EncodedMessage::kCopiedRecordsMax) {
      sink().slice(value);
    } else {
      sink().bytes(value.bytes().data(), value.size());
    }
  }

  template <class T>
  void put(const FieldSpec& spec, const std::vector<T>& value) {
    put_length(spec, value.size());
    for (const T& element : value) put(spec, element);
  }

  template <MessageStruct Struct>
  void put(const FieldSpec&, const Struct& value) {
    put_struct(value);
  }
  template <MessageStruct Struct>
  void put(const FieldSpec& spec, const std::optional<Struct>& value) {
    if (!value) check_null(spec);
    sink().number(static_cast<std::int8_t>(value ? 1 : -1));
    if (value) put_struct(*value);
  }
  template <class T>  // bytes and arrays
  void put(const FieldSpec& spec, const std::optional<T>& value) {
    if (!value) return put_null(spec);
    put(spec, *value);
  }

  // In a tag section, whether a struct is there is told by a varint.
  template <class T>
  void put_tagged(const FieldSpec& spec, const T& value) {
    put(spec, value);
  }
  template <MessageStruct Struct>
  void put_tagged(const FieldSpec& spec, const std::optional<Struct>& value) {
    if (!value) check_null(spec);
    sink().varint(value ? 1 : 0);
    if (value) put_struct(*value);
  }

 protected:
  Encoder(std::int16_t version, bool flexible) : version_(version), flexible_(flexible) {}

  std::int16_t version() const { return version_; }
  bool flexible() const { return flexible_; }

 private:
  struct TagCounter {
    std::int16_t version;
    std::uint32_t count = 0;

    template <class T>
    void operator()(const FieldSpec& spec, const T& value) {
      if (spec.in(version) && !DefaultCheck::holds(spec, value)) ++count;
    }
  };

  // Called by tag. Unknown ones go between, so that all are in order.
  struct TagWriter {
    Encoder& encoder;
    const UnknownTags& unknown;
    std::size_t next_unknown = 0;

    template <class T>
    void operator()(const FieldSpec& spec, const T& value) {
      if (!spec.in(encoder.version_) || DefaultCheck::holds(spec, value)) return;
      put_unknown_below(spec.tag);
      encoder.put_tagged_field(spec, value);
    }
    void put_unknown_below(std::int64_t tag) {
      for (; next_unknown < unknown.size() && unknown[next_unknown].tag < tag; ++next_unknown) {
        const UnknownTag& one = unknown[next_unknown];
        encoder.sink().varint(one.tag);
        encoder.sink().varint(static_cast<std::uint32_t>(one.bytes.size()));
        encoder.sink().bytes(one.bytes.data(), one.bytes.size());
      }
    }
  };

  template <class Struct>
  void put_tags(const Struct& message) {
    TagWriter writer{*this, message.unknown_tags};
    if constexpr (Struct::kHasTags) {
      TagCounter counter{version_};
      Struct::tagged_fields(message, counter);
      sink().varint(counter.count + static_cast<std::uint32_t>(message.unknown_tags.size()));
      Struct::tagged_fields(message, writer);
    } else {
      sink().varint(static_cast<std::uint32_t>(message.unknown_tags.size()));
    }
    writer.put_unknown_below(std::int64_t{1} << 32);
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail(const FieldSpec& spec, const char* what) {
    throw std::logic_error(std::string(spec.name) + what);
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void fail_length(const FieldSpec& spec, const char* what) {
    throw std::length_error(std::string(spec.name) + what);
  }

  template <class T>
  void put_tagged_field(const FieldSpec& spec, const T& value);

  template <class T>
  static void check_absent(const FieldSpec& spec, const T& value) {
    if (spec.ignorable || DefaultCheck::holds(spec, value)) return;
    fail(spec, ": set, but this version doesn't have it");
  }
  void check_null(const FieldSpec& spec) const {
    if (spec.nullable_in(version_)) return;
    fail(spec, ": null, but this version can't tell");
  }

  void put_null(const FieldSpec& spec) {
    check_null(spec);
    if (compact(spec)) {
      sink().varint(0);
    } else {
      sink().number(std::int32_t{-1});
    }
  }
  void put_length(const FieldSpec& spec, std::size_t length) {
    if (length > 0x7ffffffe) fail_length(spec, ": too long");
    if (compact(spec)) {
      sink().varint(static_cast<std::uint32_t>(length) + 1);
    } else {
      sink().number(static_cast<std::int32_t>(length));
    }
  }

  bool compact(const FieldSpec& spec) const { return flexible_ && !spec.inflexible; }
  Sink& sink() { return static_cast<Sink&>(*this); }

  std::int16_t version_;
  bool flexible_;
};

class Sizer : public Encoder<Sizer> {
 public:
  static constexpr bool kChecks = true;

  Sizer(std::int16_t version, bool flexible) : Encoder(version, flexible) {}

  std::size_t buffer_size() const { return buffer_size_; }
  std::size_t size() const { return buffer_size_ + slice_size_; }

  template <std::integral T>
  void number(T) {
    buffer_size_ += sizeof(T);
  }
  void varint(std::uint32_t value) { buffer_size_ += static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7; }
  void bytes(const void*, std::size_t size) { buffer_size_ += size; }
  void slice(const Records& records) { slice_size_ += records.size(); }

 private:
  std::size_t buffer_size_ = 0;
  std::size_t slice_size_ = 0;
};

class Writer : public Encoder<Writer> {
 public:
  static constexpr bool kChecks = false;  // the Sizer has

  Writer(EncodedMessage& message, std::int16_t version, bool flexible)
      : Encoder(version, flexible), message_(message), at_(message.buffer().data() + message.prefix().size()) {}

  bool full() const { return at_ == message_.buffer().data() + message_.buffer().size(); }

  template <std::integral T>
  void number(T value) {
    base::store_big_endian(at_, value);
    at_ += sizeof(T);
  }
  void varint(std::uint32_t value) {
    while (value >= 0x80) {
      *at_++ = static_cast<std::uint8_t>(value | 0x80);
      value >>= 7;
    }
    *at_++ = static_cast<std::uint8_t>(value);
  }
  void bytes(const void* from, std::size_t size) {
    if (size > 0) std::memcpy(at_, from, size);
    at_ += size;
  }
  void slice(const Records& records) {
    message_.add_slice(static_cast<std::size_t>(at_ - message_.buffer().data()), records);
  }

 private:
  EncodedMessage& message_;
  std::uint8_t* at_;
};

template <class Sink>
template <class T>
void Encoder<Sink>::put_tagged_field(const FieldSpec& spec, const T& value) {
  Sizer sizer(version_, flexible_);
  sizer.put_tagged(spec, value);
  sink().varint(static_cast<std::uint32_t>(spec.tag));
  sink().varint(static_cast<std::uint32_t>(sizer.size()));
  put_tagged(spec, value);
}

}  // namespace protocol
