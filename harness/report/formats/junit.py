# SPDX-License-Identifier: GPL-2.0-only
"""Write ``junit.xml`` from run records: one suite for each kernel, one testcase for each case. Pure.

Only this module imports junit-xml. The output is accepted by Jenkins, GitLab and the GitHub actions;
``tests/data/junit.xsd`` notes for each element which of them needs it. The library's ``to_xml_report_string`` is not
used: it writes the attribute ``disabled`` and times like ``1e-05``, which the schema of Jenkins' xUnit plug-in rejects,
and it drops characters silently.
"""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import junit_xml  # type: ignore[import-untyped]  # it ships no types, and there are no stubs for it

from harness.model.run_record import BuildRecord, CaseRecord, RunRecord, is_known
from harness.model.variant_splats import variant_name, variant_splats
from harness.model.verdict import Outcome, SplatReport
from harness.report.text import bound, one_line, plain_text

HARNESS_CLASSNAME = "harness"

_NO_REASON = {
    Outcome.MISMATCH: "the output differs from what is expected",
    Outcome.TIMEOUT: "a command did not return in time",
    Outcome.KERNEL: "the kernel log is not clean",
    Outcome.LOST: "the machine was lost",
    Outcome.SKIPPED: "skipped",
    Outcome.ERROR: "an error of the harness, the case file or the host",
}


@dataclass(frozen=True, slots=True)
class JunitLimits:
    """The size of embedded texts, in characters; the middle is cut, and the size of the cut is noted.

    GitLab accepts report files of up to 30 MB; Jenkins keeps 100 000 characters of the output of a failed case. With
    these limits, 151 failed cases of full length make about 12 MB.
    """

    transcript: int = 48_000
    diff: int = 16_000
    splat: int = 8_000
    message: int = 300
    attribute: int = 2_000


def render_junit(
    runs: Sequence[RunRecord],
    *,
    labels: Sequence[str] = (),
    properties: Sequence[Mapping[str, str]] = (),
    limits: JunitLimits = JunitLimits(),
) -> str:
    """Return the JUnit XML of some runs, one suite for each; to be written as UTF-8.

    The name of a testcase is the id of the case, as in every other format; its classname groups it. A mismatch, a
    time-out, a splat and a lost machine are a ``failure`` whose ``type`` is the outcome. An ``error`` is one of the
    harness, the case file or the host. Problems without a case, and an unfinished run, are testcases in the class
    ``harness``. A failure that is known, or not a regression from the baseline, is ``skipped``. With several runs each
    classname starts with the kernel, as GitLab drops a testcase whose classname and name are not unique.

    :param runs: the records of the runs.
    :param labels: the name of each suite; empty for the names of the kernels.
    :param properties: more properties of each suite; empty for none.
    :param limits: the size of embedded texts.
    """
    labels = _distinct(labels or [_label(run) for run in runs])
    root = ET.Element("testsuites")
    properties = properties or _variant_properties(runs)
    for run, label, more in zip(runs, labels, properties, strict=True):
        root.append(_suite(run, label, f"{label.replace('.', '_')}." if len(runs) > 1 else "", limits, more))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", _seconds(sum(run.seconds for run in runs)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _variant_properties(runs: Sequence[RunRecord]) -> list[dict[str, str]]:
    """Return the splats that only some variants of a kernel have, for the suite of each run that has them."""
    splats = variant_splats(runs)
    return [
        {
            f"variant.splat.{number}": f"{one.where}: {one.kind}: {one.title}"
            for number, one in enumerate(splats, start=1)
            if one.kernel == run.kernel.spec and variant_name(run) in one.variants
        }
        for run in runs
    ]


def _label(run: RunRecord) -> str:
    """Return the release, or the KERNEL argument of a built kernel, as built kernels often share a release."""
    kernel = run.kernel
    return kernel.called if kernel.build.commit or kernel.variant or not is_known(kernel.release) else kernel.release


