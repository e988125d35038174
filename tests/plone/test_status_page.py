"""``@@futures-status``: what it shows, to whom, and what it cancels."""

from collective.wsgifutures.browser.status.parts import BANDS
from collective.wsgifutures.browser.status.parts import MOST_EVENTS
from collective.wsgifutures.browser.status.parts import MOST_ROWS
from collective.wsgifutures.browser.status.words import BREAKERS
from collective.wsgifutures.browser.status.words import ENDS
from collective.wsgifutures.browser.status.words import LIMITS as LIMITS_IN_WORDS
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.wsgi.limits import LIMITS
from collective.wsgifutures.wsgi.record import Record
from datetime import datetime
from holdsite import ADMIN
from lxml.html import fromstring
from sitesettings import MEMBER
from sitesettings import PANEL
from sitesettings import SITE_ADMIN
from snapshots import happened
from snapshots import hold
from snapshots import upstream
from statustabs import asker
from statustabs import make_workers
from statustabs import MANAGER
from statustabs import rows
from statustabs import told
from urllib.parse import quote_plus
from zope.component import getGlobalSiteManager
from zope.i18n import interpolate
from zope.i18n.interfaces import ITranslationDomain
from zope.interface import implementer

import pytest
import re
import time
import transaction

PAGE = "@@futures-status"
DATA = "@@futures-status-data"
CANCEL = "@@futures-cancel"


@pytest.fixture
def workers(site, tmp_path):
    """A board that nobody has written on, in a site with the add-on."""
    return make_workers(site, tmp_path)


@pytest.fixture
def get(site, workers):
    """Ask for a view of the status as a user."""
    return asker(site, workers, PAGE)


@pytest.fixture
def post(site, workers):
    """Press the button that cancels."""

    def send(form, user=ADMIN, **more):
        return site.post(CANCEL, form, user=user, **{**workers.settings, **more})

    return send


@pytest.fixture
def grant(site):
    """Give a permission to roles of this site."""

    def give(permission, *roles):
        site.portal.manage_permission(f"collective.wsgifutures: {permission}", roles, acquire=0)
        transaction.commit()

    return give


def paths(page):
    """Return the paths of the holds that are listed."""
    return told(page, "#futures-part-held tbody .futures-path")


# What it shows


def test_each_held_response_is_listed_the_oldest_first(workers, get):
    """Over all workers: path, user, what it waits on, passes, age."""
    now = time.time()
    young = hold("/plone/young", since=now - 3, user="jane", passes=2)
    old = hold("/plone/old", since=now - 70, waiting_on=["weather.get", "acme.answer"])
    resumed = hold("/plone/resumed", since=now - 1, waiting_on=[], passes=3)
    workers.write("000000a1", young, resumed)
    workers.write("000000b2", old)
    page = get()
    assert [row[:4] for row in rows(page, "held")] == [
        ["/plone/old", "not logged in", "weather.get acme.answer", "1"],
        ["/plone/young", "jane", "acme.weather.now", "2"],
        ["/plone/resumed", "not logged in", "a slot", "3"],
    ]
    ages = [row[4] for row in rows(page, "held")]
    assert re.fullmatch(r"1 min \d+ s", ages[0])
    assert re.fullmatch(r"\d+ s", ages[1])


@pytest.mark.parametrize(
    ("sort", "order", "said"),
    [
        ("age", "cab", "Age ▼ descending"),
        ("path", "abc", "Path ▲ ascending"),
        ("user", "bac", "User ▲ ascending"),
        ("passes", "bca", "Passes ▼ descending"),
        ("nonsense", "cab", "Age ▼ descending"),
    ],
)
def test_the_list_is_sorted_as_is_asked(workers, get, sort, order, said):
    """The oldest first where nothing that there is was asked for."""
    now = time.time()
    workers.write(
        "000000a1",
        hold("/plone/a", since=now - 20, user="zoe", passes=1),
        hold("/plone/b", since=now - 10, user="abe", passes=5),
        hold("/plone/c", since=now - 30, user="", passes=2),
    )
    page = get(query={"sort": sort})
    assert "".join(path[-1] for path in paths(page)) == order
    (head,) = fromstring(page.body).cssselect("#futures-part-held [aria-sort]")
    assert f"{head.text_content()} {head.get('aria-sort')}" == said


