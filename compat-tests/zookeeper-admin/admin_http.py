"""Requests to an AdminServer, and what a tree looks like to a client."""
import http.client
import json
import ssl


def request(port, method, command, headers=None, body=None, tls=None):
    """Status, headers and body; None if there is no answer."""
    try:
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=tls) if tls else \
            http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, "/commands/" + command if not command.startswith("/") else command, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    except (http.client.HTTPException, OSError):
        return None


def outline(answer):
    """What two servers have in common in it."""
    if answer is None:
        return None
    status, headers, body = answer
    kind = headers.get("content-type", "").split(";")[0]
    if kind == "application/json":
        body = json.loads(body)
    elif kind == "application/octet-stream":
        body = (body[:8], len(body) == int(headers["snapshot_size"]) or len(body) == 0)
    else:
        body = None
    return status, kind, body, headers.get("last_zxid"), "snapshot_size" in headers, headers.get("strict-transport-security")


def tls_context(certificates, name=None, version=None):
    context = ssl.create_default_context(cafile=str(certificates.path("authority.crt")))
    if name:
        context.load_cert_chain(str(certificates.path(f"{name}.crt")), str(certificates.path(f"{name}.key")))
    if version:
        context.minimum_version = context.maximum_version = version
    return context
