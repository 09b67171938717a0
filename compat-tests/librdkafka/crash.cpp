// Writes and commits while somebody kills the broker, and afterwards checks that nothing acknowledged is gone.
//   compat_crash produce BOOTSTRAP TOPIC FILE [RATE]   until standard input ends; FILE gets what was acknowledged; at
//                                               most RATE (50) records in a millisecond
//   compat_crash verify  BOOTSTRAP TOPIC FILE   prints `acknowledged A, found F, lost L, duplicated D`; exit code 1 if
//                                               L, D or any disorder is not 0
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "client.h"

namespace compat {
namespace {

constexpr int kPartitions = 3;

// Kept in memory until the end: the sequence numbers that the broker acknowledged, and the offsets that it said it has.
class Acknowledged : public RdKafka::DeliveryReportCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    if (message.err() == RdKafka::ERR_NO_ERROR) {
      numbers.push_back(reinterpret_cast<std::uintptr_t>(message.msg_opaque()));
      count = numbers.size();
    } else {
      ++failed;
      std::fprintf(stderr, "not acknowledged: %s\n", message.errstr().c_str());
    }
  }

  std::vector<std::uint64_t> numbers;
  std::atomic<std::size_t> count = 0;
  std::size_t failed = 0;
};

// Reads along and commits each position; remembers the last one that the broker confirmed.
class Committer {
 public:
  Committer(std::string bootstrap, std::string topic)
      : bootstrap_(std::move(bootstrap)), topic_(std::move(topic)), thread_([this] { run(); }) {}

  std::size_t confirmations() const { return confirmations_; }

  std::map<int, std::int64_t> stop() {
    stopping_ = true;
    thread_.join();
    return confirmed_;
  }

 private:
  void run() {
    const auto consumer = make_consumer(bootstrap_, "crash-group", {{"socket.timeout.ms", "10000"}, {"reconnect.backoff.max.ms", "200"}});
    assign_from_beginning(*consumer, topic_, kPartitions);
    std::map<int, std::int64_t> positions;
    int read = 0;
    while (!stopping_) {
      const std::unique_ptr<RdKafka::Message> message(consumer->consume(50));
      if (message->err() != RdKafka::ERR_NO_ERROR) continue;
      positions[message->partition()] = message->offset() + 1;
      if (++read % 200 != 0) continue;
      std::vector<RdKafka::TopicPartition*> offsets;
      for (const auto& [partition, offset] : positions) {
        offsets.push_back(RdKafka::TopicPartition::create(topic_, partition, offset));
      }
      if (consumer->commitSync(offsets) == RdKafka::ERR_NO_ERROR) {
        confirmed_ = positions;
        ++confirmations_;
      }
      RdKafka::TopicPartition::destroy(offsets);
    }
    consumer->close();
  }

  std::string bootstrap_;
  std::string topic_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> confirmations_ = 0;
  std::map<int, std::int64_t> confirmed_;
  std::thread thread_;
};

