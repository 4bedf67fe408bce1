# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of a handful of files that builds single objects in each way that the checks ask for."""

from __future__ import annotations

from tests.unit.kernel.fake_tree import MAKEFILE

_OBJECTS = """
.PHONY: $(names:%=%.o)
$(names:%=%.o): %.o: $(out)/%.o
	@:
ifeq ($(W),1)
flags += -Wextra -Wno-unused-parameter
endif
ifeq ($(ARCH),i386)
flags += -m32
endif
"""
_MORE = """
allmodconfig:
	@sed -n 's/.*config \\([A-Z_]*\\).*/CONFIG_\\1=y/p' $(src)/Kconfig > $(out)/.config
headers_install:
	@mkdir -p $(INSTALL_HDR_PATH)/include && cp -r $(src)/include/uapi/* $(INSTALL_HDR_PATH)/include/
.PHONY: allmodconfig headers_install
"""
KCONFIG = """mainmenu "Linux/$(ARCH) $(KERNELVERSION) Kernel Configuration"
config EXPERT
	bool "x"
config ONLY_ALL
	bool "y"
"""
UAPI = """#ifndef _UAPI_LINUX_ONE_H
#define _UAPI_LINUX_ONE_H
struct one {
	int first;
	missing_already second;
};
#endif
"""
BUILDING = {
    "Makefile": MAKEFILE.replace("\nbzImage:", f"\n{_OBJECTS}\nbzImage:", 1).replace(".PHONY:", f"{_MORE}\n.PHONY:", 1),
    "kernel/Makefile": "obj-y += fork.o cgroup/\n",
    "kernel/cgroup/Makefile": "obj-$(CONFIG_EXPERT) += cgroup.o\n",
    "lib/Makefile": "lib-$(CONFIG_NO_SUCH) := string.o\n",
    "Kconfig": KCONFIG,
    "include/uapi/linux/one.h": UAPI,
}
