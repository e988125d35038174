"""Brokers: one of each kind for a whole run, and others for the tests that break them."""

from pathlib import Path

import pytest
import sys

sys.path.append(str(Path(__file__).parents[1] / "amqp"))

from brokers import BROKERS
from letters import name as name
from letters import post as post


@pytest.fixture(scope="session")
def all_brokers():
    """The brokers that were started, by their names."""
    started = {}
    yield started
    for broker in started.values():
        broker.stop()


@pytest.fixture
def rabbitmq(all_brokers):
    """A RabbitMQ that nobody breaks."""
    return all_brokers.get("rabbitmq") or all_brokers.setdefault("rabbitmq", BROKERS["rabbitmq"]())


@pytest.fixture(params=["rabbitmq", "redis"])
def broker(request, all_brokers):
    """Each of both: the same code speaks with them."""
    name = request.param
    return all_brokers.get(name) or all_brokers.setdefault(name, BROKERS[name]())


@pytest.fixture
def fragile():
    """A RabbitMQ of this test's own."""
    broker = BROKERS["rabbitmq"]()
    yield broker
    broker.stop()
