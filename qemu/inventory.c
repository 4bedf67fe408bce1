// SPDX-License-Identifier: GPL-2.0-only
/*
 * inventory - list what user space finds on a kernel, one entry a line: "NAME = FACTS".
 *
 *	inventory files DIR...		each file of these directories: mode, owner, what opening for reading
 *					and writing and lseek(2) answer, the format of its content, and the
 *					content of a writable file of one line
 *	inventory names DIR...		each name below these directories: type, mode and owner
 *	inventory mount TYPE OPTION...	whether a file system accepts each option, alone
 *
 * Nothing is written to a file. Entries are sorted, and have no facts that differ from boot to boot.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <guest_helper.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define CONTENT_SIZE 65536
#define SHORT_TEXT 40
#define MOST_DEPTH 32
#define LONG_NUMBER 7			/* digits of what may be a counter */
#define TICKS 50000			/* microseconds; the times of processes are counted in ticks */

static char *join(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		exit(1);
	return path;
}

static const char *open_answer(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_name(errno);
	close(fd);
	return "ok";
}

/* Counts the words of a line, and tells whether all but the first have "=" in them. */
static int words_of(const char *text, size_t length, bool *is_nested)
{
	bool inside = false, has_sign = false;
	int count = 0;

	*is_nested = true;
	for (size_t at = 0; at <= length; at++) {
		bool is_word = at < length && text[at] != ' ' && text[at] != '\t';

		if (is_word && !inside) {
			count++;
			has_sign = false;
		}
		has_sign |= is_word && text[at] == '=';
		if (!is_word && inside && count > 1)
			*is_nested &= has_sign;
		inside = is_word;
	}
	*is_nested &= count > 1;
	return count;
}

/*
 * The formats of Documentation/admin-guide/cgroup-v2.rst, "Format": a value, values separated by
 * newlines or by spaces, flat keyed, nested keyed.
 */
static const char *format_of(const char *text, size_t length)
{
	int lines = 0, pairs = 0, nested = 0, single = 0;

	if (!length)
		return "empty";
	if (memchr(text, 0, length))
		return "binary";
	for (size_t start = 0; start < length; lines++) {
		const char *end = memchr(text + start, '\n', length - start);
		size_t size = end ? (size_t)(end - text) - start : length - start;
		bool is_nested;
		int words = words_of(text + start, size, &is_nested);

		single += words <= 1;
		pairs += words == 2 && !is_nested;
		nested += is_nested;
		start += size + 1;
	}
	if (nested == lines)
		return "nested-keyed";
	if (single == lines)
		return lines == 1 ? "value" : "lines";
	if (pairs == lines && lines > 1)
		return "flat-keyed";
	return lines == 1 ? "values" : "table";
}

static bool is_list_of_tasks(const char *name)
{
	const char *end = strrchr(name, '.');

	end = end ? end + 1 : name;
	return !strcmp(end, "procs") || !strcmp(end, "threads") || !strcmp(end, "tasks");
}

/* A counter that can be reset has no default: it differs when it is read again. */
static void show_default(char *facts, size_t size, int fd, const char *text, size_t length)
{
	char again[SHORT_TEXT];
	ssize_t got;

	if (strspn(text, "0123456789") >= LONG_NUMBER)
		usleep(TICKS);
	got = pread(fd, again, sizeof(again), 0);
	if (got == (ssize_t)length && !memcmp(text, again, length))
		snprintf(facts, size, " default=\"%.*s\"",
			 (int)(text[length - 1] == '\n' ? length - 1 : length), text);
}

static void show_content(char *facts, size_t size, const char *path, const char *name, bool is_writable)
{
	static char text[CONTENT_SIZE];
	size_t used = strlen(facts), length = 0;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return;
	while (length < sizeof(text) && (got = read(fd, text + length, sizeof(text) - length)) > 0)
		length += got;
	if (got < 0) {
		snprintf(facts + used, size - used, " content=%s", error_name(errno));
	} else if (is_list_of_tasks(name)) {
		snprintf(facts + used, size - used, " seek=%s content=tasks",
			 lseek(fd, 0, SEEK_SET) < 0 ? error_name(errno) : "ok");
	} else {
		const char *format = format_of(text, length);

		snprintf(facts + used, size - used, " seek=%s content=%s",
			 lseek(fd, 0, SEEK_SET) < 0 ? error_name(errno) : "ok", format);
		used = strlen(facts);
		if (is_writable && length > 1 && length <= SHORT_TEXT && !strncmp(format, "value", 5))
			show_default(facts + used, size - used, fd, text, length);
	}
	close(fd);
}

static int not_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int scan(const char *directory, struct dirent ***names)
{
	int count = scandir(directory, names, not_dots, by_bytes);

	if (count < 0)
		line("%s = %s", directory, error_name(errno));
	return count;
}

static void list_files(const char *directory)
{
	struct dirent **names;
	int count = scan(directory, &names);

	for (int at = 0; at < count; at++) {
		char *path = join(directory, names[at]->d_name);
		char facts[512];
		struct stat status;

		if (!lstat(path, &status) && S_ISREG(status.st_mode)) {
			const char *writing = open_answer(path, O_WRONLY);

			snprintf(facts, sizeof(facts), "mode=%04o owner=%u:%u read=%s write=%s",
				 status.st_mode & 07777, status.st_uid, status.st_gid,
				 open_answer(path, O_RDONLY), writing);
			show_content(facts, sizeof(facts), path, names[at]->d_name,
				     (status.st_mode & 0222) && !strcmp(writing, "ok"));
			line("%s = %s", path, facts);
		}
		free(path);
		free(names[at]);
	}
	if (count >= 0)
		free(names);
}

static const char *type_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "directory";
	if (S_ISLNK(mode))
		return "link";
	return S_ISREG(mode) ? "file" : "special";
}

static void list_names(const char *directory, int depth)
{
	struct dirent **names;
	int count = scan(directory, &names);

	for (int at = 0; at < count; at++) {
		char *path = join(directory, names[at]->d_name);
		struct stat status;

		if (!lstat(path, &status)) {
			line("%s = %s mode=%04o owner=%u:%u", path, type_of(status.st_mode),
			     status.st_mode & 07777, status.st_uid, status.st_gid);
			if (S_ISDIR(status.st_mode) && depth < MOST_DEPTH)
				list_names(path, depth + 1);
		}
		free(path);
		free(names[at]);
	}
	if (count >= 0)
		free(names);
}

static int try_mounts(const char *type, char **options)
{
	char directory[] = "/tmp/inventory-XXXXXX";

	if (!mkdtemp(directory))
		return 1;
	for (; *options; options++) {
		int result = mount("inventory", directory, type, 0, *options);

		line("mount -t %s -o %s = %s", type, *options, result ? error_name(errno) : "ok");
		if (!result)
			umount2(directory, MNT_DETACH);
	}
	rmdir(directory);
	return 0;
}

int main(int count, char **words)
{
	if (count > 2 && !strcmp(words[1], "files")) {
		for (int at = 2; at < count; at++)
			list_files(words[at]);
		return 0;
	}
	if (count > 2 && !strcmp(words[1], "names")) {
		for (int at = 2; at < count; at++)
			list_names(words[at], 0);
		return 0;
	}
	if (count > 3 && !strcmp(words[1], "mount"))
		return try_mounts(words[2], words + 3);
	line("usage: inventory files DIR... | names DIR... | mount TYPE OPTION...");
	return STATUS_USAGE;
}
