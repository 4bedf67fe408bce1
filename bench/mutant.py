# SPDX-License-Identifier: GPL-2.0-only
"""Mutants, small patches with one plausible mistake each, and their measurements. Pure but for reading the folder.

A mutant is *killed* when a case that passes on the kernel without the patch fails on the kernel with it. It *survived*
when no case failed, so a case is missing. A mutant that does not apply, build without a warning or boot, or that
panics, is *broken*: it says nothing about the cases and has to be fixed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.base import paths
from harness.base.store import digest_of
from harness.base.suites_file import legacy_name
from harness.kernel.mail.mailbox import read_mail
from harness.kernellog.reader import SplatKind
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.semantics.profile import Profile

MUTANTS = paths.ROOT / "bench" / "data" / "mutants"
"""A folder for each suite of cases."""
BASE = "deb-src:6.1"
"""The base of the patches, as a KERNEL argument."""
UNMUTATED = "base"
"""The name of the measurements of the kernel without a patch, one for each suite."""

_ENDS = ("Signed-off-by:", "---")
_FATAL = {SplatKind.PANIC.value, SplatKind.OOPS.value}


class MutantResult(StrEnum):
    """The result of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant.

    :param name: the suite and the patch file without its suffix, "timens/range-upper".
    :param path: the patch file.
    :param title: the mistake, as its author would put it.
    :param sees: the effect for a user, in a sentence.
    """

    name: str
    path: Path
    title: str
    sees: str

    @property
    def suite(self) -> str:
        """Name the suite whose cases are measured with the mutant."""
        return suite_of(self.name)

    @property
    def kernel(self) -> str:
        """Return the KERNEL argument that builds the mutant."""
        return f"{BASE}+{self.path}"


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurement of a mutant, or of the base.

    :param name: name of the mutant.
    :param fate: the result.
    :param image: digest of the tested kernel image.
    :param killers: the cases that failed, in the order of their failures.
    :param traits: the traits whose observed values differ from the profile.
    :param reason: the reason of the first failure, or why the mutant is broken.
    :param files: digests of the case files behind the result (:func:`digests`), by their ids: the files that passed,
        or for a killed mutant the file of the first failure.
    :param seconds: wall time from the built kernel to the result.
    """

    name: str
    fate: MutantResult
    image: str = ""
    killers: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    reason: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def holds(self, image: str, now: Mapping[str, str]) -> bool:
        """Return whether the measurement is valid for that image and the current case files.

        :param image: digest of the kernel image.
        :param now: digests of the current case files.
        """
        if self.image != image:
            return False
        if self.fate is MutantResult.KILLED:
            return all(now.get(name) == digest for name, digest in self.files.items())
        return self.fate is MutantResult.SURVIVED and dict(self.files) == dict(now)

    def passed(self, image: str, now: Mapping[str, str]) -> set[str]:
        """Return the case files that need no rerun, since their current content passed on that image."""
        if self.image != image or self.fate is not MutantResult.SURVIVED:
            return set()
        return {name for name, digest in self.files.items() if now.get(name) == digest}

    def line(self) -> str:
        """Format the measurement as one line."""
        by = ", ".join(self.killers[:3]) + (f" and {len(self.killers) - 3} more" if self.killers[3:] else "")
        traits = f" ({', '.join(self.traits)})" if self.traits else ""
        detail = f"{by}{traits}" if self.fate is MutantResult.KILLED else self.reason
        return f"{self.fate:8}  {self.name:30}  {self.seconds:5.1f} s  {detail}".rstrip()


def suite_of(name: str) -> str:
    """Name the suite of a mutant."""
    return name.partition("/")[0]


def unmutated(suite: str) -> str:
    """Name the measurement of the kernel without a patch with the cases of a suite."""
    return f"{suite}/{UNMUTATED}"


def find_mutants(folder: Path = MUTANTS) -> tuple[Mutant, ...]:
    """Find the mutants of all suites, by name."""
    return tuple(_read(path) for path in sorted(folder.glob("*/*.patch")))


def _read(path: Path) -> Mutant:
    (mail,) = read_mail(path.read_bytes())
    lines = mail.text.decode().splitlines()
    end = next((at for at, line in enumerate(lines) if line.startswith(_ENDS)), len(lines))
    return Mutant(f"{path.parent.name}/{path.stem}", path, mail.subject.title, " ".join(" ".join(lines[:end]).split()))


