"""Runs pytest patched by gevent: ``python tests/gevented.py <what pytest takes>``.

gevent has to patch before anything else is loaded, pytest and its plugins too.
"""

from gevent import monkey

monkey.patch_all()

import pytest  # noqa: E402
import sys  # noqa: E402

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
