#include "zk/sasl/gssapi.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "zk/sasl/kerberos_library.h"
#include "zk/sasl/login.h"

namespace zk::sasl {

namespace {

constexpr char kNoLayer = 1;
constexpr std::size_t kLayerBytes = 4;
constexpr std::size_t kTokenBytesMax = 64 * 1024;

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() {
    OM_uint32 minor = 0;
    if (buffer_.value != nullptr) kerberos().release_buffer(&minor, &buffer_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  gss_buffer_t get() { return &buffer_; }
  std::string text() const { return {static_cast<const char*>(buffer_.value), buffer_.length}; }
  bool empty() const { return buffer_.length == 0; }

 private:
  gss_buffer_desc buffer_ = GSS_C_EMPTY_BUFFER;
};

gss_buffer_desc view_of(std::string_view text) {
  gss_buffer_desc buffer;
  buffer.length = text.size();
  buffer.value = const_cast<char*>(text.data());  // the library only reads it
  return buffer;
}

void append_status(std::string& text, OM_uint32 status, int type) {
  OM_uint32 more = 0;
  do {
    OM_uint32 minor = 0;
    Buffer message;
    if (GSS_ERROR(kerberos().display_status(&minor, status, type, kerberos().mechanism, &more, message.get()))) return;
    if (!text.empty()) text += ": ";
    text += message.text();
  } while (more != 0);
}

std::string explain(OM_uint32 major, OM_uint32 minor) {
  std::string text;
  append_status(text, major, GSS_C_GSS_CODE);
  if (minor != 0) append_status(text, minor, GSS_C_MECH_CODE);
  return text;
}

class Name {
 public:
  Name() = default;
  ~Name() {
    OM_uint32 minor = 0;
    if (name_ != GSS_C_NO_NAME) kerberos().release_name(&minor, &name_);
  }
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;

  bool import(const std::string& principal) {
    OM_uint32 minor = 0;
    gss_buffer_desc text = view_of(principal);
    return !GSS_ERROR(kerberos().import_name(&minor, &text, kerberos().principal_name, &name_));
  }
  gss_name_t get() const { return name_; }
  gss_name_t* out() { return &name_; }

 private:
  gss_name_t name_ = GSS_C_NO_NAME;
};

}  // namespace

class GssCredential {
 public:
  GssCredential() = default;
  ~GssCredential() {
    OM_uint32 minor = 0;
    if (handle != GSS_C_NO_CREDENTIAL) kerberos().release_cred(&minor, &handle);
  }
  GssCredential(const GssCredential&) = delete;
  GssCredential& operator=(const GssCredential&) = delete;

  gss_cred_id_t handle = GSS_C_NO_CREDENTIAL;
};

namespace {

// Nothing on success, else why not.
std::string acquire(GssCredential& credential, const std::string& principal, gss_cred_usage_t usage,
                    std::vector<gss_key_value_element_desc> places) {
  Name name;
  bool any = principal.empty() || principal == "*";
  if (!any && !name.import(principal)) return "the principal " + principal + " is malformed";
  gss_key_value_set_desc store{};
  store.count = static_cast<OM_uint32>(places.size());
  store.elements = places.data();
  gss_OID_set_desc mechanisms{1, kerberos().mechanism};
  OM_uint32 minor = 0;
  OM_uint32 major = kerberos().acquire_cred_from(&minor, name.get(), GSS_C_INDEFINITE, &mechanisms, usage, &store,
                                          &credential.handle, nullptr, nullptr);
  return GSS_ERROR(major) ? explain(major, minor) : std::string();
}

// Tickets that a key table gives stay in this process's memory, and are shared by all exchanges of a principal.
std::string memory_cache(const std::string& principal) { return "MEMORY:milena-" + principal; }

struct SecurityContext {
  SecurityContext() = default;
  ~SecurityContext() {
    OM_uint32 minor = 0;
    if (handle != GSS_C_NO_CONTEXT) kerberos().delete_sec_context(&minor, &handle, GSS_C_NO_BUFFER);
  }
  SecurityContext(const SecurityContext&) = delete;
  SecurityContext& operator=(const SecurityContext&) = delete;

  std::optional<std::string> unwrap(std::string_view token) {
    OM_uint32 minor = 0;
    gss_buffer_desc input = view_of(token);
    Buffer output;
    if (GSS_ERROR(kerberos().unwrap(&minor, handle, &input, output.get(), nullptr, nullptr))) return std::nullopt;
    return output.text();
  }
  std::optional<std::string> wrap(std::string_view text) {
    OM_uint32 minor = 0;
    gss_buffer_desc input = view_of(text);
    Buffer output;
    if (GSS_ERROR(kerberos().wrap(&minor, handle, 0, GSS_C_QOP_DEFAULT, &input, nullptr, output.get()))) return std::nullopt;
    return output.text();
  }

