"""A worker elsewhere as a process of its own: ``far_worker.py SITE BROKER [SECONDS]``.

Each of its jobs takes so many seconds.
"""

from pathlib import Path

import sys
import time

sys.path.insert(0, str(Path(__file__).parents[2] / "worker" / "src"))

from wsgifutures_worker import Worker


def main(site, broker, seconds="0"):
    worker = Worker(site, queues=["far"], broker=broker, concurrency=4)

    @worker.does("far")
    def far(job):
        time.sleep(float(seconds))
        return {"name": job.args[0]}

    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
