#include "zk/server/log_tail.h"

#include <algorithm>

#include "base/crc.h"
#include "zk/server/txn_codec.h"

namespace zk::server {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kTxnHeaderBytes = 32;  // session, cxid, zxid, time, type: the least that an entry has

std::int32_t length_at(base::ByteView tail, std::size_t at) {
  return base::load_big_endian<std::int32_t>(tail.data() + at + 8);
}

bool checks(base::ByteView tail, std::size_t at, std::size_t size) {
  auto checksum = base::load_big_endian<std::int64_t>(tail.data() + at);
  return checksum == static_cast<std::int64_t>(base::adler32(tail.subspan(at + kRecordHeadBytes, size)));
}

bool is_whole_record(base::ByteView tail, std::size_t at) {
  if (tail.size() - at < kRecordHeadBytes + kTxnHeaderBytes + 1) return false;
  std::int32_t length = length_at(tail, at);
  if (length < static_cast<std::int32_t>(kTxnHeaderBytes)) return false;
  auto size = static_cast<std::size_t>(length);
  if (size > tail.size() - at - kRecordHeadBytes - 1) return false;
  return tail[at + kRecordHeadBytes + size] == kRecordEnd && checks(tail, at, size);
}

bool all_zero(base::ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// A page that was never written, or the rest of the one with what came before, between the record's start and `end`.
bool lacks_a_page(base::ByteView tail, std::uint64_t offset, std::size_t end) {
  std::size_t page = static_cast<std::size_t>((kPageBytes - offset % kPageBytes) % kPageBytes);
  if (page > 0 && page < tail.size() && all_zero(tail.first(page))) return true;
  for (; page < end && page + kPageBytes <= tail.size(); page += kPageBytes) {
    if (all_zero(tail.subspan(page, kPageBytes))) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> damage_in_tail(base::ByteView tail, std::uint64_t offset) {
  if (tail.size() <= kRecordHeadBytes) return std::nullopt;
  std::int32_t length = length_at(tail, 0);
  std::size_t end = length > 0 ? kRecordHeadBytes + static_cast<std::size_t>(length) : tail.size();
  if (lacks_a_page(tail, offset, end)) return std::nullopt;
  if (end < tail.size() && tail[end] == kRecordEnd) return "the record's checksum is wrong";
  for (std::size_t at = 1; at < tail.size(); ++at) {
    if (is_whole_record(tail, at)) {
      return "the record is damaged: a whole one follows at offset " + std::to_string(offset + at);
    }
  }
  if (tail.back() == kRecordEnd && checks(tail, 0, tail.size() - kRecordHeadBytes - 1)) {
    return "the record's length is wrong";
  }
  if (length <= 0) return "the record's length is " + std::to_string(length);
  if (tail.size() <= end) return std::nullopt;
  return "the record doesn't end where its length says";
}

}  // namespace zk::server
