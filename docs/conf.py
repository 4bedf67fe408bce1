# SPDX-License-Identifier: GPL-2.0-only
"""Configuration of Sphinx: the pages in this folder as HTML, and the man page, without any access to the network."""

from __future__ import annotations

import json
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils.nodes import Node, Text, bullet_list, list_item, literal, paragraph
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

project = "kernel-patch-harness"
author = "the authors of kernel-patch-harness"
project_copyright = author
version = release = installed_version("kernel-patch-harness")

extensions = ["myst_parser", "sphinx_click"]
exclude_patterns = ["_build", "pictures", "reference/schemas/*.md"]
source_suffix = {".md": "markdown"}
nitpicky = True
highlight_language = "text"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "kernel-patch-harness"
html_theme_options: dict[str, object] = {"top_of_page_buttons": []}
html_copy_source = False
html_show_sphinx = False

# The man page holds the command line; sphinx-click writes it from the same objects that parse the arguments.
man_pages = [("reference/command-line", "harness", "boot kernels and run cases on them", [author], 1)]


class Schemas(SphinxDirective):
    """List the JSON Schemas in ``reference/schemas/``, each with its description and as a file to download."""

    def run(self) -> list[Node]:
        """Make the list."""
        schemas = sorted((Path(__file__).parent / "reference" / "schemas").glob("*.json"))
        if not schemas:
            return [paragraph("", "This version has no schemas.")]
        return [bullet_list("", *(list_item("", self._entry(path)) for path in schemas))]

    def _entry(self, path: Path) -> Node:
        link = download_reference("", "", literal("", path.name), reftarget=f"schemas/{path.name}")
        link["refdoc"] = self.env.docname
        about = json.loads(path.read_text(encoding="utf-8"))
        words = str(about.get("description") or about.get("title") or "").split("\n")[0]
        return paragraph("", "", link, Text(f": {words}" if words else ""))


def setup(app: Sphinx) -> None:
    """Add the directive ``{schemas}`` to Sphinx."""
    app.add_directive("schemas", Schemas)
