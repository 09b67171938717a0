#include "broker/api/parked_fetches.h"

#include <utility>

namespace broker::api {

void ParkedFetches::give_up() {
  closed_ = true;
  for (const auto& wake : waiters_) wake();
}

ParkedFetches::Place::Place(ParkedFetches& all, std::function<void()> wake, std::size_t partitions)
    : all_(all), partitions_(partitions), at_(all.waiters_.insert(all.waiters_.end(), std::move(wake))) {
  all_.partitions_ += partitions_;
}

ParkedFetches::Place::~Place() {
  all_.waiters_.erase(at_);
  all_.partitions_ -= partitions_;
}

}  // namespace broker::api
