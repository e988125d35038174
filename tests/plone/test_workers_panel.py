"""Site Setup > Workers elsewhere: what it shows, to whom, and what its buttons do."""

from base64 import b64encode
from base64 import urlsafe_b64encode
from collective.wsgifutures.amqp.publishing import QUEUE
from collective.wsgifutures.browser.times import local
from collective.wsgifutures.controlpanel.workers.asking import ASKED
from collective.wsgifutures.controlpanel.workers.asking import DONE
from collective.wsgifutures.controlpanel.workers.asking import Verb
from collective.wsgifutures.jobs.leases import claim_elsewhere
from collective.wsgifutures.jobs.records import JobState
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.jobs.tasks import task
from collective.wsgifutures.jobs.tasks import tasks
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.ring import DAY
from collective.wsgifutures.keys.ring import find_ring
from collective.wsgifutures.workers import registry
from collective.wsgifutures.workers.events import KeyRotated
from collective.wsgifutures.workers.events import WorkerApproved
from collective.wsgifutures.workers.registry import find_worker
from collective.wsgifutures.workers.registry import WorkerState
from holdsite import ADMIN
from lxml.html import fromstring
from sitesettings import MEMBER
from sitesettings import SITE_ADMIN
from statustabs import told
from urllib.parse import urlencode
from workersite import Outside
from workersite import prepare
from zope.component import provideHandler
from zope.component.hooks import setSite

import dataclasses
import pytest
import re
import time
import transaction

PAGE = "@@wsgifutures-workers"
ACT = "@@wsgifutures-workers-act"
PERMISSION = "collective.wsgifutures: Manage workers"

scan = task(name="panel.scan", title="Read a scan", queue="scans", elsewhere=True, may=["GET"])
render = task(name="panel.render", queue="film", elsewhere=True)


@pytest.fixture
def panel(site):
    """The site with the add-on; ask for a view of the control panel."""
    prepare(site)

    def get(path=PAGE, user=ADMIN, **query):
        return site.get(path, query=query, user=user)

    return get


@pytest.fixture
def pending(site, panel):
    """A worker that waits for approval."""
    worker = Outside(site)
    assert worker.introduce(name="<b>scanner</b>", queues=["scans", "own"]).status == 202
    return worker


@pytest.fixture
def approved(site, panel):
    """A worker that is approved for scans."""
    return Outside(site).approved(["scans"])


@pytest.fixture
def press(site, panel):
    """Press a button, with the token of the page."""

    def send(what, user=ADMIN, token=True, **form):
        fields = [("what", what), *((n, v) for n, each in form.items() for v in each)]
        if token:
            (found, *_) = fromstring(panel(user=ADMIN).body).cssselect("[name=_authenticator]") or (
                fromstring(panel(ACT, what="rotate:").body).cssselect("[name=_authenticator]")
            )
            fields.append(("_authenticator", found.get("value")))
        kind = "application/x-www-form-urlencoded"
        body = urlencode(fields).encode()
        return site.request("POST", ACT, body=body, kind=kind, user=user)

    return send


@pytest.fixture
def claim(site):
    """Let a worker have a job."""

    def make(worker, a_task=scan):
        job = a_task.submit(site.portal)
        transaction.commit()
        claim_elsewhere(find_store(site.portal._p_jar), job, worker.id, job.id, time.time() - 65)
        transaction.commit()
        return job

    return make


def message_after(site, answer):
    """Return the message of the page that *answer* leads to."""
    assert (answer.status, answer.headers["location"]) == (302, f"http://nohost/plone/{PAGE}")
    cookie = answer.headers["set-cookie"].partition(";")[0]
    page = site.get(PAGE, user=ADMIN, headers={"HTTP_COOKIE": cookie})
    return " ".join(told(page, ".portalMessage"))


def text_of(page, css="#content-core"):
    (found,) = told(page, css)
    return found


def state_of(site, worker):
    site.sync()
    found = find_worker(site.portal, worker.id)
    return found and found.state


def ring_of(site):
    site.sync()
    return find_ring(place_of(site.portal))


# What it shows


