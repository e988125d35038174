"""Faults of upstreams, futures, clients and messages, against gunicorn with one slot.

There is one slot, so that one which is lost, or kept by a client that is slow, is seen in
the next request. gunicorn keeps an idle connection for longer than a test waits: where one
is closed, that is the answer.
"""

from hostile import Hostile
from wire import post
from wire import request
from wire import Wire

import contextlib
import hashlib
import json
import pytest
import random
import socket
import struct
import threading
import time

ADMIN = "Authorization: Basic YWRtaW46YWRtaW4="
JSON = "Accept: application/json"


#: Bytes of request bodies that the server keeps at a time.
ROOM = 51_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the server keeps request bodies."""
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(scope="module")
def server(start_gunicorn, folder):
    """A gunicorn with one slot."""
    from processes import Server

    env = {"WSGIFUTURES_SLOTS": "1", "WSGIFUTURES_MAX_BODIES": str(ROOM), "TMPDIR": str(folder)}
    process, port = start_gunicorn("--keep-alive", "20", env=env)
    yield Server(process, port)
    process.stop()


@pytest.fixture(scope="module")
def hostile():
    """The upstream."""
    upstream = Hostile()
    yield upstream
    upstream.stop()


@pytest.fixture(autouse=True)
def worker(server):
    """The one worker, which serves after each test as it did before, and is the same one."""
    pid = process(server)[0]
    yield
    assert served(server) == ("ok", "2")
    assert process(server) == [pid]


def served(server):
    """Ask for a held view on a new connection; return its text and its passes."""
    with Wire(server) as wire:
        return held_on(wire)


def held_on(wire):
    """Ask for a held view on this connection; return its text and its passes."""
    answer = wire.get("@@fault-outcome?how=value&text=ok")
    assert answer.status == 200
    return answer.body.decode(), answer.headers["x-hold-passes"]


def process(server):
    """Return its pid and the bodies and blobs that it has open, of which soon none is left."""
    until = time.monotonic() + 2
    while True:
        with Wire(server) as wire:
            found = json.loads(wire.get("@@fault-process").body)
        if len(found) == 1 or time.monotonic() > until:
            return found
        time.sleep(0.02)


def hidden(server, text):
    """Return how often the hidden request was published."""
    return int(server.get("@@fault-how-often-hidden", text=text).text)


# Upstreams


@pytest.mark.parametrize("how", ["careless", "bounded"])
@pytest.mark.parametrize(
    ("mode", "errors"),
    [
        ("resets", {"ConnectionError"}),
        ("closes", {"ConnectionError"}),
        ("garbage", {"ConnectionError"}),
        ("garbage-status", {"ConnectionError"}),
        ("garbage-length", {None}),  # read to its end
        ("garbage-chunks", {"ChunkedEncodingError"}),
        ("garbage-gzip", {"ContentDecodingError"}),
        ("short", {"ChunkedEncodingError"}),
        ("no-last-chunk", {"ChunkedEncodingError"}),
        ("endless-headers", {"ConnectionError", "FutureTimeout"}),
        ("stalls", {"FutureTimeout"}),
        ("silent", {"FutureTimeout"}),
        ("trickles", {"FutureTimeout"}),
        ("trickles-headers", {"FutureTimeout"}),
        ("endless-continue", {"FutureTimeout"}),
    ],
)
def test_broken_upstream_is_an_exception_in_the_view(server, hostile, mode, errors, how):
    """The one that the client library raises, or FutureTimeout; on the same connection goes on."""
    with Wire(server) as wire:
        answer = wire.get(f"@@fault-fetch?how={how}&url={hostile.url(mode)}")
        assert json.loads(answer.body).get("error") in errors
        assert (answer.status, answer.headers["x-hold-passes"]) == (200, "2")
        assert held_on(wire) == ("ok", "2")


def test_broken_upstream_answers_500_where_no_view_catches_it(server, hostile):
    """As any exception of a view; one out of time 504."""
    with Wire(server) as wire:
        for mode, status in (("resets", 500), ("trickles", 504), ("garbage", 500)):
            assert wire.get(f"@@fault-fetch?raise=1&url={hostile.url(mode)}").status == status
        assert held_on(wire) == ("ok", "2")


@pytest.mark.gevent
@pytest.mark.parametrize("mode", ["stalls", "trickles", "endless", "endless-headers"])
def test_upstream_sees_its_caller_leave_when_the_future_is_out_of_time(server, hostile, mode):
    """What runs is stopped and its socket closed."""
    hostile.is_left(mode, seconds=0)
    server.get("@@fault-fetch", url=hostile.url(mode))
    assert hostile.is_left(mode)


@pytest.mark.gevent
def test_endless_body_is_ended_by_the_timeout_and_its_memory_is_free(server, hostile):
    """What the future had read is gone with it."""
    hostile.is_left("endless", seconds=0)
    answer = server.get("@@fault-fetch", how="keeps", url=hostile.url("endless"))
    assert answer.json()["error"] == "FutureTimeout"
    assert hostile.is_left("endless")
    assert server.get("@@fault-how-much-is-kept").text == "0"


@pytest.mark.parametrize("mode", ["endless", "endless-at-once"])
def test_future_that_bounds_what_it_reads_is_done_at_its_bound(server, hostile, mode):
    """Its own exception arrives, long before any timeout."""
    answer = server.get("@@fault-fetch", how="bounded", url=hostile.url(mode))
    assert answer.json() == {"error": "ValueError", "str": "more than 1000000 bytes"}


def test_others_are_served_while_every_upstream_is_broken(server, hostile):
    """Forty held by bad upstreams keep no slot from a visitor."""
    modes = ["stalls", "trickles", "silent", "trickles-headers"] * 10
    calls = [lambda s, m=m: s.get("@@fault-fetch", url=hostile.url(m)).json() for m in modes]
    times = []

    def visit(s):
        time.sleep(0.2)
        began = time.monotonic()
        assert s.get("@@fast").text == "fast"
        times.append(time.monotonic() - began)

    results = server.together([*calls, visit])[:-1]
    assert {r["error"] for r in results} == {"FutureTimeout"}
    assert times[0] < 0.5


# Futures


@pytest.mark.parametrize("nested", ["", "&nested=1"])
@pytest.mark.parametrize(
    "what", ["SystemExit", "KeyboardInterrupt", "GreenletExit", "GeneratorExit", "OwnEnd"]
)
def test_future_that_raises_a_base_exception_ends_nothing(server, what, nested):
    """The view gets a FuturesError that names both; the greenlet and the worker live."""
    with Wire(server) as wire:
        answer = wire.get(f"@@fault-end?what={what}{nested}")
        told = json.loads(answer.body)
        assert told["error"] == "FuturesError"
        assert told["str"].startswith(f"holdtests.faults.end raised {what}(")
        assert wire.get(f"@@fault-end?raise=1&what={what}{nested}").status == 500
        assert held_on(wire) == ("ok", "2")


def test_future_whose_exception_cannot_be_told_settles(server):
    """A repr that raises does not keep its response until the timeout."""
    answer = server.get("@@fault-end", what="Unprintable").json()
    assert answer["error"] == "FuturesError"


def test_future_that_will_not_be_stopped_is_out_of_time_all_the_same(server):
    """Nobody waits for what it makes of it."""
    began = time.monotonic()
    assert server.get("@@fault-fetch", how="goes-on", url="").json()["error"] == "FutureTimeout"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "what",
    [
        "KeyboardInterrupt",
        "GeneratorExit",
        "OwnEnd",
        "SystemExit",
        "GreenletExit",
    ],
)
def test_view_that_raises_a_base_exception_is_answered_500(server, what, text):
    """In its last pass. What was pipelined behind it is not answered in its place."""
    with Wire(server, timeout=2) as wire:
        wire.send(request(f"@@fault-leave?what={what}") + request("@@fast"))
        answers = wire.answers()
    assert answers[0].status == 500
    assert b"fast" not in [a.body for a in answers[:1]]


def test_future_that_calls_the_site_does_not_deadlock(server):
    """One slot and a hundred clients, each held by a call of the same site."""
    result = server.load("@@fault-ask-site?view=fast", 100, 100)
    assert (result["statuses"], result["errors"]) == ({"200": 100}, {})


def test_future_that_calls_a_held_view_of_the_site_does_not_deadlock(server):
    """The inner request is held too: two holds, one slot, a hundred clients."""
    result = server.load("@@fault-ask-site?view=fault-outcome?how=value", 100, 100)
    assert (result["statuses"], result["errors"]) == ({"200": 100}, {})


# Responses


@pytest.fixture(scope="module")
def blob(server):
    """A blob of the site, larger than what sockets take at once."""
    data = random.Random(2).randbytes(12_000_000)
    headers = {"Content-Type": "application/octet-stream"}
    assert server.post("@@keep-blob", data=data, headers=headers).text == "kept"
    return data


def test_blob_from_a_held_view_is_followed_by_the_next_answer(server, blob, text):
    """Streamed as it is, whole, twice on one connection."""
    with Wire(server) as wire:
        for _ in range(2):
            answer = wire.get(f"@@stream-blob?text={text}")
            assert answer.body == blob
            assert answer.headers["x-hold-passes"] == "2"
        assert held_on(wire) == ("ok", "2")


def test_blob_whose_client_leaves_in_the_middle_is_closed(server, blob, text):
    """And the slot was free before its first byte was read."""
    with Wire(server) as wire:
        wire.send(request(f"@@stream-blob?text={text}"))
        wire.socket.recv(1000)
        assert served(server) == ("ok", "2")  # while it is being sent
        linger_for_nothing = struct.pack("ii", 1, 0)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
    assert len(process(server)) == 1


def test_head_of_a_held_blob_sends_headers_alone_and_closes_it(server, blob, text):
    """The length is the blob's."""
    with Wire(server) as wire:
        answer = wire.get(f"@@stream-blob?text={text}", method="HEAD")
        assert (answer.status, int(answer.headers["content-length"])) == (200, len(blob))
        assert held_on(wire) == ("ok", "2")


