"""Certificates are verified, whoever stands between."""

from .outside import ok
from .outside import Outside
from .outside import raised_by
from .outside import Raw
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamRefused
from collective.wsgifutures import UpstreamTimeout

import contextlib
import pytest
import socket
import ssl
import subprocess
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """For localhost, signed by nobody but itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(pem)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return str(pem), str(key)


@pytest.fixture
def outside(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    service = Outside(context)
    yield service
    service.stop()


def at(outside, host="localhost"):
    return f"https://{host}:{outside.host.rpartition(':')[2]}"


def test_certificate_that_nobody_signed_is_refused(outside, weather):
    """Without a way to switch that off."""
    error = raised_by(UpstreamFailed, weather(at=at(outside), retries=0).get, "/")
    assert "certificate is not accepted" in error.reason
    assert outside.asked == []


def test_certificate_of_another_host_is_refused(outside, weather, certificate):
    """It is trusted, and not for this name."""
    upstream = weather(at=at(outside, "127.0.0.1"), ca_file=certificate[0], retries=0)
    assert "certificate is not accepted" in raised_by(UpstreamFailed, upstream.get).reason


def test_certificate_that_is_trusted_is_accepted_once_for_many_calls(outside, weather, certificate):
    """The connection is used again; bodies large and small come through."""
    upstream = weather(at=at(outside), ca_file=certificate[0])
    for size in (1, 500_000, 0, 70_000):
        outside.says(body=b"x" * size, after=0.01)
        assert len(upstream.get("/").body) == size
    assert outside.connections == 1


def test_redirect_to_plain_http_is_refused(outside, weather, certificate):
    """What was meant to be read by nobody stays so."""
    outside.says(302, {"Location": "http://localhost/"})
    upstream = weather(at=at(outside), ca_file=certificate[0], retries=0)
    assert raised_by(UpstreamRefused, upstream.get).reason == "a redirect to something less safe"


def test_proxy_sees_the_host_and_nothing_else(outside, weather, certificate, monkeypatch):
    """A tunnel: the certificate is the service's."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=tunnel, args=[listener, seen], daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        upstream = weather(at=at(outside), ca_file=certificate[0], headers={"X-Key": "s3cret"})
        assert upstream.get("/path").text == "sunny"
    assert seen[0].startswith(f"CONNECT {at(outside).removeprefix('https://')} ".encode())
    assert not any(b"s3cret" in part or b"/path" in part for part in seen)


def tunnel(listener, seen):
    """Let one connection through, and remember what could be read."""
    connection, _ = listener.accept()
    seen.append(connection.recv(65536))
    port = int(seen[0].split()[1].rpartition(b":")[2])
    other = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=[other, connection, []], daemon=True).start()
    pump(connection, other, seen)


def pump(source, target, seen):
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            seen.append(part)
            target.sendall(part)


def tls_service(certificate, handle):
    """Return the port of a service that does *handle* with each connection, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def over_tls(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            handle(wrapped)

    return Raw(over_tls)


UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsunny"


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "cut off"])
def test_end_of_a_body_without_a_length_is_signed(weather, certificate, signed):
    """Or anybody on the way could cut it off, and half of it would be taken for all."""

    def handle(connection):
        connection.recv(65536)
        connection.sendall(UNTIL_THE_END)
        if signed:
            connection.unwrap()

    service = tls_service(certificate, handle)
    upstream = weather(at=at(service), ca_file=certificate[0], retries=0, cache=60)
    if signed:
        assert upstream.get("/").text == "sunny"
    else:
        raised_by(UpstreamFailed, upstream.get, "/")
        raised_by(UpstreamFailed, upstream.get, "/")
    service.stop()


def test_connection_over_tls_that_was_dropped_is_no_failure(weather, certificate):
    """Signed or not: it had been idle."""

    def handle(connection):
        connection.recv(65536)
        connection.sendall(ok(b"sunny"))
        connection.recv(65536)

    service = tls_service(certificate, handle)
    strict = {"retries": 0, "retry_share": 0, "failure_calls": 1}
    upstream = weather(at=at(service), ca_file=certificate[0], **strict)
    assert [upstream.get("/").text for _ in range(4)] == ["sunny"] * 4
    assert service.connections == 4
    service.stop()


@pytest.mark.parametrize("seconds", [0.3, 0.8])
def test_handshake_that_trickles_ends_with_the_time_for_connecting(raw, weather, seconds):
    """However often a byte of it comes."""

    def handle(connection):
        connection.recv(65536)
        for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + b"x" * 99:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    at_it = raw(handle).url.replace("http:", "https:")
    upstream = weather(at=at_it, timeout=(seconds, 5), total=9, retries=0)
    began = time.monotonic()
    error = raised_by(UpstreamTimeout, upstream.get, "/")
    assert (error.what, error.timeout) == ("connect", seconds)
    assert time.monotonic() - began < seconds + 0.5
