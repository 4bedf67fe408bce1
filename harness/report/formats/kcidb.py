# SPDX-License-Identifier: GPL-2.0-only
"""Write runs for KCIDB, the kernel community's database of test results, in version 5 of its schema. Pure.

A kernel is one checkout and one build, a case is one test, and a known failure of a case is an issue and an incident.
The package kcidb-io, which ships the schema, validates the report: an invalid one is never written. The package is an
extra, ``kcidb``, as it brings a dozen packages, and most users send nothing to KCIDB.

The id of a test ends with the id of the case, and ``misc.id`` is the id of the case. ``path`` may have letters, digits,
``_``, ``-`` and dots only, so it is the id with dots for slashes and without the file's extension.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.base.errors import HostError, UsageError
from harness.model.run_record import BuildRecord, CaseRecord, KnownNote, RunRecord, is_known
from harness.model.verdict import Fault, Outcome
from harness.report.text import bound, one_line, plain_text

Value = dict[str, object]

DEFAULT_ORIGIN = "kernel_patch_harness"
_ORIGIN = re.compile(r"[a-z0-9_]+")
_EXCERPT_LENGTH = 16_000  # the schema takes 16384
_LOGS = ("kernel.log", "admin.log", "inside.log", "observer.log")
_STATUSES = {
    Outcome.MATCH: "PASS",
    Outcome.MISMATCH: "FAIL",
    Outcome.TIMEOUT: "FAIL",
    Outcome.KERNEL: "FAIL",
    Outcome.LOST: "FAIL",
    Outcome.SKIPPED: "SKIP",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a report.

    :param origin: the name of the CI system in KCIDB.
    :param url: the address of the results folder; empty for none: then the report has no links to logs.
    """

    origin: str = DEFAULT_ORIGIN
    url: str = ""

    def id(self, *words: str) -> str:
        """Return an identifier of this sender."""
        return f"{self.origin}:{':'.join(one_line(word) for word in words)}"

    def link(self, *words: str) -> str:
        """Return the address of a file in the results folder."""
        return "/".join([self.url.rstrip("/"), *(quote(word) for word in words)])


def kcidb_report(runs: Sequence[RunRecord], *, names: Sequence[str], sender: Sender) -> Value:
    """Return the runs as a JSON table, in the newest version that kcidb-io supports.
    :param runs: the records of the runs.

    :param names: the name of each run folder.
    :param sender: the sender of the report.
    :raises UsageError: the origin or an address is not valid.
    :raises HostError: kcidb-io is not installed.
    """
    if not _ORIGIN.fullmatch(sender.origin):
        remedy = "use lower-case letters, digits and _"
        raise UsageError(f"{sender.origin!r} is not a valid name of a CI system in KCIDB", remedy=remedy)
    checkouts: dict[str, Value] = {}
    builds: dict[str, Value] = {}
    issues: dict[str, Value] = {}
    tests, incidents = [], []
    for run, name in zip(runs, names, strict=True):
        checkout = _checkout(run, name, sender)
        build = _build(run, name, sender, str(checkout["id"]))
        checkouts.setdefault(str(checkout["id"]), checkout)
        builds.setdefault(str(build["id"]), build)
        for case in {case.id: case for case in run.cases}.values():
            test = _test(case, run, name, sender, str(build["id"]))
            tests.append(test)
            for note in case.known_failures:
                issue = _issue(case, note, sender)
                issues.setdefault(str(issue["id"]), issue)
                incidents.append(_incident(issue, test, sender))
    whole: Value = {
        "checkouts": list(checkouts.values()),
        "builds": list(builds.values()),
        "tests": tests,
        "issues": list(issues.values()),
        "incidents": incidents,
    }
    return _validated(whole)


def patchset_hash(build: BuildRecord) -> str | None:
    """Return the sha256 over the patches' sha256, one per line; "" without patches; None if any is unknown."""
    if not build.patches:
        return ""
    if len(build.patch_digests) != len(build.patches):
        return None
    return hashlib.sha256("".join(f"{one}\n" for one in build.patch_digests).encode()).hexdigest()


def path_of(case_id: str) -> str:
    """Return the path of a case in KCIDB: ``SUITE.setns.test_fds.test_own-v2`` for
    ``SUITE/setns/test_fds.py::test_own[v2]``.
    """
    parts = re.split(r"/|::", case_id)
    shown = (re.sub(r"[^a-zA-Z0-9_-]+", "-", re.sub(r"\.(session|py)$", "", part)).strip("-") for part in parts)
    return ".".join(filter(None, shown)) or "unnamed"


def _validated(whole: Value) -> Value:
    """Add the version of the schema and validate a report.

    :raises UsageError: kcidb-io rejects the report.
    :raises HostError: kcidb-io is not installed.
    """
    try:
        import jsonschema
        from kcidb_io.schema import LATEST  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise HostError(
            "kcidb-io, which has the schema of KCIDB, is not installed",
            evidence=str(error),
            remedy="run ./bootstrap report, which installs it, or: pip install 'kernel-patch-harness[kcidb]'",
        ) from None
    value = {"version": {"major": LATEST.major, "minor": LATEST.minor}, **whole}
    try:
        LATEST.validate(value)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path))
        raise UsageError(
            "KCIDB's schema rejects these runs",
            evidence=f"{where}: {error.message[:500]}",
            remedy="check that value; --url takes an absolute address, e.g. https://ci.example.org/results",
        ) from None
    return value


