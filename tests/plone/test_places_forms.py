"""A form of z3c.form and plone.autoform may wait in each place that an add-on fills.

What is posted is there in each pass; what the handler does is done once.
"""

from holdsite import ADMIN
from holdsite import calls
from holdsite import count
from holdsite import fail
from lxml.html import fromstring
from places import bracketed
from places import publish
from places import register
from plone import api
from plone.app.contenttypes.interfaces import IDocument
from plone.app.z3cform.interfaces import IPloneFormLayer
from plone.autoform.form import AutoExtensibleForm
from plone.z3cform.layout import wrap_form
from z3c.form import button
from z3c.form.browser.text import TextWidget
from z3c.form.converter import FieldDataConverter
from z3c.form.form import Form
from z3c.form.interfaces import IDataConverter
from z3c.form.interfaces import IDataManager
from z3c.form.interfaces import IFieldWidget
from z3c.form.interfaces import ITextWidget
from z3c.form.interfaces import IValidator
from z3c.form.interfaces import IValue
from z3c.form.interfaces import NO_VALUE
from z3c.form.validator import SimpleFieldValidator
from z3c.form.widget import FieldWidget
from zope import schema
from zope.component import getGlobalSiteManager
from zope.interface import implementer
from zope.interface import Interface
from zope.interface import Invalid
from zope.interface import invariant
from zope.interface import provider
from zope.lifecycleevent.interfaces import IObjectModifiedEvent
from zope.schema.interfaces import IContextAwareDefaultFactory
from zope.schema.interfaces import IContextSourceBinder
from zope.schema.interfaces import ITextLine
from zope.schema.interfaces import IVocabularyFactory
from zope.schema.vocabulary import SimpleVocabulary

import pytest
import transaction

SENT = {"form.buttons.send": "Send", "form.widgets.text": "hello"}
CHOSEN = {"form.widgets.chosen": "[A]", "form.widgets.chosen-empty-marker": "1"}


class IText(Interface):
    """A schema that says nothing."""

    text = schema.TextLine(title="Text", required=False)


class TextForm(AutoExtensibleForm, Form):
    """A form that writes when it is sent, and says what it got."""

    schema = IText
    ignoreContext = True
    said = ""

    @button.buttonAndHandler("Send", name="send")
    def send(self, action):
        data, errors = self.extractData()
        count(self)
        self.said = self.handle(data, errors)

    def handle(self, data, errors):
        return f"{data} {[error.message for error in errors]}"

    def render(self):
        return f"{super().render()}<p id='said'>{self.said}</p>"


def send(site, class_, form, **more):
    """Post *form* to the form and return what it said."""
    register("form", wrap_form(class_))
    answer = publish(site, "post", "form", form, wrote=1, **more)
    assert site.portal.counter == 1
    return fromstring(answer.body).get_element_by_id("said").text_content()


class InUpdate(TextForm):
    def update(self):
        self.told = bracketed()
        super().update()

    def handle(self, data, errors):
        return f"{data['text']} {self.told}"


class InUpdateWidgets(TextForm):
    def updateWidgets(self):
        self.told = bracketed()
        super().updateWidgets()

    def handle(self, data, errors):
        return f"{data['text']} {self.told}"


class InTheHandler(TextForm):
    def handle(self, data, errors):
        return f"{data['text']} {bracketed()}"


class InRender(TextForm):
    def render(self):
        self.said = f"hello {bracketed()}"
        return super().render()


@pytest.mark.parametrize("class_", [InUpdate, InUpdateWidgets, InTheHandler, InRender])
def test_a_form_when_it_suspends_is_sent_once(site, class_):
    """In ``update``, in a handler and where it is rendered."""
    assert send(site, class_, SENT) == "hello [A]"


def test_a_form_when_it_suspends_in_update_shows_itself(site):
    """A GET is held as well, and writes nothing."""
    site.get("")  # a site writes on its first page
    register("form", wrap_form(InUpdate))
    answer = publish(site, "get", "form")
    assert "form.widgets.text" in answer.body


