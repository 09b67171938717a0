// The files of a partition as text: a line for each batch as kafka-dump-log.sh prints it, with `records` one for each
// record (record_text.h) as well; indexes, snapshots and epochs entry by entry. Reads only, one batch in memory at a
// time. What can't be read is said in a line where it stands, and the file's other content is left out.
// Errors: std::system_error where a file can't be read, std::invalid_argument for a path that holds nothing to dump.
#pragma once

#include <functional>
#include <string>

#include "base/file_system.h"

namespace storage::inspect {

struct DumpOptions {
  bool records = false;
};

using LineSink = std::function<void(const std::string&)>;

// `path`: a file, a partition's directory, or a log directory.
void dump(base::FileSystem& files, const std::string& path, const DumpOptions& options, const LineSink& line);

}  // namespace storage::inspect
