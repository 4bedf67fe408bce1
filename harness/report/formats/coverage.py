# SPDX-License-Identifier: GPL-2.0-only
"""Write the lines that were run for other programs: lcov (genhtml reads it) and Cobertura (GitLab reads it). Pure.

A branch is written when both of its ways are known for certain; what is unknown is in neither format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree

from harness.coverage.branches import BranchCoverage, Way, by_line
from harness.coverage.lines import LineCoverage

_DOCTYPE = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'


def render_lcov(lines: Sequence[LineCoverage], branches: Iterable[BranchCoverage] = ()) -> str:
    """Return a tracefile of lcov, see geninfo(1); the count of a line is the number of cases that ran it.

    :param lines: the lines with code, by file.
    :param branches: the conditional jumps that were run.
    """
    text = ["TN:"]
    jumps = _certain(branches)
    for file, group in groupby(lines, key=lambda one: one.file):
        own = list(group)
        text.append(f"SF:{file}")
        ways = [(one.line, block, way) for one in own for block, way in _ways(jumps.get((file, one.line), ()))]
        text += [f"BRDA:{line},{block},{at},{taken}" for line, block, (at, taken) in ways]
        if ways:
            text += [f"BRF:{len(ways)}", f"BRH:{sum(taken for _, _, (_, taken) in ways)}"]
        text += [f"DA:{one.line},{_hits(one)}" for one in own]
        text += [f"LF:{len(own)}", f"LH:{sum(one.is_run for one in own)}", "end_of_record"]
    return "\n".join(text) + "\n"


def render_cobertura(lines: Sequence[LineCoverage], branches: Iterable[BranchCoverage] = (), *, seconds: int) -> str:
    """Return a report in the format of Cobertura, by its DTD; a file is a class, its folder a package.

    :param lines: the lines with code, by file.
    :param branches: the conditional jumps that were run.
    :param seconds: the time of the run, in seconds since the epoch.
    """
    jumps = _certain(branches)
    root = ElementTree.Element(
        "coverage",
        _rates(lines, jumps)
        | {
            "lines-covered": str(sum(one.is_run for one in lines)),
            "lines-valid": str(len(lines)),
            "branches-covered": str(_counted(lines, jumps)[0]),
            "branches-valid": str(_counted(lines, jumps)[1]),
            "complexity": "0",
            "version": "1",
            "timestamp": str(seconds),
        },
    )
    ElementTree.SubElement(ElementTree.SubElement(root, "sources"), "source").text = "."
    packages = ElementTree.SubElement(root, "packages")
    for folder, group in groupby(lines, key=lambda one: one.file.rpartition("/")[0]):
        own = list(group)
        package = ElementTree.SubElement(packages, "package", {"name": folder, "complexity": "0"} | _rates(own, jumps))
        classes = ElementTree.SubElement(package, "classes")
        for file, rest in groupby(own, key=lambda one: one.file):
            code = list(rest)
            names = {"name": file.rpartition("/")[2], "filename": file, "complexity": "0"}
            one_class = ElementTree.SubElement(classes, "class", names | _rates(code, jumps))
            ElementTree.SubElement(one_class, "methods")
            listed = ElementTree.SubElement(one_class, "lines")
            for one in code:
                facts = {"number": str(one.line), "hits": str(_hits(one)), **_condition([one], jumps)}
                ElementTree.SubElement(listed, "line", facts)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0"?>\n{_DOCTYPE}\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _hits(line: LineCoverage) -> int:
    return len(line.cases) + line.is_boot


def _certain(branches: Iterable[BranchCoverage]) -> Mapping[tuple[str, int], list[BranchCoverage]]:
    return by_line(one for one in branches if Way.UNKNOWN not in one.ways)


def _ways(branches: Iterable[BranchCoverage]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Return each way of some jumps: the number of the jump, the number of the way, and whether it was taken."""
    for block, one in enumerate(branches):
        yield from ((block, (at, int(way is Way.TAKEN))) for at, way in enumerate(one.ways))


def _counted(lines: Iterable[LineCoverage], jumps: Mapping[tuple[str, int], list[BranchCoverage]]) -> tuple[int, int]:
    """Return how many ways of the jumps of some lines were taken, and of how many."""
    ways = [taken for one in lines for _, (_, taken) in _ways(jumps.get((one.file, one.line), ()))]
    return sum(ways), len(ways)


def _condition(lines: Iterable[LineCoverage], jumps: Mapping[tuple[str, int], list[BranchCoverage]]) -> dict[str, str]:
    taken, ways = _counted(lines, jumps)
    if not ways:
        return {"branch": "false"}
    return {"branch": "true", "condition-coverage": f"{taken / ways:.0%} ({taken}/{ways})"}


def _rates(lines: Sequence[LineCoverage], jumps: Mapping[tuple[str, int], list[BranchCoverage]]) -> dict[str, str]:
    rate = sum(one.is_run for one in lines) / len(lines) if lines else 0.0
    taken, ways = _counted(lines, jumps)
    return {"line-rate": f"{rate:.4f}", "branch-rate": f"{taken / ways:.4f}" if ways else "0"}
