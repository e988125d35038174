"""Parts of a page, and what a page of them gives in each of its passes."""

from collective.wsgifutures import fragment
from collective.wsgifutures import future
from collective.wsgifutures.testing import HeldRequest

#: What was called, in order.
log = []


@future
def ask(text):
    log.append(f"call {text}")
    return text.upper()


@future(timeout=60)
def late(text):
    return text


@fragment(placeholder="…")
def part(text, call=ask):
    return f"[{call(text)}]"


def passes_of(view, **options):
    """Return what *view* gave in each of its passes, the answer the last one."""
    seen = []

    def published():
        try:
            seen.append(view())
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        return seen[-1]

    answer = HeldRequest(published, **options).run()
    assert seen[-1] == answer
    return seen


def swallow(function, *args):
    """Call it and drop whatever it raises, as careless code does."""
    try:
        return function(*args)
    except:  # noqa: E722
        return "swallowed"


class Viewlet:
    """As Plone makes one: updated, asked, rendered."""

    def __init__(self, text):
        self.text = text
        self.asked = []

    def update(self):
        self.asked.append("update")

    @property
    def available(self):
        self.asked.append("available")
        return bool(self.text)

    def render(self):
        self.asked.append("render")
        return f"<{self.text}>"
