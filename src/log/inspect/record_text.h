// A record as one line of text, for people and their tools: as kafka-dump-log.sh prints it. Keys and values of the
// internal topics are decoded (as JSON, with the name and version of what they are), those of other topics are shown as
// text, with what isn't printable as \xNN, so that no record can write to somebody's terminal.
#pragma once

#include <string>
#include <string_view>

#include "protocol/record.h"
#include "protocol/record_batch.h"

namespace storage::inspect {

enum class RecordKind { plain, group, transaction, share_state, control };

// By the name of the topic; `control` is the batch's to know.
RecordKind record_kind(std::string_view topic);

// `batch`: of the batch that holds it.
std::string record_text(const protocol::Record& record, RecordKind kind, const protocol::BatchHeader& batch);

// "CreateTime", "LogAppendTime" or "NoTimestampType".
std::string_view timestamp_type_name(const protocol::BatchHeader& batch);

// Printable ASCII and well-formed UTF-8 stay as they are.
std::string printable(base::ByteView bytes);

}  // namespace storage::inspect
