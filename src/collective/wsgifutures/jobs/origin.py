"""Where a job comes from: who submitted it, under which URL, in which language and site.

An origin is plain data and has no secret: no cookie but the language's, no password, no token.
"""

from .errors import UserGone
from .role_user import RoleUser
from AccessControl import SpecialUsers
from AccessControl.users import UnrestrictedUser
from Acquisition import aq_base
from Acquisition import aq_chain
from Acquisition import aq_inner
from Acquisition import aq_parent
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from plone.uuid.interfaces import IUUID
from Products.CMFCore.interfaces import ISiteRoot
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlencode
from zope.component.hooks import getSite
from ZPublisher.HTTPRequest import default_port
from ZPublisher.HTTPRequest import HTTPRequest

import io
import re
import sys

#: The cookie of plone.i18n.
_LANGUAGE_COOKIE = "I18N_LANGUAGE"
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(?::([0-9]{1,5}))?")
_LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,32}")

#: The emergency user has no id, and nobody is found by this one.
NO_ID = ""


@dataclass(frozen=True)
class Origin:
    """Who submitted a job, and where. Paths are physical ones; that of Zope's root is empty."""

    user: str | None = None  #: the user's id, or ``NO_ID``; None: nobody was logged in
    folder: str = ""  #: the path of what has the user's ``acl_users``
    is_system: bool = False  #: whether it was Zope's own user ``System Processes``
    roles: tuple[str, ...] = ()  #: of a ``RoleUser``
    server_url: str = ""  #: as ``https://example.com:8443``; empty: submitted by a script
    virtual_root: str = ""  #: the path of the object at the root of the public URLs
    script: str = ""  #: what the public URLs have before it, quoted, as ``/portal``
    accept_language: str = ""
    language: str = ""  #: the cookie that a visitor chose a language with
    site: str = ""  #: the site's path
    site_uid: str = ""

    @property
    def user_name(self) -> str:
        """The user, for people."""
        if self.roles:
            return str(RoleUser(self.roles).getUserName())
        return "System Processes" if self.is_system else self.user or "Anonymous User"


def take_origin(request: Any, user: Any) -> Origin:
    """Return the origin of a job that is submitted now.

    Args:
        request: The request; None in a script, whose jobs do not know the public URL.
        user: The user, from the security manager.
    """
    site = _site()
    origin = Origin(
        **_describe(user),
        site=_path(site),
        site_uid=str(IUUID(site, None) or "") if site is not None else "",
    )
    is_real = isinstance(request, HTTPRequest)  # and not None, or one that a test made
    return replace(origin, **_seen_in(request)) if is_real else origin


def _describe(user: Any) -> dict[str, Any]:
    """Return what an origin has of a user."""
    base = aq_base(user)
    if base is None or user.getUserName() == SpecialUsers.nobody.getUserName():
        return {}
    if base is aq_base(SpecialUsers.system):
        return {"is_system": True}
    if isinstance(base, RoleUser):
        return {"roles": tuple(base.roles)}
    name, container = user.getId(), aq_parent(aq_parent(aq_inner(user)))
    if name is None:
        return {"user": NO_ID}
    if isinstance(base, UnrestrictedUser):  # stands for somebody, with more rights for a while
        container = _find_holder(name, container)
    return {"user": name, "folder": _path(container)}


def run_as(origin: Origin, user_id: str) -> Origin:
    """Return *origin* with another user, of the site or of Zope's root.

    Raises:
        UserGone: There is no such user.
    """
    holder = _find_holder(user_id, _site())
    if holder is None:
        raise UserGone(user_id, origin.site)
    return replace(origin, user=user_id, folder=_path(holder), is_system=False, roles=())


def folder_of(user_id: str, start: Any) -> str | None:
    """Return the path of what has the user folder that knows a user; None if there is none.

    Args:
        user_id: The user's id.
        start: The site; the folders above it, up to Zope's root, are asked after it.
    """
    holder = _find_holder(user_id, start)
    return None if holder is None else _path(holder)


def _find_holder(user_id: str, start: Any) -> Any:
    """Return what has the user folder that knows the user, from *start* up to Zope's root."""
    chain = aq_chain(aq_inner(start))
    return next((each for each in chain if _find_in(each, user_id) is not None), None)


def _find_in(container: Any, user_id: str) -> Any:
    """Return the user of a user folder that *container* has itself, and does not acquire."""
    if getattr(aq_base(container), "acl_users", None) is None:
        return None
    try:
        return container.acl_users.getUserById(user_id, None)
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON may have: nobody's id
        return None


