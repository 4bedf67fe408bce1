// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU that notes which code of the guest's kernel was translated, and so was run.
 *
 * QEMU translates a block of instructions when it runs it for the first time. A clone starts with no translated code,
 * so what it translates is what it runs. Nothing is added to the translated code itself.
 *
 * Arguments: fd=N (an open file that is as large as the bitmap), base=ADDRESS, size=BYTES. Bit A - base of the file is
 * set when the byte of code at address A was translated. The file is mapped shared: what was noted outlives QEMU.
 *
 * Debian's QEMU 7.2 has no header for plugins. These are the functions of the documented interface that are used here;
 * they are the same in all of its versions. PLUGIN_VERSION is the version of the interface, chosen for the QEMU.
 */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef void (*translated_callback)(uint64_t plugin, struct qemu_plugin_tb *block);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, translated_callback callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

EXPORTED int qemu_plugin_version = PLUGIN_VERSION;
EXPORTED int qemu_plugin_install(uint64_t plugin, const void *info, int argc, char **argv);

static uint64_t base, size;
static unsigned char *bits;

static void translated(uint64_t plugin, struct qemu_plugin_tb *block)
{
	(void)plugin;
	uint64_t from = qemu_plugin_tb_vaddr(block) - base;
	size_t count = qemu_plugin_tb_n_insns(block);

	if (from >= size || count == 0)
		return;
	struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(block, count - 1);
	uint64_t to = qemu_plugin_insn_vaddr(last) - base + qemu_plugin_insn_size(last);

	if (to > size)
		to = size;
	/* Several processors may translate at once (thread=multi). */
	for (uint64_t at = from; at < to; at = (at | 7) + 1) {
		unsigned char set = 0xff << (at & 7);

		if (to < (at | 7) + 1)
			set &= 0xff >> (8 - (to & 7));
		if ((bits[at >> 3] & set) != set)
			__atomic_fetch_or(&bits[at >> 3], set, __ATOMIC_RELAXED);
	}
}

static int complain(const char *what)
{
	fprintf(stderr, "coverage plugin: %s\n", what);
	return -1;
}

int qemu_plugin_install(uint64_t plugin, const void *info, int argc, char **argv)
{
	int fd = -1;
	struct stat file;

	(void)info;
	for (int i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			return complain("an argument has no value");
		value++;
		if (!strncmp(argv[i], "fd=", 3))
			fd = strtol(value, NULL, 0);
		else if (!strncmp(argv[i], "base=", 5))
			base = strtoull(value, NULL, 0);
		else if (!strncmp(argv[i], "size=", 5))
			size = strtoull(value, NULL, 0);
		else
			return complain("unknown argument");
	}
	if (fstat(fd, &file) || size == 0 || (uint64_t)file.st_size < (size + 7) / 8)
		return complain("fd= is no file that holds the bitmap");
	bits = mmap(NULL, (size + 7) / 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bits == MAP_FAILED)
		return complain("the bitmap cannot be mapped");
	qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
	return 0;
}
