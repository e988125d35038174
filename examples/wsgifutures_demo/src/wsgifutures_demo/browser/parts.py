"""The parts of a page that wait side by side."""

from ..calls import town
from collective.wsgifutures import fragment
from plone.app.layout.viewlets import ViewletBase


@fragment
class Part(ViewletBase):
    """Asks an upstream for its answer; ``title``, ``icon`` and ``text`` are in the ZCML."""

    def update(self):
        super().update()
        asked = {"seconds": self.view.seconds, "text": self.text}
        self.answer = town.get("/slow", params=asked).json()["text"]
