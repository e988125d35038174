"""The parts of a page that wait side by side."""

from ..calls import town
from collective.wsgifutures import fragment
from plone.app.layout.viewlets import ViewletBase


@fragment
class Part(ViewletBase):
    """A part that calls an upstream. The ZCML sets its ``title``, ``icon`` and ``text``."""

    def update(self):
        super().update()
        params = {"seconds": self.view.seconds, "text": self.text}
        self.answer = town.get("/slow", params=params).json()["text"]
