"""The demo, as its visitors see it."""

from demo import waited
from sites import speak

import pytest

PARTS = 10

#: What ten calls of a second each take one after the other, in seconds.
ONE_BY_ONE = 10

#: What 200 requests of a second each take at least where four are published at a time.
FOUR_AT_A_TIME = 50


def test_demo_when_opened_can_be_read_by_everybody(browser, site):
    """Its start page is whole, for each width and for those who cannot see it."""
    browser.open(site.site + "/@@futures-demo")
    assert browser.find("h1").text == "Held responses"
    browser.screenshot("demo")
    browser.check_accessibility()
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("page", "title"),
    [("futures-status", "Live status"), ("wsgifutures-controlpanel", "Held responses")],
)
def test_demo_leads_an_administrator_to_site_setup(browser, start_own, page, title):
    """To who waits now, and to the settings."""
    own = start_own()
    browser.log_in(own.site)
    browser.open(own.site + "/@@futures-demo")
    browser.follow(f"#content a[href$='@@{page}']")
    assert browser.find("#content h1").text == title


def test_demo_when_200_held_requests_come_in_shows_their_answers(browser, site):
    """They are answered long before a server of four threads could; nobody else waits as long."""
    browser.open(site.site + "/@@futures-demo")
    held = "figure[data-page=held]"
    browser.wait_for(lambda: browser.find(f"{held} button").is_enabled())
    browser.click(f"{held} button")
    browser.wait_for(lambda: len(browser.all(f"{held} .answered")) > 20)
    browser.screenshot("demo-200-coming-in")
    browser.wait_for(
        lambda: browser.find(f"{held} .futures-state").text == "200 of 200 answered",
        seconds=FOUR_AT_A_TIME,
    )
    browser.screenshot("demo-200")
    assert len(browser.all(f"{held} .answered")) == 200
    facts = browser.find(f"{held} dl").text.splitlines()
    first, last = facts[facts.index("Answers after") + 1].removesuffix(" s").split(" s to ")
    assert 1 <= float(first) <= float(last) < FOUR_AT_A_TIME
    visitor = facts[facts.index("Another visitor waited at most") + 1].removesuffix(" s")
    assert float(visitor) < ONE_BY_ONE
    browser.check_accessibility()
    assert browser.complaints() == []


def test_parts_when_ten_ask_for_a_second_each_come_after_one_wait(browser, site):
    """A visitor of a page of ten slow viewlets waits for one of them."""
    browser.open(site.site + "/@@hold-parts?seconds=1")
    assert len(browser.all(".futures-part")) == PARTS
    assert browser.find(".futures-part:first-child").text.splitlines() == [
        "Weather",
        "14 °C, light rain until noon",
    ]
    assert 1 <= waited(browser) < ONE_BY_ONE / 2
    browser.screenshot("parts")
    browser.check_accessibility()
    assert browser.complaints() == []
    assert site.get("@@hold-parts", seconds=0).headers["X-Hold-Passes"] == "2"


@pytest.mark.parametrize(
    "page",
    ["hold", "hold-many", "hold-blocking", "hold-submit-only", "hold-error", "hold-timeout"],
)
def test_page_of_the_demo_when_opened_can_be_read_by_everybody(browser, site, page):
    browser.open(f"{site.site}/@@{page}")
    assert waited(browser) >= 0
    browser.screenshot(page)
    browser.check_accessibility()
    assert browser.complaints() == []


def test_form_of_the_demo_when_sent_writes_once(browser, start_own):
    """Two passes, one write, as the person at the form sees it."""
    own = start_own()
    browser.log_in(own.site)
    browser.open(own.site + "/@@hold-write")
    assert browser.find("#counter").text == "0"
    browser.follow("#content form button")
    browser.wait_for(lambda: browser.find("#counter").text == "1")
    browser.screenshot("hold-write")
    browser.check_accessibility()
    browser.open(own.site + "/@@hold-write")
    assert browser.find("#counter").text == "1"


# The chat

CHAT = "/@@stream-chat"
ANSWER = ".futures-exchange:last-of-type wsgifutures-stream"

