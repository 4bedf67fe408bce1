"""The order of the modules: each imports only what stands above it, and the pure ones import no effect."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent

# From the ground up. A module may import those above it, never those below. A star marks a pure one: text or values in,
# values out; no file, process, socket or clock.
ORDER = """
* base.errors
* base.deadline
  base.crash_report
  base.signals
* base.toml_table
* base.json_records
* model.verdict
* base.kernel_release
* model.kernel_spec
  base.seccomp
  base.process
  base.atomic_write
  base.store
  base.paths
* kernellog.lines
* kernellog.splat
* kernellog.taint
* kernellog.reader
* session.console_name
* guest.prompt
* session.shell_syntax
* session.header
* session.varying
* session.output
* session.step
* session.alignment
* session.transcript
* session.match
* session.render
* model.run_record
* session.noise
* model.series_record
* results.kernel_differences
* results.compare
* semantics.profile
* semantics.traits
  semantics.shipped
* series.declared
* series.effects
* series.plan
* series.outcome
* semantics.nearest
* semantics.observers
* semantics.judge
* results.sightings
* results.known_failures
* results.merge
* results.kernel_line
* results.timeline
* run.rounds
* bisect.commit_graph
* bisect.intervals
* bisect.strategy
* semantics.sequential_test
* kernel.image.compression
* kernel.image.file_type
* kernel.image.facts
* kernel.config.kconfig
* kernel.config.fragment
* kernel.config.unmet
* kernel.build.diagnostics
* kernel.toolchain.missing
* kernel.build.progress
* kernel.toolchain.compilers
* kernel.build.reproduce
* kernel.needs
* kernel.image.ikconfig
  kernel.image.payload
  kernel.source.locate
  kernel.image.examine
  kernel.source.apt
  kernel.source.apt_choice
  kernel.source.image_package
  kernel.git.command
  kernel.git.repository
  kernel.git.fast_import
  kernel.source.source_package
  kernel.git.snapshot
  kernel.git.user_repository
  kernel.source.tree
  kernel.git.worktree
  kernel.sandbox.bubblewrap
  kernel.sandbox.usage
  kernel.sandbox.limits
  kernel.sandbox.ownership
  kernel.sandbox.output_reader
  kernel.sandbox.sandbox
  kernel.toolchain.host_lack
  kernel.config.tools
* kernel.patches.subject
* kernel.patches.diff
* kernel.patches.mailbox
* kernel.patches.posting
* kernel.patches.quilt
* kernel.patches.safety
  kernel.patches.b4
  kernel.patches.folder
  kernel.patches.series
  kernel.git.revisions
  kernel.patches.git_range
  kernel.patches.shipped
* kernel.patches.conflict
  kernel.git.apply_check
  kernel.git.sparse
  kernel.patches.patched_tree
  kernel.patches.checkpatch
  kernel.patches.apply
  kernel.build.ccache
  kernel.build.listener
  kernel.toolchain.toolchain
  kernel.config.inputs
  kernel.config.configure
  kernel.build.blame
  kernel.build.object_cache
  kernel.build.product
  kernel.build.build_order
  kernel.build.failure
  kernel.build.build
* kernel.build.options
  kernel.from_source
  series.applied
  series.from_mail
  series.warned
  kernel.resolve
* guest.cpio
* guest.elf
* guest.definition
  guest.image
* guest.qemu
* guest.boot_failure
  guest.emulator
* guest.timestamps
  guest.wires
  guest.console
  guest.qmp
  guest.machine
  guest.acceleration
  guest.template
  guest.mounted
  guest.features
  run.play
* report.text
* report.lines
* report.tables.traits
* report.tables.summary
* report.tables.kernels
* report.tables.semantics_matrix
* report.tables.trait_story
* report.tables.trait_coverage
* report.formats.junit
* report.formats.ktap
* report.formats.kcidb
* report.tables.comparison
* report.tables.history
* bisect.targets
* bisect.state
* bisect.no_difference
* bisect.evidence
* bisect.report
* report.tables.series
* report.formats.series_mail
* report.formats.series_junit
* report.formats.forge
* report.formats.b4
  results.folder
  results.find_run
  results.selected
