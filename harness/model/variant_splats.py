# SPDX-License-Identifier: GPL-2.0-only
"""Compare the variants of kernels: which splats only some of them have. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.base.json_records import to_table
from harness.model.run_record import NO_KERNEL_ID, RunRecord
from harness.model.variant import PLAIN

VARIANTS_NAME = "variants.json"
"""The file in the folder of a joint run that has the splats of its variants."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class VariantSplat:
    """A splat that some variants of a kernel have, and not all.

    :param kernel: the KERNEL argument.
    :param fingerprint: its fingerprint.
    :param kind: its kind.
    :param title: its title.
    :param variants: names of the variants that have it; ``plain`` is the kernel without a variant.
    :param others: names of the variants that ran and do not have it.
    :param cases: ids of the cases that met it.
    """

    kernel: str
    fingerprint: str
    kind: str
    title: str
    variants: tuple[str, ...]
    others: tuple[str, ...]
    cases: tuple[str, ...]

    @property
    def where(self) -> str:
        """Return which variants have it: ``only with debug``."""
        return f"only with {' and '.join(self.variants)}"


def variant_name(run: RunRecord) -> str:
    """Return the variant of a run's kernel; ``plain`` without one."""
    return run.kernel.variant or PLAIN


def variant_splats(runs: Sequence[RunRecord]) -> tuple[VariantSplat, ...]:
    """Return the splats that some variants of a kernel have and others do not.

    :param runs: the runs of a command; those of one KERNEL argument are compared.
    """
    return tuple(one for spec in dict.fromkeys(run.kernel.spec for run in runs) for one in _of_kernel(spec, runs))


def _of_kernel(spec: str, runs: Iterable[RunRecord]) -> Iterator[VariantSplat]:
    ran = {
        variant_name(run): run
        for run in runs
        if run.kernel.spec == spec and [case.id for case in run.cases] != [NO_KERNEL_ID]
    }
    if len(ran) < 2:
        return
    found: dict[str, tuple[str, str]] = {}
    met: dict[str, dict[str, dict[str, None]]] = {}
    for name, run in ran.items():
        for case in run.cases:
            for splat in case.splats:
                found.setdefault(splat.fingerprint, (splat.kind, splat.title))
                met.setdefault(splat.fingerprint, {}).setdefault(name, {})[case.id] = None
    for fingerprint, (kind, title) in found.items():
        having = met[fingerprint]
        if len(having) < len(ran):
            cases = tuple(dict.fromkeys(case for ids in having.values() for case in ids))
            others = tuple(name for name in ran if name not in having)
            yield VariantSplat(spec, fingerprint, kind, title, tuple(having), others, cases)


def places_of(splats: Iterable[VariantSplat]) -> Mapping[str, str]:
    """Return which variants have a splat, by its fingerprint: ``only with debug``."""
    return {one.fingerprint: one.where for one in splats}


def render_variants(splats: Sequence[VariantSplat], runs: Sequence[RunRecord]) -> str:
    """Return the text of ``variants.json``: each kernel with its variant, and the splats that only some have."""
    value = {
        "format_version": _FORMAT,
        "kernels": [{"kernel": run.kernel.spec, "variant": variant_name(run)} for run in runs],
        "splats": [to_table(one) for one in splats],
    }
    return json.dumps(value, indent=1) + "\n"
