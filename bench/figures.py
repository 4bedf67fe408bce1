# SPDX-License-Identifier: GPL-2.0-only
"""A figure: a measured ratio, size or time, and the bound that it is compared with."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from harness.model.host_facts import host_facts


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return the argument parser of a benchmark; its description is the first paragraph of the module's docstring."""
    return argparse.ArgumentParser(description=(doc or "").partition("\n\n")[0])


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    :param name: the subject of the figure.
    :param value: the measured value, in ``unit``.
    :param bound: the bound of the value, in ``unit``.
    :param at_most: whether the bound is an upper bound.
    :param unit: unit of value and bound; empty for a ratio.
    :param detail: the measurements behind the value.
    """

    name: str
    value: float
    bound: float
    at_most: bool
    unit: str
    detail: str

    @property
    def is_met(self) -> bool:
        """Return whether the value is within the bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def table(figures: Sequence[Figure]) -> str:
    """Format the figures as a Markdown table."""
    lines = ["| figure | measured | bound | of what |", "|---|---|---|---|"]
    for figure in figures:
        unit = f" {figure.unit}" if figure.unit else ""
        sign = "<=" if figure.at_most else ">="
        mark = "" if figure.is_met else " (missed)"
        value, bound = f"{figure.value:.3g}{unit}{mark}", f"{sign} {figure.bound:g}{unit}"
        lines.append(f"| {figure.name} | {value} | {bound} | {figure.detail} |")
    return "\n".join(lines)


def keep_table(page: Path, name: str, figures: Sequence[Figure]) -> None:
    """Write the figures into a page of the documentation, between the comments of that name.

    :param page: the page.
    :param name: the name in the comments: ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
    :param figures: the figures.
    :raises SystemExit: the page has no such comments.
    """
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->\n")
    if not begin or not end:
        raise SystemExit(f"{page} has no comments of the name {name!r}")
    facts = f"{host_facts()}; load {os.getloadavg()[0]:.1f}"
    page.write_text(f"{before}{begin}\n{table(figures)}\n\n{facts}\n\n{end}{after}")


def report_figures(figures: Sequence[Figure], file: Path, **facts: str) -> None:
    """Print the figures as a table and write them as JSON.

    :param file: the JSON file.
    :param facts: facts to record besides those of the host, such as the kernel.
    :raises SystemExit: a bound is missed; exit status 1.
    """
    facts = {"host": host_facts(), **facts, "load": f"load {os.getloadavg()[0]:.1f}"}
    click.echo(table(figures))
    click.echo(f"\n{'; '.join(facts.values())}")
    file.write_text(json.dumps({**facts, "figures": [asdict(figure) for figure in figures]}, indent=1) + "\n")
    if not all(figure.is_met for figure in figures):
        raise SystemExit(1)
