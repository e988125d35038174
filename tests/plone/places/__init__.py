"""What the tests of places have in common: one request each, and what is true of all."""

from holdsite import ask
from holdsite import calls
from holdsite import left_over
from Products.Five.browser.metaconfigure import page
from zope.component import hooks
from zope.configuration.config import ConfigurationMachine
from zope.interface import Interface

JSON = "application/json"


def bracketed(*args):
    """Ask, from wherever this is called."""
    return f"[{ask('a')}]"


def publish(site, method, *args, passes=("Suspended", "200"), asked=("a",), wrote=0, **more):
    """Send a request that is held, and see that it was held cleanly.

    Args:
        method: Of the site: ``get``, ``post``, ``request``. The other arguments are for it.
        passes: What each pass gives.
        asked: What the outside world was called with, each once.
        wrote: How many transactions it committed.
    """
    before = site.commits
    left: list[str] = []  # in the thread, while the response is held and when it was sent
    waiting = more.pop("waiting", lambda: None)
    more["waiting"] = lambda: (left.extend(left_over()), waiting())
    answer = getattr(site, method)(*args, **more)
    left.extend(answer.left_over)
    seen = (answer.passes, calls, site.commits - before, site.errors, site.logged, left)
    wanted = (list(passes), list(asked), wrote, [], [], [])
    assert seen == wanted, f"{seen} is not {wanted}: {answer}"
    return answer


def register(name, class_, for_=Interface, permission="zope2.Public"):
    """Register a view by its class."""
    context = ConfigurationMachine()
    context.package = None
    page(context, name, permission, for_=for_, class_=class_)
    with hooks.site(None):
        context.execute_actions()
