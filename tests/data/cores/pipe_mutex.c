// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that holds the mutex of a pipe for ever, since it waits for a page that nobody provides (userfaultfd(2)), and
 * one that waits for that mutex: no signal reaches it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_as(const char *name, int pipe_end, char *where)
{
	if (fork())
		return;
	prctl(PR_SET_NAME, name);
	read(pipe_end, where, 1);
	_exit(0);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int ends[2], faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char byte;

	all.range.start = (unsigned long)page;
	all.range.len = 4096;
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) || ioctl(faults, UFFDIO_REGISTER, &all) || pipe(ends)) {
		perror("userfaultfd");
		return 4; /* skipped: CONFIG_USERFAULTFD */
	}
	write(ends[1], "ab", 2);
	if (!fork()) {
		/* A child's own copy of the mapping is not registered: this task itself reads into it. */
		usleep(200000);
		read_as("waiter", ends[0], &byte);
		pause();
	}
	prctl(PR_SET_NAME, "holder");
	read(ends[0], page, 1);
	return 0;
}
