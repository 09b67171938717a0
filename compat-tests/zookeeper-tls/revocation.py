"""What tells whether a certificate was revoked: lists in files and over HTTP, and a responder of OCSP, good ones and bad ones."""
import base64
import http.server
import pathlib
import subprocess
import threading
import urllib.parse

OLD, SOON = "200101000000Z", "490101000000Z"
CONFIGURATION = """[ca]
default_ca=one
[one]
database={directory}/{authority}.index
default_md=sha256
"""


# Java gives up at the first distribution point that can't be reached, and we look at the next one.
KINDER = ("second-good",)


class Revocation:
    """Lists of two authorities, and their responders."""

    def __init__(self, made):
        self.made = made
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def clients(self, closed, every_way):
        """Clients by name, good ones and bad ones, of whom each says in another way where to look. Nobody answers at `closed`."""
        files, ocsp = f"URI:file://{self.made.directory}", f"authorityInfoAccess=OCSP;URI:{self.address}/ocsp"
        by_file = f"crlDistributionPoints={files}/authority.crl\n"
        silent = f"authorityInfoAccess=OCSP;URI:{closed}/\n"
        answered, strange = f"{ocsp}/authority/authority\n", f"{ocsp}/authority/other\n"
        ways = {
            "file": by_file, "http": f"crlDistributionPoints=URI:{self.address}/authority.crl\n", "nothing": "",
            "ocsp": answered, "strange": strange, "silent-list": silent + by_file,
        }
        if every_way:
            ways.update({
                "second": f"crlDistributionPoints=URI:{closed}/x.crl,URI:{self.address}/authority.crl\n",
                "missing": f"crlDistributionPoints={files}/none.crl\n", "nowhere": f"crlDistributionPoints=URI:{closed}/x.crl\n",
                "pem": f"crlDistributionPoints={files}/authority.crl.pem\n",
                "outdated": f"crlDistributionPoints={files}/outdated.crl\n",
                "foreign": f"crlDistributionPoints={files}/other.crl\n", "silent": silent, "strange-list": strange + by_file,
                "both": answered + by_file,
            })
        names = [f"{way}-{state}" for way in ways for state in ("good", "bad") if every_way or way not in ("nothing", "strange")
                 or state == "good"]
        for name in names:
            self.made.issue(name, "authority", f"/CN={name}", more=ways[name.rsplit("-", 1)[0]])
        unknown = self.made.issue("unknown-good", "authority", "/CN=unknown", more=answered)
        if every_way:
            self.publish("authority", [], [], "outdated", OLD, "210101000000Z")
            self.publish("other", [], [])
        self.publish("authority", names, [name for name in names if name.endswith("-bad")])
        return [*names, unknown]

    def publish(self, authority, known, revoked, name=None, last=None, following=SOON):
        """A list of `authority` as file name.crl, and what its responder says."""
        lines = []
        for one in known:
            serial = self._text("x509", "-in", f"{one}.crt", "-noout", "-serial").split("=")[1]
            state = ("R", "250101000000Z") if one in revoked else ("V", "")
            lines.append("\t".join((state[0], SOON, state[1], serial, "unknown", f"/CN={one}")))
        directory = self.made.directory
        (directory / f"{authority}.index").write_text("".join(line + "\n" for line in lines))
        (directory / f"{authority}.cnf").write_text(CONFIGURATION.format(directory=directory, authority=authority))
        self.made.openssl("ca", "-gencrl", "-config", f"{authority}.cnf", "-keyfile", f"{authority}.key", "-cert",
                          f"{authority}.crt", *(["-crl_lastupdate", last] if last else []), "-crl_nextupdate", following,
                          "-out", f"{name or authority}.crl.pem")
        self.made.openssl("crl", "-in", f"{name or authority}.crl.pem", "-outform", "DER", "-out", f"{name or authority}.crl")

    def _text(self, *arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True,
                              cwd=self.made.directory).stdout.strip()

    def _answer(self, authority, signer, request):
        """What the responder of `authority` says, signed by `signer`."""
        asked, answered = (self.made.path(f"{threading.get_ident()}.{kind}") for kind in ("request", "answer"))
        asked.write_bytes(request)
        self.made.openssl("ocsp", "-index", f"{authority}.index", "-CA", f"{authority}.crt", "-rsigner", f"{signer}.crt",
                          "-rkey", f"{signer}.key", "-reqin", asked, "-respout", answered, "-ndays", "1")
        return answered.read_bytes()

    def _handler(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

            def reply(self, body, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path.startswith("/ocsp/"):
                    _, _, authority, signer, request = self.path.split("/", 4)
                    return self.reply(owner._answer(authority, signer, base64.b64decode(urllib.parse.unquote(request))),
                                      "application/ocsp-response")
                path = owner.made.path(pathlib.PurePosixPath(self.path).name)
                if not path.exists():
                    return self.send_error(404)
                return self.reply(path.read_bytes(), "application/pkix-crl")

            def do_POST(self):
                _, _, authority, signer = self.path.split("/")[:4]
                request = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(owner._answer(authority, signer, request), "application/ocsp-response")

        return Handler
