"""A worker does the jobs of a site."""

from conftest import running
from conftest import wait_until
from decimal import Decimal
from standin import Answer
from wsgifutures_worker import Hopeless
from wsgifutures_worker import Retry
from wsgifutures_worker import Worker

import datetime
import pytest
import threading
import time


def test_a_job_is_claimed_done_and_its_result_told(site, make_worker):
    """Arguments in, result out."""
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        return {"text": job.args[0] + job.kwargs["more"], "id": job.id, "key": job.key}

    with running(worker):
        job = site.submit("ocr", "Hello", more=" world")
        wait_until(lambda: job.state == "done")
    assert job.result == {"text": "Hello world", "id": job.id, "key": job.key}
    assert site.verbs(job) == ["claimed", "complete"]


def test_a_worker_waits_at_the_site_and_begins_at_once(site, make_worker):
    """The claim is held: nobody asks again and again."""
    worker = make_worker()
    worker.does("ocr")(lambda job: None)
    with running(worker):
        wait_until(lambda: site.waiting == 1)
        begun = time.monotonic()
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
        assert time.monotonic() - begun < 1
    assert site.waits[0] == 50


def test_a_job_knows_what_it_is(site, make_worker):
    """Context, attempt, deadline, as the claim has them."""
    worker, seen = make_worker(), []

    @worker.does("ocr")
    def ocr(job):
        seen.append((job.context["UID"], job.context["@id"], job.attempt, job.queue, job.deadline))

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    url = f"{site.url}/doc"
    assert seen == [("u" * 32, url, 1, "ocr", "2099-01-01T00:00:00+00:00")]


def test_types_that_json_lacks_are_kept_in_both_directions(site, make_worker):
    """Tagged, as the site does it."""
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        return {"price": job.args[0] * 2, "day": datetime.date(2026, 5, 1), "raw": b"x"}

    with running(worker):
        job = site.submit("ocr", {"$type": "Decimal", "value": "1.10"})
        wait_until(lambda: job.state == "done")
    assert job.result["price"] == {"$type": "Decimal", "value": str(Decimal("2.20"))}
    assert job.result["day"] == {"$type": "date", "value": "2026-05-01"}
    assert job.result["raw"] == {"$type": "bytes", "value": "eA=="}


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        (ValueError("no such font"), ("ValueError: no such font", "dead", False)),
        (Hopeless("the image is empty"), ("the image is empty", "dead", True)),
        (SystemExit(3), ("SystemExit: 3", "dead", False)),
    ],
)
def test_an_error_ends_the_attempt_and_is_told(site, make_worker, raises, told):
    """With type and text; Hopeless ends the job."""
    site.attempts = 1
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        raise raises

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "dead")
    assert (job.error, job.state, job.hopeless) == told


def test_retry_asks_for_another_attempt_after_a_while(site, make_worker):
    """The site gets the seconds; the next attempt has the next number."""
    worker, seen = make_worker(), []

    @worker.does("ocr")
    def ocr(job):
        seen.append((job.attempt, time.monotonic()))
        if job.attempt == 1:
            raise Retry(0.5, "the scanner warms up")

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    (first, began), (second, again) = seen
    assert (first, second, job.error) == (1, 2, "the scanner warms up")
    assert again - began >= 0.5


def test_a_secret_task_tells_the_type_of_an_error_alone(site, make_worker, caplog):
    """Not to the site, and not to the log."""
    site.attempts = 1
    worker = make_worker()

    @worker.does("ocr", secret=True)
    def ocr(job):
        raise ValueError("the IBAN is DE02")

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "dead")
    assert job.error == "ValueError"
    assert "DE02" not in caplog.text


def test_a_result_that_is_not_plain_fails_the_job(site, make_worker):
    """It says which type."""
    site.attempts = 1
    worker = make_worker()
    worker.does("ocr")(lambda job: object())
    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "dead")
    assert job.error == "NotPlain: object is not plain data. Hand over its plain values instead."


def test_a_result_that_the_site_refuses_ends_the_job(site, make_worker):
    """It would be refused each time."""
    site.trouble["/complete"].append(Answer(413, {"message": "12 MB, may have 10"}))
    worker = make_worker()
    worker.does("ocr")(lambda job: "x")
    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "dead")
    assert job.error == "The site does not take the result: 413 12 MB, may have 10"
    assert job.hopeless


def test_a_task_that_nobody_does_here_fails_in_sight(site, make_worker):
    """It does not wander from claim to claim."""
    site.attempts = 1
    worker = make_worker()
    worker.does("ocr")(lambda job: None)
    with running(worker):
        job = site.submit("video")
        wait_until(lambda: job.state == "dead")
    assert job.error == 'The worker that claimed this job does not do "video".'


def test_files_go_with_the_result(site, make_worker):
    """By their names, with their types."""
    worker = make_worker()

    @worker.does("ocr")
    def ocr(job):
        job.file("out.pdf", b"%PDF\r\n\x00\xff", "application/pdf")
        job.file("out.txt", b"text")
        return {"pages": 1, "made": datetime.date(2026, 5, 1)}

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    assert job.result == {"pages": 1, "made": {"$type": "date", "value": "2026-05-01"}}
    assert job.files == {
        "out.pdf": ("out.pdf", b"%PDF\r\n\x00\xff", "application/pdf"),
        "out.txt": ("out.txt", b"text", "application/octet-stream"),
    }


def test_an_async_function_is_awaited(site, make_worker):
    """In a loop of its own, in the lane's thread."""
    worker = make_worker()

    @worker.does("ocr")
    async def ocr(job):
        return "from a coroutine"

    with running(worker):
        job = site.submit("ocr")
        wait_until(lambda: job.state == "done")
    assert job.result == "from a coroutine"


def test_as_many_jobs_as_concurrency_run_side_by_side(site, make_worker):
    """And not one more."""
    worker, together = make_worker(concurrency=3), threading.Barrier(3)
    running_now, most = [], []

    @worker.does("ocr")
    def ocr(job):
        running_now.append(1)
        most.append(len(running_now))
        together.wait(10)
        running_now.pop()

    jobs = [site.submit("ocr") for _ in range(6)]
    with running(worker):
        wait_until(lambda: all(job.state == "done" for job in jobs))
    assert max(most) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": None}, "needs key="),
        ({"broker": "memory://", "queues": None}, "name the queues="),
        ({"queues": "ocr"}, "is a list"),
        ({"concurrency": 0}, "1 or more"),
        ({"executor": "greenlets"}, '"threads" or "processes"'),
        ({"url": "www.example.com"}, "has to be the site's address"),
        ({"url": "https://me:pw@www.example.com"}, "no user"),
    ],
)
def test_a_wrong_option_is_refused_with_a_sentence(key, options, words):
    """Before anything is asked."""
    with pytest.raises(ValueError, match=words):
        Worker(**{"url": "https://www.example.com", "queues": ["ocr"], "key": key, **options})


def test_a_task_is_declared_once(make_worker):
    """The second function would never be called."""
    worker = make_worker()
    worker.does("ocr")(print)
    with pytest.raises(ValueError, match="declared twice"):
        worker.does("ocr")(print)


def test_the_key_is_read_when_the_worker_runs(tmp_path):
    """So a module with a worker can be imported where there is no key: in its tests."""
    worker = Worker("http://127.0.0.1:9/Plone", queues=["ocr"], key=tmp_path / "worker.pem")
    assert "ocr" in repr(worker)
    with pytest.raises(OSError, match=r"worker\.pem"):
        worker.run()