#: The end of the stand-in's answer, and its button, in each language.
SAID = {
    "en": ("Words as they come", "what I have said.", "Stop"),
    "de": ("Wörter, sobald sie kommen", "was ich gesagt habe.", "Anhalten"),
    "fi": ("Sanat sitä mukaa kuin ne tulevat", "mitä sanoin.", "Pysäytä"),
}


def chat(browser, question):
    browser.fill("#futures-chat-question", question)
    browser.click("#futures-chat-form button")


def answered(browser):
    return browser.find(f"{ANSWER} :is(.wsgifutures-stream-text, .futures-answer)").text


def has_ended(browser):
    state = browser.find(ANSWER).get_attribute("data-state")
    return state not in ("loading", "growing") and state


@pytest.mark.parametrize("language", SAID)
def test_chat_shows_its_answer_as_it_comes_and_keeps_it_once(
    browser, demo_instance, start_own, tmp_path, language
):
    """From the demo's start page on: a question, its answer, and the one before."""
    title, end, stop = SAID[language]
    own = start_own(speak(demo_instance, tmp_path / "template", language))
    browser.open(f"{own.site}/@@futures-demo")
    browser.follow("#content a[href$='@@stream-chat']")
    assert browser.find("h1").text == title
    browser.check_accessibility()
    chat(browser, "Why is the sky blue?")
    browser.wait_for(lambda: len(answered(browser)) > 150)
    assert end not in answered(browser)
    assert browser.find(f"{ANSWER} button").text == stop
    browser.check_accessibility()
    browser.screenshot(f"chat-{language}-growing")
    assert browser.wait_for(lambda: has_ended(browser)) == "complete"
    assert answered(browser).endswith(end)
    chat(browser, "And at night?")
    browser.wait_for(lambda: has_ended(browser) and "And at night?" in answered(browser))
    said = [one.text for one in browser.all(".futures-question")]
    assert said == ["Why is the sky blue?", "And at night?"]
    assert browser.find(".futures-exchange > .futures-answer").text.endswith(end)
    browser.check_accessibility()
    browser.screenshot(f"chat-{language}")
    browser.resize("phone")
    assert not browser.overflows()
    browser.resize("desktop")

    def kept():
        browser.open(f"{own.site}{CHAT}")
        return len(browser.all("#futures-chat-earlier li")) == 2

    browser.wait_for(kept)
    browser.screenshot(f"chat-{language}-kept")
    assert browser.complaints(of_plone=False) == []


def test_chat_that_is_stopped_lets_the_model_fall_silent(browser, site):
    """The connections to both are closed, and nothing is written down."""
    question = "Stop me?"
    browser.open(f"{site.site}{CHAT}")
    chat(browser, question)
    browser.wait_for(lambda: question in answered(browser))
    assert site.service.talking(question) == 1
    browser.click(f"{ANSWER} button")
    browser.wait_for(lambda: site.service.talking(question) == 0, 3)
    assert has_ended(browser) == "stopped"
    browser.screenshot("chat-stopped")
    browser.open(f"{site.site}{CHAT}")
    assert question not in browser.find("#content").text


def test_chat_that_fails_halfway_says_so_and_can_be_tried_again(browser, site):
    """The model has broken off; what it said stays."""
    browser.open(f"{site.site}{CHAT}")
    chat(browser, "Will you fail?")
    assert browser.wait_for(lambda: has_ended(browser)) == "failed"
    assert "Will you fail?" in answered(browser)
    assert "Something went wrong." in browser.find(f"{ANSWER} .wsgifutures-stream-bar").text
    browser.check_accessibility()
    browser.screenshot("chat-failed")
    browser.click(f"{ANSWER} button:not([hidden])")
    browser.wait_for(lambda: site.service.calls("Will you fail?") == 2)


def test_chat_without_javascript_waits_for_the_whole_answer(browser, start_own):
    """And keeps it, too."""
    own = start_own()
    browser.javascript(False)
    browser.open(f"{own.site}{CHAT}")
    browser.fill("#futures-chat-question", "Is it whole?")
    browser.follow("#futures-chat-form button")
    assert browser.find(".futures-question").text == "Is it whole?"
    assert answered(browser).endswith(SAID["en"][1])
    browser.screenshot("chat-no-javascript")

    def kept():
        browser.open(f"{own.site}{CHAT}")
        return "Is it whole?" in browser.find("#content").text

    browser.wait_for(kept)
