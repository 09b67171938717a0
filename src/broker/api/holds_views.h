// Whether a request, as it is decoded, has views into its frame: bytes or records, anywhere in it. One without them can give
// the frame back before it waits. Found by a look at an empty request, once, before main.
#pragma once

#include <optional>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "protocol/codec/message.h"

namespace broker::api {

class ViewFinder {
 public:
  template <class Field>
  void operator()(const protocol::FieldSpec&, const Field& field) {
    look(field);
  }
  bool found() const { return found_; }

 private:
  template <class Field>
  void look(const Field& field) {
    if constexpr (std::is_same_v<Field, base::ByteView> || std::is_same_v<Field, protocol::Records>) {
      found_ = true;
    } else if constexpr (requires { Field::fields(field, *this); }) {
      Field::fields(field, *this);
    }
  }
  template <class Each>
  void look(const std::vector<Each>&) {
    look(Each());
  }
  template <class Field>
  void look(const std::optional<Field>&) {
    look(Field());
  }

  bool found_ = false;
};

template <class Request>
inline const bool kHoldsViews = [] {
  const Request request;
  ViewFinder finder;
  Request::fields(request, finder);
  return finder.found();
}();

}  // namespace broker::api
