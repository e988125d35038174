"""What the room may import, and when."""

from pathlib import Path

import ast
import collective.wsgifutures.upstreams as room
import pytest
import subprocess
import sys

ROOM = Path(room.__file__).parent

#: What gevent has to patch before it is loaded, or what loads that.
LATER = {"asyncio", "cachetools", "dogpile", "gevent", "ssl", "requests", "urllib3"}

#: Loaded when the first call is made.
CLIENT = [ROOM / f"{name}.py" for name in ("client", "connections", "heads", "sessions")]


def test_declaring_an_upstream_loads_no_client():
    """gunicorn's arbiter may read the module that does."""
    code = (
        "import sys; from collective.wsgifutures import Upstream; "
        "Upstream('a', 'https://example.com'); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert loaded & LATER == set()


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_the_room_imports_the_kernel_and_traces_and_nothing_of_zope_nor_wsgi(path):
    """Its libraries only inside of functions; but for the client."""
    allowed = sys.stdlib_module_names | ({"requests", "urllib3"} if path in CLIENT else set())
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            assert node.module == "traces" or node.module.startswith("kernel.")
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in allowed for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.partition(".")[0] in allowed
