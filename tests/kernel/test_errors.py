"""The errors: one tree, facts as attributes, messages that say what to do."""

from collective.wsgifutures.kernel import errors
from concurrent.futures import CancelledError

import copy
import pickle
import pytest

ALL = {
    errors.FutureTimeout("shop.price", 0.5): (
        {"name": "shop.price", "timeout": 0.5},
        "shop.price gave no result within 0.5 s. Raise timeout= where it is declared, "
        "or catch FutureTimeout and render without it.",
    ),
    errors.HoldExpired("shop.price", 55.0): (
        {"name": "shop.price", "deadline": 55.0},
        "shop.price has no result, and the response was held up to its deadline of 55 s. Catch "
        "HoldExpired, or ask with result(default=...), and answer without the result.",
    ),
    errors.FutureCancelled("shop.price"): (
        {"name": "shop.price"},
        "shop.price was cancelled. Ask cancelled() before result().",
    ),
    errors.TooManyPasses(25, iter(["shop.price", "shop.stock"])): (
        {"passes": 25, "names": ("shop.price", "shop.stock")},
        "The request still asks for new futures after 25 passes; new in its last passes: "
        "shop.price, shop.stock. A future is recognized by its name and arguments: pass "
        "the same arguments in each pass (no time stamps, no random values), ask for "
        "independent futures together with gather, or raise max_passes.",
    ),
    errors.AskedAfterCommit("shop.price"): (
        {"name": "shop.price"},
        "shop.price is pending and the transaction is committed: publishing the request again "
        "would do all of its work twice. Ask in the view or in a before-commit hook, not in "
        "IPubSuccess or an after-commit hook. A future that was submitted before the commit, "
        "with submit(), has its value there.",
    ),
    errors.ExecutorBusy("shop.price", "threads", 64, 1000): (
        {"name": "shop.price", "executor": "threads", "limit": 64, "queued": 1000},
        "shop.price was not started: all 64 threads for futures are busy, and 1000 calls wait "
        "already. Catch ExecutorBusy and answer without the result, or raise max_threads or "
        "max_queued.",
    ),
    errors.HoldCancelled("shop.price"): (
        {"name": "shop.price"},
        "shop.price has no result: an operator cancelled the wait for it. Catch HoldCancelled, or "
        "ask with result(default=...), and answer without the result.",
    ),
    errors.StreamTimeout("llm.tell", 30.0, "between"): (
        {"name": "llm.tell", "seconds": 30.0, "limit": "between"},
        "The stream llm.tell gave no item for 30 s. Raise between= where it is declared.",
    ),
    errors.StreamBusy("llm.tell", "max_held"): (
        {"name": "llm.tell", "limit": "max_held"},
        "The stream llm.tell was not begun: max_held responses are held or streamed already. "
        "Catch StreamBusy and answer without it, or raise max_held.",
    ),
    errors.UpgradeRequired("chat.talk"): (
        {"name": "chat.talk"},
        "The websocket chat.talk was asked for by plain HTTP. Open it as a websocket, with an "
        "address that begins with ws:// or wss://. If the client did, a proxy has dropped the "
        "headers Upgrade and Connection.",
    ),
    errors.NoWebSockets("chat.talk"): (
        {"name": "chat.talk"},
        "The websocket chat.talk cannot be accepted: this server has no websockets. Run gunicorn "
        "with -k asgi -c python:collective.wsgifutures.gunicorn, or uvicorn with the package "
        "websockets.",
    ),
    errors.OriginRefused("chat.talk", "https://example.com"): (
        {"name": "chat.talk", "public": "https://example.com"},
        "The websocket chat.talk is refused to a page of another site than https://example.com. If "
        "that is not the address of the site, let the proxy rewrite it. To allow other sites, name "
        "them: accept(origins=...).",
    ),
    errors.ProcessEnded("shop.price", -9): (
        {"name": "shop.price", "status": -9},
        "The process that ran shop.price ended by signal 9. Look for the reason in the log of the "
        "system, which kills processes if memory runs out.",
    ),
    errors.ArgumentRefused("shop.price", "items[2]", "it is a view; pass its URL."): (
        {"name": "shop.price", "argument": "items[2]", "reason": "it is a view; pass its URL."},
        "shop.price cannot take items[2]: it is a view; pass its URL.",
    ),
    errors.ResultRefused("shop.price", "it does not pickle; return plain data."): (
        {"name": "shop.price", "reason": "it does not pickle; return plain data."},
        "The result of shop.price cannot be kept: it does not pickle; return plain data.",
    ),
}
CASES = [pytest.param(error, *rest, id=type(error).__name__) for error, rest in ALL.items()]


@pytest.mark.parametrize(("error", "facts", "message"), CASES)
def test_an_error_says_what_and_what_to_do_and_carries_its_facts(error, facts, message):
    """A message names the value, the unit and the way out; its facts are attributes."""
    assert str(error) == message
    assert vars(error) == facts


@pytest.mark.parametrize(("error", "facts", "message"), CASES)
@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_an_error_survives_pickling_and_copying(error, facts, message, again):
    """An error may be kept, sent to another process and raised there."""
    new = again(error)
    assert (type(new), str(new), vars(new)) == (type(error), message, facts)


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (errors.FutureTimeout, TimeoutError),
        (errors.HoldExpired, TimeoutError),
        (errors.FutureCancelled, CancelledError),
        (errors.TooManyPasses, Exception),
        (errors.AskedAfterCommit, Exception),
        (errors.ExecutorBusy, Exception),
        (errors.HoldCancelled, errors.Unavailable),
        (errors.StreamBusy, errors.Unavailable),
        (errors.StreamTimeout, TimeoutError),
        (errors.UpgradeRequired, errors.HandshakeRefused),
        (errors.NoWebSockets, errors.HandshakeRefused),
        (errors.OriginRefused, errors.HandshakeRefused),
        (errors.ProcessEnded, Exception),
        (errors.ArgumentRefused, TypeError),
        (errors.ResultRefused, TypeError),
    ],
)
def test_the_errors_are_one_tree(kind, also):
    """Whoever catches FuturesError catches all; some are built-in kinds too."""
    assert issubclass(kind, errors.FuturesError)
    assert issubclass(kind, also)


def test_too_many_passes_without_a_name_says_none():
    """The sentence stays one where nothing new was asked for."""
    assert "new in its last passes: none." in str(errors.TooManyPasses(2, []))


def test_suspended_is_control_flow_and_no_error():
    """No ``except Exception`` stops a suspension."""
    assert issubclass(errors.Suspended, BaseException)
    assert not issubclass(errors.Suspended, Exception)
    assert not issubclass(errors.Suspended, errors.FuturesError)


def test_suspended_refuses_to_be_made_an_exception():
    """Chameleon makes a class of an exception and its own; it falls back to a copy."""
    with pytest.raises(TypeError, match="Suspended cannot be subclassed"):
        type("Both", (errors.Suspended, RuntimeError), {})
    assert copy.copy(errors.Suspended("shop.price")).args == ("shop.price",)


def test_who_is_refused_a_thread_is_told_when_to_ask_again():
    """Zope sends it with the answer."""
    assert errors.ExecutorBusy("shop.price", "threads", 1, 1).headers == {"Retry-After": "5"}
    assert "ended with status 3" in str(errors.ProcessEnded("shop.price", 3))
