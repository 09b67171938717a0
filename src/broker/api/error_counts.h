// Visits the error codes of a response, the top one and those of its topics, partitions, groups, as Kafka's
// errorCounts() tells them: NONE too, none that the version doesn't have, and no tagged one (of CreateTopics' configs).
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "protocol/codec/message.h"
#include "protocol/error.h"

namespace protocol {
struct AddPartitionsToTxnResponse;
struct DescribeLogDirsResponse;
struct ElectLeadersResponse;
struct FetchResponse;
struct FindCoordinatorResponse;
struct OffsetFetchResponse;
}  // namespace protocol

namespace broker::api {

template <class Visit>
class ErrorCodes {
 public:
  ErrorCodes(std::int16_t version, Visit& visit) : version_(version), visit_(visit) {}

  template <class Field>
  void operator()(const protocol::FieldSpec& spec, const Field& field) {
    if (spec.tag < 0 && spec.in(version_)) look(field);
  }

 private:
  template <class Field>
  void look(const Field& field) {
    if constexpr (std::is_same_v<Field, protocol::ErrorCode>) {
      visit_(field);
    } else if constexpr (requires { Field::fields(field, *this); }) {
      Field::fields(field, *this);
    }
  }
  template <class Each>
  void look(const std::vector<Each>& fields) {
    if constexpr (std::is_class_v<Each>) {
      for (const Each& each : fields) look(each);
    }
  }
  template <class Field>
  void look(const std::optional<Field>& field) {
    if (field) look(*field);
  }

  std::int16_t version_;
  Visit& visit_;
};

// The version from which on a response has a code of its own, where Kafka counts it before that, too: as NONE.
template <class Response>
inline constexpr std::int16_t kCodeSince = std::is_same_v<Response, protocol::FetchResponse>             ? 7
                                           : std::is_same_v<Response, protocol::DescribeLogDirsResponse> ? 3
                                           : std::is_same_v<Response, protocol::OffsetFetchResponse>     ? 2
                                           : std::is_same_v<Response, protocol::ElectLeadersResponse>    ? 1
                                                                                                         : 0;
// Without any code Kafka counts NONE.
template <class Response>
inline constexpr bool kNeverWithoutCode = std::is_same_v<Response, protocol::FindCoordinatorResponse> ||
                                          std::is_same_v<Response, protocol::AddPartitionsToTxnResponse>;

template <class Response, class Visit>
void visit_error_codes(const Response& response, std::int16_t version, Visit visit) {
  bool seen = false;
  auto see = [&](protocol::ErrorCode code) {
    seen = true;
    visit(code);
  };
  ErrorCodes codes(version, see);
  Response::fields(response, codes);
  const bool missing = kNeverWithoutCode<Response> && !seen;
  if (missing || version < kCodeSince<Response>) visit(protocol::ErrorCode::none);
}

}  // namespace broker::api
