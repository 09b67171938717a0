#include "log/inspect/dump.h"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <string_view>

#include "log/batch_scanner.h"
#include "log/checkpoint_file.h"
#include "log/corrupt_file.h"
#include "log/inspect/record_text.h"
#include "log/partition_files.h"
#include "log/producer_snapshot.h"
#include "log/topic_partition.h"
#include "log/transaction_index.h"
#include "protocol/record.h"

namespace storage::inspect {
namespace {

constexpr std::string_view kCodecs[] = {"none", "gzip", "snappy", "lz4", "zstd", "5", "6", "7"};

class Dump {
 public:
  Dump(base::FileSystem& files, const DumpOptions& options, const LineSink& line)
      : files_(files), options_(options), line_(line) {}

  // False if it is none of the files that are known.
  bool file(const std::string& path);
  bool directory(const std::string& path);

 private:
  void log(const std::string& path, std::int64_t base_offset);
  void batch(const ScannedBatch& batch, RecordKind kind);
  void records(const ScannedBatch& batch, RecordKind kind);
  void offset_index(const std::string& path, std::int64_t base_offset);
  void time_index(const std::string& path, std::int64_t base_offset);
  void snapshot(const std::string& path);
  void transaction_index(const std::string& path, std::int64_t base_offset);
  void leader_epochs(const std::string& path);

