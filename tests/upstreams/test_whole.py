"""An answer is whole, or it is none: nothing of a half one is given, and nothing is kept."""

from .outside import raised_by
from .outside import requests_on
from collective.wsgifutures import UpstreamError
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures.upstreams import heads
from collective.wsgifutures.upstreams.heads import NotWhole

import gzip
import io
import pytest
import zlib

pytestmark = pytest.mark.concurrency

OK = b"HTTP/1.1 200 OK\r\n"
PRIVATE = b"Cache-Control: private\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = OK + b"Content-Length: %s\r\n\r\n"

#: What a service sends before it closes; each would be read as something whole.
HALVES = {
    "a head that ends in a line": OK + b"Cache-Control: pri",
    "a head that ends after a line": OK + b"Content-Type: text/plain\r\n",
    "a head that ends after its status": OK,
    "a status that ends": b"HTTP/1.1 200 O",
    "a head after an interim one": b"HTTP/1.1 103 x\r\nLink: a\r\n\r\n",
    "an interim head that ends": b"HTTP/1.1 103 x\r\nLink: a\r\n",
    "a line that is no header": OK + b"oops\r\n" + PRIVATE + b"\r\nsunny",
    "a name with a blank": OK + b"Cache-Control : private\r\n\r\nsunny",
    "a name with a blank inside": OK + b"X Y: z\r\n" + PRIVATE + b"\r\nsunny",
    "a fold before any header": OK + b" folded\r\n" + PRIVATE + b"\r\nsunny",
    "a short body": LENGTH % b"50" + b"sunny",
    "a length that is no number": LENGTH % b"five" + b"sunny",
    "a length with a sign": LENGTH % b"+5" + b"sunny",
    "a length below zero": LENGTH % b"-5" + b"sunny",
    "a length as Python has it": LENGTH % b"5_0" + b"sunny" * 10,
    "a length in hex": LENGTH % b"0x5" + b"sunny",
    "no length": LENGTH % b"" + b"sunny",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nsunny",
    "two lengths in a line": LENGTH % b"5, 50" + b"sunny",
    "gzip that is sent as transfer": OK + b"Transfer-Encoding: gzip\r\n\r\nsunny",
    "gzip in chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n",
    "chunks first": OK + b"Transfer-Encoding: chunked, identity, x\r\n\r\n5\r\nsunny\r\n0\r\n\r\n",
    "nearly chunks": OK + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n",
    "no last chunk": CHUNKED + b"5\r\nsunny\r\n",
    "half a chunk": CHUNKED + b"50\r\nsunny",
    "a chunk without an end": CHUNKED + b"5\r\nsunny0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"5\r\nsunny!!0\r\n\r\n",
    "a size below zero": CHUNKED + b"-1\r\nsunny\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+5\r\nsunny\r\n0\r\n\r\n",
    "a size as Python has it": CHUNKED + b"0_5\r\nsunny\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x5\r\nsunny\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\nsunny\r\n0\r\n\r\n",
    "half a size": CHUNKED + b"5\r\nsunny\r\n1",
    "a size without a body": CHUNKED,
}


def says(answer, seen):
    """Send *answer* and go."""

    def handle(connection):
        seen.append(connection.recv(65536))
        connection.sendall(answer)

    return handle


