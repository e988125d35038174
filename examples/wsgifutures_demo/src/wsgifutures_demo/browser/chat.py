"""A chat with the stand-in for a language model."""

from ..calls import tell
from ..calls import tell_whole
from ..interfaces import _
from ..tasks import ANSWERS
from ..tasks import keep_answer
from .views import Page
from plone import api
from plone.protect import CheckAuthenticator
from Products.Five import BrowserView
from zope.annotation.interfaces import IAnnotations

#: How many letters a question may have.
LONGEST = 200


class Answer(BrowserView):
    """What the element of the page fetches."""

    def __call__(self):
        CheckAuthenticator(self.request)
        words = tell(question_of(self.request), language())
        return words.events(then=keep_answer, context=self.context)


class Chat(Page):
    title = _("Words as they come")
    lead = _(
        "A language model needs seconds for an answer, and a moment for its first word. Here a "
        "stand-in for one says twenty words per second."
    )
    sources = (tell, tell_whole, keep_answer, Answer)
    question = ""
    answer = ""

    def render(self):
        if self.request.method == "POST":  # without JavaScript
            CheckAuthenticator(self.request)
            self.question = question_of(self.request)
            self.answer = tell_whole(self.question, language())
            keep_answer.submit(self.context, self.answer)
        return self.index()

    @property
    def earlier(self):
        """Return the answers that jobs have written down, the newest first."""
        return IAnnotations(self.context).get(ANSWERS, ())


def question_of(request):
    return str(request.form.get("question", ""))[:LONGEST]


def language():
    return api.portal.get_current_language()[:2]