def test_numbers_are_those_of_all_workers_together(workers, get):
    """Held, slots, waiting; what was refused in the last ten minutes."""
    now = time.time()
    counts = {"held": 3, "streaming": 0, "waiting": 2, "slots_used": 4, "slots": 4}
    counts |= {"max_held": 5, "max_waiting": 100}
    history = [[now - 900, 90, 90, 90], [now - 100, 4, 1, 7], [now, 3, 2, 1]]
    for name in ("000000a1", "000000b2"):
        workers.write(name, counts=counts, history=history)
    page = get()
    numbers = told(page, ".futures-number")
    assert numbers == ["6 of 10", "8 of 8", "4 of 200", "16"]
    assert told(page, "#futures-tile-held .futures-note") == ["at most 8 in ten minutes"]
    assert told(page, "#futures-part-picture desc")[0] == "At most 8; 6 now."


def test_a_limit_that_is_nearly_reached_is_said_in_words(workers, get):
    """Not by its colour alone."""
    counts = {"held": 9, "streaming": 0, "waiting": 0, "slots_used": 1, "slots": 4}
    workers.write(counts={**counts, "max_held": 10, "max_waiting": 100})
    page = get()
    assert told(page, "#futures-tile-held .futures-note") == ["nearly all there may be"]
    much = fromstring(page.body).cssselect(".futures-tile.futures-much")
    assert [one.get("id") for one in much] == ["futures-tile-held"]


def test_the_picture_has_the_same_numbers_as_a_table(workers, get):
    """One row for each minute, the last one first: what was at most, and how many refused."""
    now = time.time()
    workers.write(history=[[now - 90, 7, 1, 2], [now - 50, 12, 5, 9], [now, 3, 6, 1]])
    page = get()
    table = rows(page, "picture")
    assert len(table) == 10
    assert table[0] == ["0-1 min", "12", "6", "10"]
    assert table[1] == ["1-2 min", "7", "1", "2"]
    drawn = {name: fromstring(page.body).cssselect(f"svg.futures-{name} *") for name in BANDS}
    tags = {name: [one.tag for one in found] for name, found in drawn.items()}
    line, bars = ["title", "desc", "path", "path"], ["title", "desc", *["rect"] * 3]
    assert tags == {"held": line, "waiting": line, "refused": bars}


def test_upstreams_are_shown_with_their_numbers_and_state_in_words(workers, get):
    """Sums of all workers, the slowest worker's times, the worst breaker."""
    workers.write("000000a1", upstreams=[upstream(), upstream(name="off", off=True)])
    broken = upstream(calls=2, errors=2, p99=7.0, breaker="open", retry_in=12.0)
    workers.write("000000b2", upstreams=[broken])
    off, weather = rows(get(), "upstreams")
    assert off[:2] == ["off weather.example.com", "Switched off"]
    state = "Paused not asked for 12 s, in 1 of 2 workers"
    assert weather == [
        *("weather weather.example.com", state, "42", "4", "0"),
        *("120 ms", "7.0 s", "3", "14"),
    ]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"breaker": "half-open"}, "Trying again one call tries it, in 1 of 2 workers"),
        ({"breaker": "open"}, "Paused one call tries it, in 1 of 2 workers"),
        ({"breaker": "open", "off": True, "retry_in": 3.0}, "Switched off"),
        ({}, "Working"),
    ],
)
def test_a_breaker_is_told_with_what_it_does_next(workers, get, changes, state):
    """And in how many workers: each has its own."""
    workers.write("000000a1", upstreams=[upstream()])
    workers.write("000000b2", upstreams=[upstream(**changes)])
    ((_name, told_state, *_numbers),) = rows(get(), "upstreams")
    assert told_state == state


