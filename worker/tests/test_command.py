"""``wsgifutures-worker``: init, check, run; and the key."""

from conftest import wait_until
from standin import Answer
from wsgifutures_worker import KeyNotPrivate
from wsgifutures_worker.__main__ import main
from wsgifutures_worker.keys import load_key
from wsgifutures_worker.keys import make_key
from wsgifutures_worker.keys import thumbprint

import datetime
import email.utils
import jwt
import pytest
import time


def init(site, key, *more):
    return main(["init", "--key", str(key), "--url", site.url, "--queues", "ocr, video", *more])


def test_init_makes_a_key_and_introduces_the_worker(site, tmp_path, capsys):
    """The site knows the public half; the person sees the fingerprint and what to do."""
    assert init(site, tmp_path / "new.pem", "--name", "ocr on host7") == 0
    own = load_key(tmp_path / "new.pem")
    known = site.workers[own.id]
    assert (known["state"], known["name"], known["jwk"]) == ("pending", "ocr on host7", own.jwk)
    told = capsys.readouterr().out
    assert own.fingerprint in told
    assert "In Site Setup" in told
    assert "PRIVATE" not in told


def test_init_again_keeps_the_key_and_tells_the_state(site, key, capsys):
    """Nothing is overwritten."""
    before = key.read_bytes()
    assert init(site, key) == 0
    site.approve(load_key(key), "ocr")
    assert init(site, key) == 0
    assert key.read_bytes() == before
    assert "This worker is approved." in capsys.readouterr().out
    assert len(site.workers) == 1


def test_init_says_why_the_site_takes_nobody(site, key, capsys):
    """With the site's own words."""
    site.trouble["/@workers"].append(Answer(429, {"message": "20 workers wait"}))
    assert init(site, key) == 1
    assert "answers with 429: 20 workers wait" in capsys.readouterr().err


def test_a_key_is_for_its_user_alone(tmp_path):
    """From the first byte on."""
    make_key(tmp_path / "worker.pem")
    assert (tmp_path / "worker.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "worker.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_read_is_refused(key, mode):
    """With the command that helps."""
    key.chmod(mode)
    with pytest.raises(KeyNotPrivate) as raised:
        load_key(key)
    assert f"has mode {mode:04o}" in str(raised.value)
    assert f"chmod 600 {key}" in str(raised.value)


def test_a_key_of_another_kind_is_refused(tmp_path):
    """RSA signs nothing here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "rsa.pem").write_bytes(pem)
    (tmp_path / "rsa.pem").chmod(0o600)
    with pytest.raises(ValueError, match="no Ed25519 key"):
        load_key(tmp_path / "rsa.pem")


def test_the_id_is_the_thumbprint_of_rfc_8037():
    """Its example (A.3)."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_an_assertion_is_short_and_good_once(key):
    """A minute, another id each time."""
    own = load_key(key)
    read = [
        jwt.decode(own.assertion("https://a"), options={"verify_signature": False})
        for _ in range(2)
    ]
    assert read[0]["jti"] != read[1]["jti"]
    assert read[0]["exp"] - read[0]["iat"] == 60
    assert jwt.get_unverified_header(own.assertion("a")) == {
        "alg": "EdDSA",
        "typ": "JWT",
        "kid": own.id,
    }


def check(site, key):
    return main(["check", "--key", str(key), "--url", site.url])


def test_check_tells_that_all_is_well(site, key, capsys):
    """Approval, queues, clock, versions."""
    site.approve(load_key(key), "ocr")
    assert check(site, key) == 0
    told = capsys.readouterr().out
    assert "Approved: for ocr" in told
    assert "Clock: " in told
    assert "PyJWT " in told


def test_check_tells_that_nobody_has_approved_it(site, key, capsys):
    """With the fingerprint to compare."""
    init(site, key)
    capsys.readouterr()
    assert check(site, key) == 1
    told = capsys.readouterr().out
    assert "Approved: no: 401 The worker is pending" in told
    assert load_key(key).fingerprint in told


def test_check_tells_of_a_clock_that_is_wrong(site, key, capsys):
    """By more than what the site tolerates."""
    site.approve(load_key(key), "ocr")
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=90)
    site.date = email.utils.format_datetime(then, usegmt=True)
    assert check(site, key) == 1
    assert "s from the site's: more than the minute" in capsys.readouterr().out