* report.page.lanes
* report.page.rerun_command
  results.history_db
  results.history
  results.baseline
* report.page.overview
* report.page.details
* report.page.stories
  report.page.html
  report.page.data
  report.display.live
  report.display.plain
  pipeline
  run.case
  run.python_api
* run.python_file
  base.host_facts
  run.pytest_plugin
  run.selection
  run.recorder
  run.one_kernel
  run.several_kernels
  report.display.quiet
  series.runner
  series.walk
  series.request
  bisect.commits
  bisect.patch_commits
  bisect.runner
  bisect.state_file
  bisect.bisection
  bisect.answer
  bisect.request
  series.patchwork
  series.patchwork_checks
  run.accept
  base.store_usage
  doctor
  run.console_relay
  run.interactive
  commands.options
  commands.exit_status
  commands.judging_options
  commands.run
  commands.patchwork
  commands.series_output
  commands.series
  commands.b4_check
  commands.bisect
  commands.diff
  commands.report
  commands.history
  commands.shell
  commands.build
  commands.accept
  commands.doctor
  commands.semantics
  cli
  __main__
"""

_LINES = [line.split() for line in ORDER.strip().splitlines()]
RANKS = {words[-1]: rank for rank, words in enumerate(_LINES)}
PURE = {words[-1] for words in _LINES if words[0] == "*"}
EFFECTS = {
    *("asyncio", "click", "ctypes", "filelock", "os", "pexpect", "platform", "psutil", "qemu", "selectors", "shutil"),
    *("signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "termios", "threading", "tty"),
}
DOORS = {
    "subprocess": {"base.process"},
    "pexpect": {"guest.console"},
    "junit_xml": {"report.formats.junit"},
    "kcidb_io": {"report.formats.kcidb"},
    "jinja2": {"report.page.html"},
    "qemu": {"guest.qmp"},
    "pytest": {"run.pytest_plugin", "run.one_kernel", "run.selection", "run.recorder"},
    "sqlite3": {"results.history_db", "results.history"},
    "urllib.request": {"series.patchwork"},
    "click": {"cli", *(name for name in RANKS if name.startswith("commands."))},
}
"""The modules that may import each of these."""


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] != "tests" and path.name != "__init__.py":
            yield ".".join(relative.with_suffix("").parts), path


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names of modules that a file imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


MODULES = dict(_modules())


def test_every_module_is_in_the_list() -> None:
    """The list has each module of the package once, and nothing else."""
    assert sorted(RANKS) == sorted(MODULES)
    assert len(_LINES) == len(RANKS)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_stands_above_it(name: str) -> None:
    """Data flows one way: no module imports one that stands below it in the list."""
    wanted = {word.removeprefix("harness.") for word in _imports(MODULES[name]) if word.startswith("harness.")}
    below = sorted(word for word in wanted if RANKS.get(word, -1) >= RANKS[name])

    assert not below


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_imports_no_effect(name: str) -> None:
    """What decides has no files, processes or clocks, neither of its own nor by what it imports."""
    words = _imports(MODULES[name])
    effects = sorted({word.split(".")[0] for word in words} & EFFECTS)
    impure = sorted(
        word.removeprefix("harness.")
        for word in words
        if word.startswith("harness.") and word.removeprefix("harness.") in RANKS.keys() - PURE
    )

    assert not effects
    assert not impure


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str) -> None:
    """One module starts host processes, one talks pexpect, one writes JUnit."""
    users = {
        name for name, path in MODULES.items() if any(f"{word}.".startswith(f"{library}.") for word in _imports(path))
    }

    assert users <= DOORS[library]


def test_init_files_are_empty() -> None:
    """An import in an __init__.py is where cycles come from."""
    filled = [str(path) for path in PACKAGE.rglob("__init__.py") if path.read_text().strip()]

    assert not filled