def test_what_was_refused_and_expired_is_told_with_why_the_last_one_first(workers, get):
    """In words where it is a limit, else the names of what was waited for."""
    refused = {**happened("refused", "max_held", "/plone/a"), "at": time.time() - 30}
    workers.write("000000a1", last=[refused])
    workers.write("000000b2", last=[happened("expired", "acme.answer", "/plone/b")])
    page = get()
    first, second = told(page, "#futures-part-last li")
    times = [
        one.get("datetime") for one in fromstring(page.body).cssselect("#futures-part-last time")
    ]
    assert datetime.fromisoformat(times[1]).timestamp() == int(refused["at"])
    assert re.fullmatch(r"Out of time \d+ s ago /plone/b acme.answer", first)
    why = "the limit of held responses is reached"
    assert re.fullmatch(rf"Refused \d+ s ago /plone/a {why}", second)


def test_there_are_words_for_each_limit_and_each_end():
    """Else an operator reads the name of a setting, in every language."""
    assert set(LIMITS_IN_WORDS) == set(LIMITS)
    record = Record()
    one = Hold(0, deadline=1)
    record.refuse("max_held", "")
    one.expired = True
    record.wait_ends(one, "", 1)
    one.cancelled = True
    record.wait_ends(one, "", 1)
    one.timed_out = ("acme",)
    record.hold_ends(one, 1, "")
    assert {one.what for one in record.last} == set(ENDS)


def test_what_happens_again_and_again_is_told_once(workers, get):
    """In a storm of refusals whatever else happened is seen too."""
    storm = [happened("refused", "max_held", "/plone/a") for _ in range(30)]
    other = {**happened("refused", "max_held", "/plone/c"), "at": time.time() - 30}
    old = {**happened("timeout", "acme.answer", "/plone/b"), "at": time.time() - 60}
    workers.write(last=[*storm, other, old])
    first, second, third = told(get(), "#futures-part-last li")
    assert first.startswith("Refused 30 times")
    assert re.fullmatch(r"Refused \d+ s ago /plone/c .+", second)
    assert third.startswith("A call timed out 1 min")


def test_of_what_went_wrong_so_many_lines_are_told(workers, get):
    """The newest ones."""
    now = time.time()
    last = [
        {**happened("refused", "max_held", f"/plone/{n}"), "at": now - n}
        for n in range(MOST_EVENTS + 5)
    ]
    workers.write(last=last)
    lines = told(get(), "#futures-part-last li code")
    assert lines == [f"/plone/{n}" for n in range(MOST_EVENTS)]


def test_a_worker_that_is_silent_is_told_apart_and_counted_nowhere(workers, get):
    """It has ended, or stands still: its numbers are old."""
    workers.write("000000a1", hold("/plone/now"))
    workers.write("000000b2", hold("/plone/then"), seconds_ago=20)
    page = get()
    assert paths(page) == ["/plone/now"]
    assert told(page, "#futures-tile-held .futures-number") == ["1 of 5000"]
    assert told(page, "#futures-silent strong") == ["Not all workers report."]
    states = {row[0]: row[1] for row in rows(page, "workers")}
    assert sorted(state[:10] for state in states.values()) == ["silent for", "up for 11 "]
    assert len(fromstring(page.body).cssselect("tr.futures-stale")) == 1


def test_a_page_when_no_worker_has_written_lately_shows_them_and_counts_nothing(workers, get):
    """A disk that is full, or a machine that slept: the page is needed then, too."""
    workers.write("000000a1", hold("/plone/then"), seconds_ago=20)
    page = get()
    assert told(page, "#futures-silent strong") == ["Not all workers report."]
    assert told(page, ".futures-number") == ["0", "0", "0", "0"]
    assert [row[1][:10] for row in rows(page, "workers")] == ["silent for"]
    assert paths(page) == []


def test_a_page_lists_so_many_and_says_how_many_more_there_are(workers, get):
    """What is not listed one by one is counted."""
    counts = {"held": 5000, "streaming": 0, "waiting": 0, "slots_used": 1, "slots": 4}
    holds = [hold(f"/plone/{n}") for n in range(150)]
    for name in ("000000a1", "000000b2"):
        counts |= {"max_held": 5000, "max_waiting": 1000}
        workers.write(name, *holds, counts=counts)
    page = get()
    assert len(paths(page)) == MOST_ROWS
    assert f"and {10_000 - MOST_ROWS} more that are not listed." in page.text


