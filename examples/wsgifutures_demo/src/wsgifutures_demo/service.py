"""The slow service that the demo's pages call: a real HTTP server, on its own.

    GET  /slow?seconds=1&text=hello   answers after a while: {"text": …, "call": …}
    GET  /fail?status=500             answers with that status
    GET  /calls?text=hello            how often /slow was asked for that text

Run it with ``python -m wsgifutures_demo.service --port 8090``.
"""

from gevent import monkey

monkey.patch_all()

from collections import Counter  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from urllib.parse import parse_qs  # noqa: E402

import argparse  # noqa: E402
import gevent  # noqa: E402
import json  # noqa: E402

#: Seconds that one call may be asked to take.
LONGEST = 120.0


class SlowService:
    """A WSGI application. Counts the calls for each text."""

    def __init__(self):
        self.calls = Counter()
        self.ended = Counter()

    def __call__(self, environ, start_response):
        query = {k: v[-1] for k, v in parse_qs(environ["QUERY_STRING"]).items()}
        handle = getattr(self, "do_" + environ["PATH_INFO"].strip("/"), None)
        if handle is None:
            return _answer(start_response, "404 Not Found", {"error": "no such path"})
        return handle(query, start_response)

    def do_slow(self, query, start_response):
        text = query.get("text", "")
        self.calls[text] += 1
        call = self.calls[text]
        try:
            gevent.sleep(min(float(query.get("seconds", 1)), LONGEST))
        except ValueError:
            return _answer(start_response, "400 Bad Request", {"error": "seconds is no number"})
        self.ended[text] += 1
        return _answer(start_response, "200 OK", {"text": text, "call": call})

    def do_fail(self, query, start_response):
        return _answer(start_response, f"{query.get('status', 500)} Failed", {"error": "as asked"})

    def do_calls(self, query, start_response):
        text = query.get("text", "")
        answer = {"calls": self.calls[text], "ended": self.ended[text]}
        return _answer(start_response, "200 OK", answer)


def _answer(start_response, status, data):
    body = json.dumps(data).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def main():
    parser = argparse.ArgumentParser(description="A slow HTTP service.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    server = WSGIServer(("127.0.0.1", options.port), SlowService(), log=None, backlog=4096)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