  gss_ctx_id_t handle = GSS_C_NO_CONTEXT;
};

}  // namespace

std::shared_ptr<GssCredential> accept_credential(const std::string& key_table, const std::string& principal) {
  // Asked here, because the library leaks a little when it finds no file.
  if (!key_table.empty() && !key_table.starts_with("FILE:") && ::access(key_table.c_str(), R_OK) != 0) {
    throw LoginError("the key table " + key_table + " can't be read");
  }
  auto credential = std::make_shared<GssCredential>();
  std::vector<gss_key_value_element_desc> places;
  if (!key_table.empty()) places.push_back({"keytab", key_table.c_str()});
  std::string problem = acquire(*credential, principal, GSS_C_ACCEPT, std::move(places));
  if (!problem.empty()) {
    throw LoginError("no key of " + principal + " from the key table " +
                     (key_table.empty() ? "of krb5.conf" : key_table) + ": " + problem);
  }
  return credential;
}

// Server
// ----------------------------------------------------------------------------------------------------------------

struct GssServer::State {
  SecurityContext context;
};

GssServer::GssServer(std::shared_ptr<GssCredential> credential)
    : credential_(std::move(credential)), state_(std::make_unique<State>()) {}
GssServer::~GssServer() = default;

Step GssServer::evaluate(std::string_view token) {
  Stage stage = std::exchange(stage_, Stage::over);
  if (token.size() > kTokenBytesMax) return Step::failed("a GSSAPI token that is too long");
  switch (stage) {
    case Stage::context:
      return accept(token);
    case Stage::empty_token:
      return offer_layer();
    case Stage::layer:
      return check_layer(token);
    case Stage::over:
      break;
  }
  return Step::failed("a token after the authentication was over");
}

Step GssServer::accept(std::string_view token) {
  OM_uint32 minor = 0;
  gss_buffer_desc input = view_of(token);
  Buffer output;
  Name peer;
  OM_uint32 major =
      kerberos().accept_sec_context(&minor, &state_->context.handle, credential_->handle, &input, GSS_C_NO_CHANNEL_BINDINGS,
                             peer.out(), nullptr, output.get(), nullptr, nullptr, nullptr);
  if (GSS_ERROR(major)) return Step::failed(explain(major, minor));
  if ((major & GSS_S_CONTINUE_NEEDED) != 0) {
    stage_ = Stage::context;
    return Step::more(output.text());
  }
  Buffer name;
  major = kerberos().display_name(&minor, peer.get(), name.get(), nullptr);
  if (GSS_ERROR(major)) return Step::failed(explain(major, minor));
  peer_ = name.text();
  if (output.empty()) return offer_layer();
  stage_ = Stage::empty_token;
  return Step::more(output.text());
}

Step GssServer::offer_layer() {
  auto offer = state_->context.wrap(std::string{kNoLayer, 0, 0, 0});
  if (!offer) return Step::failed("the GSSAPI context wraps nothing");
  stage_ = Stage::layer;
  return Step::more(std::move(*offer));
}

Step GssServer::check_layer(std::string_view token) {
  auto choice = state_->context.unwrap(token);
  if (!choice || choice->size() < kLayerBytes) return Step::failed("a malformed choice of a GSSAPI security layer");
  if ((*choice)[0] != kNoLayer) return Step::failed("the client wants a GSSAPI security layer, which isn't offered");
  return Step::done(std::nullopt);
}

// Client
// ----------------------------------------------------------------------------------------------------------------

struct GssClient::State {
  GssCredential credential;
  Name target;
  SecurityContext context;
};

GssClient::GssClient(TicketSource source, std::string service)
    : source_(std::move(source)), service_(std::move(service)), state_(std::make_unique<State>()) {}
GssClient::~GssClient() = default;

Step GssClient::start() {
  std::string cache = source_.use_key_table ? memory_cache(source_.principal) : source_.path;
  std::vector<gss_key_value_element_desc> places;
  if (source_.use_key_table && !source_.path.empty()) places.push_back({"client_keytab", source_.path.c_str()});
  if (!cache.empty()) places.push_back({"ccache", cache.c_str()});
  std::string problem = acquire(state_->credential, source_.principal, GSS_C_INITIATE, std::move(places));
  if (problem.empty() && !state_->target.import(service_)) problem = "the service's principal is malformed";
  if (!problem.empty()) return Step::failed("no Kerberos login as " + source_.principal + ": " + problem);
  return initiate("");
}

Step GssClient::evaluate(std::string_view challenge) {
  Stage stage = std::exchange(stage_, Stage::over);
  if (challenge.size() > kTokenBytesMax) return Step::failed("a GSSAPI token that is too long");
  if (stage == Stage::context) return initiate(challenge);
  if (stage == Stage::layer) return answer_layer(challenge);
  return Step::failed("a token after the authentication was over");
}

Step GssClient::initiate(std::string_view token) {
  OM_uint32 minor = 0;
  gss_buffer_desc input = view_of(token);
  Buffer output;
  OM_uint32 major = kerberos().init_sec_context(&minor, state_->credential.handle, &state_->context.handle,
                                         state_->target.get(), kerberos().mechanism,
                                         GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG, 0,
                                         GSS_C_NO_CHANNEL_BINDINGS, &input, nullptr, output.get(), nullptr, nullptr);
  if (GSS_ERROR(major)) return Step::failed("no ticket for " + service_ + ": " + explain(major, minor));
  stage_ = (major & GSS_S_CONTINUE_NEEDED) != 0 ? Stage::context : Stage::layer;
  return Step::more(output.text());
}

Step GssClient::answer_layer(std::string_view challenge) {
  auto offer = state_->context.unwrap(challenge);
  if (!offer || offer->size() < kLayerBytes) return Step::failed("a malformed offer of GSSAPI security layers");
  if (((*offer)[0] & kNoLayer) == 0) return Step::failed("the server insists on a GSSAPI security layer");
  auto choice = state_->context.wrap(std::string{kNoLayer, 0, 0, 0});
  if (!choice) return Step::failed("the GSSAPI context wraps nothing");
  return Step::done(std::move(*choice));
}

std::string default_realm() {
  krb5_context context = nullptr;
  if (kerberos().init_context(&context) != 0) return {};
  char* realm = nullptr;
  std::string result;
  if (kerberos().get_default_realm(context, &realm) == 0) {
    result = realm;
    kerberos().free_default_realm(context, realm);
  }
  kerberos().free_context(context);
  return result;
}

}  // namespace zk::sasl