void produce(const std::string& bootstrap, const std::string& topic, const std::string& file, std::uint64_t rate) {
  create_topic(bootstrap, topic, kPartitions);
  Acknowledged acknowledged;
  const auto producer = make_producer(bootstrap,
                                      {{"enable.idempotence", "true"},
                                       {"acks", "all"},
                                       {"linger.ms", "2"},
                                       {"message.timeout.ms", "280000"},
                                       {"queue.buffering.max.messages", "20000"},
                                       {"reconnect.backoff.max.ms", "200"}},
                                      {&acknowledged});
  Committer committer(bootstrap, topic);
  std::atomic<bool> stopping = false;
  std::thread input([&] {
    char byte = 0;
    while (::read(0, &byte, 1) > 0) {
      // Each byte asks how far it has come.
      std::printf("%zu %zu\n", acknowledged.count.load(), committer.confirmations());
      std::fflush(stdout);
    }
    stopping = true;
  });
  std::uint64_t number = 0;
  const std::string padding(80, '.');
  while (!stopping) {
    std::string value = std::to_string(number) + " " + padding;
    const auto code = producer->produce(topic, static_cast<int>(number % kPartitions), RdKafka::Producer::RK_MSG_COPY,
                                        value.data(), value.size(), nullptr, 0, 0, reinterpret_cast<void*>(number));
    if (code == RdKafka::ERR_NO_ERROR) {
      ++number;
    } else if (code != RdKafka::ERR__QUEUE_FULL) {
      throw std::runtime_error("produce: " + RdKafka::err2str(code));
    }
    producer->poll(code == RdKafka::ERR__QUEUE_FULL ? 10 : 0);
    if (number % rate == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  input.join();
  producer->flush(240'000);
  const auto confirmed = committer.stop();
  std::ofstream out(file);
  for (const auto& [partition, offset] : confirmed) out << "committed " << partition << " " << offset << "\n";
  for (const auto one : acknowledged.numbers) out << one << "\n";
  std::printf("sent %zu, acknowledged %zu, failed %zu\n", static_cast<std::size_t>(number), acknowledged.numbers.size(),
              acknowledged.failed);
}

int verify(const std::string& bootstrap, const std::string& topic, const std::string& file) {
  std::set<std::uint64_t> acknowledged;
  std::map<int, std::int64_t> committed;
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    if (word == "committed") {
      int partition = 0;
      in >> partition >> committed[partition];
    } else {
      acknowledged.insert(std::stoull(word));
    }
  }
  const auto consumer = make_consumer(bootstrap, "crash-group", {});
  std::set<std::uint64_t> found;
  std::size_t duplicated = 0;
  std::size_t disordered = 0;
  std::size_t commits_lost = 0;
  for (int partition = 0; partition < kPartitions; ++partition) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    require(consumer->query_watermark_offsets(topic, partition, &low, &high, 60'000), "watermarks");
    std::vector<RdKafka::TopicPartition*> from = {RdKafka::TopicPartition::create(topic, partition, low)};
    require(consumer->assign(from), "assign");
    std::int64_t last = -1;
    for (std::int64_t next = low; next < high;) {
      const std::unique_ptr<RdKafka::Message> message(consumer->consume(1000));
      if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
      if (message->err() != RdKafka::ERR_NO_ERROR) throw std::runtime_error(message->errstr());
      const auto number = std::stoull(std::string(static_cast<const char*>(message->payload()), message->len()));
      duplicated += found.insert(number).second ? 0 : 1;
      disordered += static_cast<std::int64_t>(number) > last ? 0 : 1;
      last = static_cast<std::int64_t>(number);
      next = message->offset() + 1;
    }
    require(consumer->committed(from, 60'000), "committed");
    if (from[0]->offset() < committed[partition]) {
      ++commits_lost;
      std::printf("partition %d: committed %lld, found %lld\n", partition, static_cast<long long>(committed[partition]),
                  static_cast<long long>(from[0]->offset()));
    }
    RdKafka::TopicPartition::destroy(from);
  }
  consumer->close();
  std::size_t lost = 0;
  for (const auto number : acknowledged) lost += found.contains(number) ? 0 : 1;
  std::printf("acknowledged %zu, found %zu, lost %zu, duplicated %zu\n", acknowledged.size(), found.size(), lost,
              duplicated);
  std::printf("out of order %zu, committed offsets lost %zu of %zu\n", disordered, commits_lost, committed.size());
  return lost + duplicated + disordered + commits_lost == 0 && !acknowledged.empty() && committed.size() == kPartitions
             ? 0
             : 1;
}

}  // namespace
}  // namespace compat

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) return 2;
  const std::string mode = argv[1];
  try {
    if (mode == "verify") return compat::verify(argv[2], argv[3], argv[4]);
    compat::produce(argv[2], argv[3], argv[4], argc == 6 ? std::stoull(argv[5]) : 50);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
