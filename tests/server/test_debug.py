"""What is careless in a view is told in the log of a real server, with ``debug``."""

from processes import wait_until
from urllib.parse import urlsplit

import pytest
import re

pytestmark = pytest.mark.operation


def told_by(server, beginning):
    """Wait for the message that begins so, and return it up to its remedy; also its stack."""
    wait_until(lambda: beginning in server.process.output)
    text = server.process.output.partition(beginning)[2]
    return text.partition("Meanwhile its slot serves nobody else")[0]


def test_view_that_calls_a_service_in_its_pass_is_told_with_the_service(server, service, text):
    """Its host and port, about how long, and the line of the view."""
    assert server.get("@@blocking", seconds=1, text=text).status_code == 200
    message = told_by(server, "holdtests.views.Blocking waits in its pass, for ")
    seconds, address = re.match(r"([\d.]+) s, for (\S+)\. Its stack is:", message).groups()
    assert 0.3 < float(seconds) < 20
    assert address == urlsplit(service.url).netloc
    assert 'return f"{ask(self.seconds, self.text)} in nowhere"' in message
    assert "return session.get(url, params=" in message
    assert text not in message


def test_view_that_sleeps_in_its_pass_is_told(server):
    """As old code does."""
    assert server.get("@@sleep", seconds=1).text == "slept"
    message = told_by(server, "holdtests.limits.Sleep waits in its pass, for ")
    assert "time.sleep(self.seconds)" in message


def test_view_that_is_held_is_not_told(server, text):
    """It waits without a slot, and Zope's own work is no wait."""
    assert server.get("@@hold", seconds=1, text=text).status_code == 200
    server.get("@@sleep", seconds=1)
    told_by(server, "holdtests.limits.Sleep waits in its pass, for ")
    assert "holdtests.views.Hold waits in its pass" not in server.process.output


def test_view_that_submits_and_redirects_is_told(server, text):
    """The call is never made."""
    assert server.get("@@ends", how="redirect", text=text).status_code == 302
    wait_until(lambda: "holdtests.views.Ends asks for holdtests.views.ask" in server.process.output)
    told = re.search(
        r"Ends asks for holdtests.views.ask \(\S+/views\.py, line \d+\)", server.process.output
    )
    assert told


def test_nothing_is_told_without_debug(started, service, text):
    """Nobody looks."""
    server = started(env={"WSGIFUTURES_DEBUG": "off"})
    assert server.get("@@blocking", seconds=1, text=text).status_code == 200
    assert server.get("@@ends", how="redirect", text=text).status_code == 302
    server.get("@@hold", seconds=0.5, text=f"{text}-2")
    assert " waits in its pass" not in server.process.output
    assert " asks for holdtests" not in server.process.output
