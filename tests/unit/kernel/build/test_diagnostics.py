# SPDX-License-Identifier: GPL-2.0-only
"""What a build's lines are read as; the messages are those of gcc 12, binutils 2.40, GNU make 4.3 and Linux 6.1."""

from __future__ import annotations

import pytest

from harness.kernel.build.diagnostics import Diagnostic, Severity, lines_to_show, parse_diagnostics
from harness.kernel.toolchain.missing import read_missing_tool

GCC = """\
  CC      kernel/a.o
/src/kernel/a.c: In function ‘f’:
/src/kernel/a.c:2:41: error: ‘y’ undeclared (first use in this function)
    2 | int f(void){ int unused; return foo() + y; }
      |                                         ^
/src/kernel/a.c:2:41: note: each undeclared identifier is reported only once for each function it appears in
/src/kernel/a.c:2:18: warning: unused variable ‘unused’ [-Wunused-variable]
    2 | int f(void){ int unused; return foo() + y; }
      |                  ^~~~~~
make[3]: *** [/src/scripts/Makefile.build:250: kernel/a.o] Error 1
make[2]: *** [/src/scripts/Makefile.build:500: kernel] Error 2
make[1]: *** [/src/Makefile:2030: .] Error 2
make: *** [Makefile:238: __sub-make] Error 2
"""


def test_an_error_of_the_compiler_has_its_place_and_its_line() -> None:
    """File, line and column are relative to the tree; the source line follows; what make says adds nothing."""
    error, warning = parse_diagnostics(GCC.splitlines())

    assert error.render() == "kernel/a.c:2:41: error: ‘y’ undeclared (first use in this function)"
    assert error.context == (
        "    2 | int f(void){ int unused; return foo() + y; }",
        "      |                                         ^",
    )
    assert (warning.severity, warning.line) == (Severity.WARNING, 2)
    assert lines_to_show(GCC.splitlines(), [error, warning]) == [error.render(), *error.context]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ("/src/kernel/d.c:1:10: fatal error: x.h: No such file or directory", "kernel/d.c:1:10: error: x.h: No such"),
        ("/out/include/generated/x.h:3: warning: y", "include/generated/x.h:3: warning: y"),
        (
            "/src/arch/x86/s.S: Assembler messages:\n/src/arch/x86/s.S:7: Error: no such instruction: `nosuch %eax'",
            "arch/x86/s.S:7: error: no such instruction: `nosuch %eax'",
        ),
        (
            "ld: kernel/b.o: in function `f':\nb.c:(.text+0x5): undefined reference to `foo'",
            "kernel/b.c: error: undefined reference to `foo'",
        ),
        (
            "ld: kernel/b.o: in function `f':\n/src/kernel/b.c:2: undefined reference to `foo'",
            "kernel/b.c:2: error: undefined reference to `foo'",
        ),
        (
            "/usr/bin/ld: vmlinux.o: in function `f':\nc.c:(.text+0x0): multiple definition of `f'; b.o:b.c: first",
            "c.c: error: multiple definition of `f'; b.o:b.c: first",
        ),
        ("ld: kernel/x.o:(.data+0x8): undefined reference to `y'", "kernel/x.o: error: undefined reference to `y'"),
        ("x86_64-linux-gnu-ld: warning: a.o: missing .note.GNU-stack", "warning: a.o: missing .note.GNU-stack"),
        (
            "kernel/x.o: warning: objtool: y()+0x12: unreachable instruction",
            "kernel/x.o: warning: objtool: y()+0x12: unreachable instruction",
        ),
        ('ERROR: modpost: "y" [fs/x.ko] undefined!', 'error: modpost: "y" [fs/x.ko] undefined!'),
        (
            "WARNING: modpost: vmlinux.o(.text+0x1): Section mismatch in reference",
            "warning: modpost: vmlinux.o(.text+0x1): Section mismatch in reference",
        ),
        ("/src/kernel/Makefile:2: *** missing separator.  Stop.", "kernel/Makefile:2: error: missing separator."),
        (
            "make[2]: *** No rule to make target 'kernel/x.o', needed by 'kernel/built-in.a'.  Stop.",
            "error: No rule to make target 'kernel/x.o', needed by 'kernel/built-in.a'.",
        ),
        ("cc1: out of memory allocating 65536 bytes", "error: cc1: out of memory allocating 65536 bytes"),
        ("gcc: error: unrecognized option ‘-x’", "error: gcc: error: unrecognized option ‘-x’"),
        ("/bin/sh: 1: frob: not found", "error: /bin/sh: 1: frob: not found"),
        (
            "make[1]: *** [/src/x.mk:7: touch] Error 1\nmake: *** [Makefile:9: all] Error 2",
            "error: make: touch: Error 1",
        ),
        (
            (
                "  Using /src as source for kernel\n  /src is not clean, please run 'make mrproper'\n"
                "make[1]: *** [/src/Makefile:969: prepare3] Error 1\nmake: *** [Makefile:146: sub-make] Error 2"
            ),
            "error: /src is not clean, please run 'make mrproper' (make: prepare3: Error 1)",
        ),
        ("/src/kernel/Kconfig:12: syntax error", None),
        ("/usr/bin/ld: NOTE: This behaviour is deprecated and will be removed in a future version of the linker", None),
        ("  LD      vmlinux\ncc1: all warnings being treated as errors\nkernel/a.c:1:2: note: error: no", None),
    ],
)
def test_every_tool_is_understood(lines: str, shown: str | None) -> None:
    """Each tool of a build has its way to complain; what is no complaint is none."""
    found = [one.render() for one in parse_diagnostics(lines.splitlines())]

    assert (found[0].startswith(shown), len(found)) == (True, 1) if shown else not found


