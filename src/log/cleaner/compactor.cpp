#include "log/cleaner/compactor.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "log/batch_scanner.h"
#include "log/corrupt_file.h"
#include "log/segment.h"

namespace storage {
namespace {

using protocol::BatchHeader;

// The disk gets a new segment in pieces of this size while it is made, so that there is little to wait for at its end.
constexpr std::uint64_t kWriteBackBytes = 8u << 20;
// How often a throttled cleaning looks whether it is still wanted.
constexpr std::int64_t kPauseMsMax = 100;
// The newest offsets get this part of what the map gets, and of its memory: a bit an offset, where that takes 24 bytes a
// key.
constexpr std::size_t kNewestShare = 16;

}  // namespace

// What all groups of one cleaning share.
struct Compactor::Pass {
  CleaningSession& session;
  const Mapping& mapping;
  CleanedTransactions transactions;
  FilterRules rules;
  std::int64_t legacy_delete_horizon_ms;
  // What ends here keeps a header at least, as since Kafka 3.9 (KAFKA-17076): if nothing that follows may be read yet, a
  // consumer gets to this offset by that alone.
  std::int64_t first_uncleanable_offset;
  const LogConfig& config;
  CleanerStats& stats;
  BatchFilter filter;
  std::unordered_map<std::int64_t, LastOfProducer> last_of_producers;

