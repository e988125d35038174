"""A consumer of huey that has the site's database: started by ``jobs_kills.py``."""

from holdtests.load_huey import huey
from Zope2.Startup.run import make_wsgi_app

import sys


def main():
    make_wsgi_app({}, sys.argv[1])
    print("Ready to handle requests", flush=True)
    huey.create_consumer(workers=2, worker_type="thread", check_worker_health=False).run()


if __name__ == "__main__":
    main()