def test_site_setup_lists_the_panel_with_an_icon(site, panel):
    """For Managers and Site Administrators."""
    for user in (ADMIN, SITE_ADMIN):
        links = fromstring(panel("@@overview-controlpanel", user).body).cssselect(
            f"#content li:not(.dropdown) a[href$='{PAGE}']:not(.dropdown-item)"
        )
        assert len(links) == 1
        assert "Workers elsewhere" in links[0].text_content()
        assert links[0].cssselect("svg")


def test_a_site_without_workers_says_what_to_do(panel):
    """The commands have the address of the site, and the queues of its tasks."""
    page = panel()
    assert page.status == 200
    assert "No worker has introduced itself yet." in text_of(page, "#wsgifutures-workers-none")
    assert "wsgifutures-worker init --url http://nohost/plone --queues " in page.body
    assert "scans" in text_of(page, "#wsgifutures-workers-add pre")
    assert "<style" not in page.body.partition('id="content-core"')[2]
    assert page.headers["cache-control"] == "no-store"


def test_a_worker_that_waits_is_shown_with_its_fingerprint(panel, pending, site):
    """What it calls itself is text; grouped, so that people can compare it."""
    page = panel()
    assert told(page, "#wsgifutures-workers-pending h3") == ["<b>scanner</b>"]
    (code,) = told(page, f"#worker-{pending.id} dd > code.user-select-all")
    assert code == find_worker(site.portal, pending.id).fingerprint
    assert code.replace(" ", "") == pending.id
    assert len(code.split()) == 11
    text = text_of(page, f"#worker-{pending.id}")
    assert "Asks for own" in text or "Asks for scans own" in text
    assert "it is forgotten in 23 h 59 min" in text
    assert not told(page, "#wsgifutures-workers-none")


def test_where_a_worker_introduced_itself_from_is_shown(panel, site):
    """As Zope knows it."""
    registry.introduce(site.portal, b"\x01" * 32, "scanner", ("scans",), "192.0.2.7")
    transaction.commit()
    assert "from 192.0.2.7" in text_of(panel(), "#wsgifutures-workers-pending")


def test_queues_to_choose_from_are_those_it_asks_for_and_those_of_tasks(panel, pending):
    """What it asks for is chosen; what no task has is marked."""
    boxes = fromstring(panel().body).cssselect(f"#worker-{pending.id} [type=checkbox]")
    chosen = {box.get("value"): box.get("checked") is not None for box in boxes}
    assert chosen.items() >= {"film": False, "own": True, "scans": True}.items()
    labels = told(panel(), f"#worker-{pending.id} .form-check-label")
    assert "own no task of this server has this queue" in labels
    assert "scans" in labels


def test_queue_of_messages_to_a_broker_is_not_offered(panel, pending):
    """Only the relay sends these."""
    assert QUEUE in {task.queue for task in tasks.values() if task.elsewhere}
    assert QUEUE not in panel().body


def test_an_approved_worker_is_shown_with_what_it_does(panel, approved, claim, site):
    """Its jobs lead to their pages."""
    assert "Last seen never" in text_of(panel(), f"#worker-{approved.id}")
    job = claim(approved)
    other = claim(Outside(site))
    page = panel()
    text = text_of(page, f"#worker-{approved.id}")
    assert "Queues scans" in text
    assert "by admin" in text
    assert "Last seen now: it has a job" in text
    assert re.search(f"Read a scan {job.id} for 1 min [5-9] s", text)
    assert other.id not in text
    links = fromstring(page.body).cssselect(f"#worker-{approved.id} dd a")
    assert [a.get("href") for a in links] == [f"http://nohost/plone/@@wsgifutures-job/{job.id}"]


def test_jobs_of_another_site_are_not_shown(panel, approved, claim, site):
    """A copy of the site has the same workers' ids, and other jobs."""
    job = claim(approved)
    origin = dataclasses.replace(job.wanted.origin, site="/other")
    job._wanted.value = job.wanted._replace(origin=origin)
    transaction.commit()
    assert job.id not in panel().body


