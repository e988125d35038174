"""The same views on gunicorn and on waitress."""

import hashlib
import pytest
import random
import time


@pytest.mark.smoke
def test_held_view_takes_two_passes_and_one_call(server, service, text):
    """Promise 2: a future runs once, the request is published twice."""
    answer = server.get("@@hold", text=text)
    assert (answer.status_code, answer.text) == (200, f"{text} in nowhere")
    assert answer.headers["X-Hold-Passes"] == "2"
    assert service.calls(text) == 1


def test_request_without_a_future_takes_one_pass(server):
    """What asks for nothing is published as always."""
    answer = server.get("@@fast")
    assert (answer.text, answer.headers["X-Hold-Passes"]) == ("fast", "1")


def test_form_variables_arrive_in_a_held_method_and_the_held_ones_do_not(server, text):
    """`?answer=x` changes nothing."""
    answer = server.get("@@hold", text=text, city="Oulu", answer="x", unfilled="y")
    assert answer.text == f"{text} in Oulu"


def test_gather_waits_once_for_five_calls(server, service, text):
    """Five calls of half a second side by side take far less than five times that."""
    began = time.monotonic()
    answer = server.get("@@many", text=text, seconds=0.5)
    assert answer.text.split() == [f"{text}-{n}" for n in range(5)]
    assert answer.headers["X-Hold-Passes"] == "2"
    assert time.monotonic() - began < 2.0


def test_pass_that_only_submitted_is_held(server, service, text):
    """A pass with pending futures is discarded even where the view never waited."""
    answer = server.get("@@submit-only", text=text)
    assert (answer.text, answer.headers["X-Hold-Passes"]) == ("submitted", "2")
    assert service.calls(text) == 1


def test_pass_that_only_submitted_is_not_transformed(server, text):
    """No theme is applied to it, and no cache keeps its placeholder."""
    assert server.get("@@placeholder", text=text).text == text
    bodies = server.get("@@transformed").json()
    assert text in bodies
    assert "placeholder" not in bodies


@pytest.mark.parametrize(
    ("how", "status"),
    [("raise-redirect", 302), ("redirect", 302), ("unauthorized", 302), ("notfound", 404)],
)
def test_pass_that_ends_by_an_answer_calls_nothing(server, service, text, how, status):
    """Promise 3: a pass that does not end by waiting starts nothing."""
    answer = server.get("@@ends", text=text, how=how)
    assert (answer.status_code, answer.headers["X-Hold-Passes"]) == (status, "1")
    time.sleep(0.3)
    assert service.calls(text) == 0


def test_conflict_after_the_result_is_there_calls_once_in_all(server, service, text):
    """Promise 2: whatever Zope retries, the call is made once."""
    answer = server.get("@@conflict", text=text)
    assert (answer.status_code, answer.text) == (200, text)
    assert service.calls(text) == 1


def test_counter_written_before_the_wait_grows_by_one(server, text):
    """Promise 4: one commit."""
    before = int(server.get("@@counted").text)
    assert server.get("@@count", text=text).text == str(before + 1)
    assert server.get("@@counted").text == str(before + 1)


def test_mail_sent_before_the_wait_goes_out_once(server, smtp, text):
    """Promise 4: a suspended pass sends no mail."""
    assert server.get("@@mail", text=text, port=smtp.port).text == text
    assert smtp.subjects.count(text) == 1


def test_mail_sent_at_once_before_the_wait_goes_out_once(server, smtp, service, text):
    """The pass that has sent it waits inside; others are served meanwhile."""
    ask = {"text": text, "port": smtp.port, "immediate": "1"}
    answer = server.get("@@mail", **ask)
    assert (answer.text, answer.headers["X-Hold-Passes"]) == (text, "1")
    assert (smtp.subjects.count(text), service.calls(text)) == (1, 1)


@pytest.mark.parametrize("upload", [False, True])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_each_pass_reads_the_whole_body(server, upload, size):
    """Raw and multipart, in memory and in a file."""
    data = random.Random(size).randbytes(size)
    if upload:
        answer = server.post("@@body", files={"upload": data})
    else:
        headers = {"Content-Type": "application/octet-stream"}
        answer = server.post("@@body", data=data, headers=headers)
    assert answer.json() == {"size": size, "sha256": hashlib.sha256(data).hexdigest()}
    assert answer.headers["X-Hold-Passes"] == "2"


def test_each_pass_reads_a_chunked_body(server):
    """Zope finds a length and no transfer encoding."""
    headers = {"Content-Type": "application/octet-stream"}
    chunks = [b"a" * 1000, b"b" * 200_000]
    answer = server.post("@@body", data=iter(chunks), headers=headers)
    assert answer.json()["sha256"] == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_view_can_wait_while_it_is_traversed(server, service, text):
    """Any place of a publication may suspend."""
    assert server.get(f"@@traverse/{text}").text == text
    assert service.calls(text) == 1


def test_new_futures_in_every_pass_end_at_the_limit(server, text):
    """A view that asks for ever is stopped by an error that names the future."""
    answer = server.get("@@forever", text=text, auth=("admin", "admin"))
    assert answer.status_code == 500
    assert answer.headers["X-Hold-Passes"] == "25"
    assert "TooManyPasses" in answer.text


def test_future_out_of_time_answers_504(server, silent):
    """As Plone's error page and as JSON."""
    page = server.get("@@timeout", url=silent.url, headers={"Accept": "text/html"})
    assert page.status_code == 504
    assert "text/html" in page.headers["Content-Type"]
    data = server.get("@@timeout", url=silent.url, headers={"Accept": "application/json"})
    assert (data.status_code, data.json()["type"]) == (504, "FutureTimeout")


def test_blob_streams_from_a_held_view(server, text):
    """The last response's body is passed on as it is."""
    data = random.Random(1).randbytes(400_000)
    headers = {"Content-Type": "application/octet-stream"}
    assert server.post("@@keep-blob", data=data, headers=headers).text == "kept"
    for params, passes in (({}, "1"), ({"text": text}, "2")):
        answer = server.get("@@stream-blob", **params)
        assert (answer.content == data, answer.headers["X-Hold-Passes"]) == (True, passes)


def test_context_variable_of_a_pass_is_unset_in_the_next_one(server, text):
    """Each pass runs in a context of its own, whatever its slot did before."""
    calls = [lambda s, n=n: s.get("@@context", text=f"{text}-{n}").text for n in range(12)]
    assert set(server.together(calls)) == {"None"}


def test_nobody_sees_another_user(server, users, text):
    """Promise 7: two users' requests held by the hundred, each sees its own in each pass."""
    names = ["alice", "bob"] * (100 if server.name == "gunicorn" else 20)
    calls = [
        lambda s, n=n, u=u: s.get("@@whoami", text=f"{text}-{n}", auth=(u, users[u])).text
        for n, u in enumerate(names)
    ]
    assert server.together(calls) == [f"{name} {name}" for name in names]