def _suite(run: RunRecord, label: str, prefix: str, limits: JunitLimits, more: Mapping[str, str]) -> ET.Element:
    cases = list({case.id: case for case in run.cases}.values())
    names = _distinct_pairs([(prefix + case.classname, case.id) for case in cases])
    tests = [_testcase(case, classname, name, limits) for case, (classname, name) in zip(cases, names, strict=True)]
    seconds = [case.seconds for case in cases]
    for one in run.not_run:
        folder = one.rpartition("::" if "::" in one else "/")[0].replace("/", ".").removesuffix(".py")
        test = junit_xml.TestCase(one_line(one), classname=prefix + (one_line(folder) or "cases"))
        test.add_skipped_info("not run", "the run ended before")
        tests.append(test)
        seconds.append(0.0)
    for number, (name, text) in enumerate(_caseless(run), start=1):
        test = junit_xml.TestCase(f"{number}: {name}", classname=prefix + HARNESS_CLASSNAME)
        test.add_error_info(one_line(text, limits.message), bound(plain_text(text), limits.diff), Outcome.ERROR.value)
        tests.append(test)
        seconds.append(0.0)
    suite = junit_xml.TestSuite(
        label,
        tests,
        hostname=one_line(run.hostname, limits.message) or one_line(run.host, limits.message) or "localhost",
        timestamp=datetime.datetime.fromtimestamp(run.started, datetime.UTC).isoformat(timespec="seconds"),
        properties={
            name: line
            for name, value in (*_properties(run), *more.items())
            if (line := one_line(value, limits.attribute))
        },
    )
    element: ET.Element = suite.build_xml_doc()
    del element.attrib["disabled"]
    element.set("time", _seconds(run.seconds))
    for test, time in zip(element.iter("testcase"), seconds, strict=True):
        test.set("time", _seconds(time))
    return element


def _testcase(case: CaseRecord, classname: str, name: str, limits: JunitLimits) -> junit_xml.TestCase:
    transcript = plain_text(case.transcript).rstrip()
    stdout = bound(transcript, limits.transcript, whole=_file(case, "actual.session"))
    test = junit_xml.TestCase(name, classname=classname, stdout=stdout)
    if case.outcome is Outcome.MATCH:
        return test
    # Never empty: the library counts a failure without message and text as a success.
    message = one_line(case.reason, limits.message) or _NO_REASON[case.outcome]
    if case.why_not_failed:
        # As pytest writes an expected failure: JUnit has no element for it, and a failure would turn a CI red.
        test.add_skipped_info(one_line(case.why_not_failed, limits.message), _failure_text(case, limits))
    elif case.outcome is Outcome.SKIPPED:
        test.add_skipped_info(message, message)
    elif case.outcome is Outcome.ERROR:
        test.add_error_info(message, _failure_text(case, limits), case.outcome.value)
    else:
        test.add_failure_info(message, _failure_text(case, limits), case.outcome.value)
    return test


def _failure_text(case: CaseRecord, limits: JunitLimits) -> str:
    """Return the reason, the diff, the splats and the path of the logs.

    GitLab shows this text and not the message; the GitHub actions show its first lines.
    """
    parts = [bound(plain_text(case.reason).strip(), limits.diff) or _NO_REASON[case.outcome]]
    if case.tries:
        parts.append(f"failed {case.times_failed} of {case.times_asked} times; the first failure follows")
    if case.diff:
        parts.append(bound(plain_text(case.diff), limits.diff, whole=_file(case, "diff")).rstrip("\n"))
    parts += [_splat_text(splat, case, limits) for splat in case.splats[:10]]
    if len(case.splats) > 10:
        parts.append(f"[... {len(case.splats) - 10} more splats{_file(case, 'kernel.log', before=' in ')} ...]")
    if case.folder:
        parts.append(f"logs: {one_line(case.folder)}/ in the run folder")
    return "\n\n".join(parts) + "\n"


def _splat_text(splat: SplatReport, case: CaseRecord, limits: JunitLimits) -> str:
    text = bound(plain_text(splat.text), limits.splat, whole=_file(case, "kernel.log")).rstrip("\n")
    kind = one_line(f"[{splat.kind}, fingerprint {splat.fingerprint}]", limits.message)
    return f"{one_line(splat.title, limits.message)} {kind}\n{text}"


def _file(case: CaseRecord, name: str, *, before: str = "") -> str:
    return f"{before}{one_line(case.folder)}/{name}" if case.folder else ""


