"""How Sphinx builds the docs: ``make docs``."""

from importlib.metadata import version as installed_version

import os
import sys

sys.path.append(os.path.dirname(__file__))

project = "collective.wsgifutures"
author = "the contributors to collective.wsgifutures"
version = installed_version(project)
release = version

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "tables"]

# The table of numbers is a part of benchmarks.rst.
exclude_patterns = ["_build", "benchmarks-table.rst"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_rtype = False
default_role = "code"
highlight_language = "none"

toc_object_entries = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_title = project
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"footer_icons": [], "navigation_with_keys": True}
