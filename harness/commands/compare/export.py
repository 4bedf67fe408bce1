# SPDX-License-Identifier: GPL-2.0-only
"""``harness export``: write a case of a run so that it runs without the harness."""

from __future__ import annotations

from pathlib import Path

import click

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.commands import options
from harness.commands.compare.diff import RUN_HELP
from harness.commands.files import show_phase, write_named
from harness.export.bundle import BundleFile, write_bundle
from harness.export.case import export_case, find_exported
from harness.export.script import (
    ExportedCase,
    Helper,
    QemuArguments,
    render_bundle_script,
    render_kselftest,
    render_readme,
    render_script,
    render_steps,
)
from harness.guest import qemu
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.model.run_record import RunRecord
from harness.pipeline import Fresh, Options, Prepared
from harness.results.find_run import find_run
from harness.run.interactive import read_case
from harness.session.transcript import Transcript
from harness.suite.definition import Suite

_SECONDS = 7200.0


@click.command(epilog=RUN_HELP)
@click.argument("run_word", metavar="RUN")
@click.argument("case")
@click.option(
    "--bundle",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Archive with kernel, guest and session: FILE.tar.zst, .tar.gz, .tar.xz or .tar.",
)
@click.option(
    "--sh",
    "script",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Script that types the session at shells of the machine that it runs on.",
)
@click.option(
    "--kselftest",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The same as a shell test with TAP for tools/testing/selftests of a kernel tree.",
)
@options.suite
@options.results
def export(
    run_word: str,
    case: str,
    bundle: Path | None,
    script: Path | None,
    kselftest: Path | None,
    suite: str,
    results: Path,
) -> int:
    """Write CASE of RUN so that it runs without the harness.

    Each form types the commands of the session file and compares their output with what
    the profile of RUN expects. The archive needs QEMU and bash. The scripts need bash and
    root, and a C compiler for cases that use helper programs.

    \b
    Exit status:
      0    written
      1    the kernel cannot be prepared again
      3    host error
      4    no such run or case, or the case cannot be exported
    """
    if not (bundle or script or kselftest):
        raise click.UsageError("name what to write: --bundle FILE, --sh FILE or --kselftest FILE")
    run = find_run(run_word, results=results).run
    record = find_exported(run, case)
    chosen = options.suite_of_runs(suite, [run])
    transcript, _ = read_case(record.id, chosen)
    exported = export_case(transcript, run, helpers_of(chosen))
    for option, file, render in (("--sh", script, render_script), ("--kselftest", kselftest, render_kselftest)):
        if file is not None:
            write_named(option, file, render(exported).encode("utf-8", "surrogateescape"), mode=0o755)
            click.echo(f"written: {file}")
    if bundle is not None:
        _write_bundle(bundle, exported, run, chosen, transcript)
    return 0


def helpers_of(suite: Suite) -> list[Helper]:
    """Return the helper programs of the guest of a suite."""
    header = (paths.GUEST_HEADER.name, paths.GUEST_HEADER.read_text(encoding="utf-8"))
    return [
        Helper(file.stem, ((file.name, file.read_text(encoding="utf-8")), header))
        for file in (paths.GUEST_HELPER, *suite.guest.helpers)
    ]


def _write_bundle(bundle: Path, exported: ExportedCase, run: RunRecord, chosen: Suite, transcript: Transcript) -> None:
    record = find_exported(run, exported.id)
    if chosen.guests:
        raise UsageError(
            f"the suite {chosen.name} runs in the guest {chosen.guests[0]}, which an archive cannot hold",
            evidence="its root file system is an image of more than 100 MB, made from packages",
            remedy=f"export the commands alone: harness export {exported.id} --sh FILE",
        )
    with scratch_folder("export") as folder:
        prepared = prepare_again(run, chosen, folder)
    arguments = qemu_arguments(prepared.request)
    write_bundle(
        bundle,
        {
            "README": BundleFile(render_readme(exported, run, record).encode()),
            "run.sh": BundleFile(render_bundle_script(exported, arguments).encode(), 0o755),
            "steps.sh": BundleFile(render_steps(exported).encode("utf-8", "surrogateescape")),
            Path(record.id).name: BundleFile("\n".join([*transcript.lines, ""]).encode("utf-8", "surrogateescape")),
            "bzImage": BundleFile(prepared.request.image),
            "guest.cpio": BundleFile(prepared.request.initramfs),
        },
    )
    click.echo(f"written: {bundle}")


def prepare_again(run: RunRecord, suite: Suite, folder: Path) -> Prepared:
    """Prepare the kernel of a run again.

    :raises UsageError: another kernel came of it.
    """
    typed = {name: tuple(one.value for one in run.options if one.name == name) for name in ("--config", "--make")}
    wanted = Options(
        kernel=run.kernel.located,
        accel=Acceleration(run.acceleration) if run.acceleration else None,
        fresh=Fresh.BOOT,
        machine_type=run.machine_type or "q35",
        build=BuildOptions(typed["--config"], make=typed["--make"]),
        suite=suite,
        append=run.kernel.parameters,
    )
    prepared = pipeline.prepare(Context(Store.default(), Deadline.after(_SECONDS), show_phase), wanted, logs=folder)
    if prepared.kernel.image_digest != run.kernel.image_digest:
        raise UsageError(
            f"{run.kernel.called} is another kernel now",
            evidence=f"the run had image {run.kernel.image_digest[:12]}, now it is {prepared.kernel.image_digest[:12]}",
            remedy=f"run the case again and export it from that run: harness run {run.kernel.spec}",
        )
    return prepared


def qemu_arguments(request: BootRequest) -> QemuArguments:
    """Return the arguments of QEMU, without what the harness alone has: open sockets, and memory in a file."""
    machine_type = request.machine_type
    options_of_qemu = [
        *qemu.isolation(),
        *qemu.board(machine_type),
        *qemu.processor(machine_type, request.acceleration),
        *qemu.plain_memory(machine_type),
        *qemu.devices(machine_type),
    ]
    return QemuArguments(request.program.name, tuple(options_of_qemu), machine_type.command_line)
