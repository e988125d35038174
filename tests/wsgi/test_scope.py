"""A request that ASGI describes has the environ that WSGI would give it."""

from collective.wsgifutures.wsgi.scope import make_environ

import pytest


def scope(**changes):
    return {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("127.0.0.1", 8080),
        "client": ("10.0.0.1", 4711),
    } | changes


def test_request_has_its_method_its_server_and_its_client():
    """Those of a proxy are in headers, as ever."""
    environ = make_environ(scope(method="POST", scheme="https", query_string=b"a=1&b=%20"))
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8080")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("10.0.0.1", "4711")
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["wsgi.input"].read() == b""


@pytest.mark.parametrize("server", [None, ("/run/plone.sock", None)])
def test_request_on_a_unix_socket_has_the_port_of_its_scheme(server):
    """Zope makes its own address from both."""
    environ = make_environ(scope(server=server, client=None))
    assert (environ["SERVER_PORT"], environ["REMOTE_ADDR"]) == ("80", "")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/K%C3%B6ln", "/K\xc3\xb6ln"),
        (b"/a%2Fb", "/a/b"),
        (b"/%FF", "/\xff"),
        (b"/a?b", "/a"),
    ],
)
def test_path_is_the_bytes_that_came_each_as_one_character(raw, text):
    """As WSGI has it, also if they are no UTF-8."""
    assert make_environ(scope(raw_path=raw, path="wrong"))["PATH_INFO"] == text


def test_path_without_its_raw_form_is_encoded():
    """A server need not give the raw one."""
    environ = make_environ(scope(raw_path=None, path="/Köln", query_string=b"q"))
    assert environ["PATH_INFO"] == "/K\xc3\xb6ln"
    assert environ["RAW_URI"] == "/K\xc3\xb6ln?q"


def test_path_below_a_root_path_is_the_rest():
    """The root path is the script's name."""
    environ = make_environ(scope(root_path="/cms", path="/cms/Plone", raw_path=b"/cms/Plone"))
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/cms", "/Plone")


def test_headers_of_one_name_are_joined():
    """Cookies by what separates cookies, others by a comma."""
    headers = [(b"x-forwarded-for", b"1"), (b"cookie", b"a=1"), (b"x-forwarded-for", b"2")]
    environ = make_environ(scope(headers=[*headers, (b"cookie", b"b=2")]))
    assert environ["HTTP_X_FORWARDED_FOR"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_headers_of_a_body_have_no_prefix():
    """As WSGI wants it."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"3")]
    environ = make_environ(scope(headers=headers))
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environ.keys()


def test_header_with_an_underscore_is_dropped():
    """It would look like another one, which a proxy may have checked."""
    headers = [(b"x_forwarded_for", b"127.0.0.1"), (b"x-forwarded-for", b"10.0.0.2")]
    assert make_environ(scope(headers=headers))["HTTP_X_FORWARDED_FOR"] == "10.0.0.2"