  base::FileSystem& files_;
  const DumpOptions& options_;
  const LineSink& line_;
};

// Sequences wrap from 2147483647 to 0.
std::int64_t first_sequence(const ProducerSnapshotEntry& entry) {
  const std::int64_t first = std::int64_t{entry.last_sequence} - entry.offset_delta;
  return first < 0 ? first + (std::int64_t{1} << 31) : first;
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool Dump::file(const std::string& path) {
  const std::string name = name_of(path);
  auto parsed = parse_file_name(name);
  if (!parsed && name != kLeaderEpochFile) return false;
  const std::string_view suffix = parsed ? parsed->suffix : std::string_view();
  const bool known = !parsed || suffix == kLogSuffix || suffix == kIndexSuffix || suffix == kTimeIndexSuffix ||
                     suffix == kSnapshotSuffix || suffix == kTransactionIndexSuffix;
  if (!known) return false;
  line_("Dumping " + path);
  try {
    if (!parsed) leader_epochs(path);
    if (suffix == kLogSuffix) log(path, parsed->offset);
    if (suffix == kIndexSuffix) offset_index(path, parsed->offset);
    if (suffix == kTimeIndexSuffix) time_index(path, parsed->offset);
    if (suffix == kSnapshotSuffix) snapshot(path);
    if (suffix == kTransactionIndexSuffix) transaction_index(path, parsed->offset);
  } catch (const CorruptFile& error) {
    line_(std::string("is broken: ") + error.what());
  }
  return true;
}

bool Dump::directory(const std::string& path) {
  bool any = false;
  for (const std::string& name : files_.list(path)) {
    const std::string inside = path + "/" + name;
    if (!files_.info(inside).is_directory) {
      any = file(inside) || any;
    } else if (parse_partition_directory(name)) {
      any = directory(inside) || any;
    }
  }
  return any;
}

void Dump::log(const std::string& path, std::int64_t base_offset) {
  line_(fmt::format("Log starting offset: {}", base_offset));
  const std::string directory = name_of(base::parent_directory(path));
  auto partition = parse_partition_directory(directory);
  const RecordKind kind = partition ? record_kind(partition->topic_partition.topic) : RecordKind::plain;
  std::unique_ptr<base::File> file = files_.open(path, base::OpenMode::read);
  BatchScanner scanner(*file, 0, file->size(), BatchScanner::What::whole);
  while (auto next = scanner.next()) batch(*next, kind);
  if (scanner.ended() != ScanEnd::end) {
    line_(fmt::format("Found {} invalid bytes at the end of {}", file->size() - scanner.position(), name_of(path)));
  }
}

void Dump::batch(const ScannedBatch& batch, RecordKind kind) {
  const protocol::BatchHeader& header = batch.header;
  std::string text;
  if (header.magic == 2) {
    const std::string horizon = header.has_delete_horizon() ? fmt::format("OptionalLong[{}]", header.base_timestamp)
                                                            : std::string("OptionalLong.empty");
    text = fmt::format(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} "
        "partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
        header.base_offset, header.last_offset(), header.record_count, header.base_sequence, header.last_sequence(),
        header.producer_id, header.producer_epoch, header.partition_leader_epoch, header.is_transactional(),
        header.is_control(), horizon);
  } else {
    text = fmt::format("offset: {}", header.last_offset());
  }
  text += fmt::format(" position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}", batch.position,
                      timestamp_type_name(header), header.max_timestamp, batch.size, header.magic,
                      kCodecs[header.codec_number()], header.crc, protocol::crc_is_valid(batch.bytes));
  line_(text);
  if (options_.records) records(batch, header.is_control() ? RecordKind::control : kind);
}

void Dump::records(const ScannedBatch& batch, RecordKind kind) {
  try {
    protocol::RecordReader reader(batch.bytes);
    protocol::Record record;
    while (reader.next(record)) line_(record_text(record, kind, batch.header));
  } catch (const protocol::InvalidRecord& error) {
    line_(std::string("| the rest is broken: ") + error.what());
  } catch (const base::CompressionError& error) {
    line_(std::string("| can't be unpacked: ") + error.what());
  }
}

void Dump::offset_index(const std::string& path, std::int64_t base_offset) {
  const base::Bytes bytes = base::read_file(files_, path);
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    line_(fmt::format("offset: {} position: {}", base_offset + base::load_big_endian<std::int32_t>(bytes.data() + at),
                      base::load_big_endian<std::int32_t>(bytes.data() + at + 4)));
  }
}

void Dump::time_index(const std::string& path, std::int64_t base_offset) {
  const base::Bytes bytes = base::read_file(files_, path);
  for (std::size_t at = 0; at + 12 <= bytes.size(); at += 12) {
    line_(fmt::format("timestamp: {} offset: {}", base::load_big_endian<std::int64_t>(bytes.data() + at),
                      base_offset + base::load_big_endian<std::int32_t>(bytes.data() + at + 8)));
  }
}

void Dump::snapshot(const std::string& path) {
  for (const ProducerSnapshotEntry& entry : decode_producer_snapshot(base::read_file(files_, path))) {
    const std::string first = entry.current_transaction_first_offset < 0
                                  ? std::string("OptionalLong.empty")
                                  : fmt::format("OptionalLong[{}]", entry.current_transaction_first_offset);
    std::string text = fmt::format(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {} ",
        entry.producer_id, entry.producer_epoch, entry.coordinator_epoch, first, entry.timestamp);
    if (entry.last_offset >= 0) {  // else only a marker of this producer is known
      text += fmt::format("firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                          first_sequence(entry), entry.last_sequence, entry.last_offset, entry.offset_delta,
                          entry.timestamp);
    }
    line_(text);
  }
}

void Dump::transaction_index(const std::string& path, std::int64_t base_offset) {
  const PartitionFiles where{files_, base::parent_directory(path)};
  for (const TransactionIndexEntry& entry : read_transaction_index(where, base_offset)) {
    line_(fmt::format("version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                      entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset));
  }
}

void Dump::leader_epochs(const std::string& path) {
  const base::Bytes bytes = base::read_file(files_, path);
  if (is_blank(bytes)) return;
  for (const EpochEntry& entry : decode_epoch_checkpoint(bytes)) {
    line_(fmt::format("leaderEpoch: {} startOffset: {}", entry.epoch, entry.start_offset));
  }
}

}  // namespace

void dump(base::FileSystem& files, const std::string& path, const DumpOptions& options, const LineSink& line) {
  if (!files.exists(path)) throw std::invalid_argument(path + " does not exist");
  Dump all(files, options, line);
  const bool any = files.info(path).is_directory ? all.directory(path) : all.file(path);
  if (!any) throw std::invalid_argument(path + " holds nothing that can be dumped");
}

}  // namespace storage::inspect
