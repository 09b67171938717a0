#include "log/cleaner/compactor.h"

#include <algorithm>
#include <limits>
#include <span>
#include <thread>
#include <unordered_map>

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
  std::array<BatchFilter, HelpedQueue::kWorkers> filters;
  std::vector<std::vector<ReadyPiece>> ready;
  std::unordered_map<std::int64_t, LastOfProducer> last_of_producers;

  std::vector<ReadyPiece> take_ready(std::size_t source) {
    return source < ready.size() ? std::move(ready[source]) : std::vector<ReadyPiece>();
  }
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

  std::size_t pending_size() const { return pending_.bytes.size(); }
  void append_batch(const BatchHeader& header, const FilteredBatch& filtered, base::ByteView bytes) {
    const std::uint64_t position = pending_.bytes.size();
    pending_.bytes.insert(pending_.bytes.end(), bytes.begin(), bytes.end());
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
    // All on their way first: on a journaling file system one commit is then for all of them.
    const auto files = segment_->files_to_sync(true);
    for (const auto& file : files) file->start_writing_back(0, file->size());
    for (const auto& file : files) file->sync();
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

void Compactor::walk(CleaningSession& session, const CleaningSource& source, BatchWalk::Range range,
                     BatchWalk::Steps steps) {
  PartitionFiles where{session.file_system(), session.directory()};
  const std::string path = where.path(source.base_offset, kLogSuffix);
  std::unique_ptr<base::File> file = where.files.open(path, base::OpenMode::read);
  steps.take = [&, take = std::move(steps.take)](WalkedPiece& piece, WalkedBatch& batch) {
    check_wanted(session);
    if (!take(piece, batch)) return false;
    throttle(session, batch.scanned.size);
    return true;
  };
  batches_->walk(*file, path, source, range, steps);
}

void Compactor::read_keys(WalkedPiece& piece, WalkedBatch& batch, std::int64_t first_dirty, const KeyHasher& hasher,
                          std::size_t worker) {
  batch.begin = piece.records.size();
  batch.end = batch.begin;
  const BatchHeader& header = batch.scanned.header;
  if (header.is_control() || batch.fate.aborted) return;
  if (header.last_offset() < first_dirty) return;  // the segment's begin may be clean
  protocol::RecordReader reader(batch.scanned.bytes, unpacked_[worker]);
  protocol::Record record;
  while (reader.next(record)) {
    ++batch.records_read;
    if (record.offset < first_dirty) continue;
    // One without a key goes, and is counted, when it is copied.
    piece.records.push_back({record.offset, record.key.has_value(), false, record.key ? hasher(*record.key) : KeyHash{}});
  }
  batch.end = piece.records.size();
}

bool Compactor::map_batch(const WalkedPiece& piece, const WalkedBatch& batch, Mapping& mapping) {
  const BatchHeader& header = batch.scanned.header;
  const auto records = std::span(piece.records).subspan(batch.begin, batch.end - batch.begin);
  for (const MappedRecord& record : records) {
    if (header.magic >= 2 && (record.offset < header.base_offset || record.offset > header.last_offset())) {
      mapping.newest.give_up();
    }
    mapping.newest.add(record.offset);
    if (record.has_key) mapping.offsets.prefetch(record.hash);
  }
  for (const MappedRecord& record : records) {
    if (!record.has_key) continue;
    std::int64_t replaced = -1;
    if (!mapping.offsets.put(record.hash, record.offset, replaced)) return false;
    mapping.newest.drop(replaced);
    mapping.last_offset = record.offset;
  }
  mapping.last_offset = header.last_offset();
  return true;
}

void Compactor::map_segment(CleaningSession& session, const CleaningSource& source, std::int64_t first_dirty,
                            CleanedTransactions& transactions, Mapping& mapping, CleanerStats& stats) {
  BatchWalk::Steps steps;
  steps.look = [&](WalkedBatch& batch) {
    const BatchHeader& header = batch.scanned.header;
    if (header.is_control()) {
      transactions.on_marker(header, batch.scanned.bytes);
    } else {
      batch.fate.aborted = transactions.on_data(header);
    }
  };
  steps.work = [&](WalkedPiece& piece, WalkedBatch& batch, std::size_t worker) {
    read_keys(piece, batch, first_dirty, mapping.hasher, worker);
  };
  steps.take = [&](WalkedPiece& piece, WalkedBatch& batch) {
    const BatchHeader& header = batch.scanned.header;
    stats.map_bytes_read += batch.scanned.size;
    stats.map_records_read += batch.records_read;
    if (header.last_offset() < first_dirty) return true;
    if (header.is_control()) {
      mapping.last_offset = header.last_offset();
    } else if (batch.fate.aborted) {
      mapping.newest.add_all(header.base_offset, header.last_offset());  // nothing in it was looked at
      mapping.last_offset = header.last_offset();
    } else {
      mapping.full = !map_batch(piece, batch, mapping);
    }
    return !mapping.full;
  };
  walk(session, source, {0, source.size}, std::move(steps));
}

Compactor::Mapping Compactor::new_mapping(const Cleanable& cleanable) const {
  return {OffsetMap(options_.map_bytes_max, options_.map_load_factor),
          NewestOffsets(cleanable.first_dirty_offset, options_.map_bytes_max / kNewestShare),
          {},
          cleanable.first_dirty_offset - 1};
}

// Nothing if that can't be, or isn't worth it. What is kept for the copy has the memory that the map doesn't take.
std::optional<Compactor::Mapping> Compactor::map_newest_first(CleaningSession& session,
                                                              const std::vector<CleaningSource>& sources,
                                                              const Cleanable& cleanable, const FilterRules& rules,
                                                              CleanerStats& stats) const {
  // A throttled cleaning has time, and reads no further than it may.
  if (options_.map_order == MapOrder::oldest_first || throttle_->limits()) return std::nullopt;
  Mapping mapping = new_mapping(cleanable);
  if (!mapping.newest.covers(cleanable.first_dirty_offset, rules.mapped_to)) return std::nullopt;
  DirtyPiecesWanted wanted;
  wanted.records_max = mapping.offsets.size_max();
  wanted.all_batches = options_.map_order == MapOrder::newest_first;
  wanted.check_wanted = [&] { check_wanted(session); };
  if (!wanted.all_batches) {
    wanted.is_too_much = [&](const DirtyAmount& found) {
      return !NewestFirst::is_worth_it(mapping.offsets, options_.map_bytes_max, found);
    };
  }
  const auto dirty = find_dirty_pieces(session, sources, cleanable, wanted);
  if (!dirty) return std::nullopt;
  NewestFirst how{session, sources, rules};
  how.memory_bytes_max = options_.map_bytes_max;
  how.with_helper = std::thread::hardware_concurrency() > 1;
  how.check_wanted = wanted.check_wanted;
  how.on_mapped = [&](std::uint64_t bytes, std::uint64_t records) {
    stats.map_bytes_read += bytes;
    stats.map_records_read += records;
  };
  auto ready = how.map(*dirty, mapping.hasher, mapping.offsets, mapping.newest);
  if (!ready) {
    stats.map_bytes_read = stats.map_records_read = 0;
    return std::nullopt;
  }
  mapping.ready = std::move(*ready);
  mapping.last_offset = rules.mapped_to;
  return mapping;
}

Compactor::Mapping Compactor::map_dirty_part(CleaningSession& session, const std::vector<CleaningSource>& sources,
                                             const Cleanable& cleanable, CleanerStats& stats) {
  const std::int64_t end = cleanable.first_uncleanable_offset;
  Mapping mapping = new_mapping(cleanable);
  CleanedTransactions transactions(session.aborted_transactions(cleanable.first_dirty_offset, end));
  for (std::size_t i = 0; i < sources.size() && !mapping.full; ++i) {
    const std::int64_t next_base = i + 1 < sources.size() ? sources[i + 1].base_offset : end;
    if (next_base <= cleanable.first_dirty_offset) continue;
    map_segment(session, sources[i], cleanable.first_dirty_offset, transactions, mapping, stats);
    if (!mapping.full) mapping.last_offset = next_base - 1;  // offsets may be missing at the end
  }
  return mapping;
}

void Compactor::clean_segment(Pass& pass, const CleaningSource& source, std::vector<ReadyPiece> ready, Output& output) {
  pass.rules.keep_legacy_tombstones = source.modified_ms > pass.legacy_delete_horizon_ms;
  CleanerStats& stats = pass.stats;
  auto write = [&] {
    const std::uint64_t written = output.write();
    stats.bytes_written += written;
    throttle(pass.session, written);
  };
  BatchWalk::Steps steps;
  steps.look = [&](WalkedBatch& batch) {
    const BatchHeader& header = batch.scanned.header;
    if (header.is_control()) {
      CleanedTransactions::Marker marker = pass.transactions.on_marker(header, batch.scanned.bytes);
      batch.fate.transaction_is_gone = marker.transaction_is_gone;
      batch.index_entry = marker.index_entry;
    } else {
      batch.fate.aborted = pass.transactions.on_data(header);
    }
    batch.fate.header_stays =
        pass.is_last_of_producer(header) || header.next_offset() == pass.first_uncleanable_offset;
  };
  steps.work = [&](WalkedPiece& piece, WalkedBatch& batch, std::size_t worker) {
    batch.begin = piece.output.size();
    batch.filtered = pass.filters[worker].filter(batch.scanned.bytes, batch.scanned.header, batch.fate, pass.rules, piece.output);
    batch.end = piece.output.size();
  };
  steps.take = [&](WalkedPiece& piece, WalkedBatch& batch) {
    if (batch.index_entry) output.append_transaction(*batch.index_entry);
    const FilteredBatch& filtered = batch.filtered;
    stats.bytes_read += batch.scanned.size;
    stats.records_read += static_cast<std::uint64_t>(filtered.records_read);
    stats.records_written += static_cast<std::uint64_t>(filtered.records_kept);
    stats.keyless_records += static_cast<std::uint64_t>(filtered.keyless);
    if (filtered.size > 0) {
      output.append_batch(batch.scanned.header, filtered,
                          base::ByteView(piece.output).subspan(batch.begin, batch.end - batch.begin));
    }
    if (output.pending_size() >= options_.write_bytes) write();
    return true;
  };
  std::uint64_t copied = 0;
  for (ReadyPiece& piece : ready) {
    if (piece.position > copied) walk(pass.session, source, {copied, piece.position}, steps);
    check_wanted(pass.session);
    WalkedPiece walked;
    walked.output = std::move(piece.output);
    for (ReadyBatch& one : piece.batches) {
      WalkedBatch batch;
      batch.scanned = one.scanned;
      steps.look(batch);
      batch.filtered = one.filtered;
      batch.begin = one.begin;
      batch.end = one.end;
      if (one.filtered.size == 0 && batch.fate.header_stays) {
        batch.begin = walked.output.size();
        BatchFilter::append_empty_batch(one.scanned.header, walked.output);
        batch.end = walked.output.size();
        batch.filtered.size = batch.end - batch.begin;
      }
      steps.take(walked, batch);
    }
    copied = piece.position + piece.size;
  }
  if (copied < source.size) walk(pass.session, source, {copied, source.size}, steps);
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
      clean_segment(pass, first[i], pass.take_ready(group.first + i), output);
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
  // A throttled cleaning has time, and reads no further than it may.
  batches_.emplace(!throttle_->limits() && std::thread::hardware_concurrency() > 1);
  struct Guard {
    Compactor& compactor;
    ~Guard() {
      compactor.batches_.reset();
      compactor.unpacked_ = {};
    }
  } guard{*this};
  FilterRules rules{now_ms, config.delete_retention_ms, true, cleanable.first_uncleanable_offset - 1};
  std::optional<Mapping> newest_first = map_newest_first(session, sources, cleanable, rules, stats);
  Mapping mapping = newest_first ? *std::move(newest_first) : map_dirty_part(session, sources, cleanable, stats);
  unpacked_ = {};
  stats.mapped_ms = clock_.monotonic_ms();
  stats.map_utilization = mapping.offsets.utilization();
  const std::int64_t end = mapping.last_offset + 1;
  rules.mapped_to = mapping.last_offset;

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
              rules,
              legacy_horizon_ms,
              cleanable.first_uncleanable_offset,
              config,
              stats,
              {BatchFilter(mapping.offsets, mapping.hasher, mapping.newest),
               BatchFilter(mapping.offsets, mapping.hasher, mapping.newest)},
              std::move(mapping.ready),
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