@pytest.mark.parametrize("what", HALVES)
def test_half_an_answer_is_an_error_and_is_not_kept(raw, weather, what):
    """Who asks for the same next asks the service, and gets nothing either."""
    seen = []
    upstream = weather(at=raw(says(HALVES[what], seen)).url, retries=0, cache=60)
    for _ in range(2):
        raised_by(UpstreamFailed, upstream.get, "/")
    assert len(seen) == 2


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
@pytest.mark.parametrize("chunks", [True, False], ids=["chunks", "a length"])
def test_packed_body_that_was_cut_before_it_was_sent_is_an_error(raw, weather, coding, chunks):
    """Its length is right: it is the unpacked one that is not whole."""
    seen = []
    packed = zlib.compress(b"sunny" * 999) if coding == "deflate" else gzip.compress(b"sunny" * 999)
    packed = gzip.compress(packed) if "," in coding else packed
    for cut in range(1, len(packed), max(1, len(packed) // 7)):
        body = packed[:cut]
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (cut, body) if chunks else body
        how = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % cut
        head = OK + b"Content-Encoding: %s\r\n%s\r\n\r\n" % (coding.encode(), how)
        upstream = weather(at=raw(says(head + framed, seen)).url, retries=0, cache=60)
        raised_by(UpstreamError, upstream.get, "/")


#: What is odd, and whole.
ODD = {
    "identity and chunks": (
        OK + b"Transfer-Encoding: identity, chunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n"
    ),
    "chunks in capitals": OK + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n",
    "chunks in a second line": (
        OK + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nsunny\r\n0\r\n\r\n"
    ),
    "two small chunks": CHUNKED + b"2\r\nsu\r\n3\r\nnny\r\n0\r\n\r\n",
    "chunks with notes": CHUNKED + b'5 ;a="b"\r\nsunny\r\n0;c\r\n\r\n',
    "chunks with trailers": CHUNKED + b"5\r\nsunny\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    "zeros before a size": CHUNKED + b"0005\r\nsunny\r\n000\r\n\r\n",
    "chunks and a length": (
        OK + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsunny\r\n0\r\n\r\n"
    ),
    "the same length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nsunny",
    "identity": OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nsunny",
    "a folded header": OK + b"X-A: b\r\n c\r\nContent-Length: 5\r\n\r\nsunny",
    "an empty header": OK + b"X-A:\r\nContent-Length: 5\r\n\r\nsunny",
    "a letter of latin-1": OK + b"X-A: caf\xe9\r\nContent-Length: 5\r\n\r\nsunny",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_answer_that_is_whole_is_an_answer(raw, weather, what):
    """The next one is right too, on whatever connection."""

    def handle(connection):
        for _ in requests_on(connection):
            connection.sendall(ODD[what])

    upstream = weather(at=raw(handle).url, retries=0)
    assert [upstream.get("/").text for _ in range(3)] == ["sunny"] * 3


def test_body_without_a_length_ends_with_its_connection(raw, weather):
    """As HTTP has it; nothing says that it is not whole."""
    assert weather(at=raw(says(OK + b"\r\nsunny", [])).url).get("/").text == "sunny"


RAW_DEFLATE = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": ("gzip", gzip.compress(b"sunny")),
    "gzip in capitals": ("GZIP", gzip.compress(b"sunny")),
    "x-gzip": ("x-gzip", gzip.compress(b"sunny")),
    "two parts": ("gzip", gzip.compress(b"sun") + gzip.compress(b"ny")),
    "what follows a gzip": ("gzip", gzip.compress(b"sunny") + b"\0" * 9),
    "deflate": ("deflate", zlib.compress(b"sunny")),
    "deflate as some have it": ("deflate", RAW_DEFLATE.compress(b"sunny") + RAW_DEFLATE.flush()),
    "twice": ("deflate, gzip", gzip.compress(zlib.compress(b"sunny"))),
    "identity": ("identity", b"sunny"),
    "nothing": ("", b"sunny"),
}


@pytest.mark.parametrize("what", PACKED)
def test_body_is_unpacked_whole(outside, weather, what):
    """Each part of it, in whatever order it was packed."""
    coding, body = PACKED[what]
    outside.says(headers={"Content-Encoding": coding}, body=body)
    assert weather().get("/").text == "sunny"


def test_many_small_parts_of_a_gzip_cost_little(outside, weather):
    """Each is looked at from its begin to the end of all: somebody could send a million."""
    outside.says(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"") * 100_000)
    raised_by(UpstreamError, weather(timeout=(1, 9), total=9).get, "/")


def test_line_between_chunks_that_does_not_end_is_refused_before_it_is_read():
    """``max_size`` counts what is in chunks alone. Here the versions of urllib3 differ."""
    plain = io.BytesIO(b"1" * 200_000)
    raised_by(NotWhole, heads._Chunks(plain).readline)
    assert plain.tell() == 64 * 1024
