# SPDX-License-Identifier: GPL-2.0-only
"""Write the lines that were run for other programs: lcov (genhtml reads it) and Cobertura (GitLab reads it). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from harness.coverage.lines import LineCoverage

_DOCTYPE = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'


def render_lcov(lines: Sequence[LineCoverage]) -> str:
    """Return a tracefile of lcov, see geninfo(1); the count of a line is the number of cases that ran it.

    :param lines: the lines with code, by file.
    """
    text = ["TN:"]
    for file, group in groupby(lines, key=lambda one: one.file):
        own = list(group)
        text.append(f"SF:{file}")
        text += [f"DA:{one.line},{_hits(one)}" for one in own]
        text += [f"LF:{len(own)}", f"LH:{sum(one.is_run for one in own)}", "end_of_record"]
    return "\n".join(text) + "\n"


def render_cobertura(lines: Sequence[LineCoverage], *, seconds: int) -> str:
    """Return a report in the format of Cobertura, by its DTD; a file is a class, its folder a package.

    :param lines: the lines with code, by file.
    :param seconds: the time of the run, in seconds since the epoch.
    """
    root = ElementTree.Element(
        "coverage",
        _rates(lines)
        | {
            "lines-covered": str(sum(one.is_run for one in lines)),
            "lines-valid": str(len(lines)),
            "branches-covered": "0",
            "branches-valid": "0",
            "complexity": "0",
            "version": "1",
            "timestamp": str(seconds),
        },
    )
    ElementTree.SubElement(ElementTree.SubElement(root, "sources"), "source").text = "."
    packages = ElementTree.SubElement(root, "packages")
    for folder, group in groupby(lines, key=lambda one: one.file.rpartition("/")[0]):
        own = list(group)
        package = ElementTree.SubElement(packages, "package", {"name": folder, "complexity": "0"} | _rates(own))
        classes = ElementTree.SubElement(package, "classes")
        for file, rest in groupby(own, key=lambda one: one.file):
            code = list(rest)
            names = {"name": file.rpartition("/")[2], "filename": file, "complexity": "0"}
            one_class = ElementTree.SubElement(classes, "class", names | _rates(code))
            ElementTree.SubElement(one_class, "methods")
            listed = ElementTree.SubElement(one_class, "lines")
            for one in code:
                ElementTree.SubElement(listed, "line", {"number": str(one.line), "hits": str(_hits(one))})
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0"?>\n{_DOCTYPE}\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _hits(line: LineCoverage) -> int:
    return len(line.cases) + line.is_boot


def _rates(lines: Sequence[LineCoverage]) -> dict[str, str]:
    rate = sum(one.is_run for one in lines) / len(lines) if lines else 0.0
    return {"line-rate": f"{rate:.4f}", "branch-rate": "0"}
