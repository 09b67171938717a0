// The visitor that prints a message as JSON on one line. Included by instantiate.h only.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "protocol/codec/message.h"

namespace protocol {

class Printer {
 public:
  Printer(std::int16_t version, std::string& out) : version_(version), out_(out) {}

  template <class Struct>
  void print_struct(const Struct& message) {
    const bool outer_first = first_;
    first_ = true;
    out_ += '{';
    Struct::fields(message, *this);
    if constexpr (requires { message.unknown_tags; }) {
      if (!message.unknown_tags.empty()) key("unknown_tags"), print(message.unknown_tags.size());
    }
    out_ += '}';
    first_ = outer_first;
  }

  template <class T>
  void operator()(const FieldSpec& spec, const T& value) {
    if (!spec.in(version_)) return;
    key(spec.name);
    print(value);
  }

 private:
  void key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void print(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      out_ += value ? "true" : "false";
    } else {
      out_ += std::to_string(value);
    }
  }
  void print(ErrorCode value) { print(static_cast<std::int16_t>(value)); }
  void print(const base::Uuid& value) { print(value.to_string()); }
  void print(base::ByteView value) { print(std::string("hex:") + base::to_hex(value)); }
  void print(const Records& value) {
    out_ += value.is_null() ? "null" : "\"" + std::to_string(value.size()) + " bytes\"";
  }
  void print(const std::string& value) { append_json_string(out_, value); }
  template <class T>
  void print(const std::optional<T>& value) {
    if (value) return print(*value);
    out_ += "null";
  }
  template <class T>
  void print(const std::vector<T>& values) {
    out_ += '[';
    for (std::size_t index = 0; index < values.size(); ++index) {
      if (index > 0) out_ += ',';
      print(values[index]);
    }
    out_ += ']';
  }
  template <class Struct>
  requires requires { Struct::kHasTags; }
  void print(const Struct& value) { print_struct(value); }

  static void append_json_string(std::string& out, const std::string& text);

  std::int16_t version_;
  bool first_ = true;
  std::string& out_;
};

}  // namespace protocol