def find_user(origin: Origin, root: Any) -> Any:
    """Return the user as it is now, with the roles and groups of now.

    Raises:
        UserGone: The user folder is gone, or does not know the user.
    """
    if origin.user is None:
        special = SpecialUsers.system if origin.is_system else SpecialUsers.nobody
        user = RoleUser(origin.roles) if origin.roles else aq_base(special)
        return user.__of__(root.acl_users)
    container = root.unrestrictedTraverse(origin.folder, None) if origin.folder else root
    user = _find_in(container, origin.user)
    if user is None:
        raise UserGone(origin.user, origin.folder)
    return aq_base(user).__of__(container.acl_users)


def make_environ(
    origin: Origin,
    path: str,
    *,
    view: str,
    method: str = "GET",
    form: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    query: str = "",
) -> dict[str, Any]:
    """Return a WSGI environ that publishes a view as if its request came the public way.

    Args:
        origin: Where the job comes from: ``absolute_url()`` gives the URLs that it gave there.
        path: The physical path of the context.
        view: The view, as ``@@name``, and what follows it.
        method: ``GET`` has the form in the query string, ``POST`` in the body.
        form: Names and values; several values in a list.
        headers: Further ones, by their names.
        body: Sent in place of the form, which is in the query string then.
        query: A query string, in place of one that is made of the form.
    """
    fields = urlencode(form or {}, doseq=True)
    sends_form = method == "POST" and body is None
    if body is None:
        body = fields.encode() if sends_form else b""
    host, port, scheme = _host(origin)
    environ = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query or ("" if sends_form else fields),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or default_port[scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": _join(host, port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_paths(origin, f"{path}/{view}", f"{scheme}/{_join(host, port or default_port[scheme])}"),
    }
    environ.update({_variable(name): value for name, value in (headers or {}).items()})
    if sends_form:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    if origin.accept_language:
        environ.setdefault("HTTP_ACCEPT_LANGUAGE", origin.accept_language)
    if origin.language:
        environ["HTTP_COOKIE"] = f"{_LANGUAGE_COOKIE}={origin.language}"
    return environ


def _variable(header: str) -> str:
    """Return the name of *header* in an environ."""
    name = header.upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else f"HTTP_{name}"


def _seen_in(request: Any) -> dict[str, Any]:
    """Return what an origin has of a request."""
    language = request.cookies.get(_LANGUAGE_COOKIE, "")
    root = request.other.get("VirtualRootPhysicalPath", ("",))
    return {
        "server_url": request.other["SERVER_URL"],
        "virtual_root": "/".join(root),
        "script": request.getVirtualRoot(),
        "accept_language": str(request.environ.get("HTTP_ACCEPT_LANGUAGE", "")),
        "language": language if _LANGUAGE.fullmatch(language) else "",
    }


def _paths(origin: Origin, path: str, base: str) -> dict[str, str]:
    """Return the path, written for Zope's virtual host monster where it has a root to tell of."""
    root = _common(origin.virtual_root, path)
    if not root:
        return {"SCRIPT_NAME": _wire(unquote(origin.script)), "PATH_INFO": _wire(path)}
    outside = "".join(f"/_vh_{unquote(part)}" for part in origin.script.split("/") if part)
    below = path[len(root) :]
    info = f"/VirtualHostBase/{base}{root}/VirtualHostRoot{outside}{below}"
    return {"SCRIPT_NAME": "", "PATH_INFO": _wire(info)}


def _common(root: str, path: str) -> str:
    """Return the beginning of *root* that *path* has too: else *path* could not be reached."""
    parts = []
    for one, other in zip(root.split("/"), path.split("/"), strict=False):
        if one != other:
            break
        parts.append(one)
    return "/".join(parts)


def _host(origin: Origin) -> tuple[str, int | None, str]:
    found = _URL.fullmatch(origin.server_url)
    if found is None:  # of a script, or a client's Host header was no host
        return "localhost", None, "http"
    scheme, host, port = found.groups()
    return host, int(port) if port else None, scheme


def _join(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


def _wire(path: str) -> str:
    """Return *path* as WSGI has it: the bytes of its UTF-8 as characters."""
    return path.encode().decode("latin-1")


def _site() -> Any:
    chain = aq_chain(aq_inner(getSite())) if getSite() is not None else ()
    return next((one for one in chain if ISiteRoot.providedBy(one)), None)


def _path(found: Any) -> str:
    return "" if found is None else "/".join(found.getPhysicalPath())