def test_jobs_beyond_the_list_are_counted(panel, approved, claim):
    """The page stays short."""
    for _ in range(12):
        claim(approved)
    assert "and 2 more that are not listed." in text_of(panel(), f"#worker-{approved.id}")


def test_jobs_have_no_links_for_who_does_not_manage_jobs(panel, approved, claim, site):
    """Their pages would not be found."""
    site.portal.manage_permission("collective.wsgifutures: Manage jobs", [], acquire=0)
    job = claim(approved)
    page = panel(user=SITE_ADMIN)
    assert job.id in text_of(page, f"#worker-{approved.id}")
    assert not fromstring(page.body).cssselect(f"#worker-{approved.id} dd a")


@pytest.mark.parametrize(
    ("ago", "words"), [(60, "in the last hour"), (3 * 3600, "3 h 0 min ago"), (None, "never")]
)
def test_when_a_worker_was_last_seen_is_said_to_the_hour(panel, approved, site, ago, words):
    """It is noted once an hour."""
    if ago is not None:
        find_worker(site.portal, approved.id).is_seen(time.time() - ago)
    transaction.commit()
    assert f"Last seen {words}" in text_of(panel(), f"#worker-{approved.id}")


@pytest.mark.parametrize(
    ("skew", "words"),
    [(42.2, "Its clock is 42 s ahead"), (-30.0, "Its clock is 30 s behind"), (3.0, None)],
)
def test_a_clock_that_is_off_is_shown(panel, approved, site, skew, words):
    """More than a minute, and the worker gets no token."""
    find_worker(site.portal, approved.id).is_seen(time.time(), skew)
    transaction.commit()
    text = text_of(panel(), f"#worker-{approved.id}")
    assert ("Its clock is" in text) is (words is not None)
    assert words is None or words in text


def test_queues_of_tasks_are_shown_with_how_many_workers_are_approved(panel, approved):
    """A queue that nobody serves is said in words."""
    rows = told(panel(), "#wsgifutures-workers-queues dl > div")
    found = {row.split()[0]: row for row in rows}  # other tests have tasks, too
    assert re.search("Read a scan.* approved workers: 1$", found["scans"])
    assert re.search(r"panel\.render.* No worker is approved: jobs wait\.$", found["film"])


def test_keys_are_shown_without_their_private_half(panel, site):
    """Which signs, since when, and until when."""
    ring = ring_of(site)
    ring.rotate(time.time())
    transaction.commit()
    private = ring.current.private
    page = panel()
    new, old = told(page, "#wsgifutures-workers-keys dl > div")
    assert "signs until" in new
    assert "signs no more, known until" in old
    for made in (private.hex(), b64encode(private).decode(), urlsafe_b64encode(private).decode()):
        assert made.rstrip("=") not in page.body


def test_what_the_act_page_shows_of_a_worker_is_text(panel, pending):
    """Whoever introduces itself chooses its name."""
    page = panel(ACT, what=f"forget:{pending.id}")
    assert "<b>scanner" not in page.body
    assert "<b>scanner</b>" in text_of(page, "#content dl")


# To whom


@pytest.mark.parametrize("path", [PAGE, ACT])
@pytest.mark.parametrize("user", [None, MEMBER])
def test_the_panel_is_for_who_manages_workers(panel, pending, path, user):
    """Nobody else."""
    answer = panel(path, user, what=f"forget:{pending.id}")
    assert answer.status in (302, 401)
    assert pending.id not in answer.body


@pytest.mark.parametrize("user", [None, MEMBER])
def test_nobody_else_can_act(press, site, pending, approved, user):
    """With the token of somebody's page neither."""
    key = ring_of(site).current.id
    whats = [f"approve:{pending.id}", f"forget:{pending.id}", f"withdraw:{approved.id}"]
    for what in (*whats, "rotate:", "end-all:"):
        answer = press(what, user=user, **{"queues:list": ["scans"]})
        assert answer.status in (302, 401)
        assert PAGE not in answer.headers.get("location", "")
    assert state_of(site, pending) is WorkerState.PENDING
    assert state_of(site, approved) is WorkerState.APPROVED
    assert ring_of(site).current.id == key


