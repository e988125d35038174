"""What has to be right before a worker may serve, as far as it needs nothing of Zope.

Each check gives a finding: what was seen, what it means, what to do. An error is a reason
not to serve at all; a warning is said once. Nothing is changed here, and nothing printed:
the gunicorn module refuses and logs, ``wsgifutures doctor`` prints.

Names of modules tell little once everything is loaded. What counts is what was made before
gevent had patched the standard library: a thread-local made then is one for all greenlets,
and so is a thread's identity. Both can be found in the modules that hold them.
"""

from ..kernel.runtime import under_gevent
from .findings import error
from .findings import Finding
from .findings import Level
from .findings import ok
from .findings import warning
from .joints import Joint
from .settings import Settings
from .settings import SLOTS
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import math
import resource
import sys
import threading

#: Of these nothing may be imported before gevent has patched: they keep a request's state
#: per thread, or import what does.
TOO_EARLY = (
    *("AccessControl", "OFS", "Products.CMFCore", "Products.CMFPlone", "ZODB", "ZPublisher"),
    *("Zope2", "plone.api", "transaction", "zope.component", "zope.globalrequest"),
    *("zope.security",),
)

#: What a thread-local of one of these keeps is about a request, and so about a user.
ZOPE_FAMILY = (
    *("AccessControl", "App", "OFS", "Products", "Shared", "ZEO", "ZODB", "ZPublisher"),
    *("Zope2", "collective", "five", "persistent", "plone", "relstorage", "transaction"),
    *("z3c", "zope"),
)

#: They come before the patches by their nature, and do without them.
AT_HOME = frozenset((*sys.stdlib_module_names, "__main__", "gevent", "greenlet", "gunicorn"))

#: gunicorn's ``worker_connections`` stay above what we hold and let wait by this factor, so
#: that a refusal of ours is heard.
CLEARLY_ABOVE = 1.1

#: Seconds between two looks at whether the worker is to end.
LOOK_EVERY = 0.25

#: Seconds before its end in which the last answers are sent.
SEND_SECONDS = 2.0

#: Open files of a worker beside the sockets of its clients and calls: storage, logs, blobs.
OTHER_FILES = 256

_SHARED = "requests of different users would share one transaction and one security manager"


