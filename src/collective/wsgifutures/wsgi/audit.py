"""The checks before a worker may serve, as far as they need nothing of Zope.

Each check returns a finding: what was seen, what it means, what to do. With an error the
worker does not serve at all; a warning is logged once. This module neither changes nor prints
anything: the gunicorn module refuses and logs, ``wsgifutures doctor`` prints.

Once everything is loaded, the names of modules say little. A thread-local that was made before
gevent had patched the standard library is shared by all greenlets, and so is the identity of a
thread. Both can be found in the modules that hold them.
"""

from ..kernel.runtime import current
from ..kernel.runtime import under_gevent
from .findings import error
from .findings import Finding
from .findings import Level
from .findings import ok
from .findings import warning
from .joints import Joint
from .settings import Settings
from .settings import SLOTS
from .variables import unknown_variables
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import importlib.util
import math
import resource
import sys
import threading

#: Modules that may only be imported after gevent has patched: they keep a request's state
#: per thread, or import modules that do.
TOO_EARLY = (
    *("AccessControl", "OFS", "Products.CMFCore", "Products.CMFPlone", "ZODB", "ZPublisher"),
    *("Zope2", "plone.api", "transaction", "zope.component", "zope.globalrequest"),
    *("zope.security",),
)

#: Packages whose thread-locals keep the state of a request, and so of a user.
ZOPE_FAMILY = (
    *("AccessControl", "App", "OFS", "Products", "Shared", "ZEO", "ZODB", "ZPublisher"),
    *("Zope2", "collective", "five", "persistent", "plone", "relstorage", "transaction"),
    *("z3c", "zope"),
)

#: Modules that are always imported before the patches, and do not need the patches.
AT_HOME = frozenset((*sys.stdlib_module_names, "__main__", "gevent", "greenlet", "gunicorn"))

#: The factor by which gunicorn's ``worker_connections`` exceed ``max_held`` + ``max_waiting``,
#: so that the worker can still answer with a refusal.
CLEARLY_ABOVE = 1.1

#: Seconds between two looks at whether the worker is to end.
LOOK_EVERY = 0.25

#: Seconds before its end in which the last answers are sent.
SEND_SECONDS = 2.0

#: How many files a worker opens beside the sockets of its clients and calls.
OTHER_FILES = 256

_SHARED = "requests of different users would share one transaction and one security manager"


class StartRefused(RuntimeError):
    """A worker may not serve with these findings."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)  #: the errors
        super().__init__(self.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))


def refuse(findings: Iterable[Finding]) -> None:
    """Refuse to serve if one of *findings* is an error.

    Raises:
        StartRefused: There are errors; the exception has them.
    """
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if errors:
        raise StartRefused(errors)


def choose_warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the warnings among *findings*."""
    return [finding for finding in findings if finding.level is Level.WARNING]


# Before the workers are forked


def is_asyncio(cfg: Any) -> bool:
    """Tell whether gunicorn's workers are loops of asyncio."""
    return _is_made_from(cfg, "gunicorn.workers.gasgi")


def _is_made_from(cfg: Any, module: str) -> bool:
    return module in {base.__module__ for base in cfg.worker_class.__mro__}


def of_arbiter(cfg: Any) -> list[Finding]:
    """Return the findings of gunicorn's arbiter, where nothing of Zope may be loaded yet."""
    return [preload(cfg), worker_class(cfg), *([] if is_asyncio(cfg) else [early_imports()])]


def preload(cfg: Any) -> Finding:
    """Check that Zope is loaded in the workers, not in the arbiter."""
    advice = "Leave out --preload, and preload_app in the config file."
    if is_asyncio(cfg):
        if not cfg.preload_app:
            return ok("preload", "Each worker loads Zope itself, with threads of its own.")
        return error(
            "preload",
            "gunicorn would load Zope before it forks the workers (preload_app): a worker would "
            "have none of Zope's threads, and share its database connections with the others.",
            advice,
        )
    if not cfg.preload_app:
        return ok("preload", "Each worker loads Zope itself, after gevent's patches.")
    return error(
        "preload",
        "gunicorn would load Zope before gevent has patched the standard library (preload_app): "
        f"{_SHARED}.",
        advice,
    )