def test_a_path_that_came_through_a_virtual_host_is_shown_as_it_is_in_zope(workers, get):
    """The rewritten one says nothing to anybody."""
    workers.write(
        "000000a1", hold("/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/_vh_a/x")
    )
    assert paths(get()) == ["/plone/x"]


@pytest.mark.parametrize("path", [PAGE, DATA, CANCEL])
def test_what_is_asked_for_in_another_form_is_not_asked_for(workers, get, path):
    """Zope makes lists and records of a query string where that says so."""
    workers.write("000000a1", hold("/plone/a"))
    names = ("sort", "cancelled", "worker", "hold")
    assert get(path, {f"{name}:list": "age" for name in names}).status == 200


def test_no_query_string_is_shown(site, workers, get):
    """Not that of the page either; the refresh keeps only what is its own."""
    page = get(query={"sort": "path", "token": "s3cret", "cancelled": ""})
    assert "s3cret" not in fromstring(page.body).cssselect("#futures-status")[0].text_content()
    workers.write("000000a1", hold("/plone/a"))
    page = get(query={"sort": "path", "token": "s3cret"})
    (parts,) = fromstring(page.body).cssselect("#futures-parts")
    assert parts.get("data-refresh") == f"{site.portal.absolute_url()}/{DATA}?sort=path"
    (login,) = fromstring(page.body).cssselect(".futures-live a[href*=login]")
    back = quote_plus(f"{site.portal.absolute_url()}/{PAGE}?sort=path")
    assert login.get("href") == f"{site.portal.absolute_url()}/login?came_from={back}"


def test_what_is_markup_is_text(workers, get):
    """Anybody may ask for any path; a user's id and an upstream's name may be anything too."""
    path, tag = "/plone/<script>alert(1)</script>", "<b>bold</b>"
    one = hold(path, user=tag, waiting_on=[tag])
    last = [happened("refused", tag, path), happened("cancelled", tag, path, 7)]
    workers.write("000000a1", one, last=last, upstreams=[upstream(name=tag, host=tag)])
    named = {"worker": "000000a1", "hold": one["id"]}
    page, done = [get(query={"cancelled": f"000000a1/{number}"}) for number in (one["id"], 7)]
    assert [path in told(one, "#futures-cancelled")[0] for one in (page, done)] == [True, True]
    assert paths(page) == [path]
    assert told(page, "#futures-part-last code") == [path, path]
    for shown in (page, done, get(CANCEL, named)):
        assert path in shown.text
        assert not fromstring(shown.body).xpath("//b[text()='bold'] | //script[text()='alert(1)']")


def test_the_page_has_no_script_or_style_of_its_own_inside(workers, get):
    """It works where a Content-Security-Policy allows none."""
    workers.write("000000a1", hold("/plone/a"))
    (ours,) = fromstring(get().body).cssselect("#futures-status")
    assert not ours.cssselect("script, style, [style]")
    assert not [name for one in ours.iter() for name in one.attrib if name.startswith("on")]


@implementer(ITranslationDomain)
class Marked:
    """A language in which each text is itself, in « »."""

    domain = "collective.wsgifutures"

    def translate(
        self, msgid, mapping=None, context=None, target_language=None, default=None, *plural
    ):
        return f"«{interpolate(default or msgid, mapping)}»"


def unmarked(text):
    """Return the words of *text* that no translation made."""
    while "«" in text:
        text, before = re.sub("«[^«»]*»", " ", text), text
        assert text != before
    return set(re.findall(r"[^\W\d_]{2,}", text))


