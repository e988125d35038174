"""Names and addresses: limits hold for all of them together, and one host waits for no other."""

from .outside import ok
from .outside import raised_by
from .outside import requests_on
from .outside import side_by_side
from .outside import until
from collective.wsgifutures import UpstreamError
from collective.wsgifutures import UpstreamFailed
from collective.wsgifutures import UpstreamTimeout
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams import names

import _socket
import contextlib
import pytest
import socket
import threading
import time

pytestmark = pytest.mark.concurrency


@pytest.fixture
def known(monkeypatch):
    """Names, each with its addresses, or with the seconds that nothing is said about it."""
    hosts, asked = {}, []

    def getaddrinfo(host, *args):
        asked.append(host)
        found = hosts[host]
        if isinstance(found, float):
            names.current().of_the_system("time", "sleep")(found)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in found]

    monkeypatch.setattr(names, "getaddrinfo", getaddrinfo)
    hosts["asked"] = asked
    return hosts


@contextlib.contextmanager
def dead(addresses):
    """Listen at *addresses*, at one port, and accept nobody; yield the port."""
    with contextlib.ExitStack() as stack:
        port = 0
        for address in addresses:
            listener = stack.enter_context(socket.create_server((address, port), backlog=0))
            port = listener.getsockname()[1]
            for _ in range(3):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex((address, port))
        yield port


FOUR = [f"127.0.0.{n}" for n in (11, 12, 13, 14)]


@pytest.mark.parametrize("held", [True, False], ids=["held", "in place"])
@pytest.mark.parametrize(
    ("limits", "what", "seconds"),
    [
        ({"timeout": (0.5, 3), "total": 8}, "connect", 0.5),
        ({"timeout": (3, 3), "total": 0.6}, "total", 0.6),
        ({"timeout": (0.3, 3), "total": 0.6, "retries": 2}, "total", 0.6),
    ],
)
def test_limits_hold_for_all_addresses_together(weather, known, limits, what, seconds, held):
    """And what is raised is the upstream's own error."""
    known["four"] = FOUR
    with dead(FOUR) as port:
        upstream = weather(at=f"http://four:{port}", **{"retries": 0, **limits})
        began = time.monotonic()
        call = HeldRequest(lambda: upstream.get("/")).run if held else (lambda: upstream.get("/"))
        error = raised_by(UpstreamTimeout, call)
        assert time.monotonic() - began < seconds + 0.4
    if not limits.get("retries"):
        assert (error.what, error.timeout) == (what, seconds)


def test_address_that_is_dead_leaves_time_for_the_next_one(weather, known):
    """One in two machines is away, and nobody need know."""
    with dead(FOUR[:1]) as port, socket.create_server((FOUR[1], port)) as listener:
        threading.Thread(target=answer, args=[listener], daemon=True).start()
        known["two"] = FOUR[:2]
        upstream = weather(at=f"http://two:{port}", timeout=(1, 1), retries=0)
        assert upstream.get("/").text == "two"


def answer(listener):
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        for _ in requests_on(connection):
            connection.sendall(ok(b"two"))


def test_request_names_its_host_and_not_its_address(outside, weather, known):
    """Servers tell sites apart by that, and certificates are for names."""
    known["weather.example.com"] = ["127.0.0.1"]
    port = outside.host.rpartition(":")[2]
    assert weather(at=f"http://weather.example.com:{port}").get("/").ok
    assert outside.asked[0].headers["host"] == f"weather.example.com:{port}"
    assert known["asked"] == ["weather.example.com"]


def test_address_is_not_looked_up(outside, weather, known):
    """There is nothing to find out."""
    assert weather().get("/").ok
    assert known["asked"] == []


def test_host_is_looked_up_once_for_all_who_ask_at_the_same_time(weather, known):
    """A name server that is slow is not asked by each call."""
    known["slow"] = 0.3
    upstream = weather(at="http://slow:9", timeout=(2, 2), retries=0, failure_calls=99)
    errors = side_by_side(lambda: upstream.get("/"), 12)
    assert {str(one.reason) for one in errors} == {"Temporary failure in name resolution"}
    assert {type(one) for one in errors} == {UpstreamFailed}
    assert known["asked"] == ["slow"]


def test_host_is_looked_up_again_by_the_next_call(weather, known):
    """Nothing is kept: the system has a cache, and knows for how long."""
    known["slow"] = 0.0
    upstream = weather(at="http://slow:9", retries=0)
    for _ in range(3):
        raised_by(UpstreamFailed, upstream.get, "/")
    assert known["asked"] == ["slow"] * 3


