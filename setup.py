from pathlib import Path
from setuptools import find_namespace_packages
from setuptools import setup

here = Path(__file__).parent
long_description = "\n\n".join(
    (here / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGES.rst")
)

setup(
    name="collective.wsgifutures",
    version="1.0.0.dev0",
    description="Hold a response instead of a thread: slow external calls in Plone on WSGI",
    long_description=long_description,
    long_description_content_type="text/x-rst",
    author="The contributors to collective.wsgifutures",
    license_expression="GPL-2.0-or-later",
    license_files=["LICENSE"],
    keywords="Plone Zope WSGI gevent gunicorn futures",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Plone",
        "Framework :: Plone :: 6.1",
        "Framework :: Plone :: 6.2",
        "Framework :: Plone :: Addon",
        "Framework :: Zope :: 5",
        "Framework :: Zope :: 6",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Middleware",
        "Typing :: Typed",
    ],
    packages=find_namespace_packages("src", include=["collective.*"]),
    package_dir={"": "src"},
    include_package_data=True,
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=[
        "AccessControl",
        "Acquisition",
        "BTrees",
        "cachetools",  # the answers of upstreams in memory, bounded
        "cronsim>=2.7",  # the times of cron expressions, daylight saving as Debian's cron has it
        "cryptography>=40",  # Ed25519: keys as their bytes
        "dogpile.cache",  # the same in Redis and Memcached
        "gevent>=24.10.1",  # what gunicorn's gevent worker asks for
        "gunicorn>=23",  # the oldest that a held request was tried with
        "packaging",
        "persistent",
        "plone.api",  # the site and its users, as add-on authors ask for them
        "plone.app.contentrules",  # an action that runs a task
        "plone.app.layout",  # the title of a page
        "plone.app.registry",
        "plone.app.users",  # tabs of the preferences
        "plone.autoform",
        "plone.autoinclude",
        "plone.base",
        "plone.contentrules",
        "plone.keyring",
        "plone.portlets",
        "plone.protect",
        "plone.registry",
        "plone.uuid",
        "prometheus_client",  # the text that Prometheus reads; has no dependencies itself
        "Products.CMFCore",
        "Products.CMFPlone",
        "Products.GenericSetup",
        "Products.PluggableAuthService",
        "PyJWT[crypto]>=2.10",  # signed tokens, also plone.restapi's; looks at jti since then
        "requests>=2.32.2",  # upstreams: redirects, cookies, proxies; its adapter takes our pools
        "transaction",
        "urllib3>=2.6",  # upstreams: their connections, below requests
        "z3c.form",
        "zExceptions",
        "ZODB",
        "zope.browser",
        "zope.component",
        "zope.contentprovider",
        "zope.dottedname",
        "zope.event",
        "zope.globalrequest",
        "zope.i18n",
        "zope.i18nmessageid",
        "zope.interface",
        "zope.lifecycleevent",
        "zope.processlifetime",
        "zope.publisher",
        "zope.schema",
        "zope.viewlet",
        "Zope>=5.9",  # the first whose mapply reads __signature__
    ],
    extras_require={
        "test": [
            "Paste",
            "aiosmtpd",
            "httpx",  # asks in futures that are async def
            "hypothesis",
            "i18ndude",  # whether each text is in the catalogues
            "opentelemetry-exporter-otlp-proto-http",
            "opentelemetry-instrumentation-urllib3",
            "opentelemetry-instrumentation-wsgi",
            "opentelemetry-sdk",
            "plone.app.blocks",  # pages of tiles
            "plone.tiles",
            "promql-parser",  # what the dashboard and the alerts ask
            "pytest",
            "pytest-plone",
            "PyYAML",
            "selenium",  # a real browser
            "uvicorn",
            "waitress",
            "websockets",  # a client of websockets
        ],
        "docs": ["furo", "sphinx"],
        # Spans, for whoever records them: its SDK and an exporter are the site's choice.
        "traces": ["opentelemetry-api"],
        # RabbitMQ and Redis by one code: for `wsgifutures relay`, a process without gevent.
        "broker": ["kombu"],
        # Where the answers of upstreams are kept for all workers: WSGIFUTURES_CACHE.
        "memcached": ["pymemcache"],
        "redis": ["redis"],
        # Another server for asyncio, for who runs it anyway: gunicorn's own needs nothing more.
        # The oldest whose supervisor gives up when a worker refuses to serve.
        "uvicorn": ["uvicorn>=0.54", "websockets"],
        # For the asyncio servers: their loop in C, and uvicorn's parser. gunicorn's own in C,
        # gunicorn_h1c, has no wheel, and there is none yet of the release that gunicorn asks for.
        "fast": ["httptools", "uvloop"],
        # A storage for more than one worker. The driver is for PostgreSQL, with its libpq
        # inside; SQLite's is a part of Python.
        "relstorage": ["psycopg2-binary", "RelStorage"],
    },
    entry_points={
        "console_scripts": ["wsgifutures = collective.wsgifutures.__main__:main"],
        "paste.filter_app_factory": ["hold = collective.wsgifutures.paste:filter_app"],
        "plone.autoinclude.plugin": ["target = plone"],
    },
)
