"""Functions of a worker are tested without a server."""

from wsgifutures_worker import Hopeless
from wsgifutures_worker import Retry
from wsgifutures_worker import testing
from wsgifutures_worker import Worker
from wsgifutures_worker.keys import Key

import datetime
import pytest


@pytest.fixture
def worker():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Worker("https://www.example.com", key=Key(Ed25519PrivateKey.generate()))


def test_run_returns_what_became_of_it(worker):
    """Result, progress, files, as the site would get them."""
    pages = testing.Pages({"@@images/image/large": b"PNG", "": {"title": "A doc"}})

    @worker.does("ocr")
    def ocr(job, **_):
        job.progress(0.5, "half")
        job.file("a.txt", b"a", "text/plain")
        image, title = job.get("@@images/image/large").content, job.get().json()["title"]
        return {"image": image, "title": title, "args": job.args, "kwargs": job.kwargs}

    day = datetime.date(2026, 5, 1)
    outcome = testing.run(worker, "ocr", day, (1, 2), session=pages, language="de")
    assert outcome.result == {
        "image": b"PNG",
        "title": "A doc",
        "args": [day, [1, 2]],
        "kwargs": {"language": "de"},
    }
    assert outcome.error is None
    assert outcome.progress == [(0.5, "half")]
    assert outcome.files == [("a.txt", b"a", "text/plain")]
    assert [path for _, path, _ in pages.asked] == ["@@images/image/large", ""]


@pytest.mark.parametrize(
    ("raises", "error", "retry_after", "hopeless"),
    [
        (Retry(30, "busy"), "busy", 30, False),
        (Hopeless("broken"), "broken", None, True),
        (KeyError("a"), "KeyError: 'a'", None, False),
    ],
)
def test_run_returns_the_error(worker, raises, error, retry_after, hopeless):
    """It never raises what the function raises."""

    @worker.does("ocr")
    def ocr(job):
        raise raises

    outcome = testing.run(worker, "ocr")
    assert (outcome.error, outcome.retry_after, outcome.hopeless) == (error, retry_after, hopeless)


def test_run_plays_another_attempt_and_a_cancelled_job(worker):
    """What a function does then is tested too."""
    worker.does("ocr")(lambda job: [job.attempt, job.cancelled])
    assert testing.run(worker, "ocr", attempt_number=3, cancelled=True).result == [3, True]


def test_run_without_pages_has_none(worker):
    """404, as a page that is not there."""
    worker.does("ocr")(lambda job: job.get("page"))
    assert testing.run(worker, "ocr").error.startswith("HTTPError: 404")


def test_run_of_an_unknown_task_says_which_are_known(worker):
    """A misspelt name is a mistake of the test."""
    worker.does("ocr")(print)
    with pytest.raises(LookupError, match="it does: ocr"):
        testing.run(worker, "orc")