# validation


class Validator(SimpleFieldValidator):
    """Asks somebody else whether a value is valid."""

    def validate(self, value):
        super().validate(value)
        raise Invalid(f"{value}: {bracketed()}")


def test_a_validator_when_it_suspends_is_asked_again(site):
    """z3c.form catches what is invalid, and nothing else."""
    required = (Interface, Interface, Interface, ITextLine, Interface)
    site.adapter(Validator, required, IValidator)
    assert "hello: [A]" in send(site, TextForm, SENT)


class IValid(IText):
    """Whether it is valid is somebody else's to say."""

    @invariant
    def valid(data):
        raise Invalid(f"{data.text}: {bracketed()}")


def test_an_invariant_when_it_suspends_is_asked_again(site):
    """It is called for the whole form."""

    class Checked(TextForm):
        schema = IValid

    assert "hello: [A]" in send(site, Checked, SENT)


def is_known(value):
    return bracketed() == f"[{value.upper()}]"


class IConstrained(Interface):
    """The same by a field's constraint."""

    text = schema.TextLine(title="Text", constraint=is_known)


@pytest.mark.parametrize(("text", "says"), [("a", "{'text': 'a'} []"), ("b", "Constraint not")])
def test_a_constraint_when_it_suspends_is_asked_again(site, text, says):
    """zope.schema calls it in the form's validation."""

    class Constrained(TextForm):
        schema = IConstrained

    assert says in send(site, Constrained, {**SENT, "form.widgets.text": text})


def test_a_validator_when_its_future_fails_says_so_as_without_us(site):
    """What the future raised is what z3c.form would get of a call in place."""

    class Failing(SimpleFieldValidator):
        def validate(self, value):
            try:
                fail("a")
            except LookupError as error:
                raise Invalid(f"Nobody knows {error}") from error

    required = (Interface, Interface, Interface, ITextLine, Interface)
    site.adapter(Failing, required, IValidator)
    assert "Nobody knows a" in send(site, TextForm, SENT)


# what there is to choose from


@implementer(IVocabularyFactory)
class Vocabulary:
    def __call__(self, context):
        return SimpleVocabulary.fromValues([bracketed(), "other"])


@implementer(IContextSourceBinder)
class Source:
    def __call__(self, context):
        return SimpleVocabulary.fromValues([bracketed(), "other"])


class IFromVocabulary(Interface):
    """A vocabulary by its name."""

    chosen = schema.Choice(title="Chosen", vocabulary="places.asked", required=False)


class IFromSource(Interface):
    """A source that depends on the context."""

    chosen = schema.Choice(title="Chosen", source=Source(), required=False)


class ISeveral(Interface):
    """A set of choices: its widget and its validation look into the vocabulary many times."""

    chosen = schema.Set(
        title="Chosen", value_type=schema.Choice(vocabulary="places.asked"), required=False
    )


CHOICES = {"vocabulary": IFromVocabulary, "source": IFromSource, "set": ISeveral}


@pytest.mark.parametrize("schema", CHOICES.values(), ids=CHOICES)
def test_a_vocabulary_when_it_suspends_is_made_again(site, schema):
    """It is made in ``update``, and again in the validation: one call."""
    getGlobalSiteManager().registerUtility(Vocabulary(), name="places.asked")
    class_ = type("Choosing", (TextForm,), {"schema": schema})
    said = send(site, class_, {**SENT, **CHOSEN})
    assert "'[A]'" in said
    assert said.endswith("[]")


# widgets


class Converter(FieldDataConverter):
    """Turns what was typed into what is meant, and back."""

    def toFieldValue(self, value):
        return f"{value} {bracketed()}"


def test_a_data_converter_when_it_suspends_is_asked_again(site):
    """z3c.form catches ValueError around it."""
    site.adapter(Converter, (ITextLine, ITextWidget), IDataConverter)
    assert "'hello [A]'" in send(site, TextForm, SENT)


