"""What pages of ours have in common: no cache keeps them, they have the whole width and icons."""

from functools import cached_property
from Products.Five import BrowserView
from typing import Any
from zope.component import getMultiAdapter

import json


class View(BrowserView):  # type: ignore[misc]
    """A page, or what a page fetches."""

    icon_class = ""  #: the class of each icon, for our style sheets

    def prepare(self) -> None:
        """Let no cache keep the page, and give it the whole width."""
        self.request.response.setHeader("Cache-Control", "no-store")
        for column in ("plone.leftcolumn", "plone.rightcolumn"):
            self.request.set(f"disable_{column}", 1)

    def answer_json(self, told: dict[str, Any]) -> str:
        """Return what is *told* as JSON: no transform takes JSON for a page to decorate."""
        response = self.request.response
        response.setHeader("Cache-Control", "no-store")
        response.setHeader("Content-Type", "application/json; charset=utf-8")
        return json.dumps(told)

    def asked(self, name: str) -> str:
        """Return the value of *name* in the request's form, "" if there is none."""
        return asked(self.request, name)

    def icon(self, name: str) -> str:
        """Return an icon of Plone, hidden from screen readers: words beside it say the same."""
        if name not in self._icons:
            resolver = getMultiAdapter((self.context, self.request), name="iconresolver")
            svg = resolver.tag(name, tag_class=self.icon_class)
            if isinstance(svg, bytes):  # Plone 6.1
                svg = svg.decode()
            self._icons[name] = f'<span aria-hidden="true">{svg}</span>'
        return self._icons[name]

    @cached_property
    def _icons(self) -> dict[str, str]:
        return {}


def asked(request: Any, name: str) -> str:
    """Return the value of *name* in the form of *request*, "" if there is no text."""
    value = request.form.get(name)
    return value if isinstance(value, str) else ""