class StartRefused(RuntimeError):
    """A worker may not serve like this."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)  #: why
        super().__init__(self.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those with which no worker may serve."""
    return [finding for finding in findings if finding.level is Level.ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return those to warn of."""
    return [finding for finding in findings if finding.level is Level.WARNING]


def refuse(findings: Iterable[Finding]) -> None:
    """Refuse to serve where one of *findings* is an error.

    Raises:
        StartRefused: It has those that are.
    """
    found = errors(findings)
    if found:
        raise StartRefused(found)


# Before the workers are forked


def of_arbiter(cfg: Any) -> list[Finding]:
    """Return what gunicorn's arbiter knows: nothing of Zope may be there yet.

    Args:
        cfg: gunicorn's configuration.
    """
    return [preload(cfg), worker_class(cfg), early_imports()]


def preload(cfg: Any) -> Finding:
    """Zope is loaded in the workers."""
    if not cfg.preload_app:
        return ok("preload", "Each worker loads Zope itself, after gevent's patches.")
    return error(
        "preload",
        "gunicorn would load Zope before gevent has patched the standard library (preload_app): "
        f"{_SHARED}.",
        "Leave out --preload, and preload_app in the config file.",
    )


def worker_class(cfg: Any) -> Finding:
    """The worker is gevent's, or made from it."""
    name = cfg.worker_class_str
    bases = {base.__module__ for base in cfg.worker_class.__mro__}
    if "gunicorn.workers.ggevent" in bases:
        return ok("worker", f"The worker class is {name}.")
    return error(
        "worker",
        f"The worker class is {name}, and collective.wsgifutures.gunicorn is for gevent's.",
        "Start gunicorn with -k gevent. To stay with threads, leave this config module out and "
        "put egg:collective.wsgifutures#hold into the pipeline of zope.ini.",
    )


def early_imports() -> Finding:
    """Nothing of Zope is imported. Asked before gevent has patched."""
    found = [name for name in TOO_EARLY if name in sys.modules]
    if not found:
        return ok("imports", "Nothing of Zope is imported before gevent's patches.")
    return error(
        "imports",
        f"{', '.join(found)} imported before gevent has patched the standard library: {_SHARED}.",
        "Import nothing of Zope or Plone in gunicorn's config file, nor in what it imports.",
    )


# In the process that serves


def of_process(joints: Iterable[Joint], workers: int = 1) -> list[Finding]:
    """Return whether greenlets are safe here, and what the joints found.

    Args:
        joints: Those of the middleware.
        workers: How many processes serve the same storages.
    """
    own = [*greenlets(), *shared_thread_locals()]
    return own + [finding for joint in joints for finding in joint.findings(workers)]


def greenlets() -> Iterator[Finding]:
    """Each greenlet is a thread of its own, to Python."""
    if not under_gevent():
        if "gunicorn.workers.ggevent" in sys.modules:
            yield error(
                "greenlets",
                f"The application is loaded before gevent has patched the standard library: "
                f"{_SHARED}.",
                "Leave out gunicorn's --preload (preload_app).",
            )
        return
    import gevent  # never at the top: gunicorn's arbiter reads this before it patches

    if gevent.spawn(threading.get_ident).get() == threading.get_ident():
        yield error(
            "greenlets",
            f"All greenlets have the identity of one thread: {_SHARED}.",
            "Let gevent patch everything (monkey.patch_all()), threads too.",
        )
    else:
        yield ok("greenlets", "Each greenlet has an identity of its own.")


def shared_thread_locals() -> Iterator[Finding]:
    """No module keeps per thread what all greenlets would share."""
    found = list(_made_before_the_patches()) if under_gevent() else []
    zope = [name for name in found if name.startswith(tuple(f"{one}." for one in ZOPE_FAMILY))]
    others = [name for name in found if name not in zope]
    if zope:
        yield error(
            "thread-locals",
            f"Made before gevent had patched the standard library: {_few(zope)}. All greenlets "
            "share each of them, and with it what it keeps about a request and its user.",
            "Find what imports it too early (gunicorn's config file, or what that imports, or "
            "--preload), and import it later.",
        )
    if others:
        yield warning(
            "thread-locals",
            f"Made before gevent had patched the standard library: {_few(others)}. All greenlets "
            "share what is kept there per thread.",
            "Import its package in post_worker_init in place of gunicorn's config file.",
        )
    if under_gevent() and not found:
        yield ok("thread-locals", "Each greenlet has thread-locals of its own.")


def _made_before_the_patches() -> Iterator[str]:
    """Yield the names of unpatched thread-locals, and of what asks for a thread's identity."""
    from gevent.monkey import get_original

    thread_local = get_original("threading", "local")
    get_ident = get_original("_thread", "get_ident")
    seen = set()
    for module, names in list(sys.modules.items()):
        if module.partition(".")[0] in AT_HOME:
            continue
        for name, value in list(getattr(names, "__dict__", {}).items()):
            if value is get_ident:
                yield f"{module}.{name}"
            elif issubclass(type(value), thread_local) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module}.{name}"


def _few(names: list[str], number: int = 4) -> str:
    more = len(names) - number
    return ", ".join(names[:number]) + (f" and {more} more" if more > 0 else "")


# The server and the system around it


def of_server(cfg: Any, settings: Settings) -> list[Finding]:
    """Return whether gunicorn's settings go with ours.

    Args:
        cfg: gunicorn's configuration.
        settings: Ours.
    """
    return [
        connections(cfg, settings),
        graceful_timeout(cfg, settings),
        worker_timeout(cfg),
        max_requests(cfg),
    ]