def test_every_word_is_in_the_language_of_the_reader(site, workers, get):
    """All but names, paths and units; also in what only a screen reader reads."""
    getGlobalSiteManager().registerUtility(Marked(), ITranslationDomain, Marked.domain)
    names = {"plone", "jane", "weather", "example", "com", "acme", "now", "min", "ms"}
    ends = [happened(what, "max_wait", "/plone") for what in ENDS]
    broken = [upstream(breaker=state, retry_in=3.0, host=f"{state}.com") for state in BREAKERS]
    workers.write("000000a1", hold("/plone", user="jane"), hold("/plone"), last=ends)
    workers.write("000000b2", upstreams=broken[:3])
    workers.write("000000c3", seconds_ago=20)
    one = workers.board.read()[0]
    counts = {**one["counts"], "held": 9}
    workers.write("000000a1", *one["holds"], last=ends, counts=counts)
    asked = {"cancelled": f"000000a1/{one['holds'][0]['id']}"}
    shown = {"page": get(query=asked), "gone": get(query={"cancelled": "x/1"})}
    shown |= {"off": get(status_folder="off"), "one site": get(user=MANAGER)}
    shown["no hold"] = site.get(PAGE, user=ADMIN, held=False)
    shown["refused"] = get(status_folder=__file__)
    found = {"worker": "000000a1", "hold": one["holds"][0]["id"]}
    for name, page in shown.items():
        (ours,) = fromstring(page.body).cssselect("#futures-status")
        texts = [code.text_content() for code in ours.cssselect("code")]
        attributes = [
            value
            for one in ours.iter()
            for attribute in ("data-label", "title", "aria-label", "alt")
            for value in [one.get(attribute, "")]
            if not re.match(r"\d{4}-\d\d", value)
        ]
        words = unmarked(" ".join([ours.text_content(), *attributes]))
        known = names | {word for text in texts for word in unmarked(text)}
        assert words <= known | {"closed", "half", "open", "off"}, name
    asks = fromstring(get(CANCEL, found).body).cssselect("#portal-column-content")[0]
    assert unmarked(asks.text_content()) <= {*names, "Info", "Home", "You", "are", "here"}


# Where there is nothing to show


def test_a_board_that_nobody_has_written_on_says_so(get):
    """A worker that has just begun."""
    assert told(get(), "#futures-empty h2") == ["No data yet"]


def test_a_status_that_is_switched_off_says_how_to_switch_it_on(get):
    """With the variable's name."""
    page = get(status_folder="off")
    assert told(page, "#futures-empty h2") == ["The live status is switched off"]
    assert "WSGIFUTURES_STATUS_FOLDER" in page.text


def test_a_process_without_the_hold_says_so(site, workers):
    """As the control panel does."""
    page = site.get(PAGE, user=ADMIN, held=False)
    assert told(page, "#futures-empty h2") == ["This process does not hold responses"]


def test_a_folder_that_others_may_read_is_refused_in_words(workers, get):
    """It says which one, and what to do."""
    workers.folder.chmod(0o755)
    page = get()
    assert told(page, "#futures-empty h2") == ["The folder of the live status cannot be used"]
    what_to_do, why = told(page, "#futures-empty p:not(.h1)")
    owner = f"Make the user of the server the owner of {workers.folder}, with mode 700."
    assert what_to_do.startswith(owner)
    assert why == "other users may read or write there (mode 755)"


# The refresh


def test_the_refresh_has_what_the_page_has_and_is_kept_by_nobody(workers, get):
    """The same HTML, in JSON, so that nothing decorates it."""
    workers.write("000000a1", hold("/plone/a"))
    page, data = get(), get(DATA)
    assert data.headers["content-type"].startswith("application/json")
    assert page.headers["cache-control"] == data.headers["cache-control"] == "no-store"
    assert paths(data._replace(body=data.json["html"])) == paths(page) == ["/plone/a"]
    assert abs(data.json["at"] - time.time()) < 5


def test_the_page_is_one_pass_and_writes_nothing(site, workers, get):
    """Who looks does not add to the load."""
    workers.write("000000a1", hold("/plone/a"))
    get("")  # Plone itself writes something at the first page of a site
    before = site.commits
    for path in (PAGE, DATA, CANCEL):
        assert get(path).passes == ["200"]
    assert site.commits == before


# Who may


