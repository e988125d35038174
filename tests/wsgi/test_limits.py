"""Limits: what is kept at most, and what is said when that is reached."""

from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.wsgi.limits import LOG_EVERY
from collective.wsgifutures.wsgi.limits import Refusals
from collective.wsgifutures.wsgi.limits import Room
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker

import dataclasses
import logging
import pytest


def test_room_is_given_out_up_to_its_size():
    """What is given back can be taken again."""
    room = Room(10)
    room.take(6)
    room.check(4)
    for ask in (room.check, room.take):
        with pytest.raises(Refused, match="max_bodies"):
            ask(5)
    room.give(1)
    room.take(5)


LIMITS = ("max_held", "max_held_per_client", "max_waiting", "max_wait", "max_bodies")


@pytest.mark.parametrize("limit", LIMITS)
def test_refusals_are_logged_once_in_a_while_with_their_number(limit, caplog):
    """The first at once; the others together, with the setting and its value."""
    caplog.set_level(logging.WARNING)
    now = [100.0]
    refusals = Refusals(Settings(), lambda: now[0])
    for _ in range(50):
        refusals.note(limit)
    now[0] += LOG_EVERY
    refusals.note(limit)
    value = {**dataclasses.asdict(Settings()), "max_held_per_client": 500}[limit]
    assert [record.getMessage().partition(". ")[0] for record in caplog.records] == [
        f"Refused {number} request(s) with 503 since the last such line: {limit} is {value}"
        for number in (1, 50)
    ]
    assert refusals.counts == {limit: 51}


def test_each_limit_is_logged_by_itself(caplog):
    """One that is reached often hides no other."""
    caplog.set_level(logging.WARNING)
    refusals = Refusals(Settings())
    for limit in ("max_held", "max_wait", "max_held"):
        refusals.note(limit)
    assert len(caplog.records) == 2


def test_executors_get_the_limits_of_the_settings():
    """Those of threads, processes and lines, and when a loop that stands still is logged."""
    limits = {"max_threads": 3, "max_processes": 2, "max_queued": 7, "blocked": 0.5}
    worker = Worker(lambda environ, start_response: [], Settings(**limits))
    assert worker.executors.limits == (3, 2, 7, 0.5)
