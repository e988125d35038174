"""Promise 12 on a real server: what becomes of a job whose user is changed before it runs.

The users are those of Zope's root. The job waits for two seconds.
"""

from processes import wait_until

import json
import pytest

pytestmark = pytest.mark.operation

PASSWORD = "to-be-changed-1"


@pytest.fixture
def tell(gunicorn, text):
    """Submit a job as a manager of Zope's root, change the user, and tell how the job ended."""
    gunicorn.post("@@jobs-prepare")

    def submit_and_change(how):
        name = f"manager-{how}"
        change(gunicorn, name, "added")
        form = {"names": name, "task": "tell_user", "delay": "2"}
        answer = gunicorn.post("@@jobs-submit", auth=(name, PASSWORD), data=form)
        (id,) = answer.json()
        change(gunicorn, name, how)
        ended = ("done", "dead")
        wait_until(lambda: gunicorn.get("@@jobs-tell-one", id=id).json()["state"] in ended)
        return gunicorn.get("@@jobs-tell-one", id=id).json()

    return submit_and_change


def change(server, name, how):
    form = {"name": name, "password": PASSWORD, "how": how}
    server.post("@@jobs-change-user", data=form).raise_for_status()


def test_a_user_that_stays_does_it(tell):
    """With the roles that they have."""
    told = tell("left-alone")
    assert told["state"] == "done", told
    assert json.loads(told["result"]) == ["manager-left-alone", True]


def test_a_user_that_was_demoted_does_it_with_the_rights_of_now(tell):
    """Not with those of the submission."""
    told = tell("demoted")
    assert told["state"] == "done", told
    assert json.loads(told["result"]) == ["manager-demoted", False]


def test_a_user_with_another_login_name_is_the_same_user(tell):
    """The id counts."""
    told = tell("renamed")
    assert told["state"] == "done", told
    assert json.loads(told["result"]) == ["manager-renamed", True]


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_user_that_is_gone_leaves_a_dead_job_with_the_reason(tell, how):
    """Nobody does it, nor does another user who has the login name now."""
    told = tell(how)
    assert told["state"] == "dead", told
    assert f"There is no user 'manager-{how}' in Zope's root any more" in told["error"]
    assert (told["deaths"], told["result"]) == (0, None)
