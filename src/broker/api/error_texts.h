// What Kafka 3.9's Errors say of themselves, where an answer has a message and nothing better to say.
#pragma once

namespace broker::api {

constexpr const char* kTextOfNone = "NONE";
constexpr const char* kTextOfInvalidRequest =
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details.";
constexpr const char* kTextOfUnknownPartition = "This server does not host this topic-partition.";
constexpr const char* kTextOfCoordinatorNotAvailable = "The coordinator is not available.";

}  // namespace broker::api
