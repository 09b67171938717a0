// Nullable<T>: a std::string or std::vector that remembers whether it was null (length -1) on the wire. It is used like
// the T it derives from, and a null one is empty, so that only code that cares about null has to know of it. It starts
// out empty, not null. What has content is never written as null.
#pragma once

#include <type_traits>
#include <utility>

namespace zk::proto {

template <class T>
class Nullable : public T {
 public:
  Nullable() = default;
  Nullable(const Nullable&) = default;
  Nullable(Nullable&&) noexcept = default;
  Nullable& operator=(const Nullable&) = default;
  Nullable& operator=(Nullable&&) noexcept = default;

  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, Nullable>) Nullable(U&& value)
      : T(std::forward<U>(value)) {}  // NOLINT(google-explicit-constructor): it stands for a T

  template <class U>
  requires(std::is_assignable_v<T&, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Nullable>) Nullable& operator=(
      U&& value) {
    T::operator=(std::forward<U>(value));
    null_ = false;
    return *this;
  }

  static Nullable null() {
    Nullable value;
    value.null_ = true;
    return value;
  }
  bool is_null() const { return null_ && this->empty(); }

 private:
  bool null_ = false;
};

}  // namespace zk::proto
