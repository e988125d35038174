"""A Plone site in this process, asked over WSGI, and an outside world that counts.

Each request is published in one of a few threads, as a threaded server does: Plone compiles its
theme once in each. What Zope keeps per thread is looked at when the request has been answered.
"""

from AccessControl.SecurityManagement import _managers
from collective.wsgifutures import future
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from lxml.html import fromstring
from plone.app.testing import SITE_OWNER_NAME
from plone.app.testing import SITE_OWNER_PASSWORD
from plone.transformchain.interfaces import ITransform
from Products.CMFCore import indexing
from Products.CMFCore.Skinnable import SKINDATA
from Products.Five import BrowserView
from Products.Five.browser.metaconfigure import page
from Products.SiteErrorLog import SiteErrorLog
from typing import Any
from typing import NamedTuple
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from zope.component import getGlobalSiteManager
from zope.component.hooks import setSite
from zope.component.hooks import siteinfo
from zope.configuration import xmlconfig
from zope.configuration.config import ConfigurationMachine
from zope.globalrequest import getRequest
from zope.interface import implementer
from zope.interface import Interface
from zope.security.management import queryInteraction
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

import base64
import io
import json
import logging
import posixpath
import threading
import time
import transaction

ADMIN = (SITE_OWNER_NAME, SITE_OWNER_PASSWORD)

# The outside world.

calls: list[Any] = []  #: what it was called with, the first one first
released = threading.Event()


@future
def ask(text):
    calls.append(text)
    return text.upper()


@future
def fail(text):
    calls.append(text)
    raise LookupError(text)


@future(timeout=0.05)
def hang(text):
    calls.append(text)
    released.wait(10)
    return text


@future(timeout=60)
def hang_on(text):
    calls.append(text)
    released.wait(10)
    return text


def count(view):
    """Write into the site: one more."""
    view.context.counter = getattr(view.context, "counter", 0) + 1


def wait_until(true, seconds=30):
    """Wait until *true* gives something."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def swallow(function, *args):
    """Call *function* and drop whatever it raises, as careless code does."""
    try:
        return function(*args)
    except:  # noqa: E722
        return None


# The site.

#: A request is published in one that has nothing to do.
_threads = ThreadPoolExecutor(32)


class Answer(NamedTuple):
    """What the client got, and how it came about."""

    status: int
    headers: dict[str, str]
    body: str
    passes: list[str]  #: what each pass gave: a status, or what it raised
    left_over: list[str]  #: what the thread still has of the request

    @property
    def text(self):
        """What it says, without the tags around."""
        return " ".join(fromstring(self.body).text_content().split())

    @property
    def json(self):
        return json.loads(self.body)


class Site:
    """The site, and what to ask it with and put into it for one test."""

    def __init__(self, portal, zcml, log, folder):
        self.portal = portal
        self._zcml = zcml
        self.log = log
        self._folder = folder
        self._committed = 0
        self._committed = self.commits

    # asking

    def get(self, path, query=None, **more) -> Answer:
        return self.request("GET", path, query=query, **more)

    def post(self, path, form, **more) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return self.request("POST", path, body=urlencode(form).encode(), kind=kind, **more)

    def request(self, method, path, **more) -> Answer:
        """Send a request through the middleware; ``held=False``: without it."""
        environ = _environ(method, posixpath.normpath(f"/plone/{path}"), **_known(more, _environ))
        request = Request(environ, **more)
        _threads.submit(Context().run, request).result()
        self.sync()
        if request.error is not None:
            raise request.error
        return request.answer

    # looking at it

    def sync(self):
        """See what was committed."""
        transaction.begin()

    @property
    def commits(self) -> int:
        """How many transactions wrote something since the test began."""
        written = list(self.portal._p_jar.db().storage.changes.iterator())
        return len(written) - self._committed

    @property
    def errors(self) -> list[str]:
        """The types in the site's error log, the first one first."""
        return [entry["type"] for entry in self.error_log]

    @property
    def error_log(self) -> list[dict[str, Any]]:
        """The entries in the site's error log."""
        return [entry for log in SiteErrorLog.temp_logs.values() for entry in log]

    @property
    def logged(self) -> list[str]:
        """What was logged as an error."""
        return [r.getMessage() for r in self.log.records if r.levelno >= logging.ERROR]

    # putting something into it

    def zcml(self, text):
        """Load *text*, the inside of a ``configure`` tag."""
        with _globally(self.portal):
            xmlconfig.string(f"<configure {_NAMESPACES}>{text}</configure>", self._zcml)

    def view(self, name, call=None, *, for_=Interface, template=None, permission=None, **names):
        """Register a view: a function of it, a page template, or both."""
        if call is not None:
            names["__call__"] = call
        class_ = type("View", (BrowserView,), names) if names else None
        options = {"for_": for_, "class_": class_}
        if template is not None:
            options["template"] = self.template(template)
        context = ConfigurationMachine()
        context.package = None
        page(context, name, permission or "zope2.Public", **options)
        with _globally(self.portal):
            context.execute_actions()

    def template(self, text) -> str:
        """Return the path of a page template."""
        path = self._folder / f"{len(list(self._folder.iterdir()))}.pt"
        path.write_text(text)
        return str(path)

    def subscriber(self, interface, handler):
        """Call *handler* on events of *interface*."""
        getGlobalSiteManager().registerHandler(handler, (interface,))

    def transform(self, function, order):
        """Call *function* in place of a transform, at its *order* among the others."""

        @implementer(ITransform)
        class Transform:
            def __init__(self, published, request):
                self.order = order

            def transformIterable(self, result, encoding):
                function()

            transformBytes = transformUnicode = transformIterable

        self.adapter(Transform, (Interface, Interface), ITransform, "test")

    def adapter(self, factory, required, provided, name=""):
        """Register *factory*."""
        getGlobalSiteManager().registerAdapter(factory, required, provided, name)


