#include "zk/admin/admin_server.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/logging.h"
#include "zk/admin/admin_commands.h"
#include "zk/admin/json_text.h"
#include "zk/admin/prometheus.h"

namespace zk::admin {

namespace {

std::function<HttpResponse()> plain(int status, const std::string& text) {
  return [=] { return HttpResponse{status, "text/plain", text + "\n"}; };
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned code = 0;
    if (text[at] == '%' && at + 2 < text.size() &&
        std::from_chars(text.data() + at + 1, text.data() + at + 3, code, 16).ptr == text.data() + at + 3) {
      result += static_cast<char>(code);
      at += 2;
    } else {
      result += text[at] == '+' ? ' ' : text[at];
    }
  }
  return result;
}

Arguments arguments_of(std::string_view query) {
  Arguments arguments;
  while (!query.empty()) {
    std::size_t end = query.find('&');
    std::string_view pair = query.substr(0, end);
    std::size_t equals = pair.find('=');
    std::string_view text = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    arguments.emplace(decoded(pair.substr(0, equals)), decoded(text));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return arguments;
}

bool is_read(const HttpRequest& request) { return request.method == "GET" || request.method == "HEAD"; }

}  // namespace

AdminServer::AdminServer(const server::ZooKeeperServerConfig& config, server::Server& server) : server_(server) {
  if (config.admin) {
    command_url_ = config.admin->command_url;
    HttpServerOptions options;
    options.name = "AdminServer";
    options.address = config.admin->address;
    options.port = config.admin->port;
    options.idle_timeout_ms = config.admin->idle_timeout_ms;
    admin_ = std::make_unique<HttpServer>(options, [this](const HttpRequest& request, HttpServer::Respond respond) {
      on_admin_request(request, respond);
    });
  }
  if (config.prometheus) {
    HttpServerOptions options;
    options.name = "the Prometheus endpoint";
    options.address = config.prometheus->address;
    options.port = config.prometheus->port;
    metrics_ = std::make_unique<HttpServer>(options, [this](const HttpRequest& request, HttpServer::Respond respond) {
      on_metrics_request(request, respond);
    });
  }
}

void AdminServer::start() {
  try {
    if (metrics_) metrics_->start();
  } catch (const std::exception& error) {
    throw server::StartError(server::ExitCode::unexpected_error,
                             std::string("Unable to start the Prometheus endpoint (metricsProvider.httpHost, "
                                         "metricsProvider.httpPort): ") +
                                 error.what());
  }
  try {
    if (admin_) admin_->start();
  } catch (const std::exception& error) {
    throw server::StartError(server::ExitCode::admin_server_failed,
                             std::string("Unable to start AdminServer (admin.serverAddress, admin.serverPort, or "
                                         "admin.enableServer=false): ") +
                                 error.what());
  }
}

void AdminServer::stop() {
  if (admin_) admin_->stop();
  if (metrics_) metrics_->stop();
}

void AdminServer::on_admin_request(const HttpRequest& request, const HttpServer::Respond& respond) {
  if (!is_read(request)) return respond(plain(405, "Only GET is served"));
  std::string_view path = request.target;
  std::size_t question = path.find('?');
  Arguments arguments =
      arguments_of(question == std::string_view::npos ? std::string_view() : path.substr(question + 1));
  path = path.substr(0, question);
  if (!path.starts_with(command_url_)) return respond(plain(404, "Not found"));
  path.remove_prefix(command_url_.size());
  if (path.empty() || path == "/") {
    HttpResponse links{200, "text/html; charset=utf-8", ""};
    for (const std::string& name : admin_command_names()) {
      links.body += "<a href=\"" + command_url_ + "/" + name + "\">" + name + "</a>\n<br/>\n";
    }
    return respond([links] { return links; });
  }
  if (path.front() != '/') return respond(plain(404, "Not found"));
  server_.run(
      [respond, name = decoded(path.substr(1)), arguments = std::move(arguments)](server::Coordinator& coordinator) {
        boost::json::object answer = run_admin_command(name, arguments, coordinator);
        respond([answer = std::move(answer)] { return HttpResponse{200, "application/json", json_text(answer)}; });
      });
}

void AdminServer::on_metrics_request(const HttpRequest& request, const HttpServer::Respond& respond) {
  if (!is_read(request)) return respond(plain(405, "Only GET is served"));
  if (std::string_view(request.target).substr(0, request.target.find('?')) != "/metrics") {
    return respond(plain(404, "Not found"));
  }
  server_.run([respond](server::Coordinator& coordinator) {
    HttpResponse response{200, "text/plain; version=0.0.4; charset=utf-8", prometheus_text(coordinator)};
    respond([response = std::move(response)] { return response; });
  });
}

}  // namespace zk::admin