class Key(str):
    """A key that is sorted by what somebody else says of it."""

    def __lt__(self, other):
        return bracketed() + self < bracketed() + other


class KeyWidget(TextWidget):
    def extract(self, default=NO_VALUE):
        value = super().extract(default)
        return value if value is NO_VALUE else Key(value)


class IKeyed(Interface):
    """A field with keys."""

    keyed = schema.Dict(
        title="Keyed",
        key_type=schema.TextLine(title="Key"),
        value_type=schema.TextLine(title="Value"),
    )


def test_a_widget_when_z3c_form_swallows_its_suspension_is_held(site):
    """``MultiWidget`` sorts the keys of a dict under a bare except."""

    handled = []

    class Keyed(TextForm):
        schema = IKeyed

        def handle(self, data, errors):
            handled.append(dict(data))
            return super().handle(data, errors)

    required = (ITextLine, IPloneFormLayer)
    site.adapter(lambda *args: FieldWidget(args[0], KeyWidget(args[1])), required, IFieldWidget)
    keys = {f"form.widgets.keyed.key.{n}": key for n, key in enumerate("ba")}
    values = {f"form.widgets.keyed.{n}": value for n, value in enumerate("xy")}
    form = {"form.buttons.send": "Send", "form.widgets.keyed.count": "2", **keys, **values}
    assert "'a': 'y'" in send(site, Keyed, form)
    assert handled == [{"keyed": {"a": "y", "b": "x"}}] * 2  # the first pass went on


# defaults and data


@provider(IContextAwareDefaultFactory)
def default(context):
    return bracketed()


class IDefaulted(Interface):
    """A field with a default of its context."""

    text = schema.TextLine(title="Text", defaultFactory=default, required=False)


class Data:
    """What a form edits."""

    def __init__(self, context, field):
        pass

    def query(self, default=None):
        return bracketed()

    get = query

    def canAccess(self):
        return True

    canWrite = canAccess


def of_a_field(site):
    return type("Form", (TextForm,), {"schema": IDefaulted})


def of_a_widget(site):
    site.adapter(lambda *args: Asked(), (Interface,) * 5, IValue, "default")
    return TextForm


def of_the_context(site):
    site.adapter(Data, (Interface, ITextLine), IDataManager)
    return type("Form", (TextForm,), {"ignoreContext": False})


class Asked:
    """A value that z3c.form looks up."""

    def get(self):
        return bracketed()


@pytest.mark.parametrize("default", [of_a_field, of_a_widget, of_the_context])
def test_a_default_when_it_suspends_is_shown(site, default):
    """Whoever gives what the form shows at first."""
    register("form", wrap_form(default(site)))
    site.get("form", held=False)  # a site writes on its first page
    calls.clear()
    answer = publish(site, "get", "form")
    assert dict(fromstring(answer.body).forms[-1].form_values())["form.widgets.text"] == "[A]"


# Plone's own form


def test_an_edit_form_when_a_subscriber_suspends_saves_once(site):
    """The save, its events and the redirect are those of the last pass; it has its token."""
    api.content.create(site.portal, "Document", "page", title="Page")
    transaction.commit()
    events = []

    def modified(thing, event):
        events.append(thing.title)
        thing.description = bracketed()

    getGlobalSiteManager().registerHandler(modified, (IDocument, IObjectModifiedEvent))
    form = fromstring(site.get("page/edit", user=ADMIN).body).get_element_by_id("form")
    values = {**dict(form.form_values()), "form.widgets.IDublinCore.title": "Changed"}
    values["form.buttons.save"] = "Save"
    assert values["_authenticator"]
    answer = publish(
        site, "post", "page/edit", values, user=ADMIN, passes=["Suspended", "302"], wrote=1
    )
    assert answer.headers["location"] == "http://nohost/plone/page"
    assert (site.portal["page"].title, site.portal["page"].description) == ("Changed", "[A]")
    assert events == ["Changed", "Changed"]
    assert [b.Description for b in site.portal.portal_catalog(id="page")] == ["[A]"]
