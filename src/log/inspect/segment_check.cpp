#include "log/inspect/segment_check.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "log/batch_scanner.h"
#include "log/corrupt_file.h"
#include "log/partition_files.h"
#include "log/producer_state.h"
#include "log/topic_partition.h"
#include "log/transaction_index.h"
#include "protocol/record.h"
#include "protocol/record_walker.h"

namespace storage::inspect {
namespace {

constexpr std::uint64_t kUnpackedBytesMax = std::uint64_t{1} << 31;
constexpr std::size_t kOffsetEntryBytes = 8;
constexpr std::size_t kTimeEntryBytes = 12;

struct BatchPlace {
  std::uint64_t position = 0;
  std::int64_t base_offset = 0;
  std::int64_t last_offset = 0;
  std::int64_t max_timestamp = -1;
};

class SegmentCheck {
 public:
  SegmentCheck(base::FileSystem& files, const std::string& directory, std::int64_t base_offset,
               const SegmentCheckOptions& options, const FaultSink& fault)
      : where_{files, directory}, base_offset_(base_offset), options_(options), fault_(fault) {
    totals_.next_offset = base_offset;
    totals_.open = options.open;
  }

  SegmentTotals run() {
    check_log();
    check_offset_index();
    check_time_index();
    check_transaction_index();
    return totals_;
  }

 private:
  std::string path(std::string_view suffix) const { return where_.path(base_offset_, suffix); }
  void report(std::string_view suffix, std::uint64_t position, std::string what) const {
    fault_(Fault{path(suffix), position, std::move(what)});
  }

  void check_log();
  void check_batch(const ScannedBatch& batch);
  void follow_transactions(const ScannedBatch& batch);
  std::uint64_t walk_records(const ScannedBatch& batch) const;
  std::uint64_t walk_legacy(const ScannedBatch& batch) const;
  void check_offset_index();
  void check_time_index();
  void check_transaction_index();
  base::Bytes index_bytes(std::string_view suffix, std::size_t entry_bytes) const;
  const BatchPlace* batch_at(std::uint64_t position) const;
  const BatchPlace* batch_with(std::int64_t offset) const;

