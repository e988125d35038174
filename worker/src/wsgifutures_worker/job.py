"""A job, as the function that does it sees it."""

from . import plain
from .errors import OtherHost
from .site import Claim
from .site import File
from collections.abc import Callable
from requests.adapters import HTTPAdapter
from typing import Any
from typing import Protocol
from urllib.parse import unquote
from urllib.parse import urljoin
from urllib3.util import parse_url
from urllib3.util import Retry as Again

import http.cookiejar
import requests

#: Seconds that a request of a job's session waits, if it does not say otherwise.
TIMEOUT = 60.0

#: Plone is away for a moment, says it or a proxy; only what reads is asked for again.
_AGAIN = Again(
    total=4,
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=("GET", "HEAD"),
    raise_on_status=False,
)


class Link(Protocol):
    """What a job has to know of the claim that it is done for."""

    access_token: str | None
    cancelled: bool

    def progress(self, done: float, words: str) -> None:
        """Tell how far the job is."""


class Job:
    """One attempt at a job.

    Args:
        claim: What the site handed over.
        link: The claim, as long as it is held.
        session: What ``job.session`` is.
    """

    def __init__(self, claim: Claim, link: Link, session: requests.Session) -> None:
        self.id = claim.job
        self.task = claim.task
        self.queue = claim.queue
        #: The number of this attempt, from 1.
        self.attempt = claim.attempt
        #: The same in each attempt: what you do elsewhere can be told to be done already.
        self.key = claim.key
        #: When the job ends, done or not, as the site writes it.
        self.deadline = claim.deadline
        #: ``UID`` and ``@id`` of what the job is about; None if that is the site, or gone.
        self.context = claim.context
        #: Sends the job's own token, to the site alone; relative addresses are the context's.
        self.session = session
        #: What ``file`` was given.
        self.files: list[File] = []
        self._claim = claim
        self._link = link

    @property
    def args(self) -> list[Any]:
        """The positional arguments of the submission."""
        return list(plain.read(self._claim.args))

    @property
    def kwargs(self) -> dict[str, Any]:
        """The named arguments of the submission."""
        return dict(plain.read(self._claim.kwargs))

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more, as it was cancelled or is another worker's."""
        return self._link.cancelled

    def progress(self, done: float, words: str = "") -> None:
        """Say how far the job is; returns at once, and is sent every six seconds at most.

        Args:
            done: From 0 to 1.
            words: What people read beside it.
        """
        if not 0 <= done <= 1:
            raise ValueError(f"done has to be from 0 to 1, and is {done}.")
        self._link.progress(float(done), str(words))

    def get(self, path: str = "", **options: Any) -> requests.Response:
        """Fetch *path*, relative to the context; an answer of 400 or more is raised."""
        return self._ask("GET", path, options)

    def post(self, path: str = "", **options: Any) -> requests.Response:
        """Post to *path*, relative to the context; an answer of 400 or more is raised."""
        return self._ask("POST", path, options)

    def file(self, name: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Attach a file to the result; the task that gets the result finds it by its name."""
        if name in ("", "result") or set(name) & set(":/\\"):
            raise ValueError(f'"{name}" cannot be the name of a file: no ":", "/", "\\".')
        if name in (known for known, _, _ in self.files):
            raise ValueError(f'There are two files "{name}".')
        if not isinstance(data, bytes):
            raise TypeError(f"data of {name} has to be bytes, and is {type(data).__name__}.")
        self.files.append((name, data, content_type))

    def _ask(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        answer = self.session.request(method, path, **options)
        answer.raise_for_status()
        return answer

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.task}, attempt {self.attempt}>"


class JobSession(requests.Session):
    """Sends the job's token, always the newest, and only to the site.

    Args:
        site: The address of the site.
        base: The address of the context: what relative addresses are relative to.
        token: Returns the token of this moment.
    """

    def __init__(self, site: str, base: str, token: Callable[[], str | None]) -> None:
        super().__init__()
        self._site = site
        self._base = base
        self._token = token
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=_AGAIN))

    def request(  # type: ignore[override]
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """Send a request; *url* may be relative to the context."""
        options.setdefault("timeout", TIMEOUT)
        whole = urljoin(f"{self._base}/", url) if url else self._base
        return super().request(method, whole, **options)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send what is prepared; each hop of a redirect comes by here too."""
        if not is_below(request.url or "", self._site):
            raise OtherHost(parse_url(request.url or "").netloc or "nowhere", self._site)
        token = self._token()
        if token is None:
            raise PermissionError("This job has no token: declare may= with its task in Plone.")
        request.headers["Authorization"] = f"Bearer {token}"
        return super().send(request, **options)


def is_below(url: str, site: str) -> bool:
    """Return whether *url* is in the site, as the connection will understand it."""
    asked, own = parse_url(url), parse_url(site)
    if (asked.scheme, asked.host, _port(asked)) != (own.scheme, own.host, _port(own)):
        return False
    path = unquote(asked.path or "")
    inside = f"{path}/".startswith(f"{(own.path or '').rstrip('/')}/")
    return inside and ".." not in path.split("/")


def _port(url: Any) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)
