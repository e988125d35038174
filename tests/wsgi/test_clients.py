"""One client is one client, however its address is written and whatever it claims."""

from collective.wsgifutures.wsgi.clients import find_client
from collective.wsgifutures.wsgi.clients import UNKNOWN
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st
from ipaddress import IPv4Address
from ipaddress import IPv6Address
from ipaddress import IPv6Network

import pytest

PROXY, SECOND = "10.0.0.1", "10.0.0.2"


def client(remote, *forwarded, trusted=(PROXY, SECOND)):
    """Return the client of a request of *remote*, with each *forwarded* as a header's line."""
    return find_client(remote, ",".join(forwarded), tuple(trusted))


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4 ", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("1.2.3.4:", "1.2.3.4"),
        ('"1.2.3.4:5678"', "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:102:304", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:5678", "1.2.3.4"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:0:0:0:2", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ('"[2001:db8::1]:443"', "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[fe80::1%25eth0]:80", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
@pytest.mark.parametrize("where", ["connection", "header"])
def test_address_has_one_form_however_it_is_written(written, one, where):
    """A port differs from connection to connection; IPv6 is by its network."""
    assert (client(written) if where == "connection" else client(PROXY, written)) == one


@pytest.mark.parametrize(
    "text",
    [
        "unknown",
        "_hidden",
        "_gazonk:_port",
        "www.example.com",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4/8",
        "[",
        "[]",
        "]:[",
        "[1.2.3.4",
        ":",
        ":443",
        "%",
        "%eth0",
        "::ffff:1.2.3.4:80:90",
        "\0",
        "\udc80",
        "x" * 100_000,
        "1" * 100_000,
        ":" * 100_000,
        "[" * 100_000,
    ],
)
def test_what_is_no_address_is_one_client_together(text):
    """Random names for one client would be many clients (RFC 7239, 6.3)."""
    assert client(text) == UNKNOWN
    assert client(PROXY, text) == UNKNOWN


@pytest.mark.parametrize("remote", ["", " ", "localhost"])
def test_unix_socket_is_this_machine(remote):
    """gunicorn has no address there, waitress a name: a proxy on this machine may be trusted."""
    assert client(remote) == "127.0.0.1"
    assert client(remote, "1.2.3.4") == "127.0.0.1"
    assert client(remote, "1.2.3.4", trusted=["127.0.0.1"]) == "1.2.3.4"


@pytest.mark.parametrize(
    ("remote", "forwarded", "one"),
    [
        (PROXY, ["1.2.3.4"], "1.2.3.4"),
        (PROXY, ["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
        (PROXY, ["9.9.9.9", "1.2.3.4"], "1.2.3.4"),
        (PROXY, ["1.2.3.4", SECOND], "1.2.3.4"),
        (PROXY, [f"1.2.3.4:80, {SECOND}:90"], "1.2.3.4"),
        (PROXY, [f"9.9.9.9, 1.2.3.4, {SECOND}, {PROXY}"], "1.2.3.4"),
        (f"{PROXY}:5678", ["1.2.3.4"], "1.2.3.4"),
        (f"::ffff:{PROXY}", ["1.2.3.4"], "1.2.3.4"),
        (PROXY, ["1.2.3.4,", " , "], "1.2.3.4"),
        (PROXY, ["9.9.9.9, unknown"], UNKNOWN),
        (PROXY, [f"9.9.9.9, _hidden, {SECOND}"], UNKNOWN),
        (PROXY, ["2001:db8::1"], "2001:db8::/64"),
        (PROXY, [SECOND], SECOND),
        (PROXY, [""], PROXY),
        (PROXY, [], PROXY),
        ("9.9.9.9, 1.2.3.4", [], "1.2.3.4"),
    ],
)
def test_chain_is_read_from_its_end_and_only_trusted_proxies_are_skipped(remote, forwarded, one):
    """Several headers are one chain, as servers join them; what a client wrote is before it."""
    assert client(remote, *forwarded) == one


@pytest.mark.parametrize("forwarded", ["9.9.9.9", PROXY, f"9.9.9.9, {PROXY}", "unknown", ""])
def test_client_that_is_no_trusted_proxy_is_known_by_its_connection(forwarded):
    """Whatever it claims."""
    assert client("1.2.3.4", forwarded) == "1.2.3.4"
    assert client(PROXY, forwarded, trusted=()) == PROXY


def test_trusted_proxy_of_ipv6_is_trusted_and_not_its_network():
    """Its neighbours are clients."""
    trusted = ["2001:db8::1"]
    assert client("2001:DB8:0::1", "1.2.3.4", trusted=trusted) == "1.2.3.4"
    assert client("2001:db8::2", "1.2.3.4", trusted=trusted) == "2001:db8::/64"


def test_trusted_proxy_is_trusted_through_each_interface():
    """The zone is this machine's name for the way to it."""
    assert client("fe80::1%eth0", "1.2.3.4", trusted=["fe80::1"]) == "1.2.3.4"


def test_proxy_that_has_no_address_trusts_nobody():
    """What is no address is no proxy either."""
    assert client("unknown", "1.2.3.4", trusted=["localhost", "unknown", ""]) == UNKNOWN


# whatever comes

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
ports = st.integers(0, 65535)

#: Where an IPv4 address may be written as IPv6.
WITH_IPV4 = (IPv6Network("::/64"), IPv6Network("64:ff9b::/64"))


@given(st.text(), st.text(), st.lists(st.text()))
def test_any_text_gives_a_client_and_no_error(remote, forwarded, trusted):
    """An address in its one form, or nobody that is known."""
    found = client(remote, forwarded, trusted=trusted)
    assert found == UNKNOWN or client(found.partition("/")[0]) == found


@given(addresses, ports, ports)
def test_port_never_makes_two_clients_of_one(address, one, other):
    """Nor does it take one for another."""
    form = "{}:{}" if isinstance(address, IPv4Address) else "[{}]:{}"
    assert client(form.format(address, one)) == client(form.format(address, other))
    assert client(form.format(address, one)) == client(str(address))


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_addresses_of_one_network_of_ipv6_are_one_client(address, host):
    """A client takes a new one as often as it likes."""
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    assume(not any(address in network for network in WITH_IPV4))
    assert client(str(address)) == client(str(neighbour))


@given(st.ip_addresses(v=4), st.text(st.characters(exclude_characters=",")))
def test_what_a_client_claims_changes_nothing(address, claim):
    """A proxy appends what it saw."""
    assume(str(address) not in (PROXY, SECOND))
    assert client(PROXY, claim, str(address)) == str(address)
    assert client(str(address), claim) == str(address)
