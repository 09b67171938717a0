// Small helpers over librdkafka's C++ API for the test programs. Errors throw std::runtime_error.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafkacpp.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace compat {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Callbacks {
  RdKafka::DeliveryReportCb* delivery = nullptr;
  RdKafka::RebalanceCb* rebalance = nullptr;
};

std::unique_ptr<RdKafka::Producer> make_producer(const std::string& bootstrap, const Settings& settings,
                                                 Callbacks callbacks = {});
std::unique_ptr<RdKafka::KafkaConsumer> make_consumer(const std::string& bootstrap, const std::string& group,
                                                      const Settings& settings, Callbacks callbacks = {});

// The broker that the test runs against, and the share of the usual load (environment COMPAT_BOOTSTRAP, COMPAT_SCALE).
std::string bootstrap_servers();
int scaled(int count);

// Throws with `what` unless the code is "no error".
void require(RdKafka::ErrorCode code, const std::string& what);

void create_topic(const std::string& bootstrap, const std::string& name, int partitions);

// Assigns all partitions from their beginning.
void assign_from_beginning(RdKafka::KafkaConsumer& consumer, const std::string& topic, int partitions);

}  // namespace compat
