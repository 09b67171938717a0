// One record out of a batch of magic 2, and readers over the records section. Views point into the bytes that the
// reader was given (or into its own copy, if the batch is compressed) and live as long as they do.
// Errors: InvalidRecord, for a structure that isn't a record; base::CompressionError.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "protocol/record_batch.h"

namespace protocol {

class InvalidRecord : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct RecordHeader {
  std::string_view name;
  std::optional<base::ByteView> value;
};

struct Record {
  std::int8_t attributes = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp = -1;
  std::int32_t sequence = -1;
  std::optional<base::ByteView> key;
  std::optional<base::ByteView> value;
  std::int32_t header_count = 0;
  base::ByteView headers;  // as encoded; read_headers() takes them apart
  // How a batch of magic 2 says all this, for who writes it anew: the whole record with its length in front, what comes
  // behind the timestamp, and that.
  base::ByteView encoded;
  base::ByteView behind_timestamp;
  std::int64_t timestamp_delta = 0;
};

std::vector<RecordHeader> read_headers(const Record& record);

// Key of a record of a control batch: what the record marks. Nothing if it is no control key.
enum class ControlType : std::int16_t {
  abort = 0,
  commit = 1,
  leader_change = 2,
  snapshot_header = 3,
  snapshot_footer = 4
};
std::optional<ControlType> control_type(const Record& record);
std::int32_t control_coordinator_epoch(const Record& record);  // of a commit or abort marker

// All records of one whole batch of any magic; entries of magic 0 and 1 give theirs with absolute offsets.
// A compressed batch is unpacked at once, up to `unpacked_bytes_max`.
class RecordReader {
 public:
  explicit RecordReader(base::ByteView batch, std::size_t unpacked_bytes_max = kUnpackedBytesMax);
  // Unpacks into a buffer of the caller's, for who reads one batch after the other. Views point into that.
  RecordReader(base::ByteView batch, base::Bytes& unpacked_into, std::size_t unpacked_bytes_max = kUnpackedBytesMax);
  const BatchHeader& header() const { return header_; }
  // False at the end. Throws InvalidRecord, also if bytes are left over behind the last record.
  bool next(Record& record);
  // The next one with that offset or a later one. Of those in front nothing is looked at but where they end and which
  // offset they have, so that is for batches that were read as a whole before.
  bool next_from(std::int64_t offset, Record& record);

  static constexpr std::size_t kUnpackedBytesMax = std::size_t{256} << 20;

 private:
  void open(base::ByteView batch, base::Bytes& unpacked_into, std::size_t unpacked_bytes_max);
  bool next_legacy(Record& record);
  void open_legacy(base::ByteView batch, std::size_t unpacked_bytes_max);

  BatchHeader header_;
  base::Bytes unpacked_;
  base::ByteView rest_;
  std::int32_t remaining_ = 0;
  bool legacy_compressed_ = false;
  std::int64_t legacy_offset_shift_ = 0;
};

}  // namespace protocol
