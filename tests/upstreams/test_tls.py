"""Certificates are verified, whoever stands between."""

from .outside import Outside
from .outside import raised_by
from collective.wsgifutures import UpstreamRefused

import contextlib
import pytest
import socket
import ssl
import subprocess
import threading

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
    error = raised_by(UpstreamRefused, weather(at=at(outside), retries=0).get, "/")
    assert "certificate is not accepted" in error.reason
    assert outside.asked == []


def test_certificate_of_another_host_is_refused(outside, weather, certificate):
    """It is trusted, and not for this name."""
    upstream = weather(at=at(outside, "127.0.0.1"), ca_file=certificate[0], retries=0)
    assert "certificate is not accepted" in raised_by(UpstreamRefused, upstream.get).reason


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
