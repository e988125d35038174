"""What the workers of a host do now, for whoever may look.

Each worker writes a ``snapshot`` of itself onto a ``board``, a folder that all workers of an
instance share. Whoever answers reads all of them from there. Plain Python: the pages are in
``browser`` and ``restapi``.
"""
