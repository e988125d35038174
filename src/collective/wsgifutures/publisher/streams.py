"""Has Zope answer with a stream: its headers, and that the work of its view was kept.

plone.protect aborts the transaction of a view that writes for a logged-in user without a token,
and what is no page of HTML is answered all the same. So a stream begins only if the transaction
in which its view has returned it was committed.
"""

from ..kernel.streams import answers
from ..kernel.streams.answers import StreamAnswer
from ..wsgi.streams import find_last_event_id
from transaction._transaction import Status
from typing import Any
from zope.globalrequest import getRequest
from zope.interface import classImplements
from ZPublisher.Iterators import IUnboundStreamIterator

import transaction

classImplements(StreamAnswer, IUnboundStreamIterator)


def prepare(answer: StreamAnswer, request: Any) -> None:
    """Let the response to *request* be *answer*, if this transaction is committed.

    Transforms look at its content type. Its other headers are for a stream that begins.
    """
    request.response.setHeader("Content-Type", answer.format.content_type)
    txn = transaction.get()
    answer.is_committed = lambda: txn.status is Status.COMMITTED


def prepare_without_pass(answer: StreamAnswer) -> None:
    """Let the request that is being published be answered with what runs in place."""
    request = getRequest()
    if request is not None:
        for name, value in answer.headers.items():
            request.response.setHeader(name, value)
        answer.last_event_id = find_last_event_id(request.environ)


def run_in_place() -> None:
    """Have the headers of streams set where nothing holds the request."""
    answers.without_pass[:] = [prepare_without_pass]