def test_whoever_lost_the_permission_cannot_act(press, panel, site, pending):
    """A role is asked at each request."""
    site.portal.manage_permission(PERMISSION, ["Manager"], acquire=0)
    transaction.commit()
    assert panel(user=SITE_ADMIN).status in (302, 401)
    press(f"approve:{pending.id}", user=SITE_ADMIN, **{"queues:list": ["scans"]})
    assert state_of(site, pending) is WorkerState.PENDING


def test_a_site_without_the_add_on_has_no_panel(site):
    """It has its own keys only where it was installed."""
    assert site.get(PAGE, user=ADMIN).status == 404


# What the buttons do


def test_a_worker_is_approved_for_the_queues_that_were_chosen_and_typed(
    site, panel, press, pending
):
    """By whom is kept."""
    heard = []
    provideHandler(heard.append, [WorkerApproved])
    answer = press(
        f"approve:{pending.id}", **{"queues:list": ["scans", "film"], "others": ["night, a b ,,"]}
    )
    assert "The worker is approved." in message_after(site, answer)
    worker = find_worker(site.portal, pending.id)
    assert worker.state is WorkerState.APPROVED
    assert worker.queues == ("scans", "film", "night", "a b")
    assert worker.by == "admin"
    assert [event.queues for event in heard] == [worker.queues]
    assert pending.token()


def test_queues_of_an_approved_worker_are_changed(site, press, approved):
    """To those that were chosen, and no others."""
    press(f"approve:{approved.id}", **{"queues:list": ["film"]})
    site.sync()
    assert find_worker(site.portal, approved.id).queues == ("film",)


@pytest.mark.parametrize("form", [{}, {"others": [" , "]}, {"queues:list": ["x" * 101]}])
def test_approving_for_no_queue_changes_nothing_and_says_so(site, press, pending, form):
    """Neither does a name that is none."""
    answer = press(f"approve:{pending.id}", **form)
    assert "Nothing was changed: choose at least one queue." in message_after(site, answer)
    assert state_of(site, pending) is WorkerState.PENDING


def test_withdrawing_asks_first_and_says_what_becomes_of_jobs(site, panel, approved, claim):
    """Nothing is done by GET."""
    claim(approved)
    page = panel(ACT, what=f"withdraw:{approved.id}")
    assert told(page, "h1") == ["Withdraw this worker?"]
    assert "Jobs that run there now: 1." in text_of(page, "#content")
    assert state_of(site, approved) is WorkerState.APPROVED


def test_a_withdrawn_worker_gets_nothing_and_its_jobs_wait_again(site, press, approved, claim):
    """At once, with all of their attempts; it can be approved again."""
    token, job, other = approved.token(), claim(approved), claim(Outside(site))
    answer = press(f"withdraw:{approved.id}")
    assert "The worker is withdrawn." in message_after(site, answer)
    assert state_of(site, approved) is WorkerState.WITHDRAWN
    assert (job.state, job.attempt, job.deaths) == (JobState.WAITING, 0, 0)
    assert other.state is JobState.RUNNING
    assert approved.ask().status == 401
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    asked = site.request(
        "POST",
        "@jobs/claim",
        body=b"{}",
        kind="application/json",
        headers=headers,
        accept="application/json",
    )
    assert asked.status == 401
    page = site.get(PAGE, user=ADMIN)
    assert "Approve again" in text_of(page, "#wsgifutures-workers-withdrawn")
    press(f"approve:{approved.id}", **{"queues:list": ["scans"]})
    assert approved.token()


@pytest.mark.parametrize("kind", ["pending", "approved"])
def test_a_forgotten_worker_is_unknown(site, press, request, claim, kind):
    """It may introduce itself again, and waits for approval then."""
    worker = request.getfixturevalue(kind)
    job = claim(worker)
    answer = press(f"forget:{worker.id}")
    assert "The worker is forgotten." in message_after(site, answer)
    assert state_of(site, worker) is None
    assert job.state is JobState.WAITING
    assert worker.ask().status == 401
    assert worker.introduce().status == 202


