#include "log/checkpoint_file.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace storage {
namespace {

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Reads the lines one by one; the last may lack its newline.
class Lines {
 public:
  explicit Lines(base::ByteView bytes) : rest_(base::as_text(bytes)) {}
  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }

 private:
  std::string_view rest_;
};

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t";
  std::vector<std::string_view> words;
  std::size_t begin = line.find_first_not_of(kSpace);
  while (begin != std::string_view::npos) {
    std::size_t end = std::min(line.find_first_of(kSpace, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kSpace, end);
  }
  return words;
}

[[noreturn]] void malformed(std::string_view line) {
  throw CorruptFile("malformed line '" + std::string(line.substr(0, 300)) + "'");
}

template <class TakeWords>
void decode_lines(base::ByteView bytes, std::size_t words_per_line, TakeWords take) {
  if (bytes.empty()) return;
  Lines lines(bytes);
  auto version = lines.next();
  if (parse_number<int>(*version) != 0)
    throw CorruptFile("version '" + std::string(version->substr(0, 50)) + "', not 0");
  auto count_line = lines.next();
  if (!count_line) throw CorruptFile("no count");
  auto count = parse_number<std::int64_t>(*count_line);
  if (!count || *count < 0) malformed(*count_line);
  std::int64_t taken = 0;
  while (auto line = lines.next()) {
    std::vector<std::string_view> words = words_of(*line);
    if (words.size() != words_per_line || !take(words)) malformed(*line);
    ++taken;
  }
  if (taken != *count) {
    throw CorruptFile("count says " + std::to_string(*count) + ", " + std::to_string(taken) + " entries follow");
  }
}

}  // namespace

OffsetCheckpoint decode_offset_checkpoint(base::ByteView bytes) {
  OffsetCheckpoint result;
  decode_lines(bytes, 3, [&](const std::vector<std::string_view>& words) {
    auto partition = parse_number<std::int32_t>(words[1]);
    auto offset = parse_number<std::int64_t>(words[2]);
    if (!partition || !offset) return false;
    result[TopicPartition{std::string(words[0]), *partition}] = *offset;
    return true;
  });
  return result;
}

std::string encode_offset_checkpoint(const OffsetCheckpoint& offsets) {
  std::string text = "0\n" + std::to_string(offsets.size()) + "\n";
  for (const auto& [topic_partition, offset] : offsets) {
    text += topic_partition.topic;
    text += ' ';
    text += std::to_string(topic_partition.partition);
    text += ' ';
    text += std::to_string(offset);
    text += '\n';
  }
  return text;
}

std::vector<EpochEntry> decode_epoch_checkpoint(base::ByteView bytes) {
  std::vector<EpochEntry> result;
  decode_lines(bytes, 2, [&](const std::vector<std::string_view>& words) {
    auto epoch = parse_number<std::int32_t>(words[0]);
    auto offset = parse_number<std::int64_t>(words[1]);
    if (!epoch || !offset) return false;
    result.push_back({*epoch, *offset});
    return true;
  });
  return result;
}

bool is_beginning_of_epoch_checkpoint(base::ByteView bytes) {
  std::string_view text = base::as_text(bytes);
  text = text.substr(0, text.find('\0'));
  const std::string_view whole_lines = text.substr(0, text.rfind('\n') + 1);
  if (text.substr(whole_lines.size()).find_first_not_of("-0123456789 ") != std::string_view::npos) return false;
  Lines lines(base::as_bytes(whole_lines));
  const auto version = lines.next();
  if (!version) return true;
  if (*version != "0") return false;
  const auto count_line = lines.next();
  if (!count_line) return true;
  const auto count = parse_number<std::int64_t>(*count_line);
  if (!count) return false;
  std::int64_t taken = 0;
  while (const auto line = lines.next()) {
    const std::vector<std::string_view> words = words_of(*line);
    if (words.size() != 2 || !parse_number<std::int32_t>(words[0]) || !parse_number<std::int64_t>(words[1])) return false;
    ++taken;
  }
  return taken < *count;
}

std::string encode_epoch_checkpoint(const std::vector<EpochEntry>& entries) {
  std::string text = "0\n" + std::to_string(entries.size()) + "\n";
  for (const EpochEntry& entry : entries) {
    text += std::to_string(entry.epoch) + " " + std::to_string(entry.start_offset) + "\n";
  }
  return text;
}

OffsetCheckpoint read_offset_checkpoint(base::FileSystem& files, const std::string& path) {
  if (!files.exists(path)) return {};
  try {
    return decode_offset_checkpoint(base::read_file(files, path));
  } catch (const CorruptFile& error) {
    throw CorruptFile(path + ": " + error.what());
  }
}

}  // namespace storage