def _checkout(run: RunRecord, name: str, sender: Sender) -> Value:
    kernel, build = run.kernel, run.kernel.build
    patches = patchset_hash(build)
    word = f"image-{kernel.image_digest}"
    if build.commit:
        word = f"{build.base or build.commit}-{patches if patches is not None else build.commit}".rstrip("-")
    elif not is_known(kernel.image_digest):
        word = name
    value: Value = {
        "id": sender.id(word),
        "origin": sender.origin,
        "comment": one_line(build.series or kernel.origin),
        "start_time": _time(run.started),
        "misc": {"spec": kernel.spec, "source": build.source or kernel.origin, "uncommitted": build.uncommitted},
    }
    if build.commit:
        value["git_commit_hash"] = build.base or build.commit
        value["git_commit_name"] = one_line(build.source)
        value["valid"] = True
        if patches is not None:
            value["patchset_hash"] = patches
        if build.patches:
            value["misc"] = {
                **_misc(value),
                "series_version": build.series_version,
                **({"series_posted_as": build.posted_as} if build.series_suffix else {}),
                "patches": [one_line(subject) for subject in build.patches],
            }
    return value


def _build(run: RunRecord, name: str, sender: Sender, checkout: str) -> Value:
    kernel, build = run.kernel, run.kernel.build
    is_built = is_known(kernel.image_digest)
    word = f"{kernel.image_digest}-{kernel.config_digest[:12]}" if is_built else name
    value: Value = {
        "id": sender.id(word),
        "origin": sender.origin,
        "checkout_id": checkout,
        "comment": one_line(kernel.release),
        "architecture": kernel.architecture,
        "misc": {
            "image_sha256": kernel.image_digest,
            "config_sha256": kernel.config_digest,
            "traits": {one.trait: one.shown for one in run.traits if one.shown},
            "complete": run.complete,
        },
    }
    if is_built:
        value["status"] = "PASS"
    if build.commit:
        value |= {
            "compiler": one_line(build.compiler),
            "config_name": " ".join(build.fragments),
            "duration": build.seconds,
            "command": f"harness build {kernel.spec}",
        }
        if build.warnings:
            value["log_excerpt"] = bound("\n".join(map(plain_text, build.warnings)), _EXCERPT_LENGTH)
        if sender.url:
            value["log_url"] = sender.link(name, "build.log")
            value["config_url"] = sender.link(name, "kernel.config")
    return value


def _test(case: CaseRecord, run: RunRecord, name: str, sender: Sender, build: str) -> Value:
    misc: Value = {"id": case.id, "outcome": str(case.outcome), "reason": plain_text(case.reason), "run": name}
    if case.tries:
        misc["tries"] = {str(one.outcome): one.times for one in case.tries}
    value: Value = {
        "id": sender.id(name, case.id),
        "origin": sender.origin,
        "build_id": build,
        "path": path_of(case.id),
        "comment": one_line(case.title or case.id),
        "status": _status(case),
        "duration": case.seconds,
        "environment": {"comment": one_line(run.host), "misc": _environment(run)},
        "misc": misc,
    }
    if case.started:
        value["start_time"] = _time(case.started)
    if case.outcome not in (Outcome.MATCH, Outcome.SKIPPED):
        text = "\n\n".join([case.reason, case.diff, *(splat.text for splat in case.splats)])
        value["log_excerpt"] = bound(plain_text(text).strip(), _EXCERPT_LENGTH)
    if sender.url and case.folder:
        value["log_url"] = sender.link(name, case.folder, "actual.session")
        value["output_files"] = [{"name": log, "url": sender.link(name, case.folder, log)} for log in _LOGS]
    return value


def _status(case: CaseRecord) -> str:
    """Return the status of a test; KCIDB distinguishes a broken test (ERROR) from one that could not run (MISS)."""
    if case.outcome is Outcome.ERROR:
        return "ERROR" if case.fault is Fault.CASE else "MISS"
    # "DONE": the test is finished, and says neither that the kernel is right nor that it is wrong.
    return "DONE" if case.is_unjudged else _STATUSES[case.outcome]


def _environment(run: RunRecord) -> Mapping[str, str]:
    return {"qemu": run.qemu, "machine_type": run.machine_type, "acceleration": run.acceleration}


def _issue(case: CaseRecord, note: KnownNote, sender: Sender) -> Value:
    """Return the issue of a known failure, which is equal for all runs; a later expiry date is a newer version."""
    about = note.trait or case.id
    word = hashlib.sha256(f"{about}\n{note.link}".encode(errors="surrogatepass")).hexdigest()[:16]
    value: Value = {
        "id": sender.id(f"known-{word}"),
        "version": int(note.expires.strftime("%Y%m%d")),
        "origin": sender.origin,
        "comment": one_line(note.reason),
        "culprit": {"code": True, "tool": False, "harness": False},
        "misc": {"about": about, "expires": note.expires.isoformat(), "link": note.link},
    }
    if re.match(r"https?://\S+$", note.link):
        value["report_url"] = note.link
        value["report_subject"] = one_line(note.reason)
    return value


def _incident(issue: Value, test: Value, sender: Sender) -> Value:
    word = hashlib.sha256(f"{issue['id']}\n{test['id']}".encode(errors="surrogatepass")).hexdigest()[:32]
    return {
        "id": sender.id(f"incident-{word}"),
        "origin": sender.origin,
        "issue_id": issue["id"],
        "issue_version": issue["version"],
        "test_id": test["id"],
        "present": True,
    }


def _misc(value: Value) -> Value:
    misc = value["misc"]
    assert isinstance(misc, dict)
    return misc


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
