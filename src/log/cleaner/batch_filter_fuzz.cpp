// Any bytes as a segment that is cleaned: it ends, what it keeps are valid batches in the same order with records of
// the same offsets, and cleaning that again changes nothing more than it may.
#include <cstdint>
#include <cstdlib>

#include "log/cleaner/batch_filter.h"
#include "log/cleaner/cleaned_transactions.h"

namespace {

using protocol::BatchHeader;

void check(bool holds) {
  if (!holds) std::abort();
}

// A mutated batch would almost never have the right checksum, so it is given one.
void mend_crc(base::MutableByteView batch, const BatchHeader& header) {
  if (header.magic == 2) protocol::renew_crc(batch);
}

struct Kept {
  std::int64_t records = 0;
  std::int64_t last_offset = -1;
};

// Cleans all batches, or those in front of one that can't be read.
base::Bytes clean(base::MutableByteView rest, storage::OffsetMap& map, const storage::KeyHasher& hasher,
                  std::int64_t now_ms, Kept& kept) {
  base::Bytes out;
  storage::CleanedTransactions transactions({{1, 0, 50, 60}, {2, 10, 40, 40}});
  const storage::NewestOffsets newest(0, 0);
  storage::BatchFilter filter(map, hasher, newest);
  try {
    while (true) {
      const protocol::NextBatch next = protocol::next_batch(rest);
      if (next.frame != protocol::BatchFrame::whole) return out;
      base::MutableByteView batch = rest.first(next.size_in_bytes);
      rest = rest.subspan(next.size_in_bytes);
      auto header = protocol::read_batch_header(batch);
      if (!header || header->base_offset < 0 || header->base_offset > 1'000'000'000 || header->last_offset_delta < 0) {
        return out;
      }
      mend_crc(batch, *header);
      storage::BatchFate fate;
      if (header->is_control()) {
        fate.transaction_is_gone = transactions.on_marker(*header, batch).transaction_is_gone;
      } else {
        fate.aborted = transactions.on_data(*header);
      }
      fate.header_stays = header->producer_id == 3;
      const std::size_t before = out.size();
      storage::FilteredBatch filtered = filter.filter(batch, *header, fate, {now_ms, 1000, true, 1000}, out);
      check(out.size() - before == filtered.size);
      check(filtered.records_kept <= std::max(filtered.records_read, 0));
      kept.records += filtered.records_kept;
      if (filtered.size == 0) continue;
      base::ByteView made = base::ByteView(out).subspan(before);
      check(protocol::next_batch(made).size_in_bytes == made.size());
      auto after = protocol::read_batch_header(made);
      check(after && (header->magic < 2 || protocol::crc_is_valid(made)));
      check(after->magic == header->magic && after->producer_id == header->producer_id);
      if (header->magic == 2) {
        check(after->base_offset == header->base_offset && after->last_offset() == header->last_offset());
      }
      protocol::RecordReader reader(made);
      protocol::Record record;
      std::int64_t last_offset = -1;
      std::int32_t count = 0;
      while (reader.next(record)) {
        check(record.offset > last_offset);
        last_offset = record.offset;
        ++count;
      }
      check(count == filtered.records_kept);
    }
  } catch (const protocol::InvalidRecord&) {
  } catch (const base::CompressionError&) {
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::Bytes content(data, data + size);
  storage::KeyHasher hasher(1, 2);
  storage::OffsetMap map(1000, 0.9);
  map.put(hasher(base::as_bytes("k")), 3);
  map.put(hasher({}), 5);
  Kept first, second;
  base::Bytes once = clean(content, map, hasher, 5000, first);
  base::Bytes twice = clean(once, map, hasher, 5000, second);
  check(second.records <= first.records);
  (void)clean(twice, map, hasher, 10'000, second);
  return 0;
}
