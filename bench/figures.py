"""A figure: a ratio or a size that was measured, and the bound that it is held against."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from harness.base.host_facts import host_facts


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The command line of a bench, with the first paragraph of its module's docstring."""
    return argparse.ArgumentParser(description=(doc or "").partition("\n\n")[0])


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    :param value: what was measured. :param bound: what it is to be held against.
    :param at_most: whether the bound is from above. :param detail: the times behind it.
    """

    name: str
    value: float
    bound: float
    at_most: bool
    unit: str
    detail: str

    @property
    def is_met(self) -> bool:
        """Whether the bound holds."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| figure | measured | bound | of what |", "|---|---|---|---|"]
    for figure in figures:
        unit = f" {figure.unit}" if figure.unit else ""
        sign = "<=" if figure.at_most else ">="
        mark = "" if figure.is_met else " (missed)"
        value, bound = f"{figure.value:.3g}{unit}{mark}", f"{sign} {figure.bound:g}{unit}"
        lines.append(f"| {figure.name} | {value} | {bound} | {figure.detail} |")
    return "\n".join(lines)


def tell(figures: Sequence[Figure], file: Path, **facts: str) -> None:
    """Print the table, write it as JSON; exit status 1 when a bound is missed.

    :param facts: what was measured, beside the host.
    """
    facts = {"host": host_facts(), **facts}
    click.echo(table(figures))
    click.echo(f"\n{'; '.join(facts.values())}; load {os.getloadavg()[0]:.1f}")
    file.write_text(json.dumps({**facts, "figures": [asdict(figure) for figure in figures]}, indent=1) + "\n")
    if not all(figure.is_met for figure in figures):
        raise SystemExit(1)
