// Rare<T>: a value that most objects of its owner's kind never get, such as the text of a refusal. It costs the owner one
// pointer, and moving or destroying the owner one comparison: on the way of a small request the code for strings and
// vectors that aren't there would fill more cache lines than what is done. Copies are deep. As thread-safe as T.
#pragma once

#include <utility>

namespace base {

template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(const Rare& other) {
    if (other.value_ != nullptr) [[unlikely]]
      value_ = copy_of(*other.value_);
  }
  Rare(Rare&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Rare& operator=(Rare other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Rare() {
    if (value_ != nullptr) [[unlikely]]
      destroy(value_);
  }

  explicit operator bool() const { return value_ != nullptr; }
  // If it is there.
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_; }
  const T* operator->() const { return value_; }

  // What is there, or a default T that is there from then on.
  T& make() {
    if (value_ == nullptr) value_ = copy_of(T());
    return *value_;
  }
  // A default T if nothing is there.
  const T& get() const { return value_ != nullptr ? *value_ : kNothing; }

 private:
  [[gnu::cold, gnu::noinline]] static T* copy_of(T value) { return new T(std::move(value)); }
  [[gnu::cold, gnu::noinline]] static void destroy(T* value) { delete value; }
  static inline const T kNothing{};

  T* value_ = nullptr;
};

}  // namespace base
