// A 128-bit id in Kafka's text form: URL-safe base64 without padding, 22 characters (topic ids, cluster ids).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace base {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  // Version 4, from the system's random source. Never one of Kafka's reserved ids (all zero, or 1), and never one
  // whose text starts with '-', which command line tools would take for an option (as Kafka's Uuid.randomUuid()).
  static Uuid random();
  static std::optional<Uuid> parse(std::string_view text);

  bool is_zero() const { return *this == Uuid{}; }
  std::string to_string() const;

  auto operator<=>(const Uuid&) const = default;
};

}  // namespace base

template <>
struct std::hash<base::Uuid> {
  std::size_t operator()(const base::Uuid& uuid) const noexcept;
};