def digests(files: Mapping[str, Path], profile: Profile) -> dict[str, str]:
    """Digest what each case file does and what it expects by the profile.

    :param files: the case files by their ids.
    :return: the digests by the same ids.
    """
    found = {}
    for name, path in files.items():
        text = path.read_text()
        expected = [f"{trait}={value}" for trait, value in sorted(profile.values.items()) if trait in text]
        found[name] = digest_of(text, *expected)
    return found


def file_of(case_id: str) -> str:
    """Return the id of a case's file."""
    return case_id.partition("::")[0]


def in_order(files: Sequence[str], results: Sequence[Measured], *, mutant: str) -> list[str]:
    """Sort case files by probability: first those that killed this mutant before, then by the number of other kills."""
    kills = Counter(file_of(case) for one in results for case in one.killers)
    own = [file_of(case) for one in results if one.name == mutant for case in one.killers]
    return sorted(files, key=lambda name: (name not in own, -kills[name], name))


def judge(
    name: str, image: str, cases: Sequence[CaseRecord], profile: Profile, now: Mapping[str, str], *, seconds: float
) -> Measured:
    """Conclude the result of a mutant from the cases that were run.

    :param now: digests of the current case files.
    """
    failed = [case for case in cases if has_failed(case)]
    if not failed:
        return Measured(name, MutantResult.SURVIVED, image, files=now, seconds=seconds)
    failed.sort(key=_is_gone)
    first = failed[0]
    if _is_gone(first):
        return Measured(name, MutantResult.BROKEN, image, reason=f"{first.id}: {first.reason}", seconds=seconds)
    killers = tuple(case.id for case in failed)
    killer = {file_of(first.id): now[file_of(first.id)]}
    traits = dict.fromkeys(
        sighting.trait for case in failed for sighting in case.sightings if _denies(profile, sighting)
    )
    return Measured(name, MutantResult.KILLED, image, killers, tuple(traits), first.reason, killer, seconds)


def has_failed(case: CaseRecord) -> bool:
    """Return whether a case neither matched nor was skipped."""
    return case.outcome not in (Outcome.MATCH, Outcome.SKIPPED)


def _denies(profile: Profile, sighting: TraitSighting) -> bool:
    """Return whether a sighting contradicts the profile."""
    expected = profile.expectations.get(sighting.trait)
    return expected is not None and expected.value != sighting.value


def _is_gone(case: CaseRecord) -> bool:
    """Return whether the machine was lost or the kernel crashed in a case."""
    return case.outcome is Outcome.LOST or any(splat.kind in _FATAL for splat in case.splats)


def summary(mutants: Sequence[Mutant], results: Mapping[str, Measured]) -> list[str]:
    """Format the number of killed mutants, the survivors and the broken mutants as lines."""
    effects = {mutant.name: mutant.sees for mutant in mutants}
    fates = Counter(results[name].fate for name in effects if name in results)
    lines = [f"{fates[MutantResult.KILLED]} / {len(effects) - fates[MutantResult.BROKEN]} killed"]
    for fate in (MutantResult.SURVIVED, MutantResult.BROKEN):
        lines += [
            f"{fate}: {name}: {effect}"
            for name, effect in effects.items()
            if name in results and results[name].fate is fate
        ]
    return lines


def dumps(results: Iterable[Measured], facts: Mapping[str, str]) -> str:
    """Format measurements and facts of the host as JSON."""
    ordered = sorted(results, key=lambda one: (suite_of(one.name), one.name != unmutated(suite_of(one.name)), one.name))
    return json.dumps({**facts, "mutants": [asdict(one) for one in ordered]}, indent=1) + "\n"


def loads(text: str) -> dict[str, Measured]:
    """Read the output of :func:`dumps`; a name without a suite belongs to the legacy suite.

    :return: the measurements by name.
    """
    return {
        name: Measured(
            **{
                **one,
                "name": name,
                "fate": MutantResult(one["fate"]),
                "killers": tuple(one["killers"]),
                "traits": tuple(one["traits"]),
            }
        )
        for one in json.loads(text)["mutants"]
        for name in [one["name"] if "/" in one["name"] else f"{legacy_name()}/{one['name']}"]
    }
