"""What an answer to a worker's token says of what is elsewhere in the site: its address alone.

plone.restapi's answer about an object describes others, too: what contains it, without a look at
whether the user may see that; what is before and after it; what it is related to; where a block
links to. A worker gets the object of its job. So in the answer of the content's own service, and of
those that are about content (``@history/0`` is an earlier state), each description of something
that is not at or below that object is cut to its ``@id``. People are described as ever.

That is done with the answer, not in serializers: those of add-ons are not known. Views, and
other services that a task names, say what they say.
"""

from ..tokens.offered import find_offer
from .published import Published
from plone.uuid.interfaces import IUUID
from typing import Any
from zope.annotation.interfaces import IAnnotations

import json

#: Where a request keeps the address of the object that its answer is about.
_KEY = "collective.wsgifutures.within"

#: What the address of a user has, who is no content.
_USER = "/@users/"


def confine(request: Any, published: Published, uid: str) -> None:
    """Let the answer describe the object of that UID, and what is in it; none: the whole site."""
    if not _is_about_content(published.name):
        return
    for each in published.containers:
        if IUUID(each, None) == uid:
            IAnnotations(request)[_KEY] = each.absolute_url()


def _is_about_content(name: str) -> bool:
    """Tell whether an answer is the content's own, or that of a service about nothing else."""
    found = find_offer(name)
    return found is not None and found.is_local and not name.startswith("@@")


def answer_is_made(event: Any) -> None:
    """Cut the answer of a request that was confined."""
    url = IAnnotations(event.request, {}).get(_KEY)
    response = event.request.response
    if url is None or not response.body:
        return
    try:
        found = json.loads(response.body)
    except ValueError:  # a service that answers with something else
        return
    cut = _cut(found, url)
    if isinstance(found, dict):  # the object itself, whatever address it gives
        cut = {name: _cut(value, url) for name, value in found.items()}
    response.setBody(json.dumps(cut, indent=2, sort_keys=True))


def _cut(value: Any, url: str) -> Any:
    """Return *value*, in which nothing is described that is not at or below *url*."""
    if isinstance(value, list):
        return [_cut(each, url) for each in value]
    if not isinstance(value, dict):
        return value
    id = value.get("@id")
    if isinstance(id, str) and not _is_within(id, url):
        return {"@id": id}
    return {name: _cut(each, url) for name, each in value.items()}


def _is_within(id: str, url: str) -> bool:
    return id == url or id.startswith((f"{url}/", f"{url}?")) or _USER in id
