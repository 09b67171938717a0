#include "broker/metrics/metrics_endpoint.h"

#include <exception>
#include <stdexcept>

#include "base/http/prometheus_text.h"
#include "base/logging.h"

namespace broker::metrics {

namespace {

using base::http::HttpRequest;
using base::http::HttpRespond;
using base::http::HttpResponse;

// Each that is slow to read holds a text of its own; there are few scrapers.
constexpr std::size_t kConnectionsMax = 8;

base::http::HttpServerOptions options_of(std::string host, std::uint16_t port) {
  base::http::HttpServerOptions options;
  options.name = "the Prometheus endpoint";
  options.address = std::move(host);
  options.port = port;
  options.connections_max = kConnectionsMax;
  return options;
}

void answer(const HttpRespond& respond, HttpResponse response) {
  respond([response = std::move(response)]() mutable { return std::move(response); });
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(std::string host, std::uint16_t port, Sources sources)
    : metrics_(std::move(sources)),
      server_(options_of(std::move(host), port),
              [this](const HttpRequest& request, const HttpRespond& respond) { on_request(request, respond); }) {}

void MetricsEndpoint::start() {
  try {
    server_.start();
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("Unable to start the Prometheus endpoint (milena.prometheus.host, "
                                         "milena.prometheus.port): ") +
                             error.what());
  }
}

void MetricsEndpoint::stop() { server_.stop(); }

void MetricsEndpoint::on_request(const HttpRequest& request, const HttpRespond& respond) {
  HttpResponse response;
  if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
    response.body = "Only GET is served\n";
  } else if (std::string_view(request.target).substr(0, request.target.find('?')) != "/metrics") {
    response.status = 404;
    response.body = "Not found: the metrics are at /metrics\n";
  } else {
    try {
      response.body = metrics_.text();
      response.content_type = base::http::kPrometheusContentType;
    } catch (const std::exception& error) {
      base::log_error("kafka.server.BrokerMetrics", "Gathering metrics failed: {}", error.what());
      response.status = 500;
      response.body = std::string("Gathering metrics failed: ") + error.what() + "\n";
    }
  }
  answer(respond, std::move(response));
}

}  // namespace broker::metrics
