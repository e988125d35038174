"""Named external HTTP services, their limits and their failure policies.

``Upstream`` declares a service; its ``get``, ``post`` and so on are futures. A call goes
through these modules, from the outside in::

    upstream   the words that a view uses; in the pass
    cache      answers that are kept, and calls that several requests share
    service    retries, breaker, bulkhead; outside of the pass from here on
    client     what an upstream makes of an answer
    sessions   redirects, cookies, proxies: requests, with rules of ours
    connections, heads, names   urllib3's connections, within the limits of a call

Nothing of requests, urllib3 or dogpile.cache is imported before the first call: gunicorn's
arbiter reads this package before gevent has patched the standard library.
"""
