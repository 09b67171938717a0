#include "zk/server/log_tail.h"

#include <algorithm>
#include <bit>

#include "base/crc.h"
#include "zk/server/txn_codec.h"

namespace zk::server {

namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kTxnHeaderBytes = 32;  // session, cxid, zxid, time, type: the least that an entry has
constexpr std::uint32_t kAdlerModulus = 65521;
constexpr std::size_t kZeroFieldBytes = 16;  // more than a record's fields have in a row beside its data

struct Range {
  std::size_t from, to;
  bool holds(const Range& other) const { return from <= other.from && other.to <= to; }
};

// Fields of a record that are never all zero, from its start: the checksum's lower half, the length, zxid and time.
constexpr Range kNeverZero[] = {{4, 8}, {8, 12}, {24, 32}, {32, 40}};

std::int32_t length_at(base::ByteView tail, std::size_t at) {
  return base::load_big_endian<std::int32_t>(tail.data() + at + 8);
}

std::uint64_t checksum_at(base::ByteView tail, std::size_t at) {
  return base::load_big_endian<std::uint64_t>(tail.data() + at);
}

bool checks(base::ByteView tail, std::size_t at, std::size_t size) {
  return checksum_at(tail, at) == base::adler32(tail.subspan(at + kRecordHeadBytes, size));
}

// Whether one of this length may start there: its end is within the tail.
bool has_room(base::ByteView tail, std::size_t at, std::int32_t length) {
  return length >= static_cast<std::int32_t>(kTxnHeaderBytes) &&
         static_cast<std::size_t>(length) < tail.size() - at - kRecordHeadBytes;
}

bool is_whole_record(base::ByteView tail, std::size_t at, std::int32_t length) {
  if (!has_room(tail, at, length)) return false;
  const auto size = static_cast<std::size_t>(length);
  return tail[at + kRecordHeadBytes + size] == kRecordEnd && checks(tail, at, size);
}

// Where a whole record starts behind the first one; 0: nowhere.
std::size_t find_whole_record(base::ByteView tail) {
  for (std::size_t at = 1; at + kRecordHeadBytes + kTxnHeaderBytes < tail.size(); ++at) {
    if (is_whole_record(tail, at, length_at(tail, at))) return at;
  }
  return 0;
}

bool all_zero(base::ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// Whether the entry would have this Adler-32 if one of its bits were another. Both halves of the sum are linear in the bytes: the
// lower adds up each of them, the upper each as often as there are bytes from it to the end.
bool one_bit_gives(base::ByteView entry, std::uint32_t wanted) {
  const std::uint32_t is = base::adler32(entry);
  auto difference = [](std::uint32_t a, std::uint32_t b) { return (a + kAdlerModulus - b) % kAdlerModulus; };
  const std::uint32_t low = difference(wanted & 0xffff, is & 0xffff), high = difference(wanted >> 16, is >> 16);
  for (int bit = 0; bit < 8; ++bit) {
    for (const bool is_set : {false, true}) {
      const std::uint32_t change = is_set ? kAdlerModulus - (1U << bit) : 1U << bit;
      if (change != low) continue;
      for (std::size_t at = 0; at < entry.size(); ++at) {
        const std::uint64_t times = entry.size() - at;
        if (change * times % kAdlerModulus == high && ((entry[at] >> bit & 1) != 0) == is_set) return true;
      }
    }
  }
  return false;
}

// Where the first record would be whole if one bit of it were another: nothing that was never written looks like that.
std::optional<std::string> flipped_bit(base::ByteView tail) {
  const std::int32_t length = length_at(tail, 0);
  for (int bit = 0; bit < 32; ++bit) {
    if (is_whole_record(tail, 0, static_cast<std::int32_t>(static_cast<std::uint32_t>(length) ^ 1U << bit))) {
      return "the record's length is wrong";
    }
  }
  if (!has_room(tail, 0, length)) return std::nullopt;
  const auto size = static_cast<std::size_t>(length);
  const std::uint8_t mark = tail[kRecordHeadBytes + size];
  if (mark != kRecordEnd) {
    if (std::popcount(static_cast<unsigned>(mark ^ kRecordEnd)) != 1 || !checks(tail, 0, size)) return std::nullopt;
    return "the record's end mark is wrong";
  }
  const base::ByteView entry = tail.subspan(kRecordHeadBytes, size);
  const std::uint64_t checksum = checksum_at(tail, 0);
  if (std::popcount(checksum ^ base::adler32(entry)) == 1 ||
      (checksum >> 32 == 0 && one_bit_gives(entry, static_cast<std::uint32_t>(checksum)))) {
    return "the record's checksum is wrong";
  }
  return std::nullopt;
}

// Whether the checksum is right in what follows its first bytes, which are zeros.
bool checks_from(base::ByteView tail, std::size_t first_byte) {
  if (!has_room(tail, 0, length_at(tail, 0))) return false;
  const std::uint64_t mask = (std::uint64_t{1} << (8 * (8 - first_byte))) - 1;
  const auto size = static_cast<std::size_t>(length_at(tail, 0));
  return (base::adler32(tail.subspan(kRecordHeadBytes, size)) & mask) == checksum_at(tail, 0);
}

enum class Missing { nothing, maybe_a_page, a_page };

// Whether a page of the record, which ends at `end`, was never written and reads as zeros; the first one may begin with what was
// there before. A record may hold zeros, too: but none in some of its fields, and data seldom just from one page's start to
// another's, give or take what fields there are beside it.
Missing missing_page(base::ByteView tail, std::uint64_t offset, std::size_t end) {
  Missing missing = Missing::nothing;
  const auto first = static_cast<std::size_t>((kPageBytes - offset % kPageBytes) % kPageBytes);
  auto before_page = [&](std::size_t at) { return (first + kPageBytes - at % kPageBytes) % kPageBytes; };
  auto behind_page = [&](std::size_t at) { return (at + kPageBytes - first) % kPageBytes; };
  for (std::size_t from = 0, to = 0; from <= end && from < tail.size(); from = to) {
    to = from == 0 && first > 0 ? first : from + kPageBytes;
    if (to > tail.size() || to <= kNeverZero[0].from || !all_zero(tail.subspan(from, to - from))) continue;
    const Range page{from, to};
    if (page.holds({end, end + 1})) return Missing::a_page;
    for (const Range& field : kNeverZero) {
      if (page.holds(field)) return Missing::a_page;
    }
    if (to < kNeverZero[0].to && checks_from(tail, to)) return Missing::a_page;
    missing = Missing::maybe_a_page;
    std::size_t run_from = from, run_to = to;
    while (run_from > 0 && tail[run_from - 1] == 0) --run_from;
    while (run_to < tail.size() && tail[run_to] == 0) ++run_to;
    if (run_from > 0 && before_page(run_from) <= kZeroFieldBytes && behind_page(run_to) <= kZeroFieldBytes) return Missing::a_page;
    to = std::max(to, run_to - (run_to - to) % kPageBytes);  // the pages of this run are seen
  }
  return missing;
}

}  // namespace

std::optional<std::string> damage_in_tail(base::ByteView tail, std::uint64_t offset) {
  if (tail.size() <= kRecordHeadBytes) return std::nullopt;
  const std::int32_t length = length_at(tail, 0);
  const std::size_t end = length > 0 ? kRecordHeadBytes + static_cast<std::size_t>(length) : tail.size();
  if (auto damage = flipped_bit(tail)) return damage;
  const Missing missing = missing_page(tail, offset, end);
  if (missing == Missing::a_page) return std::nullopt;
  if (missing == Missing::nothing && end < tail.size() && tail[end] == kRecordEnd) return "the record's checksum is wrong";
  if (std::size_t at = find_whole_record(tail); at > 0) {
    return "the record is damaged: a whole one follows at offset " + std::to_string(offset + at);
  }
  if (missing == Missing::maybe_a_page) return std::nullopt;
  if (tail.back() == kRecordEnd && checks(tail, 0, tail.size() - kRecordHeadBytes - 1)) {
    return "the record's length is wrong";
  }
  if (length <= 0) return "the record's length is " + std::to_string(length);
  if (tail.size() <= end) return std::nullopt;
  return "the record doesn't end where its length says";
}

}  // namespace zk::server