def test_a_complaint_said_twice_is_one() -> None:
    """A header that many files include is complained of once."""
    line = "/src/include/linux/x.h:3:1: warning: y"

    assert parse_diagnostics([line, line]) == (Diagnostic(Severity.WARNING, "include/linux/x.h", 3, 1, "y"),)


def test_without_an_error_the_last_lines_tell() -> None:
    """A build that fails without a complaint is shown by its end."""
    assert lines_to_show(["a", "b", "c"], [], most=2) == ["b", "c"]


@pytest.mark.parametrize(
    ("line", "package", "probe"),
    [
        ("/bin/sh: 1: flex: not found", "flex", "flex"),
        ("make[1]: bison: No such file or directory", "bison", "bison"),
        ("/src/scripts/x.sh: line 9: pahole: command not found", "dwarves", "pahole"),
        ("BTF: .tmp_vmlinux.btf: pahole (pahole) is not available", "dwarves", "pahole"),
        ("prlimit: failed to execute make: No such file or directory", "make", "make"),
        ("gcc: fatal error: cannot execute ‘as’: execvp: No such file or directory", "binutils", "as"),
        (
            "/src/scripts/x.c:21:10: fatal error: openssl/bio.h: No such file or directory",
            "libssl-dev",
            "openssl/ssl.h",
        ),
        ("Makefile: error: please install libelf-dev, libelf-devel or elfutils-libelf-devel", "libelf-dev", "gelf.h"),
    ],
)
def test_what_the_host_lacks_is_named_by_its_package(line: str, package: str, probe: str) -> None:
    """A missing program or header leads to the Debian package that has it."""
    lack = read_missing_tool(["  CC  x.o", line])

    assert lack is not None
    assert (lack.package, lack.program or lack.header, lack.line) == (package, probe, line)


@pytest.mark.parametrize(
    "line", ["sh: 1: frob: not found", "x.c:1:1: fatal error: linux-x.h: No such file or directory"]
)
def test_what_no_package_is_known_for_is_not_the_hosts(line: str) -> None:
    """A program or header of the series' own invention is its own fault."""
    assert read_missing_tool([line]) is None
