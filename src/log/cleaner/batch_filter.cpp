#include "log/cleaner/batch_filter.h"

#include <algorithm>
#include <limits>

#include "protocol/legacy_records.h"
#include "protocol/record_varint.h"

namespace storage {
namespace {

using protocol::BatchHeader;
using protocol::Record;

void append_bytes(base::Bytes& out, base::ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

bool tombstone_stays(const BatchHeader& header, const FilterRules& rules) {
  if (header.magic < 2) return rules.keep_legacy_tombstones;
  return !header.has_delete_horizon() || rules.now_ms < header.base_timestamp;
}

}  // namespace

void BatchFilter::append_empty_batch(const BatchHeader& header, base::Bytes& out) {
  constexpr std::int16_t kKept =
      protocol::kAttributeLogAppendTime | protocol::kAttributeTransactional | protocol::kAttributeControl;
  BatchHeader empty = header;
  empty.attributes = static_cast<std::int16_t>(header.attributes & kKept);
  empty.length = static_cast<std::int32_t>(protocol::kBatchHeaderSize - protocol::kBatchOverhead);
  empty.base_timestamp = -1;
  empty.record_count = 0;
  const std::size_t start = out.size();
  out.resize(start + protocol::kBatchHeaderSize);
  base::MutableByteView bytes = base::MutableByteView(out).subspan(start);
  protocol::write_batch_header(bytes, empty);
  protocol::renew_crc(bytes);
}

// All its records were read when the map was made, and what is newer than each is known.
bool BatchFilter::is_mapped(const BatchHeader& header, const FilterRules& rules) const {
  return header.magic >= 2 && !header.is_control() && header.last_offset() <= rules.mapped_to &&
         newest_.covers(header.base_offset, header.last_offset());
}

// Those that may stay. The others, if they are known, aren't looked at.
void BatchFilter::read_records(base::ByteView batch, const BatchHeader& header, const FilterRules& rules,
                               FilteredBatch& result) {
  records_.clear();
  hashes_.clear();
  reader_.emplace(batch, unpacked_);
  const bool mapped = is_mapped(header, rules);
  std::int64_t last_offset = -1;
  Record record;
  auto next = [&] {
    if (!mapped) return reader_->next(record);
    const auto from = newest_.next(std::max(header.base_offset, last_offset + 1), header.last_offset());
    return from && reader_->next_from(*from, record);
  };
  while (next()) {
    if (record.offset <= last_offset || record.offset > header.last_offset()) {
      throw protocol::InvalidRecord("Record with offset " + std::to_string(record.offset) + " out of order in a batch");
    }
    last_offset = record.offset;
    records_.push_back(record);
    hashes_.push_back(record.key && !header.is_control() ? hasher_(*record.key) : KeyHash{});
    map_.prefetch(hashes_.back());
  }
  result.records_read = mapped ? header.record_count : static_cast<std::int32_t>(records_.size());
}

bool BatchFilter::stays(const Record& record, std::size_t index, const BatchHeader& header, const FilterRules& rules,
                        FilteredBatch& result) const {
  if (record.offset > rules.mapped_to) return true;
  if (!record.key) {
    ++result.keyless;
    return false;
  }
  if (record.offset < map_.get(hashes_[index])) return false;
  return record.value || tombstone_stays(header, rules);
}

FilteredBatch BatchFilter::filter(base::ByteView batch, const BatchHeader& header, const BatchFate& fate,
                                  const FilterRules& rules, base::Bytes& out) {
  FilteredBatch result;
  const bool horizon_passed = header.has_delete_horizon() && header.base_timestamp <= rules.now_ms;
  const bool superseded = is_mapped(header, rules) && !newest_.next(header.base_offset, header.last_offset());
  const bool drop_records =
      header.is_control() ? fate.transaction_is_gone && horizon_passed : fate.aborted || superseded;
  records_.clear();
  if (drop_records) {
    result.records_read = std::max(header.record_count, 0);
  } else {
    read_records(batch, header, rules, result);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (!header.is_control() && !stays(records_[i], i, header, rules, result)) continue;
      if (kept != i) records_[kept] = records_[i];
      ++kept;
    }
    records_.resize(kept);
  }
  write(batch, header, fate, rules, result, out);
  return result;
}

FilteredBatch BatchFilter::filter_decided(base::ByteView batch, const BatchHeader& header, const DecidedRecords& decided,
                                          const FilterRules& rules, base::Bytes& out) {
  FilteredBatch result;
  result.records_read = header.record_count;
  records_.clear();
  Record record;
  for (const MappedRecord& one : decided.records) {
    if (!one.may_stay) continue;
    if (!decided.reader.next_from(one.offset, record)) throw protocol::InvalidRecord("A batch has other records than it had");
    if (!record.key) {
      ++result.keyless;
    } else if (record.value || tombstone_stays(header, rules)) {
      records_.push_back(record);
    }
  }
  write(batch, header, {}, rules, result, out);
  return result;
}

// The batch of those records that are kept.
void BatchFilter::write(base::ByteView batch, const BatchHeader& header, const BatchFate& fate, const FilterRules& rules,
                        FilteredBatch& result, base::Bytes& out) {
  const std::size_t out_before = out.size();
  const bool has_tombstone = std::any_of(records_.begin(), records_.end(), [](const Record& one) { return !one.value; });
  result.records_kept = static_cast<std::int32_t>(records_.size());
  result.max_timestamp = header.max_timestamp;
  if (records_.empty()) {
    if (fate.header_stays && header.magic >= 2) append_empty_batch(header, out);
  } else {
    // With a retention of for ever there is no such time.
    const bool horizon_exists = rules.delete_retention_ms <= std::numeric_limits<std::int64_t>::max() - rules.now_ms;
    const bool begin_horizon = header.magic >= 2 && !header.has_delete_horizon() && horizon_exists &&
                               (has_tombstone || (header.is_control() && fate.transaction_is_gone));
    if (result.records_kept == result.records_read && !begin_horizon) {
      append_bytes(out, batch);
    } else if (header.magic < 2) {
      rebuild_legacy(header, result, out);
    } else {
      const std::int64_t old_horizon = header.has_delete_horizon() ? header.base_timestamp : -1;
      rebuild(header, begin_horizon ? rules.now_ms + rules.delete_retention_ms : old_horizon, result, out);
    }
  }
  result.size = out.size() - out_before;
}

// Offsets are told from the base, which stays, so only times are told anew, and those only if the first record went or a
// horizon came. Records that stay as they are and lie side by side are copied together.
void BatchFilter::append_records(std::int64_t base_timestamp, base::Bytes& to) const {
  base::ByteView run;
  for (const Record& record : records_) {
    // Clients choose timestamps freely; the difference wraps.
    const auto delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(record.timestamp) -
                                                 static_cast<std::uint64_t>(base_timestamp));
    if (delta == record.timestamp_delta && record.attributes == 0) {
      if (run.data() + run.size() == record.encoded.data()) {
        run = {run.data(), run.size() + record.encoded.size()};
      } else {
        append_bytes(to, run);
        run = record.encoded;
      }
      continue;
    }
    append_bytes(to, run);
    run = {};
    const std::size_t length = 1 + protocol::size_of_varlong(delta) + record.behind_timestamp.size();
    protocol::append_varint(to, static_cast<std::int32_t>(length));
    to.push_back(0);
    protocol::append_varlong(to, delta);
    append_bytes(to, record.behind_timestamp);
  }
  append_bytes(to, run);
}

