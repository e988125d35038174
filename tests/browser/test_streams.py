"""<wsgifutures-stream>: words as they come, for those who see them and for those who hear them."""

from pathlib import Path
from processes import copy_instance
from selenium.webdriver.common.keys import Keys
from sites import start_site

import base64
import contextlib
import json
import os
import pytest
import requests
import time

STORY = "The lamp is on. A ship comes in. Nobody is on board, and nobody knows why. The end."

SENTENCES = [
    "The lamp is on.",
    "A ship comes in.",
    "Nobody is on board, and nobody knows why.",
    "The end.",
]

COMPLETE = "The text is complete."

#: Notes what a screen reader is given to say.
_HEARD = """
window.heard = [];
window.times = [];
new MutationObserver((changes) => {
  for (const { target, addedNodes } of changes) {
    if (target.nodeType === Node.ELEMENT_NODE && target.closest("[role=log]")) {
      window.heard.push(...[...addedNodes].map((one) => one.textContent));
      window.times.push(performance.now());
    } else if ([...addedNodes].some((one) => one.matches?.("[role=log]"))) {
      window.times.push(performance.now());
    }
  }
}).observe(document, {childList: true, subtree: true});
"""

#: Answers requests of the page's scripts in place of the site, one after the other.
_ANSWERED = """
window.asked = [];
const answers = ANSWERS;
window.fetch = async (address, options) => {
  window.asked.push(options.headers);
  const { pieces, breaks, ...how } = answers[Math.min(window.asked.length, answers.length) - 1];
  const body = new ReadableStream({
    async start(controller) {
      for (const piece of pieces) {
        controller.enqueue(Uint8Array.from(atob(piece), (letter) => letter.charCodeAt(0)));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      breaks ? controller.error(new TypeError("broken")) : controller.close();
    },
  });
  return new Response(body, how);
};
"""


class Site:
    """A site with the pages of acme, and what its generators did."""

    def __init__(self, started):
        self.site = started.site

    def log(self, key):
        """Return what the generators of *key* did."""
        return requests.get(f"{self.site}/@@told-log?key={key}", timeout=30).json()