  bool is_last_of_producer(const BatchHeader& header) const {
    if (!header.has_producer_id()) return false;
    auto found = last_of_producers.find(header.producer_id);
    if (found == last_of_producers.end()) return false;
    if (found->second.last_data_offset >= 0) return header.last_offset() == found->second.last_data_offset;
    return header.is_control() && header.producer_epoch == found->second.producer_epoch;
  }
};

// One segment in the making: <base>.*.cleaned. If it isn't finished, its files go.
class Compactor::Output {
 public:
  Output(base::FileSystem& files, const std::string& directory, std::int64_t base_offset, const LogConfig& config,
         std::int64_t now_ms)
      : where_{files, directory, std::string(kCleanedSuffix)}, base_offset_(base_offset), config_(config) {
    config_.preallocate = false;
    remove_files();  // of an attempt that failed
    segment_ = Segment::create(where_, base_offset, config_, now_ms);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  base::Bytes& pending() { return pending_.bytes; }
  void note_batch(const BatchHeader& header, const FilteredBatch& filtered) {
    std::uint64_t position = pending_.bytes.size() - filtered.size;
    pending_.batches.push_back(
        {header.base_offset, header.last_offset(), position, filtered.size, filtered.max_timestamp});
  }
  void append_transaction(const TransactionIndexEntry& entry) {
    append_transaction_index(where_, base_offset_, entry);
    has_transactions_ = true;
  }

  // Returns the bytes written.
  std::uint64_t write() {
    SegmentAppend append;
    append.bytes = pending_.bytes;
    append.batches = std::move(pending_.batches);
    const std::uint64_t size = append.bytes.size();
    if (size == 0) return 0;
    // Kafka keeps positions in 32 bits with a sign.
    if (segment_->size() + size > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) {
      throw CorruptFile("cleaned segment " + where_.path(base_offset_, kLogSuffix) + " would be larger than 2 GB");
    }
    append.first_offset = append.batches.front().base_offset;
    append.last_offset = append.batches.back().last_offset;
    segment_->append(append, config_);
    if (segment_->size() - given_to_disk_ >= kWriteBackBytes) {
      segment_->file()->start_writing_back(given_to_disk_, segment_->size() - given_to_disk_);
      given_to_disk_ = segment_->size();
    }
    pending_.bytes.clear();
    pending_.batches.clear();
    return size;
  }

  // Complete, on the disk, and as old as its last source, since retention may go by that.
  void finish(std::int64_t modified_ms) {
    segment_->finish();
    for (const auto& file : segment_->files_to_sync(true)) file->sync();
    if (has_transactions_) {
      where_.files.open(where_.path(base_offset_, kTransactionIndexSuffix), base::OpenMode::read_write)->sync();
    }
    for (std::string_view suffix : {kLogSuffix, kIndexSuffix, kTimeIndexSuffix}) {
      where_.files.set_modified_ms(where_.path(base_offset_, suffix), modified_ms);
    }
  }

  void remove_files() {
    for (std::string_view suffix : {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix}) {
      where_.files.remove(where_.path(base_offset_, suffix));
    }
  }

 private:
  struct Pending {
    base::Bytes bytes;
    std::vector<BatchPlace> batches;
  };

  PartitionFiles where_;
  std::int64_t base_offset_;
  LogConfig config_;
  std::shared_ptr<Segment> segment_;
  Pending pending_;
  std::uint64_t given_to_disk_ = 0;
  bool has_transactions_ = false;
};

Compactor::Compactor(const base::Clock& clock, std::shared_ptr<Throttle> throttle, const CompactorOptions& options)
    : clock_(clock), throttle_(std::move(throttle)), options_(options) {}

void Compactor::check_wanted(const CleaningSession& session) const {
  if (session.unwanted() || stop_requested()) throw CleaningStopped();
}

void Compactor::throttle(const CleaningSession& session, std::uint64_t bytes) {
  if (!throttle_->limits()) return;
  std::int64_t left_ms = throttle_->account(bytes, clock_.monotonic_ms());
  while (left_ms > 0) {
    check_wanted(session);
    pause(std::min(left_ms, kPauseMsMax));
    left_ms -= kPauseMsMax;
  }
}

template <class Take>
void Compactor::for_each_batch(CleaningSession& session, const CleaningSource& source, Take take) {
  PartitionFiles where{session.file_system(), session.directory()};
  const std::string path = where.path(source.base_offset, kLogSuffix);
  std::unique_ptr<base::File> file = where.files.open(path, base::OpenMode::read);
  BatchScanner scanner(*file, 0, source.size, BatchScanner::What::whole);
  auto fail = [&](std::uint64_t position, const std::string& what) {
    throw CorruptFile(path + " at position " + std::to_string(position) + ": " + what);
  };
  while (auto batch = scanner.next()) {
    check_wanted(session);
    const bool offset_fits =
        batch->header.last_offset() >= source.base_offset &&
        batch->header.last_offset() - source.base_offset <= std::numeric_limits<std::int32_t>::max();
    if (!offset_fits) fail(batch->position, "a batch whose offsets don't fit the segment");
    if (!protocol::crc_is_valid(batch->bytes)) fail(batch->position, "a batch with a wrong checksum");
    try {
      if (!take(*batch)) return;
    } catch (const protocol::InvalidRecord& error) {
      fail(batch->position, error.what());
    } catch (const base::CompressionError& error) {
      fail(batch->position, error.what());
    }
    throttle(session, batch->size);
  }
  if (scanner.ended() != ScanEnd::end) fail(scanner.position(), "what follows is no batch");
}

bool Compactor::map_batch(base::ByteView batch, const BatchHeader& header, std::int64_t first_dirty, Mapping& mapping,
                          CleanerStats& stats) {
  if (header.last_offset() < first_dirty) return true;  // the segment's begin may be clean
  hashes_.clear();
  offsets_.clear();
  protocol::RecordReader reader(batch, unpacked_);
  protocol::Record record;
  while (reader.next(record)) {
    ++stats.map_records_read;
    if (record.offset < first_dirty) continue;
    if (header.magic >= 2 && (record.offset < header.base_offset || record.offset > header.last_offset())) {
      mapping.newest.give_up();
    }
    mapping.newest.add(record.offset);
    if (!record.key) continue;  // it goes, and is counted, when it is copied
    hashes_.push_back(mapping.hasher(*record.key));
    offsets_.push_back(record.offset);
    mapping.offsets.prefetch(hashes_.back());
  }
  for (std::size_t i = 0; i < hashes_.size(); ++i) {
    std::int64_t replaced = -1;
    if (!mapping.offsets.put(hashes_[i], offsets_[i], replaced)) return false;
    mapping.newest.drop(replaced);
    mapping.last_offset = offsets_[i];
  }
  mapping.last_offset = header.last_offset();
  return true;
}

void Compactor::map_segment(CleaningSession& session, const CleaningSource& source, std::int64_t first_dirty,
                            CleanedTransactions& transactions, Mapping& mapping, CleanerStats& stats) {
  for_each_batch(session, source, [&](const ScannedBatch& batch) {
    stats.map_bytes_read += batch.size;
    const BatchHeader& header = batch.header;
    if (header.is_control()) {
      transactions.on_marker(header, batch.bytes);
    } else if (!transactions.on_data(header)) {
      mapping.full = !map_batch(batch.bytes, header, first_dirty, mapping, stats);
      return !mapping.full;
    } else {
      mapping.newest.add_all(header.base_offset, header.last_offset());  // nothing in it was looked at
    }
    if (header.last_offset() >= first_dirty) mapping.last_offset = header.last_offset();
    return true;
  });
}

Compactor::Mapping Compactor::map_dirty_part(CleaningSession& session, const std::vector<CleaningSource>& sources,
                                             const Cleanable& cleanable, CleanerStats& stats) {
  const std::int64_t end = cleanable.first_uncleanable_offset;
  Mapping mapping{OffsetMap(options_.map_bytes_max, options_.map_load_factor),
                  NewestOffsets(cleanable.first_dirty_offset, options_.map_bytes_max / kNewestShare),
                  {},
                  cleanable.first_dirty_offset - 1};
  CleanedTransactions transactions(session.aborted_transactions(cleanable.first_dirty_offset, end));
  for (std::size_t i = 0; i < sources.size() && !mapping.full; ++i) {
    const std::int64_t next_base = i + 1 < sources.size() ? sources[i + 1].base_offset : end;
    if (next_base <= cleanable.first_dirty_offset) continue;
    map_segment(session, sources[i], cleanable.first_dirty_offset, transactions, mapping, stats);
    if (!mapping.full) mapping.last_offset = next_base - 1;  // offsets may be missing at the end
  }
  return mapping;
}

void Compactor::clean_segment(Pass& pass, const CleaningSource& source, Output& output) {
  pass.rules.keep_legacy_tombstones = source.modified_ms > pass.legacy_delete_horizon_ms;
  CleanerStats& stats = pass.stats;
  auto write = [&] {
    const std::uint64_t written = output.write();
    stats.bytes_written += written;
    throttle(pass.session, written);
  };
  for_each_batch(pass.session, source, [&](const ScannedBatch& batch) {
    BatchFate fate;
    if (batch.header.is_control()) {
      CleanedTransactions::Marker marker = pass.transactions.on_marker(batch.header, batch.bytes);
      fate.transaction_is_gone = marker.transaction_is_gone;
      if (marker.index_entry) output.append_transaction(*marker.index_entry);
    } else {
      fate.aborted = pass.transactions.on_data(batch.header);
    }
    fate.header_stays = pass.is_last_of_producer(batch.header) || batch.header.next_offset() == pass.first_uncleanable_offset;
    FilteredBatch filtered = pass.filter.filter(batch.bytes, batch.header, fate, pass.rules, output.pending());
    stats.bytes_read += batch.size;
    stats.records_read += static_cast<std::uint64_t>(filtered.records_read);
    stats.records_written += static_cast<std::uint64_t>(filtered.records_kept);
    stats.keyless_records += static_cast<std::uint64_t>(filtered.keyless);
    if (filtered.size > 0) output.note_batch(batch.header, filtered);
    if (output.pending().size() >= options_.write_bytes) write();
    return true;
  });
  write();
}

void Compactor::clean_group(Pass& pass, const std::vector<CleaningSource>& sources, const SourceGroup& group) {
  const CleaningSource* first = &sources[group.first];
  pass.last_of_producers.clear();
  for (const LastOfProducer& one : pass.session.last_of_producers()) pass.last_of_producers[one.producer_id] = one;
  Output output(pass.session.file_system(), pass.session.directory(), first->base_offset, pass.config,
                clock_.wall_ms());
  std::vector<std::int64_t> bases;
  try {
    for (std::size_t i = 0; i < group.count; ++i) {
      clean_segment(pass, first[i], output);
      bases.push_back(first[i].base_offset);
    }
    output.finish(first[group.count - 1].modified_ms);
    check_wanted(pass.session);
  } catch (const std::system_error&) {
    throw;  // the disk fails; the next start finds the files
  } catch (const std::exception&) {
    output.remove_files();
    throw;
  }
  pass.session.replace(bases);
}

std::int64_t Compactor::clean(CleaningSession& session, const Cleanable& cleanable, CleanerStats& stats) {
  stats = {};
  stats.started_ms = clock_.monotonic_ms();
  const std::int64_t now_ms = clock_.wall_ms();
  const LogConfig config = session.log().config();
  std::vector<CleaningSource> sources = session.sources(cleanable.first_uncleanable_offset);
  const Mapping mapping = map_dirty_part(session, sources, cleanable, stats);
  unpacked_ = {};
  stats.mapped_ms = clock_.monotonic_ms();
  stats.map_utilization = mapping.offsets.utilization();
  const std::int64_t end = mapping.last_offset + 1;

  // Formats 0 and 1 know no delete horizon of their own: the time of the last segment that was cleaned before.
  std::int64_t legacy_horizon_ms = 0;
  for (const CleaningSource& source : sources) {
    if (source.base_offset < cleanable.first_dirty_offset) {
      legacy_horizon_ms = time_difference(source.modified_ms, config.delete_retention_ms);
    }
  }
  std::erase_if(sources, [&](const CleaningSource& source) { return source.base_offset >= end; });
  if (!sources.empty()) {
    const std::int64_t upper = std::max(end, cleanable.first_uncleanable_offset);
    Pass pass{session,
              mapping,
              CleanedTransactions(session.aborted_transactions(sources.front().base_offset, upper)),
              {now_ms, config.delete_retention_ms, true, mapping.last_offset},
              legacy_horizon_ms,
              cleanable.first_uncleanable_offset,
              config,
              stats,
              BatchFilter(mapping.offsets, mapping.hasher, mapping.newest),
              {}};
    for (const SourceGroup& group :
         group_sources(sources, config.segment_bytes, config.segment_index_bytes, cleanable.first_uncleanable_offset)) {
      clean_group(pass, sources, group);
    }
  }
  stats.ended_ms = clock_.monotonic_ms();
  return end;
}

}  // namespace storage
