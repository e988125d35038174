"""The slow service that the demo's pages call: a real HTTP server in a process of its own.

    GET  /slow?seconds=1&text=hello   answers after a second: {"text": …, "call": …}
    GET  /fail?status=500             answers with that status
    GET  /moody?text=hello            fails at every first call, answers at every second
    GET  /calls?text=hello            returns how many calls /slow or /talk got for that text
    GET  /talk?text=hello             says an answer word by word, as a language model would
    POST /run?page=held               sends 200 requests at once to that page of the demo
    GET  /progress                    returns how many requests of each run have an answer

Start the service with ``python -m wsgifutures_demo.service --port 8090``. For runs it needs
the address of the site: ``--site http://localhost:8080/Plone``. Only pages of that site may
start a run and see its progress.
"""

from gevent import monkey

monkey.patch_all()

from collections import Counter  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from http.client import HTTPConnection  # noqa: E402
from http.client import HTTPException  # noqa: E402
from urllib.parse import parse_qs  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402
from wsgifutures_demo.speech import FAILS  # noqa: E402
from wsgifutures_demo.speech import words_for  # noqa: E402

import argparse  # noqa: E402
import gevent  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402

#: The most seconds that a call may ask for.
LONGEST = 120.0

#: The pages that a run can send requests to, by the name of the run.
PAGES = {"held": "@@hold", "blocking": "@@hold-blocking"}

#: How many requests a run sends.
REQUESTS = 200

#: Seconds until a run gives up the requests that have no answer.
RUN_ENDS_AFTER = 120.0

#: Seconds for each word that the service says.
WORD = 0.05

#: Stands for the status of a request that has no answer.
NO_ANSWER = 0


class Run:
    """Many requests at once to one page. Keeps the time and the status of each answer."""

    def __init__(self, site, page):
        self.site = urlsplit(site)
        self.path = f"{self.site.path}/{PAGES[page]}"
        self.began = time.time()
        self.finished = []
        self.ended = False

    def go(self):
        greenlets = [gevent.spawn(self._ask, number) for number in range(REQUESTS)]
        gevent.joinall(greenlets, timeout=RUN_ENDS_AFTER)
        gevent.killall(greenlets)
        self.finished += [(self.elapsed, NO_ANSWER)] * (REQUESTS - len(self.finished))
        self.ended = True

    @property
    def elapsed(self):
        return round(time.time() - self.began, 3)

    def progress(self):
        return {
            "began": self.began,
            "elapsed": self.elapsed,
            "ended": self.ended,
            "under_way": REQUESTS - len(self.finished),
            "finished": self.finished,
        }

    def _ask(self, number):
        connection = HTTPConnection(self.site.hostname, self.site.port)
        try:
            connection.request("GET", f"{self.path}?seconds=1&text=request+{number + 1}")
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, HTTPException):
            status = NO_ANSWER
        finally:
            connection.close()
        self.finished.append((self.elapsed, status))


class SlowService:
    """A WSGI application that counts the calls for each text, and makes one run at a time."""

    def __init__(self, site=None):
        self.calls = Counter()
        self.ended = Counter()
        self.talking = Counter()
        self.site = site
        self.runs = {}
        self._routes = {
            ("GET", "/slow"): self.slow,
            ("GET", "/fail"): self.fail,
            ("GET", "/moody"): self.moody,
            ("GET", "/calls"): self.count,
            ("POST", "/run"): self.run,
            ("GET", "/progress"): self.progress,
        }

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        path = urlsplit(path).path  # a client that takes the service for a proxy sends a URL
        origin = environ.get("HTTP_ORIGIN")
        query = {k: v[-1] for k, v in parse_qs(environ["QUERY_STRING"]).items()}
        allowed = origin in origins(self.site)
        if origin and not allowed:
            status, data = (
                "403 Forbidden",
                {"error": "only pages of the demo's own site may call the service"},
            )
        elif method == "OPTIONS":
            status, data = "200 OK", {}
        elif (method, path) == ("GET", "/talk"):
            return self.talk(start_response, query)
        elif (method, path) in self._routes:
            status, data = self._routes[method, path](query)
        else:
            status, data = "404 Not Found", {"error": "the service has no such path"}
        return _answer(start_response, status, data, _cors(origin) if allowed else [])

    def slow(self, query):
        text = query.get("text", "")
        self.calls[text] += 1
        call = self.calls[text]
        try:
            gevent.sleep(min(float(query.get("seconds", 1)), LONGEST))
        except ValueError:
            return "400 Bad Request", {"error": "seconds takes a number"}
        self.ended[text] += 1
        return "200 OK", {"text": text, "call": call}

    def talk(self, start_response, query):
        headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
        start_response("200 OK", headers)
        return self._talk(query.get("text", ""), query.get("language", "en"))

    def _talk(self, text, language):
        """Say words until all are said, or the client has gone; or fail halfway, if asked to."""
        self.calls[text] += 1
        self.talking[text] += 1
        words = words_for(text, language)
        try:
            for n, word in enumerate(words):
                gevent.sleep(WORD)
                if FAILS in text.lower() and n > len(words) / 2:
                    return
                yield f"data: {json.dumps({'word': word})}\n\n".encode()
            yield b"data: [DONE]\n\n"
            self.ended[text] += 1
        finally:
            self.talking[text] -= 1

    def fail(self, query):
        return f"{query.get('status', 500)} Failed", {"error": "the call asked for this status"}

    def moody(self, query):
        status, data = self.slow(query)
        return (
            (status, data)
            if data["call"] % 2 == 0
            else ("503 Failed", {"error": "every other call fails"})
        )

    def count(self, query):
        text = query.get("text", "")
        calls, ended, talking = self.calls[text], self.ended[text], self.talking[text]
        return "200 OK", {"calls": calls, "ended": ended, "talking": talking}

    def run(self, query):
        page = query.get("page")
        if self.site is None:
            return "409 Conflict", {"error": "the service was started without --site"}
        if page not in PAGES:
            return "400 Bad Request", {"error": f"page takes one of: {', '.join(PAGES)}"}
        if self._running():
            error = f"a run of the {self._running()} page is under way; wait for its end"
            return "409 Conflict", {"error": error}
        self.runs[page] = Run(self.site, page)
        gevent.spawn(self.runs[page].go)
        return "202 Accepted", {"running": page}

    def progress(self, query):
        runs = {page: run.progress() for page, run in self.runs.items()}
        return "200 OK", {"requests": REQUESTS, "running": self._running(), "runs": runs}

    def _running(self):
        return next((page for page, run in self.runs.items() if not run.ended), None)


def origins(site):
    """Return the origins of *site*: a browser may use either of two names of this machine."""
    if site is None:
        return set()
    port = urlsplit(site).port
    return {f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")}


def _cors(origin):
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Max-Age", "600"),
    ]


def _answer(start_response, status, data, headers):
    body = json.dumps(data).encode()
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Vary", "Origin"),
            *headers,
        ],
    )
    return [body]


def main():
    parser = argparse.ArgumentParser(description="A slow HTTP service.")
    parser.add_argument("--port", type=int, default=0, help="the port; 0 takes a free port")
    parser.add_argument("--site", help="the site to whose pages a run sends its requests")
    options = parser.parse_args()
    application = SlowService(options.site)
    server = WSGIServer(("127.0.0.1", options.port), application, log=None, backlog=4096)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
