"""Instances that are kept for all suites."""

from instances import keep
from instances import READY
from instances import UNUSED

import instances
import os
import pytest
import time


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Keep an instance that depends on a text; return its folder."""
    monkeypatch.setattr(instances, "ROOT", tmp_path)
    monkeypatch.setattr(instances, "KEPT", tmp_path / "kept")

    def make(text, function=lambda folder: folder.mkdir()):
        (tmp_path / "part").write_text(text)
        return keep("plain", function, ["part"])

    return make


def age(folder):
    used_at = time.time() - UNUSED - 1
    os.utime(folder / READY, (used_at, used_at))


def test_instance_is_made_once(make):
    """Until a file changes that it depends on."""
    made = []

    def note(folder):
        folder.mkdir()
        made.append(folder)

    folders = [make(text, note) for text in ("a", "a", "b")]
    assert folders == [made[0], *made]


def test_instance_of_another_suite_stays(make):
    """That suite may have begun before the file changed."""
    mine = make("a")
    make("b")
    assert (mine / READY).exists()


def test_instance_that_is_long_unused_is_deleted(make):
    """If another one is made in its place."""
    old = make("a")
    age(old)
    make("b")
    assert not old.exists()


def test_use_keeps_an_instance(make):
    """However long ago it was made."""
    old = make("a")
    age(old)
    make("a")
    make("b")
    assert old.exists()


def test_half_made_instance_is_made_anew(make):
    """A suite was ended while it made the instance."""

    def fail(folder):
        folder.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make("a", fail)
    assert (make("a") / READY).exists()
