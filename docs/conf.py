"""The site: python -m sphinx -W docs docs/_build/html"""

import sys
from importlib.util import find_spec
from pathlib import Path

import groupscat

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "groupscat"
author = copyright = "The groupscat developers"
release = version = groupscat.__version__

extensions = ["docstrings", "gallery", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "gallery/_*"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Frameworks that are not installed: their doors are described all the same.
FRAMEWORKS = ("cloudpickle", "cupy", "dask", "jax", "keras", "tensorflow", "torch")
autodoc_mock_imports = [name for name in FRAMEWORKS if find_spec(name) is None]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False

html_theme = "furo"
html_title = f"groupscat {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "native"
