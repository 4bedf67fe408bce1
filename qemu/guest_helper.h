/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions for the C helpers of guests: nsctl, and the helpers of suites (guest.helpers).
 *
 *	#define _GNU_SOURCE
 *	#include <guest_helper.h>
 *
 * Helpers print one line for each system call, as strace does: "CALL = 0", "CALL = -1 ENAME".
 */
#ifndef GUEST_HELPER_H
#define GUEST_HELPER_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 16384
#define STATUS_USAGE 64			/* exit status for a usage error */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Write a whole text to standard output. */
static inline void put(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t done = write(STDOUT_FILENO, text, length);

		if (done < 0 && errno != EINTR)
			return;
		if (done > 0) {
			text += done;
			length -= done;
		}
	}
}

/* Write a line with one write, so that lines of two processes on one terminal do not mix. */
static inline void __attribute__((format(printf, 1, 2))) line(const char *format, ...)
{
	static _Thread_local char text[LINE_SIZE];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(text, sizeof(text) - 1, format, list);
	va_end(list);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	text[length] = '\n';
	put(text, length + 1);
}

/* Return the name of an error number: "EPERM". */
static inline const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "E?";
}

#endif