def _caseless(run: RunRecord) -> Iterable[tuple[str, str]]:
    """Yield name and text of each problem without a case."""
    if run.is_interrupted:
        yield (
            "the run did not finish",
            f"the run did not finish: {len(run.cases)} cases had ended\nIt was interrupted or killed.",
        )
    for problem in run.problems:
        yield "problem of the run", problem.text if one_line(problem.text) else "a problem without a description"


def _properties(run: RunRecord) -> Iterable[tuple[str, str]]:
    kernel = run.kernel
    yield from (
        ("kernel.release", kernel.release),
        ("kernel.architecture", kernel.architecture),
        ("kernel.spec", kernel.spec),
        ("kernel.variant", kernel.variant),
        ("kernel.origin", kernel.origin),
        ("kernel.image.sha256", kernel.image_digest),
        ("kernel.config.sha256", kernel.config_digest),
        ("kernel.config.source", kernel.config_source),
        *_build_properties(kernel.build),
        ("acceleration", run.acceleration),
        ("acceleration.evidence", run.acceleration_evidence),
        ("qemu", run.qemu),
        ("machine_type", run.machine_type),
        ("guest_image.sha256", run.guest_image_digest),
        ("profile", run.profile),
        ("nearest", "; ".join(run.nearest)),
        ("host", run.host),
        ("command", run.command),
        ("harness.version", run.harness_version),
        ("workers", str(run.workers)),
        ("boot_seconds", _seconds(run.boot_seconds)),
        (
            "complete",
            "no: the run did not finish" if run.is_interrupted else "yes" if run.complete else "no: a shard is missing",
        ),
    )
    for number, warning in enumerate(kernel.build.warnings, start=1):
        yield f"kernel.warning.{number}", warning
    for trait in run.traits:
        name = f"trait.{one_line(trait.trait)}"
        yield name, trait.shown
        if trait.expected not in ("", trait.shown) and trait.shown:
            yield f"{name}.expected", trait.expected + ("" if trait.confirmed else " (unconfirmed)")
    baseline = run.baseline
    if baseline.run:
        yield "baseline", baseline.run
        yield "baseline.release", baseline.release
        yield "baseline.image.sha256", baseline.image_digest
    for name, ids in (
        *(("regressed", baseline.regressed), ("flaky", baseline.flaky), ("fixed", baseline.fixed)),
        *(("new", baseline.new), ("gone", baseline.gone)),
    ):
        if ids:
            yield f"baseline.{name}", " ".join(ids)
    for number, note in enumerate(run.notes, start=1):
        yield f"note.{number}", note


def _build_properties(build: BuildRecord) -> Iterable[tuple[str, str]]:
    if not build.commit:
        return
    yield from (
        ("kernel.source", build.source),
        ("kernel.base", build.base),
        ("kernel.commit", build.commit),
        ("kernel.uncommitted", str(build.uncommitted)),
        ("kernel.series", build.series),
        ("kernel.series_version", build.posted_as),
        ("kernel.fragments", " ".join(build.fragments)),
        ("kernel.compiler", build.compiler),
        ("kernel.build_seconds", _seconds(build.seconds)),
    )
    for number, subject in enumerate(build.patches, start=1):
        yield f"kernel.patch.{number}", subject


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}"


def _distinct(labels: Sequence[str]) -> list[str]:
    """Return the labels as plain lines, with a number after a repeated one."""
    seen: set[str] = set()
    distinct = []
    for label in (one_line(given) or "unnamed" for given in labels):
        name, number = label, 1
        while name in seen:
            number += 1
            name = f"{label}-{number}"
        seen.add(name)
        distinct.append(name)
    return distinct


def _distinct_pairs(cases: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return classname and name for each classname and id: the name is the id, with a number after a repeated one."""
    seen: set[tuple[str, str]] = set()
    pairs = []
    for classname, identity in cases:
        name = one_line(identity) or "unnamed"
        pair, number = (one_line(classname) or "cases", name), 1
        while pair in seen:
            number += 1
            pair = (pair[0], f"{name} ({number})")
        seen.add(pair)
        pairs.append(pair)
    return pairs