@pytest.mark.parametrize("path", [PAGE, DATA, CANCEL])
@pytest.mark.parametrize("user", [SITE_ADMIN, MEMBER, None])
def test_who_may_not_view_the_status_sees_nothing(workers, get, path, user):
    """It is for Managers, where nobody has set another role."""
    one = hold("/plone/hidden-page")
    workers.write("000000a1", one)
    answer = get(path, {"worker": "000000a1", "hold": one["id"]}, user)
    assert answer.status in (302, 401)
    assert "/plone/hidden-page" not in answer.body


def test_the_permission_can_be_given(workers, get, grant):
    """To view is one thing, to cancel another."""
    workers.write("000000a1", hold("/plone/a"))
    grant("View status", "Manager", "Site Administrator")
    page = get(user=SITE_ADMIN)
    assert paths(page) == ["/plone/a"]
    assert told(page, "[data-cancel], dialog") == []
    assert told(page, "#futures-part-held th")[-1].startswith("Age")
    managers = get(user=MANAGER)
    assert len(told(managers, "[data-cancel]")) == 1
    assert told(managers, "#futures-part-held th")[-1] == "Action"


def test_who_may_cancel_and_not_view_is_told_nothing(workers, get, grant):
    """What is held is not found out by asking whether to cancel it."""
    one = hold("/plone/hidden-page")
    workers.write("000000a1", one)
    grant("Cancel held responses", "Member")
    answer = get(CANCEL, {"worker": "000000a1", "hold": one["id"]}, MEMBER)
    assert answer.status in (302, 401)
    assert "/plone/hidden-page" not in answer.body


def test_a_manager_of_one_site_sees_no_path_and_no_user_of_another(workers, get):
    """The process serves all sites of its Zope; the numbers are those of all."""
    here, there = hold("/plone/hidden-page", user="jane"), hold("/elsewhere/b", user="otto")
    sly = hold("/plone/../elsewhere/c", user="olga")
    beside = hold("/plone-two/d", user="ozzy")
    last = [happened("refused", "max_wait", "/elsewhere/e"), happened("refused", "max_wait", "")]
    workers.write("000000a1", here, there, sly, beside, last=last)
    page = get(user=MANAGER)
    assert paths(page) == ["/plone/hidden-page"]
    for name in ("elsewhere", "otto", "olga", "plone-two", "ozzy"):
        assert name not in page.body
    assert told(page, "#futures-tile-held .futures-number") == ["4 of 5000"]
    assert "and 3 more that are not listed." in page.text
    assert told(page, "#futures-part-last li") == []
    others = "The server may also hold responses of other sites."
    everywhere = get()
    assert (others in page.text, others in everywhere.text) == (True, False)
    assert sorted(paths(everywhere)) == [
        "/elsewhere/b",
        "/elsewhere/c",
        "/plone-two/d",
        "/plone/hidden-page",
    ]
    assert len(told(everywhere, "#futures-part-last li")) == 2


def test_a_site_without_the_add_on_has_no_such_page(site):
    """It hangs on the browser layer."""
    for path in (PAGE, DATA, CANCEL):
        assert site.get(path, user=ADMIN).status == 404


def test_the_page_and_the_control_panel_lead_to_each_other(workers, get, grant):
    """For who may open them."""
    assert f"/{PAGE}" in get(PANEL).body
    assert f"/{PAGE}" not in get(PANEL, user=SITE_ADMIN).body
    assert f"/{PANEL}" in get().body
    grant("View status", "Manager", "Member")
    page = get(user=MEMBER)
    assert (page.status, f"/{PANEL}" in page.body) == (200, False)


# Cancelling


def token(page):
    """Return the authenticator that *page* has for its button."""
    (field,) = fromstring(page.body).cssselect("form[action$=futures-cancel] [name=_authenticator]")
    return field.get("value")


@pytest.fixture
def held(workers):
    """A hold; return what names it in a form."""
    one = hold("/plone/a", user="jane", trace="ab" * 16)
    workers.write("000000a1", one)
    return {"worker": "000000a1", "hold": one["id"]}