def worker_class(cfg: Any) -> Finding:
    """Check that the worker class is gevent's or gunicorn's for asyncio, or derived from one."""
    name = cfg.worker_class_str
    if _is_made_from(cfg, "gunicorn.workers.ggevent") or is_asyncio(cfg):
        return ok("worker", f"The worker class is {name}.")
    return error(
        "worker",
        f"The worker class is {name}, but collective.wsgifutures.gunicorn needs gevent's, "
        "or gunicorn's own for asyncio.",
        "Start gunicorn with -k gevent, or with -k asgi. To stay with threads, leave out this "
        "config module and put egg:collective.wsgifutures#hold into the pipeline of zope.ini.",
    )


def chosen(cfg: Any) -> Iterator[Finding]:
    """Check that a worker for asyncio waits with asyncio, and that gevent has patched nothing."""
    if not is_asyncio(cfg):
        return
    if under_gevent():
        yield _patched()
    elif current().name != "asyncio":
        yield error(
            "runtime",
            f"The application was loaded for {current().name}, in a worker for asyncio.",
            "Call collective.wsgifutures.gunicorn.post_fork in the post_fork of your config file.",
        )
    else:
        text = "Requests wait in the loop of asyncio; nothing is patched."
        yield ok("runtime", f"{text} {speed_of_gunicorn(cfg)}")


def speed_of_gunicorn(cfg: Any) -> str:
    """Return in a sentence which loop and which parser gunicorn's worker for asyncio has."""
    is_fast = _is_taken(cfg.http_parser, "fast", "gunicorn_h1c")
    return _speed(cfg.asgi_loop, "gunicorn_h1c" if is_fast else "gunicorn's parser in Python")


def speed_of_uvicorn(config: Any) -> str:
    """Return the same of uvicorn."""
    parser = config.http_protocol_class.__module__.rpartition(".")[2]
    return _speed(config.loop, parser.removesuffix("_impl"))


def _speed(loop: str, parser: str) -> str:
    kind = "uvloop" if _is_taken(loop, "uvloop", "uvloop") else "asyncio"
    return f"The loop is {kind}'s, HTTP is parsed by {parser}."


def _is_taken(option: str, wanted: str, module: str) -> bool:
    """Tell whether an *option* is *wanted*: it says so, or is "auto" and the module is there."""
    return option == wanted or (option == "auto" and _is_there(module))


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _patched() -> Finding:
    return error(
        "runtime",
        "gevent has patched the standard library in a worker for asyncio: its threads are "
        "greenlets of one thread, and its loop stands still while one of them waits.",
        "Find what calls gevent.monkey.patch_all (an add-on, the config file), and leave it "
        "out; or start gunicorn with -k gevent.",
    )


def of_uvicorn(server: Any) -> list[Finding]:
    """Return whether the site may be loaded for a *server* of uvicorn; None: there is none."""
    if server is None:
        return [
            error(
                "server",
                "This application is for uvicorn, and something else loads it: nothing would say "
                "when held responses have to end.",
                "Start uvicorn --factory collective.wsgifutures.asgi:make_application. Another "
                "server with threads takes the filter egg:collective.wsgifutures#hold.",
            )
        ]
    found = [_patched()] if under_gevent() else []
    if server.config.lifespan == "off":
        found.append(
            error(
                "lifespan",
                "uvicorn's --lifespan is off: nothing would start with the worker, and jobs would "
                "not be let go at its end.",
                "Leave out --lifespan.",
            )
        )
    return found


def early_imports() -> Finding:
    """Check, before gevent has patched, that nothing of Zope is imported."""
    found = [name for name in TOO_EARLY if name in sys.modules]
    if not found:
        return ok("imports", "Nothing of Zope is imported before gevent's patches.")
    return error(
        "imports",
        f"{', '.join(found)} imported before gevent has patched the standard library: {_SHARED}.",
        "Import nothing of Zope or Plone in gunicorn's config file or in modules that it imports.",
    )


