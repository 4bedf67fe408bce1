# SPDX-License-Identifier: GPL-2.0-only
"""Describe this host for the record of a run."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil


def host_facts() -> str:
    """Describe this host in one line: kernel, processor, cores, memory."""
    memory = psutil.virtual_memory().total / (1 << 30)
    return f"Linux {platform.release()}, {processor_model()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def processor_model() -> str:
    """Return the processor's name in /proc/cpuinfo, else the machine type."""
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
