"""The proxies of ``docs/howto/front.rst``, as the page configures them.

Its blocks are what runs here, with the addresses and ports of this test in place of the
page's, and a place for what a proxy writes.
"""

from conftest import free_port
from conftest import Process
from conftest import ROOT

import os
import re
import requests
import resource
import shlex
import subprocess
import sys

sys.path[:0] = [str(ROOT / "tests" / "docs")]

from blocks import blocks_of  # noqa: E402
from blocks import files_of  # noqa: E402

PAGE = ROOT / "docs" / "howto" / "front.rst"


SOCKETS_PAGE = ROOT / "docs" / "websockets.rst"


def block(name, page=PAGE):
    """Return the page's file *name*."""
    (found,) = files_of(page)[name]
    return found.text


class Front:
    """A proxy in front of *backends*, ports on this machine; give ``change`` for its text."""

    def __init__(self, folder, backends, change=lambda text: text):
        self.folder = folder
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.configuration = folder / self.file
        self.configuration.write_text(change(self.text(backends)))
        self.process = None

    def check(self):
        """Ask its own checker; return its exit status and what it said."""
        done = subprocess.run(
            [*map(str, self.checker())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def start(self):
        self.process = Process(self.command(), self.folder / "front.log", cwd=self.folder)
        self.process.wait_for(self.listens)
        return self

    def listens(self):
        try:
            return requests.get(self.root, timeout=80) is not None
        except requests.ConnectionError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.stop()


class Nginx(Front):
    file = "nginx.conf"
    more = ""  # in http
    location = ""  # more in the location

    def text(self, backends):
        servers = "\n".join(f"    server 127.0.0.1:{port};" for port in backends)
        site = block("/etc/nginx/conf.d/plone.conf")
        site = re.sub(r"^ *server 127.*", servers, site, flags=re.M)
        site = site.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        site = site.replace("location / {", "location / {\n" + self.location)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        return (
            f"daemon off; pid {self.folder}/pid; error_log stderr;\n"
            f"{block('/etc/nginx/nginx.conf')}\n"
            f"http {{ access_log off;\n{places}\n{self.more}\n{site}\n}}\n"
        )

    def checker(self):
        return ["nginx", "-t", "-q", *self._options()]

    def command(self):
        return ["nginx", *self._options()]

    def _options(self):
        return ["-p", self.folder, "-c", self.configuration, "-e", "stderr"]


class CachingNginx(Nginx):
    """With the block for a location that caches."""

    location = "proxy_cache plone;\n" + block("in the location that caches")

    @property
    def more(self):
        return f"proxy_cache_path {self.folder}/cache keys_zone=plone:1m;"


class SocketNginx(Nginx):
    """With the block of the page on websockets."""

    def text(self, backends):
        sockets = block("in the server of plone.conf", SOCKETS_PAGE).replace("@@talk", "@@socket")
        return super().text(backends).replace("location / {", f"{sockets}\nlocation / {{")


class HAProxy(Front):
    file = "haproxy.cfg"

    def text(self, backends):
        (line,) = re.findall(r"^ *server plone1 .*\n", block("/etc/haproxy/haproxy.cfg"), re.M)
        lines = [
            line.replace(":8080", f":{port}").replace("plone1", f"plone{number}")
            for number, port in enumerate(backends, 1)
        ]
        text = block("/etc/haproxy/haproxy.cfg").replace(line, "".join(lines))
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = text.replace("maxconn 16000", f"maxconn {min(16000, files // 2 - 100)}")
        return text.replace("bind :80", f"bind 127.0.0.1:{self.port}")

    def checker(self):
        return ["haproxy", "-c", "-q", "-f", self.configuration]

    def command(self):
        return ["haproxy", "-db", "-f", self.configuration]


class Varnish(Front):
    file = "default.vcl"

    def text(self, backends):
        (port,) = backends
        text = block("/etc/varnish/default.vcl").replace("8080", str(port))
        return text.replace("(summary|cart)", "(summary|hold)")

    def checker(self):
        return ["varnishd", "-C", "-f", self.configuration]

    def command(self):
        (shown,) = (b for b in blocks_of(PAGE, "console") if "varnishd" in b.text)
        flags = shlex.split(shown.text.removeprefix("$ ").replace("\\\n", " "))
        places = {"/etc/varnish/default.vcl": self.configuration, ":80": f"127.0.0.1:{self.port}"}
        jail = [] if os.geteuid() else ["-j", "none"]
        flags = [str(places.get(flag, flag)) for flag in flags]
        return [flags[0], *jail, "-F", "-n", self.folder / "work", *flags[1:]]
