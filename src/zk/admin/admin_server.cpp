#include "zk/admin/admin_server.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/http/prometheus_text.h"
#include "base/logging.h"
#include "zk/admin/admin_commands.h"
#include "zk/admin/json_text.h"
#include "zk/admin/prometheus.h"

namespace zk::admin {

namespace {

MakeResponse plain(int status, const std::string& text) {
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

std::shared_ptr<const base::tls::Context> context_of(const base::tls::Options& options) {
  return std::make_shared<base::tls::Context>(base::tls::Context::Role::server, options);
}

}  // namespace

AdminServer::AdminServer(server::ZooKeeperServerConfig config, server::Server& server)
    : config_(std::move(config)), server_(server) {}

void AdminServer::start_admin() {
  if (!config_.admin) return;
  const server::AdminServerConfig& admin = *config_.admin;
  HttpServerOptions options;
  options.name = "AdminServer";
  options.address = admin.address;
  options.port = admin.port;
  options.idle_timeout_ms = admin.idle_timeout_ms;
  if (admin.force_https || admin.port_unification) {
    base::tls::Options tls = quorum_tls_options(config_.tls);
    if (tls.key_store.path.empty()) {
      throw base::tls::TlsError("admin.forceHttps and admin.portUnification need ssl.quorum.keyStore.location");
    }
    if (admin.need_client_auth && tls.trust_store.path.empty()) {
      throw base::tls::TlsError("admin.needClientAuth needs ssl.quorum.trustStore.location");
    }
    tls.client_auth = admin.need_client_auth ? base::tls::ClientAuth::need : base::tls::ClientAuth::none;
    options.tls = context_of(tls);
    options.plain_too = !admin.force_https;
    options.on_plain = [this] {
      server_.run([](server::Coordinator& coordinator) { ++coordinator.stats().metrics.insecure_admin_count; });
    };
  }
  snapshots_ = std::make_unique<SnapshotCommands>(config_, server_);
  admin_ = std::make_unique<HttpServer>(options, [this](const HttpRequest& request, const HttpRespond& respond) {
    on_admin_request(request, respond);
  });
  admin_->start();
}

void AdminServer::start_metrics() {
  if (!config_.prometheus) return;
  const server::PrometheusConfig& metrics = *config_.prometheus;
  HttpServerOptions options;
  options.name = "the Prometheus endpoint";
  options.address = metrics.address;
  const auto handler = [this](const HttpRequest& request, const HttpRespond& respond) {
    on_metrics_request(request, respond);
  };
  HttpServerOptions secure = options;
  if (metrics.secure_port) {
    base::tls::Options tls = metrics.tls;
    if (tls.key_store.path.empty()) throw base::tls::TlsError("metricsProvider.ssl.keyStore.location is missing");
    if (metrics.needs_client_auth && tls.trust_store.path.empty()) {
      throw base::tls::TlsError(
          "metricsProvider.ssl.trustStore.location is missing, and metricsProvider.ssl.need.client.auth isn't false");
    }
    tls.client_auth = metrics.needs_client_auth   ? base::tls::ClientAuth::need
                      : metrics.wants_client_auth ? base::tls::ClientAuth::want
                                                  : base::tls::ClientAuth::none;
    secure.tls = context_of(tls);
    secure.port = *metrics.secure_port;
    secure.plain_too = metrics.port == metrics.secure_port;
    secure_metrics_ = std::make_unique<HttpServer>(secure, handler);
    secure_metrics_->start();
  }
  if (!metrics.port || secure.plain_too) return;
  options.port = *metrics.port;
  metrics_ = std::make_unique<HttpServer>(options, handler);
  metrics_->start();
}

void AdminServer::start() {
  try {
    start_metrics();
  } catch (const std::exception& error) {
    throw server::StartError(server::ExitCode::unexpected_error,
                             std::string("Unable to start the Prometheus endpoint (metricsProvider.httpHost, "
                                         "metricsProvider.httpPort): ") +
                                 error.what());
  }
  try {
    start_admin();
  } catch (const std::exception& error) {
    throw server::StartError(server::ExitCode::admin_server_failed,
                             std::string("Unable to start AdminServer (admin.serverAddress, admin.serverPort, or "
                                         "admin.enableServer=false): ") +
                                 error.what());
  }
}

void AdminServer::stop() {
  for (HttpServer* one : {admin_.get(), metrics_.get(), secure_metrics_.get()}) {
    if (one != nullptr) one->stop();
  }
}

void AdminServer::on_admin_request(const HttpRequest& request, const HttpRespond& respond) {
  if (!is_read(request) && request.method != "POST") return respond(plain(405, "Only GET and POST are served"));
  const std::string& command_url = config_.admin->command_url;
  std::string_view path = request.target;
  std::size_t question = path.find('?');
  Arguments arguments =
      arguments_of(question == std::string_view::npos ? std::string_view() : path.substr(question + 1));
  path = path.substr(0, question);
  if (!path.starts_with(command_url)) return respond(plain(404, "Not found"));
  path.remove_prefix(command_url.size());
  if (path.empty() || path == "/") {
    HttpResponse links{200, "text/html; charset=utf-8", ""};
    for (const std::string& name : admin_command_names()) {
      links.body += "<a href=\"" + command_url + "/" + name + "\">" + name + "</a>\n<br/>\n";
    }
    return respond([links] { return links; });
  }
  if (path.front() != '/') return respond(plain(404, "Not found"));
  on_command(decoded(path.substr(1)), std::move(arguments), request, respond);
}

// A command with the wrong method is answered as one, where ZooKeeper trips over it and answers 500.
void AdminServer::on_command(const std::string& name, Arguments arguments, const HttpRequest& request,
                             const HttpRespond& respond) {
  const bool posts = request.method == "POST";
  if (SnapshotCommands::is_restore(name)) {
    if (!posts) return respond(plain(405, "Only POST is served"));
    return snapshots_->on_restore(name, request, respond);
  }
  if (posts && is_admin_command(name)) return respond(plain(405, "Only GET is served"));
  if (SnapshotCommands::is_snapshot(name)) return snapshots_->on_snapshot(name, request, arguments, respond);
  server_.run([respond, name, arguments = std::move(arguments)](server::Coordinator& coordinator) {
    boost::json::object answer = run_admin_command(name, arguments, coordinator);
    respond([answer = std::move(answer)] { return HttpResponse{200, "application/json", json_text(answer)}; });
  });
}

void AdminServer::on_metrics_request(const HttpRequest& request, const HttpRespond& respond) {
  if (!is_read(request)) return respond(plain(405, "Only GET is served"));
  if (std::string_view(request.target).substr(0, request.target.find('?')) != "/metrics") {
    return respond(plain(404, "Not found"));
  }
  server_.run([respond](server::Coordinator& coordinator) {
    HttpResponse response{200, base::http::kPrometheusContentType, prometheus_text(coordinator)};
    respond([response = std::move(response)]() mutable { return std::move(response); });
  });
}

}  // namespace zk::admin
