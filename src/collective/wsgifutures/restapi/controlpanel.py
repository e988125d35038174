"""``@controlpanels/wsgifutures``: the settings of a site for Volto, and for scripts.

plone.restapi checks one permission for all control panels, and no permission of a field. This
module checks both. The message that refuses a value says what is allowed.
"""

from ..browser.status.seen import MANAGE_SETTINGS
from ..browser.status.seen import may_manage
from ..controlpanel import process
from ..controlpanel.guard import ADDRESSES
from ..controlpanel.guard import may_set_addresses
from ..controlpanel.interfaces import FIELDS
from ..controlpanel.interfaces import IWSGIFuturesSettings
from ..controlpanel.interfaces import PREFIX
from ..controlpanel.interfaces import TAKES
from ..interfaces import _
from ..interfaces import IWSGIFuturesLayer
from AccessControl import Unauthorized
from plone.registry.interfaces import IRegistry
from plone.restapi.controlpanels import RegistryConfigletPanel
from plone.restapi.controlpanels.interfaces import IControlpanel
from plone.restapi.deserializer import json_body
from plone.restapi.exceptions import DeserializationError
from plone.restapi.interfaces import IDeserializeFromJson
from plone.restapi.interfaces import ISerializeToJson
from plone.restapi.serializer.controlpanels import ControlpanelSerializeToJson
from typing import Any
from zExceptions import BadRequest
from zExceptions import Forbidden
from zope.component import adapter
from zope.component import getUtility
from zope.i18n import translate
from zope.interface import implementer
from zope.interface import Interface
from zope.interface import Invalid
from zope.schema.interfaces import IBool
from zope.schema.interfaces import IFloat
from zope.schema.interfaces import ValidationError


class IWSGIFuturesControlpanel(IControlpanel):  # type: ignore[misc]
    """``@controlpanels/wsgifutures``: plone.restapi finds the (de)serializer by it."""


@implementer(IWSGIFuturesControlpanel)
@adapter(Interface, IWSGIFuturesLayer)
class WSGIFuturesControlpanel(RegistryConfigletPanel):  # type: ignore[misc]
    """The control panel, as plone.restapi finds it."""

    schema = IWSGIFuturesSettings
    schema_prefix = PREFIX
    configlet_id = "wsgifutures"
    configlet_category_id = "Products"

    def check(self) -> None:
        """Check that the user may manage the settings.

        Raises:
            Unauthorized: The user may not manage the settings.
        """
        if not may_manage(self.context):
            raise Unauthorized(f"You need the permission “{MANAGE_SETTINGS}”.")


@implementer(ISerializeToJson)
@adapter(IWSGIFuturesControlpanel)
class Serializer(ControlpanelSerializeToJson):  # type: ignore[misc]
    """Returns the settings of the site, and those of the process, which are read-only."""

    def __call__(self) -> dict[str, Any]:
        """Return the settings.

        Raises:
            Unauthorized: The user may not manage the settings.
        """
        self.controlpanel.check()
        result: dict[str, Any] = super().__call__()
        settings = process.settings_of(self.controlpanel.request)
        result["process"] = None if settings is None else self._rows(process.rows(settings))
        result["upstreams"] = {
            name: {"host": host, "settings": self._rows(rows)}
            for name, host, rows in process.all_upstreams()
        }
        return result

    def _rows(self, rows: list[process.Row]) -> dict[str, dict[str, str]]:
        request = self.controlpanel.request
        return {
            row.name: {
                "value": row.value,
                "used": row.used or row.value,
                "description": translate(row.what, context=request),
                "from": translate(row.origin, context=request),
                "variable": row.variable,
            }
            for row in rows
        }


@implementer(IDeserializeFromJson)
@adapter(IWSGIFuturesControlpanel)
class Deserializer:
    """Changes the settings that the request names: all of them or none."""

    def __init__(self, controlpanel: Any) -> None:
        self.controlpanel = controlpanel

    def __call__(self, mask_validation_errors: bool = True) -> None:
        """Read the settings from the request's JSON, and save them.

        Raises:
            Unauthorized: The user may not manage the settings.
            Forbidden: The request changes addresses of upstreams, which the user may not.
            BadRequest: A setting does not take its value, or the body is not JSON.
        """
        self.controlpanel.check()
        try:
            data = json_body(self.controlpanel.request)
        except DeserializationError as error:
            raise BadRequest(str(error)) from None
        # Not by plone.api, which sets no record to None.
        proxy = getUtility(IRegistry).forInterface(IWSGIFuturesSettings, prefix=PREFIX)
        changes = {}
        errors = []
        for name in [name for name in TAKES if name in data]:
            value = _convert(name, data[name])
            if _is_same(value, getattr(proxy, name)):
                continue  # Volto sends every field back
            changes[name] = value
            refusal = self._refusal(name, value)
            if refusal is not None:
                errors.append({"field": name, "message": refusal, "error": "ValidationError"})
        if ADDRESSES in changes and not may_set_addresses():
            message = _("Only Managers may change the addresses of upstreams.")
            raise Forbidden(self._translate(message))
        if errors:
            raise BadRequest(errors)
        for name, value in changes.items():
            setattr(proxy, name, value)

    def _refusal(self, name: str, value: Any) -> str | None:
        field = FIELDS[name]
        if isinstance(value, bool) is not IBool.providedBy(field) and value is not None:
            return self._translate(TAKES[name])  # zope.schema takes 1 for True, and True for 1
        try:
            field.validate(value)
        except ValidationError:
            return self._translate(TAKES[name])
        except Invalid as refusal:
            return str(refusal)
        return None

    def _translate(self, message: Any) -> str:
        return str(translate(message, context=self.controlpanel.request))


def _is_same(value: Any, kept: Any) -> bool:
    """Tell whether *value* equals the value *kept*: [] equals None, but True does not equal 1."""
    if value in ([], None) and kept in ([], None):
        return True
    return type(value) is type(kept) and bool(value == kept)


def _convert(name: str, value: Any) -> Any:
    """Return *value* in the type of the field *name*: JSON has one kind of number."""
    if IFloat.providedBy(FIELDS[name]) and type(value) is int:
        return float(value)
    return value
