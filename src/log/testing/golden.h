// For tests: directories written by real Kafka brokers (testdata/<name>.tar.gz) and what real clients read from them
// (testdata/<name>/): expected.tsv.gz, one row a record; offsets.tsv and producers.tsv.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace storage::testing {

inline std::string golden_path(const std::string& name) {
  return std::string(MILENA_SOURCE_DIR) + "/src/log/testdata/" + name;
}

inline std::string output_of(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  if (!pipe) throw std::runtime_error("can't run " + command);
  std::string output;
  std::array<char, 65536> buffer;
  while (std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) output.append(buffer.data(), got);
  return output;
}

// Unpacks the archive; the log directory is <into>/log.
inline void unpack_golden(const std::string& name, const std::string& into) {
  std::string command = "tar xzf '" + golden_path(name + ".tar.gz") + "' -C '" + into + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
}

using Row = std::vector<std::string>;

// Without the heading; empty if there is no such file.
inline std::vector<Row> golden_rows(const std::string& name, const std::string& table) {
  bool packed = table.ends_with(".gz");
  std::istringstream text(output_of((packed ? "zcat '" : "cat '") + golden_path(name + "/" + table) + "' 2>/dev/null"));
  std::vector<Row> rows;
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line[0] == '#') continue;
    Row row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace storage::testing