@contextmanager
def _globally(portal):
    """Register components for all, not in this site."""
    setSite(None)
    try:
        yield
    finally:
        setSite(portal)


_NAMESPACES = """
    xmlns="http://namespaces.zope.org/zope"
    xmlns:browser="http://namespaces.zope.org/browser"
    xmlns:plone="http://namespaces.plone.org/plone"
"""


class Request:
    """One request, published in the thread that calls this."""

    answer: Answer

    def __init__(self, environ, *, held=True, waiting=None, **settings):
        self.error: BaseException | None = None
        self._environ = environ
        self._passes: list[str] = []
        application = record_passes(HTTPExceptionHandler(publish_module), self._passes)
        if held:
            worker = Worker(application, Settings(**settings))
            worker.executor_of = Told(worker.executor_of, waiting)
            application = Middleware(worker)
        self._application = application

    def __call__(self):
        setSite(None)  # the thread may know the global registry of another test
        started: list[Any] = []

        def start_response(status, headers, exc_info=None):
            started[:] = [status, headers]

        try:
            chunks = self._application(self._environ, start_response)
            body = b"".join(chunks).decode()
        except BaseException as error:
            self.error = error
            return
        status, headers = started
        named = {name.lower(): value for name, value in headers}
        self.answer = Answer(int(status[:3]), named, body, self._passes, left_over())


def record_passes(application, passes):
    """Return *application*; each pass of it adds to *passes* its status, or what it raised."""

    def record(environ, start_response):
        def start(status, headers, exc_info=None):
            passes.append(status[:3])
            return start_response(status, headers)

        try:
            return application(environ, start)
        except BaseException as error:
            passes.append(type(error).__name__)
            raise

    return record


class Told:
    """Gives executors, and calls *waiting*, in the request's thread, when a future is to start."""

    def __init__(self, executor_of, waiting):
        self._executor_of = executor_of
        self._waiting = waiting

    def __call__(self, name):
        if self._waiting is not None:
            self._waiting()
        return self._executor_of(name)


def left_over() -> list[str]:
    """Return what Zope and Plone keep of a request in this thread."""
    ident = threading.get_ident()
    kept = {
        "transaction": transaction.manager.manager._txn,
        "site": siteinfo.site,
        "request": getRequest(),
        "interaction": queryInteraction(),
        "security manager": _managers.get(ident),
        "skin": SKINDATA.get(ident),
        "indexing": indexing.getQueue().getState() or None,
    }
    return [name for name, value in kept.items() if value is not None]


def _environ(
    method, path, *, query=None, body=b"", kind="", user=None, accept="text/html", headers=()
):
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": urlencode(query or {}),
        "HTTP_HOST": "nohost",
        "HTTP_ACCEPT": accept,
        "wsgi.input": io.BytesIO(body),
    }
    if body:
        environ.update(CONTENT_LENGTH=str(len(body)), CONTENT_TYPE=kind)
    if user is not None:
        token = base64.b64encode(":".join(user).encode()).decode()
        environ["HTTP_AUTHORIZATION"] = f"Basic {token}"
    environ.update(headers)
    setup_testing_defaults(environ)
    return environ


def _known(options, function):
    """Take the options of *function* out of *options*."""
    names = function.__kwdefaults__
    return {name: options.pop(name) for name in list(options) if name in names}