  PartitionFiles where_;
  std::int64_t base_offset_;
  SegmentCheckOptions options_;
  const FaultSink& fault_;
  SegmentTotals totals_;
  std::vector<BatchPlace> batches_;
  std::vector<CompletedTransaction> aborted_;  // of which there are records
};

void SegmentCheck::check_log() {
  std::unique_ptr<base::File> file = where_.files.open(path(kLogSuffix), base::OpenMode::read);
  totals_.bytes = file->size();
  if (base_offset_ < options_.offset_min) {
    report(kLogSuffix, 0, "the segment before reaches up to offset " + std::to_string(options_.offset_min - 1));
  }
  BatchScanner scanner(*file, 0, totals_.bytes, BatchScanner::What::whole);
  while (auto batch = scanner.next()) check_batch(*batch);
  if (scanner.ended() == ScanEnd::end) return;
  std::string rest = std::to_string(totals_.bytes - scanner.position()) + " bytes from here on are no batch: ";
  report(kLogSuffix, scanner.position(),
         rest + (scanner.ended() == ScanEnd::partial ? "it ends early" : "length or format is impossible"));
}

void SegmentCheck::check_batch(const ScannedBatch& batch) {
  const protocol::BatchHeader& header = batch.header;
  ++totals_.batches;
  // A compressed entry of an old format carries the offset of its last record.
  if (header.base_offset < totals_.next_offset) {
    report(kLogSuffix, batch.position,
           "offset " + std::to_string(header.base_offset) + " where " + std::to_string(totals_.next_offset) +
               " or more must come");
  } else if (header.last_offset() - base_offset_ > std::numeric_limits<std::int32_t>::max()) {
    report(kLogSuffix, batch.position, "offset " + std::to_string(header.last_offset()) + " is too far from the base");
  }
  if (header.last_offset() >= totals_.next_offset) {
    totals_.next_offset = header.next_offset();
    batches_.push_back({batch.position, header.base_offset, header.last_offset(), header.max_timestamp});
  }
  if (!protocol::crc_is_valid(batch.bytes)) {
    report(kLogSuffix, batch.position, "the crc is wrong");
    return;
  }
  follow_transactions(batch);
  if (!options_.records) return;
  try {
    totals_.records += header.magic == 2 ? walk_records(batch) : walk_legacy(batch);
  } catch (const protocol::InvalidRecord& error) {
    report(kLogSuffix, batch.position, std::string("a record is broken: ") + error.what());
  } catch (const base::CompressionError& error) {
    report(kLogSuffix, batch.position, std::string("the batch can't be unpacked: ") + error.what());
  }
}

void SegmentCheck::follow_transactions(const ScannedBatch& batch) {
  const protocol::BatchHeader& header = batch.header;
  if (!header.has_producer_id()) return;
  if (!header.is_control()) {
    if (header.is_transactional() && header.record_count > 0) {
      totals_.open.try_emplace(header.producer_id, header.base_offset);
    }
    return;
  }
  const auto begun = totals_.open.find(header.producer_id);
  if (begun == totals_.open.end()) return;
  const auto marker = read_control_marker(batch.bytes);  // none if compaction has emptied it
  if (marker && marker->type == protocol::ControlType::abort) {
    aborted_.push_back({header.producer_id, begun->second, header.last_offset(), true});
  }
  totals_.open.erase(begun);
}

std::uint64_t SegmentCheck::walk_records(const ScannedBatch& batch) const {
  const protocol::BatchHeader& header = batch.header;
  base::ByteView records = batch.bytes.subspan(protocol::kBatchHeaderSize);
  if (header.record_count == 0 && records.empty()) return 0;  // all of it was compacted away
  const auto codec = header.codec();
  if (!codec) throw protocol::InvalidRecord("codec " + std::to_string(header.codec_number()));
  protocol::RecordWalker walker = header.is_compressed() ? protocol::RecordWalker(*codec, records, kUnpackedBytesMax)
                                                         : protocol::RecordWalker(records);
  std::int32_t last = -1;
  for (std::int32_t i = 0; i < header.record_count; ++i) {
    protocol::RecordOutline outline;
    walker.next(outline);
    if (outline.offset_delta <= last || outline.offset_delta > header.last_offset_delta) {
      throw protocol::InvalidRecord("offset delta " + std::to_string(outline.offset_delta) + " behind " +
                                    std::to_string(last));
    }
    last = outline.offset_delta;
  }
  if (!walker.at_end()) throw protocol::InvalidRecord("bytes are left over");
  return static_cast<std::uint64_t>(std::max(header.record_count, 0));
}

std::uint64_t SegmentCheck::walk_legacy(const ScannedBatch& batch) const {
  protocol::RecordReader reader(batch.bytes);
  protocol::Record record;
  std::uint64_t count = 0;
  while (reader.next(record)) ++count;
  return count;
}

// Whole entries, without the zeros of a file that was preallocated and never cut.
base::Bytes SegmentCheck::index_bytes(std::string_view suffix, std::size_t entry_bytes) const {
  if (!where_.files.exists(path(suffix))) {
    report(suffix, 0, "the file is missing");
    return {};
  }
  base::Bytes bytes = base::read_file(where_.files, path(suffix));
  if (bytes.size() % entry_bytes != 0) {
    report(suffix, bytes.size() / entry_bytes * entry_bytes, "the last entry is cut off");
    bytes.resize(bytes.size() / entry_bytes * entry_bytes);
  }
  auto blank = [&] {
    return std::all_of(bytes.end() - static_cast<std::ptrdiff_t>(entry_bytes), bytes.end(),
                       [](std::uint8_t byte) { return byte == 0; });
  };
  while (!bytes.empty() && blank()) bytes.resize(bytes.size() - entry_bytes);
  return bytes;
}

const BatchPlace* SegmentCheck::batch_at(std::uint64_t position) const {
  auto found = std::ranges::lower_bound(batches_, position, {}, &BatchPlace::position);
  return found != batches_.end() && found->position == position ? &*found : nullptr;
}

const BatchPlace* SegmentCheck::batch_with(std::int64_t offset) const {
  auto found = std::ranges::lower_bound(batches_, offset, {}, &BatchPlace::last_offset);
  return found != batches_.end() && found->base_offset <= offset ? &*found : nullptr;
}

void SegmentCheck::check_offset_index() {
  const base::Bytes bytes = index_bytes(kIndexSuffix, kOffsetEntryBytes);
  std::int64_t last = -1;
  for (std::size_t at = 0; at < bytes.size(); at += kOffsetEntryBytes) {
    const std::int64_t relative = base::load_big_endian<std::int32_t>(bytes.data() + at);
    const std::int64_t offset = base_offset_ + relative;
    const auto position = base::load_big_endian<std::uint32_t>(bytes.data() + at + 4);
    const BatchPlace* batch = batch_at(position);
    if (relative <= last) {
      report(kIndexSuffix, at, "offset " + std::to_string(offset) + " doesn't increase");
    } else if (batch == nullptr) {
      report(kIndexSuffix, at, "no batch begins at position " + std::to_string(position));
    } else if (offset < batch->base_offset || offset >= totals_.next_offset) {
      report(kIndexSuffix, at, "offset " + std::to_string(offset) + " isn't at position " + std::to_string(position));
    }
    last = relative;
  }
}

void SegmentCheck::check_time_index() {
  const base::Bytes bytes = index_bytes(kTimeIndexSuffix, kTimeEntryBytes);
  std::int64_t last_timestamp = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_offset = -1;
  for (std::size_t at = 0; at < bytes.size(); at += kTimeEntryBytes) {
    const auto timestamp = base::load_big_endian<std::int64_t>(bytes.data() + at);
    const std::int64_t offset = base_offset_ + base::load_big_endian<std::int32_t>(bytes.data() + at + 8);
    const BatchPlace* batch = batch_with(offset);
    if (timestamp <= last_timestamp || offset < last_offset) {
      report(kTimeIndexSuffix, at, "time " + std::to_string(timestamp) + " or its offset doesn't increase");
    } else if (offset >= totals_.next_offset) {
      report(kTimeIndexSuffix, at, "offset " + std::to_string(offset) + " is beyond the segment's end");
    } else if (batch != nullptr && batch->max_timestamp >= 0 && batch->max_timestamp < timestamp) {
      report(kTimeIndexSuffix, at,
             "time " + std::to_string(timestamp) + " isn't in the batch with offset " + std::to_string(offset));
    }
    last_timestamp = timestamp;
    last_offset = offset;
  }
}

void SegmentCheck::check_transaction_index() {
  std::vector<TransactionIndexEntry> entries;
  try {
    entries = read_transaction_index(where_, base_offset_);
  } catch (const CorruptFile& error) {
    report(kTransactionIndexSuffix, 0, error.what());
    return;
  }
  for (const CompletedTransaction& one : aborted_) {
    const bool listed = std::ranges::any_of(entries, [&](const TransactionIndexEntry& entry) {
      return entry.producer_id == one.producer_id && entry.last_offset == one.last_offset &&
             entry.first_offset <= one.first_offset;
    });
    if (listed) continue;
    report(kTransactionIndexSuffix, 0,
           "the transaction of producer " + std::to_string(one.producer_id) + " from offset " +
               std::to_string(one.first_offset) + ", aborted at " + std::to_string(one.last_offset) + ", isn't listed");
  }
}

}  // namespace

SegmentTotals check_segment(base::FileSystem& files, const std::string& directory, std::int64_t base_offset,
                            const SegmentCheckOptions& options, const FaultSink& fault) {
  return SegmentCheck(files, directory, base_offset, options, fault).run();
}

}  // namespace storage::inspect