def test_look_ups_that_hang_delay_nobody_else(outside, weather, known):
    """Whatever there is of other hosts that hang: more than gevent has threads."""
    for number in range(15):
        known[f"hangs{number}"] = 4.0
    known["fine"] = ["127.0.0.1"]
    port = outside.host.rpartition(":")[2]
    hanging = [weather(name=f"h{n}", at=f"http://hangs{n}:9", total=2.0) for n in range(15)]
    threads = [
        threading.Thread(target=lambda u=u: raised_by(UpstreamError, u.get, "/")) for u in hanging
    ]
    for thread in threads:
        thread.start()
    assert until(lambda: len(known["asked"]) == 15)
    began = time.monotonic()
    assert weather(name="fine", at=f"http://fine:{port}").get("/").ok
    assert time.monotonic() - began < 0.5
    for thread in threads:
        thread.join(5)


@pytest.mark.parametrize("host", ["127.0.0.1", "fine"])
def test_look_ups_of_other_code_that_hang_delay_no_call(outside, weather, known, hanging, host):
    """They have all of gevent's threads: neither an address nor a name of ours needs one."""
    known["fine"] = ["127.0.0.1"]
    hanging(10)
    began = time.monotonic()
    assert weather(at=outside.url.replace("127.0.0.1", host)).get("/").ok
    assert time.monotonic() - began < 0.5


@pytest.fixture
def hanging(monkeypatch):
    """Look up so many names as any code does; none is found for 1.5 seconds."""
    system, sleep = _socket.getaddrinfo, names.current().of_the_system("time", "sleep")
    asked, threads = [], []

    def getaddrinfo(host, port, *options):
        if host != "hangs.example" or any(options[3:]):
            return system(host, port, *options)
        asked.append(host)
        sleep(1.5)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def look_up():
        with contextlib.suppress(socket.gaierror):
            socket.getaddrinfo("hangs.example", 80)

    def start(number):
        threads.extend(threading.Thread(target=look_up) for _ in range(number))
        for thread in threads:
            thread.start()
        assert until(lambda: len(asked) == number)

    monkeypatch.setattr(_socket, "getaddrinfo", getaddrinfo)
    yield start
    for thread in threads:
        thread.join(5)


def test_names_of_hosts_and_of_ports_are_looked_up_as_ever():
    """Also where addresses are not."""
    names.current().look_up_addresses_at_once()
    assert ("127.0.0.1", 80) in [one[4] for one in socket.getaddrinfo("localhost", "http")]
    assert socket.getaddrinfo("::1", 80)[0][4][:2] == ("::1", 80)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("127.0.0.1", 80, socket.AF_INET6)
    assert socket.gethostbyname("127.0.0.1") == "127.0.0.1"


def test_look_up_that_hangs_is_timed_out_as_a_connection(weather, known):
    """Though nobody can end it; and who comes later waits no longer either."""
    known["hangs"] = 2.0
    upstream = weather(at="http://hangs:9", timeout=(0.2, 3), retries=0)
    began = time.monotonic()
    errors = [raised_by(UpstreamTimeout, upstream.get, "/") for _ in range(3)]
    assert [(one.what, one.timeout) for one in errors] == [("connect", 0.2)] * 3
    assert time.monotonic() - began < 1.2
    assert known["asked"] == ["hangs"]


@pytest.mark.parametrize("host", ["a" * 70, "x..example.com", "nowhere.invalid"])
def test_name_that_cannot_be_is_an_error_of_the_upstream(weather, host):
    """Whatever the system says of it."""
    raised_by(UpstreamFailed, weather(at=f"http://{host}", retries=0).get, "/")


def test_number_of_look_ups_is_limited(weather, known, monkeypatch):
    """Redirects could lead to any number of hosts whose names hang."""
    monkeypatch.setattr(names, "MOST", len(names._waiting) + 1)
    known["stands"], known["fine"] = 1.0, ["127.0.0.1"]
    thread = threading.Thread(
        target=lambda: raised_by(UpstreamError, weather(at="http://stands:9", retries=0).get)
    )
    thread.start()
    assert until(lambda: known["asked"])
    error = raised_by(UpstreamFailed, weather(name="other", at="http://fine", retries=0).get)
    assert error.reason == "too many hosts are being looked up"
    thread.join(5)


class NoThread:
    """A thread of a system that has too many."""

    def start(self):
        raise RuntimeError("can't start new thread")


def test_look_up_that_could_not_begin_stands_in_no_way(outside, weather, known, monkeypatch):
    """There were too many threads for a moment: the next call asks anew."""
    known["some"] = ["127.0.0.1"]
    upstream = weather(at=outside.url.replace("127.0.0.1", "some"), timeout=(1, 1), retries=0)
    with monkeypatch.context() as patch:
        runtime = type(names.current())
        patch.setattr(runtime, "thread", lambda self, target: NoThread())
        error = raised_by(UpstreamFailed, upstream.get, "/")
        assert "no thread is free" in str(error)
    assert known["asked"] == []
    assert upstream.get("/").ok
