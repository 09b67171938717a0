"""usage: page.py BOOTSTRAP PORT
Serves page.html, and at /data what the application has committed so far."""
import collections
import http.server
import json
import pathlib
import sys
import threading

import outputs

MINUTES_SHOWN, CARTS_SHOWN = 60, 8


class Results:
    """Follows the output topics in a thread of its own."""

    def __init__(self, bootstrap):
        self.lock = threading.Lock()
        self.revenue = collections.defaultdict(dict)  # minute -> kind -> cents
        self.top, self.abandoned, self.latest = [], collections.Counter(), collections.deque(maxlen=CARTS_SHOWN)
        threading.Thread(target=self.follow, args=(bootstrap,), daemon=True).start()

    def follow(self, bootstrap):
        for record in outputs.follow(bootstrap):
            if record:
                with self.lock:
                    self.take(*record)

    def take(self, name, key, value):
        if name == "revenue-per-minute":
            minute, kind = key.split(" ", 1)
            self.revenue[minute][kind] = value["cents"]
        elif name == "top-products":
            self.top = value
        elif name == "abandoned-carts":
            self.abandoned.update(carts=1, cents=value["cents"])
            self.latest.appendleft(value)

    def as_json(self):
        with self.lock:
            return json.dumps({"revenue": sorted(self.revenue.items())[-MINUTES_SHOWN:], "top": self.top,
                               "abandoned": self.abandoned, "latest": list(self.latest)}).encode()


def main():
    results = Results(sys.argv[1])
    page = pathlib.Path(__file__).with_name("page.html").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            content, kind = {"/": (page, "text/html; charset=utf-8"), "/data": (results.as_json(), "application/json")}.get(
                self.path, (None, None))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


main()
