"""RabbitMQ and Redis for tests: each in a folder of its own, as somebody who is not root.

Everything listens on 127.0.0.1, on ports that were free: the broker, Erlang's port mapper and the
port on which nodes talk. Each process is ended by its number.
"""

from contextlib import suppress
from pathlib import Path

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tools"))

from ports import free_port  # noqa: E402

#: Debian's scripts without the one that insists on a user.
RABBITMQ = Path("/usr/lib/rabbitmq/bin")

USER, PASSWORD = "plone", "s3cret-0f-the-br0ker"

_CONF = """\
default_user = {user}
default_pass = {password}
disk_free_limit.absolute = 1MB
log.file.level = info
"""


def somebody():
    """Return the user that brokers run as: not root, where this is root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


class Started:
    """A broker in a folder of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="wsgifutures-broker-"))
        self.user = somebody()
        self.port = free_port()
        self.processes = []
        self._own(self.folder)

    def stop(self):
        """End it, and forget all that it had."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        """End its processes at once, as a power cut does."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.processes.clear()

    def _own(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _start(self, command, env=None):
        plain = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with (self.folder / "output.log").open("ab") as output:
            process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**plain, **(env or {})},
                **(own if os.geteuid() == 0 else {}),
            )
        self.processes.append(process)
        return process

    def _wait_for(self, ready, seconds=60):
        until = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < until, (self.folder / "output.log").read_text()[-4000:]
            time.sleep(0.1)


class Redis(Started):
    """A Redis, which keeps nothing."""

    def __init__(self):
        super().__init__()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", ""]
        self._start([*command, "--requirepass", PASSWORD, "--dir", self.folder])
        self._wait_for(lambda: self.tell("PING") == "PONG")

    def tell(self, *command):
        """Return what it answers to a command."""
        asked = ["redis-cli", "-p", self.port, "-a", PASSWORD, "--no-auth-warning", *command]
        return subprocess.run(list(map(str, asked)), capture_output=True, text=True).stdout.strip()


class RabbitMQ_(Started):
    """A RabbitMQ of one node."""

    def __init__(self):
        super().__init__()
        self.url = f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}//"
        self.mapper, self.between = free_port(), free_port()
        self._write("rabbitmq.conf", _CONF.format(user=USER, password=PASSWORD))
        self._write("enabled_plugins", "[].")
        self._write(".erlang.cookie", secrets.token_hex(16), 0o400)
        self.start()

    @property
    def env(self):
        """What its programs have in their environment."""
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"wsgifutures{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.between),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # A small node: this machine has others.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_DEFAULT_ALLOC_ARGS": "",
        }

    def start(self):
        """Start it, with the data that it has, and wait until it serves."""
        with suppress(FileNotFoundError):
            (self.folder / "pid").unlink()
        self._start(["epmd", "-port", self.mapper, "-address", "127.0.0.1"])
        self._start([RABBITMQ / "rabbitmq-server"], self.env)
        self._wait_for(lambda: self.ctl("await_startup", check=False) == 0)

    @property
    def pid(self):
        """The number of its Erlang process."""
        return int((self.folder / "pid").read_text())

    def kill(self):
        """End it at once, as a power cut does."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal.SIGKILL)
            self.processes[-1].wait(10)  # the script that has started it
        super().kill()

    def lose_disk(self):
        """Forget all messages and queues, while it is down."""
        shutil.rmtree(self.folder / "data")

    def signal(self, number):
        """Send a signal to its Erlang process, as SIGSTOP."""
        os.kill(self.pid, number)

    def ctl(self, *arguments, check=True):
        """Run ``rabbitmqctl``; return its exit status, or what it printed if it has to succeed."""
        own = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [str(RABBITMQ / "rabbitmqctl"), "-q", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.env},
            **(own if os.geteuid() == 0 else {}),
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done.returncode

    def _write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        self._own(path)


#: By their names.
BROKERS = {"rabbitmq": RabbitMQ_, "redis": Redis}