def connections(cfg: Any, settings: Settings) -> Finding:
    """A refusal of ours is heard before gunicorn stops to accept."""
    limits = settings.max_held + settings.max_waiting
    needed = int(limits * CLEARLY_ABOVE)
    seen = f"worker_connections is {cfg.worker_connections}"
    if cfg.worker_connections >= needed:
        return ok("connections", f"{seen}, above max_held + max_waiting ({limits}).")
    return warning(
        "connections",
        f"{seen}, too few for max_held + max_waiting ({limits}): when all are in use gunicorn "
        "accepts no more, and visitors wait without an answer in place of a 503 at once.",
        f"Set worker_connections to {needed} or more, or lower max_held.",
    )


def graceful_timeout(cfg: Any, settings: Settings) -> Finding:
    """What is held may be finished at a stop."""
    needed = math.ceil(settings.deadline + settings.grace + LOOK_EVERY + SEND_SECONDS)
    seen = f"graceful_timeout is {cfg.graceful_timeout} s"
    if cfg.graceful_timeout >= needed:
        return ok("stop", f"{seen}: what is held is finished at a stop or reload.")
    return warning(
        "stop",
        f"{seen}, too short for deadline + grace and sending the answer ({needed} s): at a stop or "
        "reload some held responses are not finished, and get 503.",
        f"Set graceful_timeout to {needed} or more, or lower the deadline.",
    )


def worker_timeout(cfg: Any) -> Finding:
    """A worker that stands still is replaced."""
    if cfg.timeout:
        return ok("timeout", f"A worker that stands still for {cfg.timeout} s is replaced.")
    return warning(
        "timeout",
        "timeout is 0: a worker that stands still is never replaced.",
        "Set gunicorn's timeout to 30 or so. It does not end held responses.",
    )


def max_requests(cfg: Any) -> Finding:
    """A worker that is to be replaced leaves others that serve."""
    if not cfg.max_requests:
        return ok("max-requests", "Workers are not replaced after a number of requests.")
    if cfg.workers > 1:
        return ok("max-requests", "While a worker is replaced, the others serve.")
    return warning(
        "max-requests",
        f"The only worker is replaced after {cfg.max_requests} requests. It takes no new ones "
        "then, and its replacement starts when the last held response has ended: until then new "
        "visitors wait.",
        "Leave out max_requests, or have two workers (not with a FileStorage).",
    )


def of_system(settings: Settings) -> list[Finding]:
    """Return whether the system allows what the settings say."""
    return [open_files(settings), clients_gone()]


def open_files(settings: Settings) -> Finding:
    """Each held response may have two sockets, each waiting one has one."""
    needed = 2 * settings.max_held + settings.max_waiting + OTHER_FILES
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed in (resource.RLIM_INFINITY, -1) or allowed >= needed:
        return ok("open-files", f"{allowed} files may be open, {needed} may be needed.")
    most = max(1, (allowed - OTHER_FILES - settings.max_waiting) // 2)
    return warning(
        "open-files",
        f"{allowed} files may be open, and max_held ({settings.max_held}) and max_waiting "
        f"({settings.max_waiting}) may need {needed}: two for each held response. With none left "
        "connections and calls fail.",
        f"Raise the hard limit (ulimit -n, LimitNOFILE= of systemd), or set max_held to {most}.",
    )


def clients_gone() -> Finding:
    """The system tells when a client goes away."""
    if sys.platform.startswith("linux"):
        return ok("clients", "A client that goes away is noticed at once.")
    return warning(
        "clients",
        f"{sys.platform} has no epoll: that a client has gone away is only noticed when its "
        "response is sent; its calls run to their end.",
        "Nothing breaks. Serve the public from Linux.",
    )


def slots(wanted: int | None, most: int | None) -> Finding:
    """Each pass finds a ZODB connection.

    Args:
        wanted: How many the settings say, or what suits the storage.
        most: How many ZODB connections the pool has; None for any number.
    """
    wanted = wanted or SLOTS
    if most is None or wanted <= most:
        pool = "any number of" if most is None else most
        return ok("slots", f"{wanted} slots, {pool} ZODB connections.")
    return warning(
        "slots",
        f"slots is {wanted}, and the ZODB pool has {most} connections: {most} are taken.",
        f"Set slots to {most} or less, or raise pool-size in zope.conf.",
    )