def test_check_names_the_queues_that_it_is_not_approved_for(
    site, key, tmp_path, capsys, monkeypatch
):
    """Those of the program."""
    monkeypatch.chdir(tmp_path)
    source = f"worker = Worker({site.url!r}, queues=['ocr', 'faces'], key={str(key)!r})"
    (tmp_path / "checked.py").write_text("from wsgifutures_worker import Worker\n" + source)
    site.approve(load_key(key), "ocr")
    assert main(["check", "checked:worker"]) == 1
    assert "it is not approved for faces" in capsys.readouterr().out


def test_check_claims_nothing(site, key):
    """A job that waits goes on waiting."""
    site.approve(load_key(key), "ocr")
    job = site.submit("ocr")
    check(site, key)
    assert job.log == []


def test_check_tells_that_the_site_is_not_there(key, capsys):
    """In one line, without a traceback."""
    assert main(["check", "--key", str(key), "--url", "http://127.0.0.1:9/plone"]) == 1
    assert "does not answer (ConnectionError)" in capsys.readouterr().out


def test_run_logs_what_it_does_and_no_secret(site, start_program):
    """No token, no assertion, no key, no argument, no result."""
    program = start_program(
        """
import logging
logging.getLogger().setLevel(0)

@worker.does("ocr")
def ocr(job):
    job.get("page")
    print(repr(job), repr(worker), repr(job._claim), repr(worker.site), repr(job.session))
    return "the-result"
"""
    )
    site.pages["/doc/page"] = "page"
    site.trouble["/complete"].append(Answer(503))
    job = site.submit("ocr", "the-argument")
    wait_until(lambda: job.state == "done")
    wait_until(lambda: ": done." in program.log)
    tokens = {auth.removeprefix("Bearer ") for _, _, auth in site.seen if auth}
    assert len(tokens) >= 3
    assert f"job {job.id} (ocr, attempt 1): claimed." in program.log
    for secret in (*tokens, "eyJ", "PRIVATE", "the-argument", "the-result"):
        assert secret not in program.log


def test_run_says_what_is_no_worker(tmp_path, monkeypatch, capsys):
    """A name that is something else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing.py").write_text("worker = 1")
    assert main(["run", "nothing:worker"]) == 1
    assert capsys.readouterr().err == "nothing:worker is no Worker.\n"


def test_run_starts_and_ends_by_a_signal(site, start_program):
    """With status 0."""
    program = start_program('worker.does("ocr")(lambda job: None)')
    wait_until(lambda: site.waiting)
    time.sleep(0.1)
    program.stop()
    assert program.wait() == 0


def test_run_of_a_program_that_runs_by_itself_ends_by_one_signal(site, start_program):
    """It is not run while it is imported, and then again."""
    program = start_program('worker.does("ocr")(lambda job: None)\nworker.run()\n')
    wait_until(lambda: site.waiting)
    time.sleep(0.1)
    program.stop()
    assert program.wait() == 0
    assert program.log.count("does ocr.") == 1


def test_check_of_a_program_that_runs_by_itself_claims_nothing(
    site, key, tmp_path, capsys, monkeypatch
):
    """It is only asked whether it could."""
    monkeypatch.chdir(tmp_path)
    source = f"worker = Worker({site.url!r}, queues=['ocr'], key={str(key)!r})\nworker.run()\n"
    (tmp_path / "runs.py").write_text("from wsgifutures_worker import Worker\n" + source)
    site.approve(load_key(key), "ocr")
    job = site.submit("ocr")
    assert main(["check", "runs:worker"]) == 0
    assert "Approved: for ocr" in capsys.readouterr().out
    assert job.log == []
