"""Named external HTTP services, their limits and their failure policies.

``Upstream`` declares a service; its ``get``, ``post`` and so on are futures. A call goes
through these modules, from the outside in::

    upstream   the words that a view uses; in the pass
    cache      answers that are kept, and calls that several requests share
    service    retries, breaker, bulkhead; outside of the pass from here on
    client     the connection pool, on urllib3

Nothing of urllib3 or dogpile.cache is imported before the first call: gunicorn's arbiter reads
this package before gevent has patched the standard library.
"""
