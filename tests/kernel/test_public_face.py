"""The public names, and what importing them must not import."""

from pathlib import Path

import ast
import collective.wsgifutures as package
import collective.wsgifutures.gunicorn as config
import collective.wsgifutures.testing as testing
import pytest
import subprocess
import sys

KERNEL = Path(package.__file__).parent / "kernel"

#: Zope and what it stands on, and what gevent has to patch before.
FORBIDDEN = (
    *("AccessControl", "Acquisition", "App", "BTrees", "DateTime", "ExtensionClass", "OFS"),
    *("Products", "ZODB", "ZPublisher", "Zope2", "gevent", "persistent", "plone"),
    *("transaction", "zope"),
)


def test_the_public_names_are_those_of_the_package():
    """``__all__`` is the API."""
    assert set(package.__all__) == {
        *("future", "Future", "gather", "held", "fragment", "FuturesError", "FutureTimeout"),
        *("HoldCancelled", "HoldExpired", "FutureCancelled", "TooManyPasses", "AskedAfterCommit"),
        *("ArgumentRefused", "ResultRefused", "Suspended", "ExecutorBusy", "ProcessEnded"),
        *("Upstream", "Answer", "UpstreamError", "UpstreamTimeout", "UpstreamFailed"),
        *("UpstreamRefused", "keep_pass"),
        *("task", "publish", "accepted", "current_job", "Retry", "JobError", "SubmitRefused"),
        *("UpstreamTooLarge", "UpstreamStatus", "UpstreamBusy", "UpstreamOff", "SettingRefused"),
        *("websocket", "WebSocket", "HandshakeRefused", "NoWebSockets", "OriginRefused"),
        "UpgradeRequired",
        *("stream", "Stream", "StreamEvent", "StreamBusy", "StreamTimeout", "current_stream"),
    }
    assert set(testing.__all__) == {
        *("HELD", "ByHand", "Clock", "Futures", "HeldRequest", "UnexpectedCall", "answer")
    }
    assert set(config.__all__) == {
        *("graceful_timeout", "nworkers_changed", "post_fork", "post_worker_init", "worker_class"),
        *("websocket_max_message_size", "worker_connections", "worker_exit", "worker_int"),
    }


@pytest.mark.parametrize("module", [package, testing, config])
def test_every_public_name_is_there_and_has_a_docstring(module):
    """What is offered is explained."""
    for name in module.__all__:
        value = getattr(module, name)
        assert not callable(value) or value.__doc__, name


@pytest.mark.parametrize(
    "module",
    [
        "collective.wsgifutures",
        "collective.wsgifutures.__main__",
        "collective.wsgifutures.gunicorn",
        "collective.wsgifutures.testing",
        "collective.wsgifutures.paste",
    ],
)
def test_importing_it_imports_nothing_of_zope_nor_gevent(module):
    """gunicorn's arbiter reads it before gevent has patched the standard library."""
    code = (
        f"import sys; before = set(sys.modules); import {module}; "
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    imported = result.stdout.split()
    assert module in imported
    assert [name for name in imported if name.partition(".")[0] in FORBIDDEN] == []


#: Modules of the kernel that are only imported where gevent has patched.
UNDER_GEVENT = ("gevented", "greenlets", "interrupts")


@pytest.mark.parametrize("path", sorted(KERNEL.rglob("*.py")), ids=lambda path: path.stem)
def test_the_kernel_imports_the_standard_library_and_itself(path):
    """Nothing of WSGI or Zope; gevent in what is only imported once it has patched."""
    allowed = {*sys.stdlib_module_names, *(["gevent"] if path.stem in UNDER_GEVENT else [])}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in allowed for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = 1 <= node.level <= len(path.relative_to(KERNEL).parts)
            assert inside or node.module.partition(".")[0] in allowed
