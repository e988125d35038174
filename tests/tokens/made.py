"""What is asked for, and processes, without a site."""

from collective.wsgifutures.keys.places import Place
from transaction import TransactionManager
from typing import NamedTuple


class Asked(NamedTuple):
    """Something that is about to be published."""

    name: str = ""
    method: str = "GET"
    shows_others: bool = False
    expands: tuple = ()
    inside: tuple = ()  #: the UIDs of what it is at or in

    def is_at_or_below(self, uid):
        return not uid or uid in self.inside


class Host:
    """One process: a connection to the database, with a transaction of its own."""

    def __init__(self, database):
        self._manager = TransactionManager()
        self.connection = database.open(self._manager)
        self.commit, self.abort = self._manager.commit, self._manager.abort

    def place(self, uid="0f8fad5bd9cb469fa16570867728950e", path="/plone"):
        return Place(self.connection, uid, path)

    @property
    def written(self):
        """What there is to commit."""
        return self.connection._registered_objects
