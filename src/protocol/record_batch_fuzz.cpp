// Any bytes as the records of a Produce request: validated under rules that the first bytes choose, then read. Nothing
// may crash, hang or take much memory, and what is accepted must be one sound batch. The same bytes, on a disk, are what
// a fetch of an old client converts.
#include <cstdlib>

#include "protocol/down_conversion.h"
#include "protocol/record.h"
#include "protocol/record_batch_validation.h"

namespace {

using namespace protocol;

constexpr std::size_t kUnpackedBytesMax = std::size_t{4} << 20;

void read_all(base::ByteView bytes) {
  for (base::ByteView rest = bytes;;) {
    const NextBatch next = next_batch(rest);
    if (next.frame != BatchFrame::whole) return;
    try {
      RecordReader reader(rest.first(next.size_in_bytes), kUnpackedBytesMax);
      Record record;
      while (reader.next(record)) read_headers(record);
    } catch (const InvalidRecord&) {
    } catch (const base::CompressionError&) {
    }
    rest = rest.subspan(next.size_in_bytes);
  }
}

void convert_all(base::ByteView bytes) {
  for (std::int8_t magic = 0; magic <= 1; ++magic) {
    const auto converted = down_convert(bytes, magic, 1, kUnpackedBytesMax);
    if (!converted || converted->empty() || converted->size() == kBatchOverhead) continue;
    if (converted->size() < bytes.size()) std::abort();
  }
}

// A mutated batch would almost never have the right checksum, so it is given one.
void mend_crcs(base::MutableByteView rest) {
  while (true) {
    const NextBatch next = next_batch(rest);
    if (next.frame != BatchFrame::whole) return;
    const auto batch = rest.first(next.size_in_bytes);
    if (const auto header = read_batch_header(batch); header && header->magic == 2) renew_crc(batch);
    rest = rest.subspan(next.size_in_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChoices = 3;
  if (size < kChoices) return 0;
  base::Bytes records(data + kChoices, data + size);
  read_all(records);
  convert_all(records);
  if ((data[0] & 1) != 0) mend_crcs(records);
  AppendRules rules;
  rules.unpacked_bytes_max = rules.rewritten_bytes_max = kUnpackedBytesMax;
  rules.compacted = (data[0] & 2) != 0;
  if ((data[0] & 4) != 0) rules.timestamp_type = TimestampType::log_append_time;
  if (data[1] % 6 < 5) rules.compression = static_cast<base::Codec>(data[1] % 6);
  AppendRequest request;
  request.produce_version = static_cast<std::int16_t>(data[2] % 13);
  if ((data[0] & 8) != 0) request.origin = AppendOrigin::coordinator;
  ValidatedRecords validated = validate_for_append(records, rules, request);
  if (!validated.ok() || validated.nothing_to_append()) return 0;
  assign_offsets(validated, 100, 1);
  if (!crc_is_valid(validated.batch)) std::abort();
  read_all(validated.batch);
  return 0;
}