def test_changing_the_key_ends_nothing(site, press, approved, claim):
    """A token of before is good until it runs out."""
    heard = []
    provideHandler(heard.append, [KeyRotated])
    old, token, job = ring_of(site).current.id, approved.token(), claim(approved)
    answer = press("rotate:")
    assert "A new key signs from now on." in message_after(site, answer)
    assert ring_of(site).current.id != old
    assert old in {key.id for key in ring_of(site).known(time.time())}
    assert site_lets_in(site, token)
    assert job.state is JobState.RUNNING
    assert heard == [KeyRotated("/plone", "admin", False)]


def test_ending_all_tokens_ends_all_tokens(site, press, panel, approved, claim):
    """And jobs that run with them wait again, those of capabilities too."""
    token, job, other = approved.token(), claim(approved), claim(type("", (), {"id": "capability"}))
    page = panel(ACT, what="end-all:")
    assert "Jobs that run there now: 2." in text_of(page, "#content")
    answer = press("end-all:")
    assert "no token of before is good any more" in message_after(site, answer)
    assert len(ring_of(site).known(time.time())) == 1
    assert not site_lets_in(site, token)
    assert {job.state, other.state} == {JobState.WAITING}
    assert site_lets_in(site, approved.token())


def site_lets_in(site, token):
    """Tell whether the bearer of a token may claim."""
    answer = site.request(
        "POST",
        "@jobs/claim",
        body=b'{"queues": []}',
        kind="application/json",
        accept="application/json",
        headers={"HTTP_AUTHORIZATION": f"Bearer {token}"},
    )
    assert answer.status in (204, 401)
    return answer.status == 204


def test_the_next_key_is_told_for_ninety_days_after_the_last(site, panel):
    """As the ring does it."""
    setSite(site.portal)
    made = ring_of(site).current.made
    text = text_of(panel(), "#wsgifutures-workers-keys")
    assert f"made {local(made)}" in text
    assert f"signs until {local(made + 90 * DAY)}" in text


@pytest.mark.parametrize("verb", sorted(verb.value for verb in Verb))
def test_nothing_is_done_without_the_token(site, press, pending, approved, verb):
    """Another site may have sent the form."""
    key = ring_of(site).current.id
    for worker in (pending, approved):
        answer = press(f"{verb}:{worker.id}", token=False, **{"queues:list": ["film"]})
        assert answer.status == 403
    assert state_of(site, pending) is WorkerState.PENDING
    assert state_of(site, approved) is WorkerState.APPROVED
    assert find_worker(site.portal, approved.id).queues == ("scans",)
    assert ring_of(site).current.id == key


@pytest.mark.parametrize("verb", sorted(verb.value for verb in Verb))
def test_nothing_is_done_by_get(site, panel, pending, verb):
    """A link in a mail changes nothing."""
    panel(ACT, what="rotate:")  # Plone writes once for itself
    key, commits = ring_of(site).current.id, site.commits
    query = {"what": f"{verb}:{pending.id}", "queues:list": "film"}
    assert site.get(ACT, query=query, user=ADMIN).status in (200, 302)
    assert state_of(site, pending) is WorkerState.PENDING
    assert (ring_of(site).current.id, site.commits) == (key, commits)


@pytest.mark.parametrize("what", ["", "nonsense:x", "approve:", "withdraw:no-such", ":", "forget"])
def test_what_is_not_there_changes_nothing_and_says_so(site, panel, press, pending, what):
    """Somebody else was faster, or wrote the address by hand."""
    assert panel(ACT, what=what).status in (200, 302)
    answer = press(what, **{"queues:list": ["film"]})
    assert "There is no such worker any more" in message_after(site, answer)
    assert state_of(site, pending) is WorkerState.PENDING


def test_opening_the_panel_writes_nothing(site, panel, pending):
    """It looks."""
    panel(ACT, what="rotate:")  # Plone writes once for itself
    before = site.commits
    panel()
    panel(ACT, what=f"forget:{pending.id}")
    assert site.commits == before


def test_there_are_words_for_each_thing_that_can_be_done():
    """What takes rights away is asked first."""
    assert set(DONE) == set(Verb)
    assert set(ASKED) == set(Verb) - {Verb.APPROVE}