def test_body_that_breaks_in_the_middle_ends_its_connection(server, text):
    """Nothing follows the half of it, and the body is closed once."""
    with Wire(server) as wire:
        wire.send(request(f"@@fault-broken-stream?text={text}") + request("@@fast"))
        received = b"".join(iter(lambda: wire.socket.recv(65536), b""))
    assert (received.count(b"HTTP/1.1 "), b"0\r\n\r\n" in received) == (1, False)
    closed = server.get("@@fault-broken-stream", closed="yes", text=text).text
    assert closed == "1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_each_method_of_a_held_view_has_its_headers_and_its_body(server, method):
    """HEAD: the same headers and no body; the next answer on the connection is the next one's."""
    with Wire(server) as wire:
        answer = wire.get("@@fault-read", method=method)
        told = {"size": 0, "sha256": hashlib.sha256().hexdigest(), "method": method}
        expected = json.dumps(told).encode()
        assert answer.status == 200
        assert answer.headers["x-hold-passes"] == "2"
        assert answer.headers["content-type"].startswith("application/json")
        assert int(answer.headers["content-length"]) == len(expected)
        assert answer.body == (b"" if method == "HEAD" else expected)
        assert held_on(wire) == ("ok", "2")


def test_options_of_a_held_service_is_held(server):
    """Zope publishes no browser view for it, plone.restapi's services it does."""
    with Wire(server) as wire:
        wire.send(request("@fault-options", JSON, ADMIN, method="OPTIONS"))
        answer = wire.answer()
        assert (answer.status, json.loads(answer.body)) == (200, {"options": "held"})
        assert answer.headers["x-hold-passes"] == "2"
        assert wire.get("@@fast", method="OPTIONS").headers["x-hold-passes"] == "1"
        assert held_on(wire) == ("ok", "2")


