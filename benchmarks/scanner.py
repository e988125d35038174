"""A worker elsewhere that writes down what it works on: started by ``workers_kills.py``.

scanner.py SITE BROKER FILE THREADS
"""

from wsgifutures_worker import Worker

import os
import sys
import time

#: How long a job takes, in seconds: somebody kills meanwhile.
WORK = 0.05


def main(site, broker, path, threads):
    worker = Worker(site, queues=["scans"], broker=broker, concurrency=int(threads))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.does("holdtests.scan_and_store")
    def scan(job):
        os.write(file, f"{job.args[0]}\n".encode())
        time.sleep(WORK)
        return job.args[0]

    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
