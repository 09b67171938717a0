#include "zk/client/api.h"

namespace zk::client {

base::Task<Response> execute(ZooKeeper& zookeeper, Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  std::vector<Response> responses = co_await zookeeper.execute(std::move(requests));
  co_return std::move(responses.front());
}

base::Task<Response> create_recursive(ZooKeeper& zookeeper, std::string path, Data data) {
  Request request = create(path, data);
  Response response = co_await execute(zookeeper, std::move(request));
  if (response.error != Error::no_node) co_return response;
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    Request parent = create(path.substr(0, slash), std::nullopt);
    Response made = co_await execute(zookeeper, std::move(parent));
    if (!made.ok() && made.error != Error::node_exists) co_return made;
  }
  Request again = create(std::move(path), std::move(data));
  co_return co_await execute(zookeeper, std::move(again));
}

}  // namespace zk::client
