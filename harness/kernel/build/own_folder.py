# SPDX-License-Identifier: GPL-2.0-only
"""Find and check a user's own build folder: the tree itself, or the folder of ``make O=``."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, SuiteConfig, check_bootable, parse_config

CONFIG = ".config"
_MADE_FOR = re.compile(r"^# Linux/(\S+) ", re.MULTILINE)
# The Makefile in a folder of O=: "include /home/u/linux/Makefile", before Linux 5.6 "MAKEARGS := -C /home/u/linux".
_SOURCE = re.compile(r"^(?:include (?P<file>\S+)/Makefile|MAKEARGS := -C (?P<folder>\S+))$", re.MULTILINE)
_COMMAND = re.compile(r"^(?:saved)?cmd_\S+ := (?P<words>[^-].*?) -", re.MULTILINE)
_AN_OBJECT = "init/.main.o.cmd"
_BUILDER = re.compile(r'^#define LINUX_COMPILE_(BY|HOST)\s+"(.*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OwnFolder:
    """A build folder of the user.

    :param tree: the kernel tree.
    :param output: the folder that make writes to; the tree itself without ``O=``.
    :param config: the ``.config``.
    :param compiler: the words of the compiler that made the objects; empty without objects.
    """

    tree: Path
    output: Path
    config: KernelConfig
    compiler: tuple[str, ...] = ()

    @property
    def is_tree(self) -> bool:
        """Return whether the tree itself is built in."""
        return self.tree == self.output

    @property
    def make_command(self) -> str:
        """Return the command with which the user builds here, for hints."""
        return f"make -C {self.output}"


def find_own_folder(path: Path, environment: Mapping[str, str]) -> OwnFolder:
    """Find the build folder of an argument: a tree, or a folder of ``make O=``.

    :param environment: ``KBUILD_OUTPUT`` names the build folder of a tree, as for make.
    :raises UsageError: the folder is not configured, or the tree has a build of its own as well.
    """
    path = path.resolve()
    tree = _tree_of(path)
    if tree is None:
        tree, output = path, path
        if named := environment.get("KBUILD_OUTPUT", ""):
            output = (path / named).resolve()
    else:
        output = path
    text = _text(output / CONFIG)
    if text is None:
        raise UsageError(
            f"{output} is not configured: it has no .config",
            remedy=f"configure it: make -C {tree}{'' if tree == output else f' O={output}'} defconfig; "
            "or leave out --in-place",
        )
    if tree != output and ((tree / CONFIG).exists() or (tree / "include/config").exists()):
        raise UsageError(
            f"{tree} has a build of its own, so make refuses to build in {output}",
            evidence=f"{tree} has .config or include/config",
            remedy=f"give {tree} to build there, or clean it: make -C {tree} mrproper",
        )
    if output.stat().st_uid != os.geteuid():
        raise UsageError(
            f"{output} belongs to another user",
            evidence=f"its owner is uid {output.stat().st_uid}, this process is uid {os.geteuid()}",
            remedy="run the command as the owner of the folder",
        )
    compiler = _COMMAND.search(_text(output / _AN_OBJECT) or "")
    config = parse_config(text, ConfigSource.BESIDE)
    return OwnFolder(tree, output, config, tuple(compiler["words"].split()) if compiler else ())


def require_bootable(own: OwnFolder, suite: SuiteConfig) -> None:
    """Require a ``.config`` for this machine that supports the guest.

    :raises UsageError: it is for another architecture, or options are missing; the evidence names them.
    """
    made_for = _MADE_FOR.search(own.config.text)
    if made_for is not None and made_for[1] not in ("x86", "x86_64"):
        raise UsageError(
            f"{own.output} is configured for {made_for[1]}; the guest needs x86_64",
            evidence=made_for[0],
            remedy="give a folder that is configured for x86_64, or leave out --in-place",
        )
    if unmet := check_bootable(own.config, suite):
        raise UsageError(
            f"the .config of {own.output} cannot run the guest: " + "; ".join(need.state for need in unmet),
            evidence="\n".join(map(str, unmet)),
            remedy=f"change these options: {own.make_command} menuconfig; or leave out --in-place",
        )


def compiler_assignments(own: OwnFolder) -> tuple[str, ...]:
    """Return the variables of make with which the objects were compiled; none for gcc, or without objects."""
    if not own.compiler or own.compiler == ("gcc",):
        return ()
    *before, program = own.compiler
    name = program.rpartition("/")[2]
    if not before and name.startswith("clang") and own.config.value("CONFIG_LD_IS_LLD") == "y":
        return (f"LLVM={name.removeprefix('clang') or '1'}",)
    if not before and name.endswith("-gcc"):
        return (f"CROSS_COMPILE={program.removesuffix('gcc')}",)
    return (f"CC={' '.join(own.compiler)}",)


def require_same_compiler(own: OwnFolder, version: str) -> None:
    """Require the compiler that the folder was configured with: make would compile everything again with another one.

    :param version: the first line of its ``--version``.
    :raises UsageError: it is another one.
    """
    configured = own.config.value("CONFIG_CC_VERSION_TEXT")
    if configured is not None and configured.strip() != version.strip():
        raise UsageError(
            f"{own.output} was built with another compiler",
            evidence=f"its .config has: {configured}\nthis host has:   {version}",
            remedy="choose that compiler with --make, e.g. --make CC=gcc-13; "
            f"or accept the new one: {own.make_command} olddefconfig",
        )


def builder(own: OwnFolder) -> dict[str, str]:
    """Return the variables that keep user and host in the objects as they are: other ones are compiled in again."""
    found = dict(_BUILDER.findall(_text(own.output / "include/generated/compile.h") or ""))
    return {
        f"KBUILD_BUILD_{name}": value for key, name in (("BY", "USER"), ("HOST", "HOST")) if (value := found.get(key))
    }


def _tree_of(path: Path) -> Path | None:
    """Return the tree of a folder of ``make O=``; None for any other folder."""
    source = path / "source"
    if source.is_symlink() and source.is_dir():
        return source.resolve()
    if found := _SOURCE.search((_text(path / "Makefile") or "")[:2000]):
        folder = Path(found["file"] or found["folder"])
        return (path / folder).resolve() if (path / folder / "Kbuild").is_file() else None
    return None


def _text(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return path.read_text(errors="surrogateescape")
    return None
