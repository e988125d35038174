"""Do the jobs of a Plone site elsewhere: claim them, do them, hand back plain data.

::

    from wsgifutures_worker import Worker

    worker = Worker("https://www.example.com", queues=["ocr"], key="worker.pem")

    @worker.does("ocr")
    def ocr(job):
        image = job.get("@@images/image/large").content
        job.progress(0.5)
        return {"text": read(image)}

    worker.run()
"""

from .errors import Hopeless
from .errors import KeyNotPrivate
from .errors import NotPlain
from .errors import OtherHost
from .errors import Retry
from .errors import WorkerError
from .job import Job
from .worker import Worker
from importlib.metadata import version

__version__ = version("wsgifutures-worker")

__all__ = [
    "Hopeless",
    "Job",
    "KeyNotPrivate",
    "NotPlain",
    "OtherHost",
    "Retry",
    "Worker",
    "WorkerError",
]
