"""The action "Run a task": when a rule is triggered, it submits a job.

It offers the tasks that were declared for people: with a title, and without an argument that
only code could give. The job is recorded in the transaction that triggered the rule, as its
user, so it exists exactly if that is committed.
"""

from ..interfaces import _
from ..jobs.tasks import Task
from ..jobs.tasks import tasks
from Acquisition import aq_chain
from Acquisition import aq_inner
from OFS.SimpleItem import SimpleItem
from plone import api
from plone.app.contentrules.actions import ActionAddForm
from plone.app.contentrules.actions import ActionEditForm
from plone.app.contentrules.browser.formhelper import ContentRuleFormWrapper
from plone.contentrules.rule.interfaces import IExecutable
from plone.contentrules.rule.interfaces import IRuleElementData
from plone.uuid.interfaces import IUUID
from typing import Any
from zope.component import adapter
from zope.interface import implementer
from zope.interface import Interface
from zope.lifecycleevent.interfaces import IObjectRemovedEvent
from zope.schema import Choice
from zope.schema.vocabulary import SimpleTerm
from zope.schema.vocabulary import SimpleVocabulary

import logging

logger = logging.getLogger(__name__)


class IRunTask(Interface):  # type: ignore[misc]
    """What a rule says of the task."""

    task = Choice(
        title=_("Task"),
        description=_(
            "It runs after the answer, on the object that triggers the rule, with the rights of "
            "the user who triggers it."
        ),
        vocabulary="collective.wsgifutures.offered_tasks",
    )


def offered_tasks(context: Any) -> SimpleVocabulary:
    """Return the tasks that a rule may run, by their titles."""
    found = sorted(filter(is_offered, tasks.values()), key=lambda task: str(task.title).lower())
    return SimpleVocabulary([SimpleTerm(one.name, one.name, one.title) for one in found])


def is_offered(task: Task[Any]) -> bool:
    """Tell whether *task* is for people, and needs nothing but its context."""
    return bool(task.title) and not task.required


def find_offered(name: str) -> Task[Any] | None:
    """Return the task of that name; None if a rule may not run it, or there is none."""
    task = tasks.get(name)
    return task if task is not None and is_offered(task) else None


@implementer(IRunTask, IRuleElementData)
class RunTask(SimpleItem):  # type: ignore[misc]
    """The action, as a rule keeps it."""

    task = ""
    element = "collective.wsgifutures.actions.RunTask"

    @property
    def summary(self) -> Any:
        """What the rule shows of it."""
        found = find_offered(self.task)
        if found is None:
            return _("Run the task “${name}”, which is not available", mapping={"name": self.task})
        return _("Run the task “${title}”", mapping={"title": found.title})


@adapter(Interface, IRunTask, Interface)
@implementer(IExecutable)
class RunTaskExecutor:
    """Submits the task.

    Args:
        context: The folder or site that has the rule.
        element: The action.
        event: What triggered the rule.
    """

    def __init__(self, context: Any, element: Any, event: Any) -> None:
        self.context = context
        self.element = element
        self.event = event

    def __call__(self) -> bool:
        """Return whether the rule goes on: not without the task.

        Raises:
            SubmitRefused: The request may submit nothing.
        """
        task = find_offered(self.element.task)
        if task is None:
            self._complain()
            return False
        task.submit(self._object())
        return True

    def _object(self) -> Any:
        """Return what the job is about: the object, or what a comment or a user belongs to."""
        found = getattr(self.event, "object", None)
        if found is None or IObjectRemovedEvent.providedBy(self.event):
            return self.context
        chain = aq_chain(aq_inner(found))
        return next((one for one in chain if IUUID(one, None) is not None), self.context)

    def _complain(self) -> None:
        name = self.element.task
        logger.error(
            "A content rule of %s would run the task %r, which is not available: it was removed, "
            "or has no title, or needs an argument. Change the rule.",
            "/".join(self.context.getPhysicalPath()),
            name,
        )
        message = _(
            "The task “${name}” of a content rule is not available.", mapping={"name": name}
        )
        api.portal.show_message(message, type="error")


class _Texts:
    schema = IRunTask
    label = _("Run a task")
    description = _(
        "A task does something that takes time, while nobody waits for it. It runs when what "
        "triggered the rule is saved."
    )
    form_name = _("Task")


class RunTaskAddForm(_Texts, ActionAddForm):  # type: ignore[misc]
    """Adds the action to a rule."""

    Type = RunTask


class RunTaskAddView(ContentRuleFormWrapper):  # type: ignore[misc]
    """The page around the form."""

    form = RunTaskAddForm


class RunTaskEditForm(_Texts, ActionEditForm):  # type: ignore[misc]
    """Changes the action."""


class RunTaskEditView(ContentRuleFormWrapper):  # type: ignore[misc]
    """The page around the form."""

    form = RunTaskEditForm