# In the process that serves


def of_process(joints: Iterable[Joint], workers: int = 1) -> list[Finding]:
    """Return whether greenlets are safe here, variables that nothing reads, the joints' findings.

    So many *workers* serve the same storages.
    """
    own = [*greenlets(), *shared_thread_locals(), *unknown_variables()]
    return own + [finding for joint in joints for finding in joint.findings(workers)]


def greenlets() -> Iterator[Finding]:
    """Check that Python takes each greenlet for a thread of its own."""
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
    """Check that no module has a thread-local that all greenlets would share."""
    found = list(_made_before_the_patches()) if under_gevent() else []
    zope = [name for name in found if name.partition(".")[0] in ZOPE_FAMILY]
    others = [name for name in found if name not in zope]
    if zope:
        yield error(
            "thread-locals",
            f"Made before gevent had patched the standard library: {_few(zope)}. All greenlets "
            "share them, with all that they keep about a request and its user.",
            "Find what imports these modules too early (gunicorn's config file, a module that it "
            "imports, or --preload), and import them later.",
        )
    if others:
        yield warning(
            "thread-locals",
            f"Made before gevent had patched the standard library: {_few(others)}. All greenlets "
            "share the state that these modules keep per thread.",
            "Import these modules in post_worker_init instead of in gunicorn's config file.",
        )
    if under_gevent() and not found:
        yield ok("thread-locals", "Each greenlet has thread-locals of its own.")


def _made_before_the_patches() -> Iterator[str]:
    """Yield the names of unpatched thread-locals, and of functions that identify threads."""
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
    """Return whether gunicorn's configuration goes with our *settings*."""
    return [
        *([] if is_asyncio(cfg) else [connections(cfg, settings)]),  # there they have no limit
        graceful_timeout(cfg, settings),
        worker_timeout(cfg),
        max_requests(cfg),
    ]


def settings_of_uvicorn(config: Any, settings: Settings) -> list[Finding]:
    """Return whether uvicorn's configuration goes with our *settings*."""
    return [concurrency(config, settings), graceful_shutdown(config, settings)]


def concurrency(config: Any, settings: Settings) -> Finding:
    """Check that the worker refuses requests before uvicorn does."""
    limits = settings.max_held + settings.max_waiting
    needed, limit = int(limits * CLEARLY_ABOVE), config.limit_concurrency
    if limit is None or limit >= needed:
        return ok("connections", "uvicorn refuses nobody before the worker does.")
    return warning(
        "connections",
        f"--limit-concurrency is {limit}, too few for max_held + max_waiting ({limits}): uvicorn "
        "refuses requests that could be held.",
        f"Leave it out, set it to {needed} or more, or lower max_held.",
    )


def graceful_shutdown(config: Any, settings: Settings) -> Finding:
    """Check that a stop leaves enough time to finish held responses."""
    needed, limit = _to_finish(settings), config.timeout_graceful_shutdown
    if limit is None or limit >= needed:
        return ok("stop", "Held responses are finished at a stop.")
    return warning(
        "stop",
        f"--timeout-graceful-shutdown is {limit} s, too short for deadline + grace and sending "
        f"the answer ({needed} s). At a stop some held responses end with 503 instead of their "
        "answer.",
        f"Set it to {needed} or more, or lower the deadline.",
    )


def _to_finish(settings: Settings) -> int:
    """Return how many seconds all held responses need to be finished."""
    return math.ceil(settings.deadline + settings.grace + LOOK_EVERY + SEND_SECONDS)


def connections(cfg: Any, settings: Settings) -> Finding:
    """Check that the worker refuses requests before gunicorn stops accepting them."""
    limits = settings.max_held + settings.max_waiting
    needed = int(limits * CLEARLY_ABOVE)
    seen = f"worker_connections is {cfg.worker_connections}"
    if cfg.worker_connections >= needed:
        return ok("connections", f"{seen}, above max_held + max_waiting ({limits}).")
    return warning(
        "connections",
        f"{seen}, too few for max_held + max_waiting ({limits}). When all are in use, gunicorn "
        "accepts no more, and visitors wait without an answer instead of getting a 503 at once.",
        f"Set worker_connections to {needed} or more, or lower max_held.",
    )


