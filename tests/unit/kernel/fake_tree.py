# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of a handful of files whose Makefile obeys the kernel's own words; it builds in a second.

What it shares with the real one: ``O=``, ``allnoconfig`` with ``KCONFIG_ALLCONFIG``, ``olddefconfig``, ``bzImage``,
quiet output, objects that depend on headers, on options and on their command, ``include/config/kernel.release``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.user_git import user_git

MAKEFILE = r"""VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 0
EXTRAVERSION =
KERNELRELEASE := $(VERSION).$(PATCHLEVEL).$(SUBLEVEL)

src := $(CURDIR)
out := $(O)
names := init/main kernel/fork kernel/cgroup/cgroup lib/string
objects := $(names:%=$(out)/%.o)
flags := -I$(src)/include -I$(out)/include -include $(out)/include/generated/autoconf.h -ffreestanding -fno-pie -g \
	-fmacro-prefix-map=$(src)/= -ffile-prefix-map=$(src)=. -ffile-prefix-map=$(out)=. $(KCFLAGS)

bzImage: $(out)/arch/x86/boot/bzImage
all: bzImage

allnoconfig:
	@cat /dev/null $(KCONFIG_ALLCONFIG) > $(out)/.config
olddefconfig:
	@test -f $(out)/.config
kernelrelease:
	@echo $(KERNELRELEASE)

$(out)/include/generated/autoconf.h: $(out)/.config
	@mkdir -p $(@D) $(out)/include/config
	@echo $(KERNELRELEASE) > $(out)/include/config/kernel.release
	@sed -n 's/^\(CONFIG_[A-Z_]*\)=y/#define \1 1/p' $< > $@.new
	@cmp -s $@ $@.new || { echo "  UPD     include/generated/autoconf.h"; cp $@.new $@; }

$(out)/%.o: $(src)/%.c $(src)/include/linux/kernel.h $(out)/include/generated/autoconf.h
	@echo "  CC      $*.o"
	@mkdir -p $(@D)
	@$(CC) -Wall $(flags) -c -o $@ $<

$(out)/vmlinux: $(objects)
	@echo "  LD      vmlinux"
	@$(LD) -e start_kernel --build-id=none -o $@ $^
	@nm -n $@ > $(out)/System.map

$(out)/arch/x86/boot/bzImage: $(out)/vmlinux
	@mkdir -p $(@D)
	@echo "  OBJCOPY arch/x86/boot/bzImage"
	@objcopy -O binary $< $@.raw
	@{ echo "$(KERNELRELEASE) ($(KBUILD_BUILD_USER)@$(KBUILD_BUILD_HOST)) $(KBUILD_BUILD_TIMESTAMP)"; cat $@.raw; } > $@
	@echo "Kernel: arch/x86/boot/bzImage is ready  (#$(KBUILD_BUILD_VERSION))"

.PHONY: all bzImage allnoconfig olddefconfig kernelrelease
"""

FILES = {
    "Makefile": MAKEFILE,
    "Kbuild": "",
    "Kconfig": 'mainmenu "Linux/$(ARCH) $(KERNELVERSION) Kernel Configuration"\n',
    "MAINTAINERS": "",
    "include/linux/kernel.h": "int fork_one(int of);\nint cgroup_of(int task);\nint length(const char *of);\n",
    "init/main.c": "#include <linux/kernel.h>\nint start_kernel(void)\n{\n\treturn fork_one(cgroup_of(1));\n}\n",
    "kernel/fork.c": "#include <linux/kernel.h>\nint fork_one(int of)\n{\n\treturn of + length(__FILE__);\n}\n",
    "kernel/cgroup/cgroup.c": "#include <linux/kernel.h>\nint cgroup_of(int task)\n{\n\treturn task;\n}\n",
    "lib/string.c": "#include <linux/kernel.h>\nint length(const char *of)\n{\n\treturn of[0] ? 2 : 0;\n}\n",
}
CONFIG = "# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_64BIT=y\nCONFIG_CGROUPS=y\n"


def write_tree(folder: Path, files: dict[str, str] | None = None) -> Path:
    """The tree's files in a folder that need not exist; ``files`` are added or replace those of the same name."""
    for name, text in {**FILES, **(files or {})}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


@dataclass
class FakeRepository:
    """The tree in a git repository that the test may commit to.

    :param commits: full hashes, oldest first; the tree as it is at first, then one for each :meth:`commit`.
    """

    path: Path
    commits: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, str], *, subject: str = "a change") -> str:
        """Write files, commit them, and return the commit."""
        for name, text in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]

    def git(self, *words: str) -> str:
        """What git says, run in the repository."""
        who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **who}
        return user_git(self.path, *words, env=env).decode().strip()


def make_repository(path: Path) -> FakeRepository:
    """A git repository with the tree as its first commit."""
    write_tree(path)
    repository = FakeRepository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit({}, subject="the tree")
    return repository