void BatchFilter::rebuild(const BatchHeader& header, std::int64_t delete_horizon_ms, FilteredBatch& result,
                          base::Bytes& out) {
  BatchHeader made = header;
  made.attributes = static_cast<std::int16_t>(header.attributes & ~protocol::kAttributeDeleteHorizon);
  made.base_timestamp = records_.front().timestamp;
  if (delete_horizon_ms >= 0) {
    made.attributes |= protocol::kAttributeDeleteHorizon;
    made.base_timestamp = delete_horizon_ms;
  }
  const std::size_t start = out.size();
  out.resize(start + protocol::kBatchHeaderSize);
  const base::Codec codec = header.codec().value_or(base::Codec::none);
  if (codec == base::Codec::none) {
    append_records(made.base_timestamp, out);
  } else {
    uncompressed_.clear();
    append_records(made.base_timestamp, uncompressed_);
    append_bytes(out, base::compress(codec, uncompressed_));
  }
  made.length = static_cast<std::int32_t>(out.size() - start - protocol::kBatchOverhead);
  made.record_count = static_cast<std::int32_t>(records_.size());
  if (header.timestamp_type() != protocol::TimestampType::log_append_time) {
    made.max_timestamp = -1;
    for (const Record& record : records_) made.max_timestamp = std::max(made.max_timestamp, record.timestamp);
  }
  const base::MutableByteView bytes = base::MutableByteView(out).subspan(start);
  protocol::write_batch_header(bytes, made);
  protocol::renew_crc(bytes);
  result.max_timestamp = made.max_timestamp;
}

// A compressed entry; one that isn't is a single record, which stays or goes as it is. Inside of a wrapper, format 1
// counts from the first record that stays.
void BatchFilter::rebuild_legacy(const BatchHeader& header, FilteredBatch& result, base::Bytes& out) const {
  const bool log_append_time = header.timestamp_type() == protocol::TimestampType::log_append_time;
  const std::int8_t type_bit = header.magic == 1 && log_append_time
                                   ? static_cast<std::int8_t>(protocol::kAttributeLogAppendTime)
                                   : std::int8_t{0};
  base::Bytes inner;
  std::int64_t max_timestamp = -1;
  for (const Record& record : records_) {
    const std::int64_t offset = header.magic == 1 ? record.offset - records_.front().offset : record.offset;
    protocol::append_legacy_entry(inner, header.magic, offset, type_bit, record.timestamp, record.key, record.value);
    if (header.magic == 1) max_timestamp = std::max(max_timestamp, record.timestamp);
  }
  protocol::append_legacy_wrapper(out, header.magic, header.codec().value_or(base::Codec::none), inner,
                                  records_.back().offset, type_bit, max_timestamp);
  result.max_timestamp = max_timestamp;
}

}  // namespace storage