def test_without_javascript_the_button_asks_first(workers, get, held):
    """On a page of its own, which changes nothing."""
    (link,) = fromstring(get().body).cssselect("[data-cancel]")
    assert link.get("href").endswith(f"/{CANCEL}?worker=000000a1&hold={held['hold']}")
    page = get(CANCEL, held)
    assert page.text.count("/plone/a") == 1
    facts = ["/plone/a", "jane", "acme.weather.now", "ab" * 16]
    assert told(page, "#content dd") == facts
    assert workers.asked_to_cancel() == []


@pytest.mark.parametrize("form_of", [PAGE, CANCEL])
def test_a_hold_is_cancelled_and_the_page_says_so(site, workers, get, post, held, form_of):
    """Its worker is asked, and who pressed the button is back on the page."""
    answer = post({**held, "_authenticator": token(get(form_of, held))})
    back = f"{site.portal.absolute_url()}/{PAGE}?cancelled=000000a1%2F{held['hold']}"
    assert (answer.status, answer.headers["location"]) == (302, back)
    assert workers.asked_to_cancel() == [held["hold"]]

    kept = {"cancelled": f"000000a1/{held['hold']}"}
    page = get(query=kept)
    assert told(page, "#futures-cancelled")[0].startswith("/plone/a The worker has been asked")
    (parts,) = fromstring(page.body).cssselect("#futures-parts")
    assert parts.get("data-refresh") == back.replace(PAGE, DATA)
    workers.write("000000a1", last=[happened("cancelled", "x", "/plone/a", int(held["hold"]))])
    assert told(get(query=kept), "#futures-cancelled") == ["/plone/a This response was cancelled."]


def test_a_hold_that_ends_before_it_is_cancelled_is_said_to_be_held_no_longer(workers, get, held):
    """It may have had its answer."""
    workers.write("000000a1")
    (said,) = told(get(query={"cancelled": f"000000a1/{held['hold']}"}), "#futures-cancelled")
    assert said == "The response that you wanted to cancel is no longer held."


def test_who_cancelled_is_logged(site, get, post, held):
    """Somebody's page ended with an error: who did that?"""
    site.log.set_level("INFO")
    post({**held, "_authenticator": token(get())})
    said = [(record.getMessage(), record.__dict__.get("trace_id")) for record in site.log.records]
    assert ("admin cancels the held response of /plone/a", "ab" * 16) in said


@pytest.mark.parametrize("wrong", [{}, {"_authenticator": "forged"}])
def test_a_form_of_somebody_else_s_cancels_nothing(workers, post, held, wrong):
    """403 without the authenticator of our page."""
    assert post({**held, **wrong}).status == 403
    assert workers.asked_to_cancel() == []


def test_a_link_cancels_nothing(workers, get, held):
    """Only a POST does."""
    get(CANCEL, {**held, "_authenticator": token(get())})
    assert workers.asked_to_cancel() == []


@pytest.mark.parametrize("user", [SITE_ADMIN, MEMBER, None])
def test_who_may_not_cancel_cancels_nothing(workers, get, post, held, grant, user):
    """Also who may look."""
    grant("View status", "Anonymous")
    assert post({**held, "_authenticator": token(get())}, user).status in (302, 401)
    assert workers.asked_to_cancel() == []


@pytest.mark.parametrize("wrong", [{"hold": "99999"}, {"worker": "000000ff"}, {"hold": "../x"}])
def test_what_is_not_listed_cannot_be_cancelled(workers, get, post, held, wrong):
    """It has ended by now; or nobody was offered it."""
    assert post({**held, **wrong, "_authenticator": token(get())}).status == 302
    assert workers.asked_to_cancel() == []
    assert told(get(CANCEL, {**held, **wrong}), "h1") == ["This response is no longer held"]


def test_a_manager_of_one_site_cancels_nothing_of_another(workers, get, post):
    """Though its id is easily guessed."""
    other = hold("/other/b")
    workers.write("000000a1", hold("/plone/a"), other)
    form = {"worker": "000000a1", "hold": other["id"]}
    page = get(CANCEL, form, MANAGER)
    assert told(page, "h1") == ["This response is no longer held"]
    post({**form, "_authenticator": token(get(user=MANAGER))}, MANAGER)
    assert workers.asked_to_cancel() == []