def graceful_timeout(cfg: Any, settings: Settings) -> Finding:
    """Check that a stop leaves enough time to finish held responses."""
    needed = _to_finish(settings)
    seen = f"graceful_timeout is {cfg.graceful_timeout} s"
    if cfg.graceful_timeout >= needed:
        return ok("stop", f"{seen}: held responses are finished at a stop or reload.")
    return warning(
        "stop",
        f"{seen}, too short for deadline + grace and sending the answer ({needed} s). At a stop or "
        "reload some held responses end with 503 instead of their answer.",
        f"Set graceful_timeout to {needed} or more, or lower the deadline.",
    )


def worker_timeout(cfg: Any) -> Finding:
    """Check that a worker that stands still is replaced."""
    if cfg.timeout:
        return ok("timeout", f"A worker that stands still for {cfg.timeout} s is replaced.")
    return warning(
        "timeout",
        "timeout is 0: a worker that stands still is never replaced.",
        "Set gunicorn's timeout to 30 or so. It does not end held responses.",
    )


def max_requests(cfg: Any) -> Finding:
    """Check that other workers serve while a worker is replaced."""
    if not cfg.max_requests:
        return ok("max-requests", "Workers are not replaced after a number of requests.")
    if cfg.workers > 1:
        return ok("max-requests", "While a worker is replaced, the others serve.")
    return warning(
        "max-requests",
        f"The only worker is replaced after {cfg.max_requests} requests. It then takes no new "
        "requests, and its replacement starts after the last held response has ended. Until then "
        "new visitors wait.",
        "Leave out max_requests, or run two workers (not with a FileStorage).",
    )


def of_system(settings: Settings) -> list[Finding]:
    """Return whether the system allows for these settings."""
    return [open_files(settings), clients_gone()]


def open_files(settings: Settings) -> Finding:
    """Check the limit of open files: two for a held response, one for a waiting request."""
    needed = 2 * settings.max_held + settings.max_waiting + OTHER_FILES
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed in (resource.RLIM_INFINITY, -1) or allowed >= needed:
        return ok("open-files", f"{allowed} files may be open, {needed} may be needed.")
    share = max(0, allowed - OTHER_FILES) / (needed - OTHER_FILES)
    held, waiting = (max(1, int(n * share)) for n in (settings.max_held, settings.max_waiting))
    return warning(
        "open-files",
        f"{allowed} files may be open, and max_held ({settings.max_held}) and max_waiting "
        f"({settings.max_waiting}) may need {needed}: two for each held response. When no file is "
        "left, connections and calls fail.",
        "Raise the hard limit (ulimit -n, LimitNOFILE= of systemd), or set max_held to "
        f"{held} and max_waiting to {waiting}.",
    )


def clients_gone() -> Finding:
    """Check that the system reports a client that goes away."""
    if sys.platform.startswith("linux") or current().name == "asyncio":
        return ok("clients", "A client that goes away is noticed at once.")
    return warning(
        "clients",
        f"{sys.platform} has no epoll. A client that goes away is only noticed when its response "
        "is sent, and its calls run to their end.",
        "Nothing breaks. Serve the public from Linux.",
    )


def slots(wanted: int | None, most: int | None) -> Finding:
    """Check that each slot finds a ZODB connection.

    Args:
        wanted: How many slots the settings say, or suit the storage.
        most: How many ZODB connections the pool has; None for any number.
    """
    wanted = wanted or SLOTS
    if most is None or wanted <= most:
        pool = "any number of" if most is None else most
        return ok("slots", f"{wanted} slots, {pool} ZODB connections.")
    return warning(
        "slots",
        f"slots is {wanted}, but the ZODB pool has {most} connections: only {most} are used.",
        f"Set slots to {most} or less, or raise pool-size in zope.conf.",
    )
