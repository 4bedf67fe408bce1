# SPDX-License-Identifier: GPL-2.0-only
"""A real history on Linux 6.1: shipped behaviors, switched on and off at known commits of a test repository.

The repository has a fixed path in the user's store, so its work tree and builds are reused. It borrows the objects of
the source package's repository, which contains its base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.base.store import Store, digest_of
from harness.kernel.git.command import git
from harness.kernel.git.repository import initialize
from harness.kernel.source.tree import source_package

KIND = "test-history"
"""The kind of the repository in the store."""
_FACTS = "commits.json"
_BRANCH = "refs/heads/master"
_CGROUP, _PIDS, _BOUNDS = "kernel/cgroup/cgroup.c", "kernel/cgroup/pids.c", "kernel/bounds.c"
_FILES = (_CGROUP, "kernel/cgroup/cgroup-v1.c", "kernel/cgroup/cgroup-internal.h", _PIDS, _BOUNDS)
_DOCUMENT = "Documentation/admin-guide/cgroup-v2.rst"
_SHOWN = '\tif (depth == INT_MAX)\n\t\tseq_puts(seq, "max\\n");\n'
_RENAMED = _SHOWN.replace('"max', '"none')
_BEGINS = "int __init cgroup_init(void)\n{\n\tstruct cgroup_subsys *ss;\n\tint ssid;\n"


@dataclass(frozen=True)
class RealHistory:
    """The history.

    :param path: the bare repository.
    :param commits: the base, then the commits in their order.
    :param changes: for each name of a change, the positions where it happens.
    """

    path: Path
    commits: tuple[str, ...]
    changes: dict[str, list[int]]


_PLAN = (
    *("document", "+mountinfo-unscoped", "document", "+named-hierarchy-allowed", "comment", "document"),
    *("break", "comment", "mend", "comment", "document", "document", "panic", "calm"),
    *("comment", "document", "document", "comment", "-named-hierarchy-allowed +release-agent-unchecked"),
    *("document", "document", "+renamed", "comment", "document", "object", "comment", "object", "comment"),
    *("object", "document", "+move-judged-by-writer +named-hierarchy-allowed", "comment", "comment", "document"),
)
"""The change of each commit; ``+`` and ``-`` switch a shipped series on and off. Two commits do not build (in the
first compiled file, since a failed build is repeated from nothing), one panics, and a bisection of all meets both."""


def real_history(store: Store, *, deadline: Deadline) -> RealHistory:
    """Return the history; make it if it does not exist."""
    source = source_package(Context(store, deadline), "6.1")
    patches = sorted(path for name in _series() for path in (paths.SERIES / name).glob("*.patch"))
    key = digest_of("3", source.commit, repr(_PLAN), *patches)

    def fill(folder: Path) -> None:
        repository = folder / "linux.git"
        initialize(repository, object_format="sha1", deadline=deadline)
        objects = source.repository.git_dir / "objects"
        (repository / "objects/info").mkdir(exist_ok=True)
        (repository / "objects/info/alternates").write_text(f"{objects}\n")
        work = folder / "files"
        _write(work, {name: _blob(repository, source.commit, name, deadline=deadline) for name in (*_FILES, _DOCUMENT)})
        stream = b"".join(_stream(source.commit, work, deadline=deadline))
        git(repository, "fast-import", "--quiet", stdin=stream, deadline=deadline)
        words = ("rev-list", "--reverse", f"{source.commit}..{_BRANCH}")
        commits = [source.commit, *git(repository, *words, deadline=deadline).text.split()]
        (folder / _FACTS).write_text(json.dumps(commits))

    folder = store.make(KIND, key, fill, deadline=deadline)
    changes: dict[str, list[int]] = {}
    for at, step in enumerate(_PLAN, 1):
        for word in step.split():
            changes.setdefault(word.lstrip("+-"), []).append(at)
    return RealHistory(folder / "linux.git", tuple(json.loads((folder / _FACTS).read_text())), changes)


def _series() -> list[str]:
    return sorted({word[1:] for step in _PLAN for word in step.split() if word[0] in "+-" and word != "+renamed"})


def _blob(repository: Path, commit: str, name: str, *, deadline: Deadline) -> bytes:
    return git(repository, "cat-file", "blob", f"{commit}:{name}", deadline=deadline).stdout


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _stream(base: str, work: Path, *, deadline: Deadline) -> Iterator[bytes]:
    """Return the input of git-fast-import(1): one commit for each step of the plan."""
    for at, step in enumerate(_PLAN, 1):
        for word in step.split():
            _change(word, at, work, deadline=deadline)
        message = f"cgroup: {step}\n\nStep {at} of a history that a test has made.\n".encode()
        who = f"Tester <tester@localhost> {1_700_000_000 + at} +0000"
        yield f"commit {_BRANCH}\nauthor {who}\ncommitter {who}\ndata {len(message)}\n".encode() + message
        yield f"from {base}\n".encode() if at == 1 else b""
        for name in (*_FILES, _DOCUMENT):
            content = (work / name).read_bytes()
            yield f"M 100644 inline {name}\ndata {len(content)}\n".encode() + content + b"\n"


def _change(step: str, at: int, work: Path, *, deadline: Deadline) -> None:
    if step == "document":
        _append(work / _DOCUMENT, f"\n.. step {at}\n")
    elif step == "comment":
        _append(work / _PIDS, f"/* step {at} */\n")
    elif step == "object":
        _append(work / _PIDS, f"int cgroup_pids_step_{at};\n")
    elif step == "break":
        _append(work / _BOUNDS, "this does not compile\n")
    elif step == "mend":
        _replace(work / _BOUNDS, "this does not compile\n", "")
    elif step == "panic":
        _replace(work / _CGROUP, _BEGINS, f'{_BEGINS}\n\tpanic("a step of a test");\n')
    elif step == "calm":
        _replace(work / _CGROUP, '\n\tpanic("a step of a test");\n', "")
    elif step == "+renamed":
        _replace(work / _CGROUP, _SHOWN, _RENAMED)
    else:
        backwards = ["--reverse"] if step.startswith("-") else []
        patches: Sequence[Path] = sorted((paths.SERIES / step[1:]).glob("*.patch"))
        for patch in reversed(patches) if backwards else patches:
            run(
                ["git", "apply", *backwards, patch],
                within=Surroundings(cwd=work, env={"GIT_DIR": "/nonexistent"}),
                deadline=deadline,
            )


def _append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def _replace(file: Path, old: str, new: str) -> None:
    before = file.read_text()
    assert before.count(old) == 1, f"{file.name} has {before.count(old)} times: {old}"
    file.write_text(before.replace(old, new))
