#include "protocol/codec/encoded_message.h"

#include <stdexcept>

namespace protocol {

base::Bytes EncodedMessage::to_bytes() const {
  if (!has_slices()) return {buffer_.get(), buffer_.get() + buffer_bytes_};
  base::Bytes bytes;
  bytes.reserve(size());
  const auto append = [&](base::ByteView part) { bytes.insert(bytes.end(), part.begin(), part.end()); };
  for_each_part(append, [&](const Records& records) {
    if (!records.is_slice()) return append(records.bytes());
    const std::size_t from = bytes.size();
    bytes.resize(from + records.size());
    if (records.file()->read_at(records.position(), base::MutableByteView(bytes).subspan(from)) != records.size()) {
      throw std::runtime_error("a slice of records reaches beyond its file");
    }
  });
  return bytes;
}

}  // namespace protocol