# Uploads


def told_of(data):
    """Return what the view tells of a body."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "method": "POST"}


@pytest.fixture(scope="module")
def big():
    """A body of 50 MB."""
    return random.Random(3).randbytes(50_000_000)


def test_upload_of_50_mb_that_expects_100_continue(server, big):
    """The client is told to go on, then answered, then served again on the connection."""
    whole = post("@@fault-read", big, "Expect: 100-continue")
    head = whole[: -len(big)]
    with Wire(server) as wire:
        wire.send(head)
        assert wire.answer().status == 100
        wire.send(big)
        answer = wire.answer()
        assert (answer.headers["x-hold-passes"], json.loads(answer.body)) == ("2", told_of(big))
        assert held_on(wire) == ("ok", "2")


def test_upload_of_50_mb_in_chunks(server, big):
    """Of odd sizes, with a trailer behind the last one."""
    kind = "Content-Type: application/octet-stream"
    head = request("@@fault-read", "Transfer-Encoding: chunked", kind, method="POST")
    step = 777_777
    with Wire(server) as wire:
        wire.send(head)
        for start in range(0, len(big), step):
            chunk = big[start : start + step]
            wire.send(f"{len(chunk):x};note=1\r\n".encode() + chunk + b"\r\n")
        wire.send(b"0\r\nX-Trailer: there\r\n\r\n")
        answer = wire.answer()
        assert (answer.headers["x-hold-passes"], json.loads(answer.body)) == ("2", told_of(big))
        assert held_on(wire) == ("ok", "2")


def test_clients_that_trickle_their_uploads_keep_no_slot(server):
    """Eight bodies that come byte by byte; others are served meanwhile, and then they are."""
    data = b"0123456789" * 10
    whole = post("@@fault-read", data)
    with contextlib.ExitStack() as open_wires:
        wires = [open_wires.enter_context(Wire(server)) for _ in range(8)]
        for wire in wires:
            wire.send(whole[:-80])
        times = []
        for position in range(len(whole) - 80, len(whole)):
            for wire in wires:
                wire.send(whole[position : position + 1])
            if position % 10 == 0:
                began = time.monotonic()
                assert served(server) == ("ok", "2")
                times.append(time.monotonic() - began)
            time.sleep(0.005)
        assert max(times) < 0.5
        assert [json.loads(w.answer().body) for w in wires] == [told_of(data)] * 8
        assert [held_on(w) for w in wires] == [("ok", "2")] * 8


@pytest.mark.parametrize(
    "how", ["resets", "closes", pytest.param("half-closes", marks=pytest.mark.gevent)]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_upload_that_is_left_in_the_middle_is_not_published(server, folder, how, chunked, text):
    """Its file is gone; who only closed its own half is told."""
    data = b"x" * 3_000_000
    whole = post(f"@@fault-hidden?text={text}", data)
    if chunked:
        head = request(f"@@fault-hidden?text={text}", "Transfer-Encoding: chunked", method="POST")
        whole = head + b"fffff\r\n" + data
    with Wire(server) as wire:
        wire.send(whole[:1_000_000])
        if how == "half-closes":
            wire.socket.shutdown(socket.SHUT_WR)
            assert [a.status for a in wire.answers()] == ([] if chunked else [400])
        elif how == "resets":
            linger_for_nothing = struct.pack("ii", 1, 0)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
    assert served(server) == ("ok", "2")
    assert len(process(server)) == 1
    assert list(folder.iterdir()) == []
    assert hidden(server, text) == 0


# Requests behind and inside of others


def test_pipelined_held_requests_are_answered_in_order(server, service, text):
    """Twenty sent at once: held and not, with a body and without."""
    parts = []
    expected = []
    for number in range(5):
        body = f"body {number}".encode() * 30_000
        parts += [
            request(f"@@hold?seconds=0.05&text={text}-{number}"),
            post("@@fault-read", body),
            request("@@fast"),
            request("@@fault-fetch?url=http://127.0.0.1:1/", method="HEAD"),
        ]
        told = json.dumps(told_of(body)).encode()
        expected += [f"{text}-{number} in nowhere".encode(), told, b"fast", b""]
    with Wire(server) as wire:
        sender = threading.Thread(target=wire.send, args=(b"".join(parts),))
        sender.start()
        methods = ["GET", "POST", "GET", "HEAD"] * 5
        assert [wire.answer(method).body for method in methods] == expected
        sender.join()
        assert held_on(wire) == ("ok", "2")


CHUNKED = "Transfer-Encoding: chunked"

#: What is said of the length, how the body begins, and the statuses that come back before
#: the connection is closed. The hidden request follows the body.
SMUGGLED = {
    "cl.te": ([CHUNKED, "Content-Length: {all}"], "0\r\n\r\n", [400]),
    "te.cl": ([CHUNKED, "Content-Length: 4"], "0\r\n\r\n", [400]),
    "te.0": ([CHUNKED, "Content-Length: 0"], "0\r\n\r\n", [400]),
    "te.te other": ([CHUNKED, "Transfer-Encoding: cow"], "0\r\n\r\n", [501]),
    "te.te twice": ([CHUNKED, CHUNKED], "0\r\n\r\n", [400]),
    "te.te x": (["Transfer-Encoding: xchunked"], "0\r\n\r\n", [501]),
    "te.te quoted": (['Transfer-Encoding: "chunked"'], "0\r\n\r\n", [501]),
    "te.te not last": (["Transfer-Encoding: chunked, identity"], "0\r\n\r\n", [400]),
    "te.te no chunked": (["Transfer-Encoding: identity", "Content-Length: 0"], "", [400]),
    "te.te gzip": (["Transfer-Encoding: gzip", "Content-Length: 0"], "", [400]),
    "te.te space": (["Transfer-Encoding : chunked"], "0\r\n\r\n", [400]),
    "te.te tab": (["Transfer-Encoding\t: chunked"], "0\r\n\r\n", [400]),
    "te.te folded": (["X: y", " Transfer-Encoding: chunked"], "0\r\n\r\n", [400]),
    "te.te value folded": (["Transfer-Encoding:", " chunked"], "0\r\n\r\n", [400]),
    "te.te control": (["Transfer-Encoding: \x0bchunked"], "0\r\n\r\n", [400]),
    "te.te bare lf": (["X: y\nTransfer-Encoding: chunked"], "0\r\n\r\n", [400]),
    "te.te bare cr": (["X: y\rTransfer-Encoding: chunked"], "0\r\n\r\n", [400]),
    "te.te empty": (["Transfer-Encoding: ", "Content-Length: 0"], "", [501]),
    "cl twice": (["Content-Length: 0", "Content-Length: {all}"], "", [400]),
    "cl twice the same": (["Content-Length: {all}", "Content-Length: {all}"], "", [400]),
    "cl list": (["Content-Length: 0, {all}"], "", [400]),
    "cl plus": (["Content-Length: +0"], "", [400]),
    "cl minus": (["Content-Length: -1"], "", [400]),
    "cl hex": (["Content-Length: 0x0"], "", [400]),
    "cl underscore": (["Content-Length: 0_0"], "", [400]),
    "cl superscript": (["Content-Length: \xb2"], "", [400]),
    "cl empty": (["Content-Length: "], "", [400]),
    "cl space": (["Content-Length : 0"], "", [400]),
    "cl bare lf": (["Content-Length: 0\nX: y"], "", [400]),
    "chunk size": ([CHUNKED], "0x1\r\na\r\n", [400]),
    "chunk size minus": ([CHUNKED], "-1\r\na\r\n", [400]),
    "chunk size space": ([CHUNKED], "1 \r\na\r\n", [400]),
    "chunk too short": ([CHUNKED], "2\r\nabcd\r\n0\r\n\r\n", [400]),
    "chunk too long": ([CHUNKED], "5\r\na\r\n0\r\n\r\n", [400]),
    "chunk bare lf": ([CHUNKED], "1\na\n0\n\n", [400]),
    "chunk ext bare lf": ([CHUNKED], "1;x\n\r\na\r\n0\r\n\r\n", [400]),
    "trailer": ([CHUNKED], "1\r\na\r\n0\r\nContent-Length: {all}\r\n\r\n", [400]),
    "trailer bare lf": ([CHUNKED], "1\r\na\r\n0\r\nX: y\n\r\n\r\n", [400]),
    "longer than said": (["Content-Length: 5"], "12345more\r\n", [200, 400]),
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_request_smuggled_behind_a_held_post_is_not_published(server, case, text):
    """Refused, and the connection is closed."""
    headers, begin, statuses = SMUGGLED[case]
    inner = request(f"@@fault-hidden?text={text.encode().hex()}")
    begin = begin.format(all=len(inner) + len(begin)).encode()
    sizes = [h.format(all=len(begin) + len(inner)) for h in headers]
    with Wire(server, timeout=5) as wire:
        wire.send(request("@@fault-read", *sizes, method="POST") + begin + inner)
        assert [a.status for a in wire.answers()] == statuses
    assert hidden(server, text.encode().hex()) == 0


#: Heads that are none, each before a hidden request.
BROKEN_HEADS = {
    "bare lf": ("POST /Plone/@@fault-read HTTP/1.1\nHost: a\nContent-Length: 0\n\n", [400]),
    "bare lf at the end": ("POST /Plone/@@fault-read HTTP/1.1\r\nHost: a\r\n\n", [400]),
    "1.0 chunked": ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
    "0.9": ("GET /Plone/@@fast\r\n", [400]),
    "two hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]),
    "space in front": (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
    "nul": ("GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", [400]),
}


@pytest.mark.parametrize("case", BROKEN_HEADS)
def test_request_behind_a_broken_head_is_not_published(server, case, text):
    """Refused, and the connection is closed."""
    head, statuses = BROKEN_HEADS[case]
    name = text.encode().hex()
    with Wire(server, timeout=5) as wire:
        wire.send(head.encode("latin-1") + request(f"@@fault-hidden?text={name}"))
        assert [a.status for a in wire.answers()] == statuses
    assert hidden(server, name) == 0


@pytest.mark.parametrize(
    "view",
    ["@@fault-read", "@@fault-outcome?how=value&text=ok", "@@fault-outcome?how=exception", "none"],
)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
def test_request_inside_of_a_body_stays_one(server, view, chunked, method, text):
    """Whether the view reads its body or not, fails or is not there; the connection goes on."""
    name = text.encode().hex()
    inner = request(f"@@fault-hidden?text={name}") * 3
    if chunked:
        body = f"{len(inner):x}\r\n".encode() + inner + b"\r\n0\r\n\r\n"
        whole = request(view, CHUNKED, method=method) + body
    else:
        whole = request(view, f"Content-Length: {len(inner)}", method=method) + inner
    status = {"@@fault-outcome?how=exception": 500, "none": 404}.get(view, 200)
    with Wire(server) as wire:
        wire.send(whole)
        assert wire.answer(method).status == status
        assert held_on(wire) == ("ok", "2")
    assert hidden(server, name) == 0


@pytest.mark.gevent
def test_body_shorter_than_announced_takes_what_follows_it(server, text):
    """A request that was sent where the body should be is no request; the client is told."""
    inner = request(f"@@fault-hidden?text={text}")
    length = f"Content-Length: {len(inner) + 100}"
    with Wire(server) as wire:
        wire.send(request("@@fault-read", length, method="POST") + b"12345" + inner)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [a.status for a in wire.answers()] == [400]
    assert hidden(server, text) == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_request_inside_of_a_body_that_is_refused_stays_one(server, chunked, text):
    """413; what the client sends of the body then is no request, and the next one is."""
    inner = request(f"@@fault-hidden?text={text.encode().hex()}")
    body = inner * (ROOM // len(inner) + 2)
    path = f"@@fault-hidden?text={text.encode().hex()}"
    with Wire(server) as wire:
        if chunked:
            wire.send(request(path, CHUNKED, method="POST"))
            wire.send(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
            assert wire.answer().status == 413
        else:
            wire.send(post(path, body)[: -len(body)])
            assert wire.answer().status == 413  # before it has come
            wire.send(body)
        assert held_on(wire) == ("ok", "2")
    assert hidden(server, text.encode().hex()) == 0


def test_header_that_only_looks_like_a_transfer_encoding_is_dropped(server, text):
    """`Transfer_Encoding` says nothing of the length: the body is what its length says."""
    body = b"0\r\n\r\n" + request(f"@@fault-hidden?text={text}")
    with Wire(server) as wire:
        wire.send(post("@@fault-read", body, "Transfer_Encoding: chunked"))
        assert json.loads(wire.answer().body) == told_of(body)
        assert held_on(wire) == ("ok", "2")
    assert hidden(server, text) == 0
