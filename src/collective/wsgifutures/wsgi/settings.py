"""The settings of one worker, where they come from and what they may be.

An option of the PasteDeploy filter comes first, then the environment variable
``WSGIFUTURES_<NAME>``, then the default. A gunicorn configuration sets the variables with
``raw_env``, which wins over the environment that gunicorn was started in.
"""

from ..kernel.settings import BYTES
from ..kernel.settings import COUNT
from ..kernel.settings import read
from ..kernel.settings import SECONDS
from ..kernel.settings import SECONDS_OR_NONE
from ..kernel.settings import setting
from ..kernel.settings import SettingRefused
from ..kernel.settings import SWITCH
from ..kernel.texts import _
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from enum import Enum
from types import MappingProxyType
from typing import ClassVar

import os

PREFIX = "WSGIFUTURES_"

#: How many slots there are if neither the settings nor a publisher say.
SLOTS = 4


def _path(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError
    return text


def _folder(text: str) -> str:
    if text.lower() == "off":
        return "off"
    if text and not os.path.isabs(text):
        raise ValueError
    return text


def _queues(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _limits(text: str) -> tuple[tuple[str, int], ...]:
    limits = [part.split("=") for part in _queues(text)]
    found = tuple((name.strip(), int(count)) for name, count in limits)
    if not all(count > 0 for _, count in found):
        raise ValueError
    return found


_QUEUES = (_queues, _("names of queues with commas between"))
_LIMITS = (_limits, _("names of queues, each with a whole number: texts=2, mail=1"))
_PATH = (_path, "a path that begins with /, or nothing")
_FOLDER = (_folder, "a folder that begins with /, off, or nothing")


def variable_of(name: str) -> str:
    """Return the environment variable of the setting *name*."""
    return PREFIX + name.upper()


class Origin(Enum):
    """Where the value of a setting comes from, in words."""

    DEFAULT = _("default")
    VARIABLE = _("environment variable ${variable}")
    OPTION = _("option of the PasteDeploy filter")
    CODE = _("code")


@dataclass(frozen=True)
class Settings:
    """The settings of one worker."""

    #: Where each value that was read comes from, by the name of its setting.
    _origins: ClassVar[Mapping[str, Origin]] = MappingProxyType({})

    slots: int | None = setting(
        None, COUNT, _("How many passes run at a time. Default: as many as suit the database.")
    )
    deadline: float = setting(55.0, SECONDS, _("Seconds until a held response gets its last pass."))
    grace: float = setting(
        4.0, SECONDS, _("How many seconds the last pass may take after the deadline.")
    )
    max_passes: int = setting(25, COUNT, _("How often one request may be published."))
    max_held: int = setting(5000, COUNT, _("How many responses are held at a time."))
    max_held_per_client: int | None = setting(
        None, COUNT, _("Most responses held for one visitor. Default: a tenth of all.")
    )
    max_waiting: int = setting(2500, COUNT, _("How many new requests may wait for a slot."))
    max_wait: float = setting(
        45.0, SECONDS, _("How many seconds a new request may wait for a slot.")
    )
    max_bodies: int = setting(
        1024**3, COUNT, _("Most bytes of request bodies kept at a time, in memory and in files.")
    )
    body_in_memory: int = setting(
        256 * 1024, BYTES, _("Most bytes of one request body kept in memory.")
    )
    body_timeout: float = setting(
        30.0, SECONDS, _("How many seconds each 64 KiB of a request body may take to arrive.")
    )
    max_threads: int = setting(64, COUNT, _("How many threads run futures at a time."))
    max_processes: int | None = setting(
        None, COUNT, _("How many processes run futures at a time. Default: one for each core.")
    )
    max_queued: int = setting(
        1000, COUNT, _("How many futures may wait for a thread, and as many for a process.")
    )
    jobs: bool = setting(True, SWITCH, _("Run jobs in this process."))
    max_jobs: int = setting(
        10, COUNT, _("How many jobs run in this process at a time, held ones included.")
    )
    job_queues: tuple[str, ...] = setting(
        (), _QUEUES, _("The queues whose jobs run in this process. Default: all.")
    )
    job_limits: tuple[tuple[str, int], ...] = setting(
        (),
        _LIMITS,
        _("How many jobs of a queue run at a time in all processes. Default: any number."),
    )
    clock: bool = setting(True, SWITCH, _("Look in this process for timed work that is due."))
    claim_wait: float | None = setting(
        None,
        SECONDS,
        _("Seconds that a worker elsewhere may wait for a job. Default: five less than deadline."),
    )
    max_files: int = setting(
        64 * 1024**2,
        BYTES,
        _("Most bytes of files that a worker elsewhere may hand over with one result."),
    )
    jobs_kept: float = setting(
        86400.0, SECONDS, _("How many seconds jobs are kept that are done or cancelled.")
    )
    dead_jobs_kept: float = setting(
        30 * 86400.0, SECONDS, _("How many seconds dead jobs are kept.")
    )
    liveness_path: str = setting(
        "", _PATH, _("A path that is answered without a slot. Default: none.")
    )
    slow_pass: float = setting(5.0, SECONDS, _("Seconds until a pass that still runs is logged."))
    slow_request: float = setting(
        10.0, SECONDS_OR_NONE, _("A held response that took more seconds is logged. 0: every one.")
    )
    blocked: float = setting(
        2.0, SECONDS, _("Seconds until code that lets nothing else run is logged.")
    )
    status_folder: str = setting(
        "", _FOLDER, _("The folder for the live status. Default: in Zope's clienthome.")
    )
    debug: bool = setting(
        False, SWITCH, _("For development: tell more in the header X-Hold-Passes and in the log.")
    )

    @property
    def held_by_one_client(self) -> int:
        """How many responses are held at a time for one client."""
        return self.max_held_per_client or max(1, self.max_held // 10)

    @property
    def longest_claim(self) -> float:
        """For how long a worker elsewhere may wait for a job, in seconds."""
        return self.claim_wait or max(1.0, self.deadline - 5.0)

    def origin(self, name: str) -> Origin:
        """Return where the value of the setting *name* comes from."""
        (default,) = [one.default for one in fields(self) if one.name == name]
        made = Origin.DEFAULT if getattr(self, name) == default else Origin.CODE
        return self._origins.get(name, made)

    @classmethod
    def read(
        cls,
        options: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Return the settings that *options* and the environment give.

        Args:
            options: Those of the PasteDeploy filter.
            environ: Environment variables. Default: those of the process.

        Raises:
            SettingRefused: There is no such option, or its value is not allowed.
        """
        options = dict(options or {})
        environ = os.environ if environ is None else environ
        values = {}
        origins = {}
        for one in fields(cls):
            variable = variable_of(one.name)
            if one.name in options:
                values[one.name] = read(one.name, options.pop(one.name), one.metadata["form"])
                origins[one.name] = Origin.OPTION
            elif variable in environ:
                values[one.name] = read(variable, environ[variable], one.metadata["form"])
                origins[one.name] = Origin.VARIABLE
        for unknown, value in options.items():
            names = ", ".join(one.name for one in fields(cls))
            raise SettingRefused(unknown, value, f"nothing: there is none of that name ({names})")
        settings = cls(**values)
        object.__setattr__(settings, "_origins", MappingProxyType(origins))
        return settings