@pytest.fixture(scope="module")
def told(demo_instance, tmp_path_factory):
    """A site with streams, where a visitor may have three at a time."""
    folder = tmp_path_factory.mktemp("told")
    copy_instance(demo_instance, folder / "template")
    includes = folder / "template" / "etc" / "package-includes"
    includes.mkdir(exist_ok=True)
    (includes / "acme-configure.zcml").write_text('<include package="acme" />')
    path = os.pathsep.join((str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    env = {"PYTHONPATH": path, "WSGIFUTURES_MAX_HELD_PER_CLIENT": "3"}
    started = start_site(folder / "template", folder / "instance", env)
    yield Site(started)
    started.stop()


@pytest.fixture
def inject(browser):
    """Run a script in each page before its own, until the test ends."""
    command, scripts = browser.driver.execute_cdp_cmd, []

    def inject(source):
        scripts.append(command("Page.addScriptToEvaluateOnNewDocument", {"source": source}))

    yield inject
    for script in scripts:
        command("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def listener(browser, inject):
    """A visitor whose screen reader is noted: ``heard``."""
    inject(_HEARD)
    return browser


@pytest.fixture
def answered(listener, told, inject):
    """Open a page whose streams are answered by the test; ``answered(answer(b"…"))``."""

    def answered(*answers):
        inject(_ANSWERED.replace("ANSWERS", json.dumps(answers)))
        listener.open(f"{told.site}/@@telling-bare?src=@@told")
        return listener

    return answered


def answer(*pieces, kind="text/event-stream", status=200, breaks=False, **headers):
    """Return an answer whose body comes in *pieces* of bytes."""
    coded = [base64.b64encode(piece).decode() for piece in pieces]
    headers = {"Content-Type": kind, **headers}
    return {"pieces": coded, "status": status, "headers": headers, "breaks": breaks}


def tell(browser, told, text=STORY, page="telling", src="@@told", **how):
    """Open a page that shows a stream."""
    query = requests.compat.urlencode({"text": text, **how})
    browser.open(f"{told.site}/@@{page}?" + requests.compat.urlencode({"src": f"{src}?{query}"}))


def element(browser):
    (one,) = browser.all("wsgifutures-stream")
    return one


def state(browser):
    return element(browser).get_attribute("data-state")


def text(browser):
    """Return the text that is there now."""
    return browser.driver.execute_script(
        "return document.querySelector('.wsgifutures-stream-text')?.textContent"
    )


def says(browser):
    """Return what stands below the text."""
    return " ".join(element(browser).find_element("css selector", "p:last-of-type").text.split())


def ends(browser, as_state="complete", seconds=30):
    """Wait until it has ended as *as_state*."""
    over = ("loading", "growing", None)
    assert browser.wait_for(lambda: state(browser) not in over and state(browser), seconds) == (
        as_state
    )


def heard(browser):
    return browser.driver.execute_script("return window.heard")


def hears(browser, texts):
    """Wait until just *texts* were said."""
    browser.wait_for(lambda: len(heard(browser)) >= len(texts))
    assert heard(browser) == texts


def press(browser, label):
    (button,) = [one for one in browser.all("wsgifutures-stream button") if one.text == label]
    button.click()


def is_focused(browser):
    """Tell whether the focus is in the element."""
    script = "return document.querySelector('wsgifutures-stream').contains(document.activeElement)"
    return browser.driver.execute_script(script)


# Words


@pytest.mark.parametrize("kind", ["text", "events"])
def test_words_are_seen_before_the_end_and_heard_in_sentences(listener, told, kind):
    """Each word at once for the eye, whole sentences for the ear, a text for both at the end."""
    tell(listener, told, kind=kind, pause=0.3)
    listener.wait_for(lambda: "A ship" in (text(listener) or ""))
    assert state(listener) == "growing"
    assert text(listener) == STORY[: len(text(listener))] != STORY
    (words,) = listener.all(".wsgifutures-stream-text")
    assert words.get_attribute("aria-hidden") == "true"
    assert set(heard(listener)) <= {"Loading", *SENTENCES}
    listener.screenshot(f"stream-{kind}-growing")
    listener.check_accessibility()
    ends(listener)
    assert text(listener) == STORY
    hears(listener, ["Loading", *SENTENCES, COMPLETE])
    assert words.get_attribute("aria-hidden") == "false"
    assert listener.find(".wsgifutures-stream-text").text == STORY
    assert [one for one in listener.all("wsgifutures-stream button") if one.is_displayed()] == []
    listener.check_accessibility()
    listener.screenshot(f"stream-{kind}-complete")


def test_what_was_heard_is_not_read_again(listener, told):
    """A while after the end only the text itself is left."""
    tell(listener, told)
    ends(listener)
    listener.wait_for(lambda: not listener.all("[role=log] p"))
    assert text(listener) == STORY


def test_first_sentences_are_heard_while_the_rest_is_still_to_come(listener, told):
    """Nobody waits for the end to hear the beginning."""
    tell(listener, told, pause=0.4)
    listener.wait_for(lambda: SENTENCES[0] in heard(listener))
    assert state(listener) == "growing"
    assert SENTENCES[-1] not in text(listener)


def test_nothing_is_said_before_a_screen_reader_knows_the_region(listener, told):
    """It says what changes in a region, not what has come with it."""
    tell(listener, told, page="telling-bare")
    listener.wait_for(lambda: COMPLETE in heard(listener))
    began, first, *_ = listener.driver.execute_script("return window.times")
    assert first - began > 150


def test_words_are_no_html(listener, told):
    """Whatever a model says."""
    wild = "<b>bold</b> <img src=x onerror=document.title='bad'> &amp; <script>1</script>"
    tell(listener, told, wild)
    ends(listener)
    assert text(listener) == wild
    assert listener.all("wsgifutures-stream :is(b, img, script)") == []
    assert "bad" not in listener.driver.title


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_however_they_are_cut(answered, size, end):
    """In the middle of a letter, of a line, of its end."""
    lines = [
        b": a comment",
        b"data: K\xc3\xa4se \xf0\x9f\xa7\x80",
        b"",
        b"event: other",
        b"data: not shown",
        b"",
        b"id: 7",
        b"retry: 10",
        b"",
        b"data:  on",
        b"data:two lines\xe2\x80\xa8!",
        b"",
        b"event: end",
        b"data: end",
        b"",
        b"data: too late",
        b"",
        b"",
    ]
    body = end.join(lines)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    browser = answered(answer(*pieces))
    ends(browser)
    assert text(browser) == "Käse 🧀 on\ntwo lines\u2028!"


def test_letters_are_whole_however_a_text_is_cut(answered):
    """A letter of four bytes in four pieces."""
    browser = answered(answer(*(bytes([one]) for one in "Öl 🧀".encode()), kind="text/plain"))
    ends(browser)
    assert text(browser) == "Öl 🧀"


def test_sentence_without_an_end_is_heard_all_the_same(answered):
    """In pieces of some thousand letters."""
    browser = answered(answer(*[b"word " * 30] * 10, kind="text/plain"))
    ends(browser)
    browser.wait_for(lambda: COMPLETE in heard(browser))
    pieces = heard(browser)[1:-1]
    assert len(pieces) > 1
    assert " ".join(pieces) == ("word " * 300).strip()


# What goes wrong


@pytest.mark.parametrize(
    ("reason", "says_so"),
    [
        ("failed", "Something went wrong. The text is not complete."),
        ("timeout", "It took too long. The text is not complete."),
        ("stopped", "The server is being stopped. The text is not complete."),
        ("cancelled", "An administrator has ended it. The text is not complete."),
    ],
)
def test_stream_that_is_not_whole_says_why(answered, reason, says_so):
    """To the eye and to the ear; what has come stays."""
    body = f"data: One. Two\n\nevent: error\ndata: {reason}\n\n".encode()
    browser = answered(answer(body))
    browser.wait_for(lambda: says(browser) == f"{says_so} Try again")
    assert text(browser) == "One. Two"
    hears(browser, ["Loading", "One.", "Two", says_so])


@pytest.mark.parametrize(
    ("given", "says_so"),
    [
        (answer(status=401), "You may not see this. Perhaps you have to log in again."),
        (answer(status=403), "You may not see this. Perhaps you have to log in again."),
        (answer(status=404), "The text could not be loaded."),
        (answer(status=500), "The text could not be loaded."),
        (answer(status=503), "The text could not be loaded."),
        (answer(status=504, **{"Retry-After": "9"}), "The text could not be loaded."),
        (
            answer(status=503, **{"Retry-After": "7"}),
            "The server is busy. Try again in 7 seconds.",
        ),
        (
            answer(status=503, **{"Retry-After": "Tue, 01 Dec 2020 00:00:00 GMT"}),
            "The server is busy. Try again in 2 seconds.",
        ),
        (answer(b"<html>", kind="text/html; charset=utf-8"), "The text could not be loaded."),
        (
            answer(b"", kind="text/event-stream"),
            "The connection was lost. The text is not complete.",
        ),
        (
            answer(kind="text/plain", breaks=True),
            "The connection was lost. The text is not complete.",
        ),
    ],
)
def test_answer_that_is_no_stream_is_said_in_words(answered, given, says_so):
    """Never its body."""
    browser = answered(given)
    browser.wait_for(lambda: says(browser) == f"{says_so} Try again")
    assert text(browser) == ""
    hears(browser, ["Loading", says_so])
    browser.check_accessibility()


@pytest.mark.parametrize(("kind", "as_state"), [("text", "broken"), ("events", "failed")])
def test_stream_that_fails_on_the_server_says_so_and_begins_anew(listener, told, kind, as_state):
    """A text breaks off, events say that they failed. The button works by the keyboard."""
    key = f"fails-{kind}"
    tell(listener, told, key=key, kind=kind, fails="yes", pause=0.02)
    ends(listener, as_state)
    assert text(listener) == STORY
    assert "secret" not in listener.driver.page_source
    listener.screenshot(f"stream-{as_state}")
    listener.check_accessibility()
    button = listener.find("wsgifutures-stream button")
    button.send_keys(Keys.ENTER)
    listener.wait_for(lambda: told.log(key) == ["begins", "closed"] * 2)
    ends(listener, as_state)
    assert text(listener) == STORY
    assert is_focused(listener)


def test_stream_whose_events_have_ids_goes_on_where_it_was(listener, told):
    """The server gets the id of the last event, and nothing is shown twice."""
    tell(listener, told, src="@@counted", key="ids", last=5, fails_at=4)
    ends(listener, "failed")
    assert text(listener) == "Number 1. Number 2. Number 3. "
    press(listener, "Continue")
    ends(listener)
    assert text(listener) == "".join(f"Number {n}. " for n in range(1, 6))
    assert told.log("ids") == ["after ''", "after '3'"]
    listener.wait_for(lambda: COMPLETE in heard(listener))
    said = heard(listener)
    assert [said.count(f"Number {n}.") for n in range(1, 6)] == [1] * 5


def test_visitor_who_may_not_see_it_is_told(listener, told):
    """Plone redirects to its login form, which is no text of the stream."""
    for src in ("@@told-to-users", "@@told-to-nobody"):
        tell(listener, told, src=src)
        ends(listener, "forbidden")
        assert text(listener) == ""
        assert says(listener).startswith("You may not see this.")


def test_busy_server_says_when_to_try_again(listener, told):
    """503 with Retry-After; later it works."""
    with contextlib.ExitStack() as others:
        for n in range(3):
            url = f"{told.site}/@@told?text={'a+' * 200}&pause=0.2&key=other{n}"
            others.enter_context(requests.get(url, stream=True, timeout=60))
        tell(listener, told)
        ends(listener, "busy")
        assert says(listener).startswith("The server is busy. Try again in ")
        listener.screenshot("stream-busy")
        listener.check_accessibility()
    listener.wait_for(lambda: all(told.log(f"other{n}")[-1] == "closed" for n in range(3)))
    time.sleep(0.5)
    press(listener, "Try again")
    ends(listener)
    assert text(listener) == STORY


def test_server_that_is_gone_is_said_and_asked_again(listener, told):
    """No network, and then there is one."""
    listener.open(f"{told.site}/@@telling")
    listener.online(False)
    listener.fill("#text", STORY)
    listener.click("#send")
    ends(listener, "unreachable")
    assert says(listener) == "The server cannot be reached. Try again"
    listener.online()
    press(listener, "Try again")
    ends(listener)
    assert text(listener) == STORY


# Its end by the visitor


def test_stop_ends_the_generator_on_the_server(listener, told):
    """At once; what has come stays, and can be asked for anew."""
    tell(listener, told, STORY * 20, key="stop", pause=0.1)
    listener.wait_for(lambda: "A ship" in (text(listener) or ""))
    button = listener.find("wsgifutures-stream button")
    assert button.text == "Stop"
    button.send_keys(Keys.ENTER)
    assert state(listener) == "stopped"
    listener.wait_for(lambda: told.log("stop") == ["begins", "closed"], 5)
    so_far = text(listener)
    assert STORY.startswith(so_far)
    assert says(listener) == "You have stopped it. The text is not complete. Try again"
    assert is_focused(listener)
    listener.screenshot("stream-stopped")
    time.sleep(0.5)
    assert text(listener) == so_far


def test_element_that_is_removed_ends_its_stream_and_one_that_is_moved_does_not(listener, told):
    """A script may do either."""
    tell(listener, told, STORY * 20, key="moved", pause=0.1)
    listener.wait_for(lambda: "A ship" in (text(listener) or ""))
    move = "const one = document.querySelector('wsgifutures-stream'); one.parentNode.append(one)"
    listener.driver.execute_script(move)
    listener.wait_for(lambda: "nobody" in text(listener))
    assert (state(listener), told.log("moved")) == ("growing", ["begins"])
    listener.driver.execute_script("document.querySelector('wsgifutures-stream').remove()")
    listener.wait_for(lambda: told.log("moved") == ["begins", "closed"], 5)


def test_visitor_who_leaves_the_page_ends_its_stream(listener, told):
    """As the docs say."""
    tell(listener, told, STORY * 20, key="left", pause=0.1)
    listener.wait_for(lambda: "A ship" in (text(listener) or ""))
    listener.open("about:blank")
    listener.wait_for(lambda: told.log("left") == ["begins", "closed"], 5)


# Forms, scripts and no scripts


def test_form_of_the_element_is_answered_in_the_page(listener, told):
    """As often as it is sent: its fields are posted to src."""
    before = told.log("form")
    listener.open(f"{told.site}/@@telling")
    for said in ("One & two. Three.", "Four."):
        listener.fill("#text", said)
        listener.click("#send")
        listener.wait_for(lambda said=said: text(listener) == said)
        ends(listener)
    assert listener.driver.current_url.endswith("/@@telling")
    assert told.log("form")[len(before) :] == ["begins", "closed"] * 2
    listener.wait_for(lambda: heard(listener)[-3:] == ["Loading", "Four.", COMPLETE])


def test_another_src_is_another_stream(listener, told):
    """As a script sets it."""
    tell(listener, told)
    ends(listener)
    listener.driver.execute_script(
        "document.querySelector('wsgifutures-stream').setAttribute('src', arguments[0])",
        f"{told.site}/@@told?text=Another.",
    )
    listener.wait_for(lambda: text(listener) == "Another.")


def test_end_is_an_event_for_other_scripts(listener, told):
    """Of each end; the state says which."""
    listener.open(f"{told.site}/@@telling")
    listener.driver.execute_script(
        "window.ended = []; document.addEventListener('wsgifutures-stream-end',"
        " (event) => window.ended.push(event.target.dataset.state))"
    )
    listener.fill("#text", "One.")
    listener.click("#send")
    ends(listener)
    assert listener.driver.execute_script("return window.ended") == ["complete"]


def test_page_without_javascript_has_what_stands_in_the_element(browser, told):
    """A link, or the answer of a form that waits for the whole text."""
    browser.javascript(False)
    tell(browser, told, kind="text")
    assert browser.find("wsgifutures-stream").text == "Show the text"
    browser.screenshot("stream-no-javascript")
    browser.follow("wsgifutures-stream a")
    assert browser.find("body").text == STORY
    browser.open(f"{told.site}/@@telling")
    browser.fill("#text", STORY)
    browser.follow("#send")
    assert browser.find("#whole").text == STORY


def test_page_under_a_strict_policy_has_no_complaints(listener, told):
    """default-src 'self': no script in the page, no style in an element."""
    listener.complaints()
    tell(listener, told, page="telling-bare", pause=0.05)
    listener.wait_for(lambda: state(listener) == "growing")
    ends(listener)
    assert text(listener) == STORY
    assert listener.complaints() == []


def test_text_on_a_phone_needs_no_scrolling_sideways(listener, told):
    """Not even for a word that is wider than the phone."""
    tell(listener, told, "Look: https://example.com/" + "x" * 200)
    ends(listener)
    listener.resize("phone")
    assert not listener.overflows()
