"""What the workers of a host do now, for users who may see it.

Each worker writes a ``snapshot`` of itself onto a ``board``, a folder that all workers of an
instance share. The worker that answers a request for the status reads all snapshots from there.
Plain Python: the pages are in ``browser`` and ``restapi``.
"""
