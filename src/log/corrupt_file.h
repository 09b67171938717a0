// A file whose content isn't what its format says. Not an I/O failure: the bytes could be read.
#pragma once

#include <stdexcept>

namespace storage {

class CorruptFile : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace storage
