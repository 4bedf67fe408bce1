// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgctl - guest program of the cases of cgroup namespaces, besides nsctl.
 *
 *	cgctl hierarchies [-v] PATH SPEC...
 *		Mount cgroup hierarchies. SPEC is v1:CONTROLLERS, v1:name=NAME, v2 or v2:OPTIONS.
 *		v2 alone is mounted on PATH. With any v1, a tmpfs is mounted on PATH, each v1 on
 *		PATH/CONTROLLERS (PATH/NAME) and v2 on PATH/unified. On a kernel without the type
 *		cgroup2, v2 is mounted with -t cgroup -o __DEVEL__sane_behavior, and a line is
 *		printed. Other lines are printed for failed mounts only, or with -v for each mount.
 *	cgctl storm SECONDS WORKERS PATH
 *		Run WORKERS processes for SECONDS. Each makes cgroups in the directory PATH, enters
 *		them, makes and enters cgroup namespaces, mounts, reads, exits and removes them.
 *		Failures of single calls are ignored. The result is the number of rounds.
 *	cgctl iterator ID
 *		bpf(2): make a link for a program that iterates over the cgroup with this ID, its
 *		inode number in the default hierarchy. The kernel looks up the ID.
 *
 * Lines have the form of nsctl: "hierarchy(v2, /mnt) = -1 EBUSY". Exit status: 0 on success, 1 when
 * a call failed, 64 for a usage error. "hierarchies" exits with 4 when the kernel does not have the
 * controller or file system type: it is not in /proc/cgroups or /proc/filesystems, a parameter in
 * /proc/cmdline switches it off, or the kernel refuses its name. It then prints one line that names
 * it: "this kernel has no controller blkio (hierarchy(...) = -1 EINVAL)".
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <guest_helper.h>

#define STATUS_MISSING 4

static int exit_status;

/* ---- output ---- */

/* Formats the line of a call: "CALL = 0", or "CALL = -1 ENAME". */
static void __attribute__((format(printf, 4, 5)))
describe(char *line, size_t size, long result, const char *format, ...)
{
	int error = errno;
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line, size, format, list);
	va_end(list);
	if (length < 0 || (size_t)length >= size)
		return;
	if (result < 0)
		snprintf(line + length, size - length, " = -1 %s", error_name(error));
	else
		snprintf(line + length, size - length, " = %ld", result);
}

/* Prints the line of a call, and sets the exit status if the call failed. */
#define report(result, ...)                                                                        \
	({                                                                                         \
		char reported[LINE_SIZE / 2];                                                      \
		long value = (result);                                                             \
                                                                                                   \
		describe(reported, sizeof(reported), value, __VA_ARGS__);                          \
		puts(reported);                                                                    \
		if (value < 0)                                                                     \
			exit_status = 1;                                                           \
		value >= 0;                                                                        \
	})

static unsigned long long number_of(const char *word)
{
	return strtoull(word, NULL, 0);
}

/* ---- files and processes ---- */

static void close_quietly(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	ssize_t length = 0, done = 0;

	while ((size_t)length < size && (done = read(fd, text + length, size - length)) != 0) {
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		length += done;
	}
	return length;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- hierarchies ---- */

/* The mount flags of systemd. */
#define HIERARCHY_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Options of a v1 mount that are not controllers: parse_cgroup1_options() of kernel/cgroup/cgroup-v1.c. */
static const char *const flags[] = {
	"none", "all", "noprefix", "clone_children", "cpuset_v2_mode", "xattr", "favordynmods",
};

/* The lines of calls, in their order, for output at the end. */
static char output[LINE_SIZE];

/* Missing controllers and file system types, separated by ", ". */
static char missing[LINE_SIZE / 4];

/* Whether a mount of the default hierarchy failed for its type or option, and not as "busy" or for a permission. */
static bool is_type_refused;

static void append(char *text, size_t size, const char *separator, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s%s", length ? separator : "", more);
}

/* Reads the start of a file as text; empty if it cannot be read. */
static void read_text(const char *file, char *text, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read_all(fd, text, size - 1);

	if (fd >= 0)
		close_quietly(fd);
	text[length < 0 ? 0 : length] = '\0';
}

/* Tests whether a file contains this word. */
static bool has_word(const char *file, const char *wanted)
{
	char text[LINE_SIZE], *rest = text, *word;

	read_text(file, text, sizeof(text));
	while ((word = strsep(&rest, " \t\n")))
		if (!strcmp(word, wanted))
			return true;
	return false;
}

static bool is_offered(const char *word)
{
	return has_word("/proc/cgroups", word) || has_word("/proc/filesystems", word);
}

/* Tests whether a controller is compiled in and disabled by cgroup_disable=: the last column of /proc/cgroups is 0. */
static bool is_disabled(const char *controller)
{
	char text[LINE_SIZE], *rest = text, *line, name[64];
	int enabled;

	read_text("/proc/cgroups", text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%63s %*d %*d %d", name, &enabled) == 2 && !strcmp(name, controller))
			return !enabled;
	return false;
}

static bool is_controller(const char *option)
{
	size_t i;

	if (strchr(option, '='))
		return false;
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(option, flags[i]))
			return false;
	return true;
}

/*
 * Finds a parameter in /proc/cmdline that switches a controller off, such as cgroup_no_v1=all or
 * cgroup_disable=memory. "named" stands for hierarchies without a controller.
 */
static bool is_switched_off(const char *controller, char *parameter, size_t size)
{
	char text[LINE_SIZE], *rest = text, *word;

	read_text("/proc/cmdline", text, sizeof(text));
	while ((word = strsep(&rest, " \t\n"))) {
		bool is_v1 = !strncmp(word, "cgroup_no_v1=", 13);
		char list[512], *names = list, *name;

		if (!is_v1 && strncmp(word, "cgroup_disable=", 15))
			continue;
		snprintf(parameter, size, "%s", word);
		snprintf(list, sizeof(list), "%s", strchr(word, '=') + 1);
		while ((name = strsep(&names, ",")))
			if (!strcmp(name, controller) || (is_v1 && !strcmp(name, "all") && strcmp(controller, "named")))
				return true;
	}
	return false;
}

/*
 * Asks the kernel why it refuses a controller. /proc/cgroups is no proof that v1 has it: with
 * CONFIG_MEMCG_V1 off, memory is listed and its name is unknown to v1. Needs fsopen(2) of 5.2.
 */
static bool is_refused(const char *controller, char *reason, size_t size)
{
	int fd = syscall(SYS_fsopen, "cgroup", 0);
	ssize_t length = -1;
	bool is_name = false;

	if (fd < 0)
		return false;
	if (syscall(SYS_fsconfig, fd, 0 /* FSCONFIG_SET_FLAG */, controller, NULL, 0) < 0 && errno == EINVAL)
		length = read(fd, reason, size - 1);
	close_quietly(fd);
	if (length > 0) {
		reason[length - (reason[length - 1] == '\n')] = '\0';
		is_name = strstr(reason, "Unknown subsys name") || strstr(reason, "Disabled controller");
		/* "e cgroup: Unknown subsys name 'memory'" */
		if (reason[1] == ' ')
			memmove(reason, reason + 2, strlen(reason + 2) + 1);
	}
	return is_name;
}

/* Collects the controllers and types of a hierarchy that the kernel does not have. */
static void find_missing(const char *spec)
{
	char options[512], name[1200], why[512], *rest = options, *option;

	if (spec[1] == '2') {
		if (!missing[0] && is_type_refused && !is_offered("cgroup2"))
			append(missing, sizeof(missing), ", ", "file system type cgroup2");
		return;
	}
	snprintf(options, sizeof(options), "%s", spec + 3);
	while ((option = strsep(&rest, ","))) {
		const char *controller = !strncmp(option, "name=", 5) ? "named" : option;

		if (controller == option && !is_controller(option))
			continue;
		if (is_switched_off(controller, why, sizeof(why)))
			snprintf(name, sizeof(name), "controller %s in v1, by %s", option, why);
		else if (controller != option)
			continue;
		else if (!is_offered(option))
			snprintf(name, sizeof(name), "controller %s", option);
		else if (is_disabled(option))
			snprintf(name, sizeof(name), "controller %s: it is disabled at boot", option);
		else if (is_refused(option, why, sizeof(why)))
			snprintf(name, sizeof(name), "controller %s in v1: %s", option, why);
		else
			continue;
		append(missing, sizeof(missing), ", ", name);
	}
}

/* Tests whether a mounted hierarchy offers these controllers, "+memory,+pids"; collects the others as missing. */
static bool has_controllers(const char *wanted, const char *place)
{
	char options[512], file[600], name[600], *rest = options, *option;
	bool all = true;

	snprintf(options, sizeof(options), "%s", wanted);
	snprintf(file, sizeof(file), "%s/cgroup.controllers", place);
	while ((option = strsep(&rest, ","))) {
		if (has_word(file, option + 1))
			continue;
		snprintf(name, sizeof(name), "controller %s in the default hierarchy", option + 1);
		append(missing, sizeof(missing), ", ", name);
		all = false;
	}
	return all;
}

/* Mounts one hierarchy. Before 4.5 the default hierarchy had no type of its own, but a development option. */
static bool mount_hierarchy(const char *spec, const char *place, bool verbose)
{
	const char *type = spec[1] == '1' ? "cgroup" : "cgroup2";
	const char *data = spec[2] == ':' ? spec + 3 : NULL, *wanted = NULL;
	char named[128], line[LINE_SIZE / 4];
	int result;

	if (data && data[0] == '+') {
		wanted = data;
		data = NULL;
	}

	if (data && !strncmp(spec, "v1:name=", 8)) {
		snprintf(named, sizeof(named), "none,%s", data);
		data = named;
	}
	result = mount(type, place, type, HIERARCHY_FLAGS, data);
	is_type_refused |= result < 0 && errno == ENODEV && data;
	if (result < 0 && errno == ENODEV && !data) {
		data = "__DEVEL__sane_behavior";
		result = mount("cgroup", place, "cgroup", HIERARCHY_FLAGS, data);
		if (result == 0) {
			snprintf(line, sizeof(line), "hierarchy(%s, %s) = 0 by -t cgroup -o %s", spec, place, data);
			append(output, sizeof(output), "\n", line);
			return !wanted || has_controllers(wanted, place);
		}
		is_type_refused |= errno == EINVAL || errno == ENODEV;
	}
	if (result < 0 || verbose) {
		describe(line, sizeof(line), result, "hierarchy(%s, %s)", spec, place);
		append(output, sizeof(output), "\n", line);
	}
	return result == 0 && (!wanted || has_controllers(wanted, place));
}

/* Mounts all hierarchies. Returns whether all mounts succeeded. */
static bool mount_hierarchies(const char *path, char **spec, int count, bool verbose)
{
	bool done = true, any_v1 = false;
	char place[512];
	int i;

	for (i = 0; i < count; i++)
		any_v1 |= spec[i][1] == '1';
	mkdir(path, 0755);
	if (any_v1 && mount("tmpfs", path, "tmpfs", HIERARCHY_FLAGS, "mode=755") < 0) {
		describe(output, sizeof(output), -1, "mount(tmpfs, %s, tmpfs)", path);
		return false;
	}
	for (i = 0; i < count; i++) {
		const char *folder = spec[i][1] == '1' ? spec[i] + 3 : "unified";

		if (!strncmp(folder, "name=", 5))
			folder += 5;
		if (any_v1)
			snprintf(place, sizeof(place), "%s/%s", path, folder);
		else
			snprintf(place, sizeof(place), "%s", path);
		mkdir(place, 0755);
		done &= mount_hierarchy(spec[i], place, verbose);
	}
	return done;
}

static bool do_hierarchies(char **word, int count)
{
	bool verbose = !strcmp(word[0], "-v"), done;
	char *newline;
	int i;

	word += verbose;
	count -= verbose;
	done = mount_hierarchies(word[0], word + 1, count - 1, verbose);
	for (i = 1; i < count && !done; i++)
		find_missing(word[i]);
	if (!done && missing[0]) {
		while ((newline = strchr(output, '\n')))
			*newline = ' ';
		printf(output[0] ? "this kernel has no %s (%s)\n" : "this kernel has no %s\n", missing, output);
		exit_status = STATUS_MISSING;
		return false;
	}
	if (output[0])
		puts(output);
	exit_status = !done;
	return done;
}

/* ---- cgroups by ID ---- */

#define BTF_FUNC 12
#define BPF_LOAD 5
#define BPF_LINK 28
#define BPF_TRACING 26
#define BPF_ITERATOR 28

/* Parts of linux/bpf.h of Linux 6.1, since the host's header may be older. */
struct bpf_load {
	unsigned int type, instruction_count;
	unsigned long long instructions, license;
	unsigned int unused[11], attach_type, unused_too[9], attach_btf_id, btf_fd;
};

struct bpf_link {
	unsigned int program, target, attach_type, flags;
	unsigned long long info;
	unsigned int info_size;
};

struct bpf_cgroup {
	unsigned int order, fd;
	unsigned long long id;
};

/* Returns the number of bytes that follow a type in the kernel's type information; -1 for an unknown kind. */
static int btf_tail(unsigned int kind, unsigned int count)
{
	switch (kind) {
	case 1: case 14: case 17:		/* integer, variable, tag of a declaration */
		return 4;
	case 3:					/* array */
		return 12;
	case 4: case 5: case 15: case 19:	/* structure, union, section, 64-bit enumeration */
		return 12 * count;
	case 6: case 13:			/* enumeration, prototype */
		return 8 * count;
	default:
		return kind <= 19 ? 0 : -1;
	}
}

/* Returns the number of a function in /sys/kernel/btf/vmlinux; 0 with errno if it is not found. */
static unsigned int btf_function(const char *name)
{
	unsigned int id = 1, *header, *type, *end;
	static char text[16 << 20];
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC), tail = 0;
	ssize_t length = fd < 0 ? -1 : read_all(fd, text, sizeof(text));
	const char *names;

	if (fd >= 0)
		close_quietly(fd);
	if (length < 24)
		return 0;
	header = (unsigned int *)text;
	type = (unsigned int *)(text + header[1] + header[2]);
	end = (unsigned int *)((char *)type + header[3]);
	names = text + header[1] + header[4];
	for (; type < end && tail >= 0; id++, type += 3 + tail / 4) {
		unsigned int kind = type[1] >> 24 & 0x1f;

		if (kind == BTF_FUNC && !strcmp(names + type[0], name))
			return id;
		tail = btf_tail(kind, type[1] & 0xffff);
	}
	errno = ENOENT;
	return 0;
}

static bool do_iterator(char **word, int count)
{
	static const unsigned long long instructions[] = { 0xb7, 0x95 };	/* r0 = 0; exit */
	struct bpf_cgroup cgroup = { .order = 1, .id = number_of(word[0]) };
	struct bpf_load load = {
		.type = BPF_TRACING,
		.instruction_count = ARRAY_SIZE(instructions),
		.instructions = (unsigned long)instructions,
		.license = (unsigned long)"GPL",
		.attach_type = BPF_ITERATOR,
		.attach_btf_id = btf_function("bpf_iter_cgroup"),
	};
	struct bpf_link link = {
		.attach_type = BPF_ITERATOR,
		.info = (unsigned long)&cgroup,
		.info_size = sizeof(cgroup),
	};
	int program, result;

	(void)count;
	if (!load.attach_btf_id)
		return report(-1, "btf(bpf_iter_cgroup)");
	program = syscall(SYS_bpf, BPF_LOAD, &load, sizeof(load));
	if (program < 0)
		return report(-1, "bpf(BPF_PROG_LOAD)");
	link.program = program;
	result = syscall(SYS_bpf, BPF_LINK, &link, sizeof(link));
	close_quietly(program);
	if (result >= 0)
		close(result);
	return report(result < 0 ? -1 : 0, "iterator(%s)", word[0]);
}

/* ---- storm ---- */

static bool is_over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static void try_to_write(const char *directory, const char *file, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
}

static void try_to_read(const char *path)
{
	static char text[LINE_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read_all(fd, text, sizeof(text)) < 0)
		errno = 0;
	close(fd);
}

static void try_to_enter(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	syscall(SYS_setns, fd, CLONE_NEWCGROUP);
	close(fd);
}

/* Enters a cgroup, makes a namespace, maybe enters another one, mounts, and exits. */
static void __attribute__((noreturn)) live_once(const char *directory, unsigned int dice)
{
	try_to_write(directory, "cgroup.procs", "0");
	if (dice & 1)
		try_to_write(directory, "tasks", "0");
	if (syscall(SYS_unshare, CLONE_NEWCGROUP | (dice & 2 ? CLONE_NEWNS : 0)) < 0)
		_exit(1);
	if (dice & 4)
		try_to_enter(getpid() - 1 - (dice >> 8) % 4);
	try_to_read("/proc/self/cgroup");
	if (dice & 2) {
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		if (mount("cgroup2", "/mnt", "cgroup2", 0, NULL) == 0) {
			mkdir("/mnt/inner", 0755);
			try_to_read("/mnt/cgroup.procs");
			rmdir("/mnt/inner");
		}
		try_to_read("/proc/self/mountinfo");
		if (dice & 8)
			umount2("/mnt", MNT_DETACH);
	}
	if (dice & 16)
		syscall(SYS_unshare, CLONE_NEWCGROUP);
	_exit(0);
}

/* Runs rounds until the end: two processes in each, and an rmdir of the cgroup while they run. */
static long work(const char *path, int worker, const struct timespec *end)
{
	unsigned int dice = 2654435761u * (worker + 1);
	char directory[256];
	long rounds = 0;
	pid_t pid[2];
	int i;

	for (; !is_over(end); rounds++) {
		snprintf(directory, sizeof(directory), "%s/storm-%d-%ld", path, worker, rounds % 3);
		mkdir(directory, 0755);
		for (i = 0; i < 2; i++) {
			dice = dice * 1664525 + 1013904223;
			pid[i] = fork();
			if (pid[i] == 0)
				live_once(directory, dice >> 12);
		}
		rmdir(directory);
		for (i = 0; i < 2; i++)
			if (pid[i] > 0)
				wait_for(pid[i]);
		rmdir(directory);
	}
	for (i = 0; i < 3; i++) {
		snprintf(directory, sizeof(directory), "%s/storm-%d-%d", path, worker, i);
		rmdir(directory);
	}
	return rounds;
}

static bool do_storm(char **word, int count)
{
	int i, workers = number_of(word[1]), sums[2];
	struct timespec end;
	long rounds, sum = 0;

	(void)count;
	if (pipe2(sums, O_CLOEXEC))
		return report(-1, "pipe2()");
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += number_of(word[0]);
	for (i = 0; i < workers; i++) {
		if (fork())
			continue;
		rounds = work(word[2], i, &end);
		_exit(write(sums[1], &rounds, sizeof(rounds)) != sizeof(rounds));
	}
	close(sums[1]);
	while (read(sums[0], &rounds, sizeof(rounds)) == sizeof(rounds))
		sum += rounds;
	close(sums[0]);
	while (wait(NULL) > 0)
		;
	return report(sum, "storm(%s, %s, %s)", word[0], word[1], word[2]);
}

/* ---- the command line ---- */

static bool is_number(const char *word)
{
	char *end;

	strtoull(word, &end, 0);
	return isdigit((unsigned char)word[0]) && !*end;
}

static bool is_spec(const char *word)
{
	if (!strcmp(word, "v2"))
		return true;
	return (!strncmp(word, "v1:", 3) || !strncmp(word, "v2:", 3)) && word[3];
}

static const struct command {
	const char *name, *usage;
	int least;
	bool (*run)(char **word, int count);
} commands[] = {
	{ "hierarchies", "hierarchies [-v] PATH v1:CONTROLLERS|v1:name=NAME|v2[:OPTIONS]...", 2,
	  do_hierarchies },
	{ "storm", "storm SECONDS WORKERS PATH", 3, do_storm },
	{ "iterator", "iterator ID", 1, do_iterator },
};

static void __attribute__((noreturn, format(printf, 2, 3)))
usage(const struct command *command, const char *format, ...)
{
	va_list list;
	size_t i;

	fputs("cgctl: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputs("\nusage:\n", stderr);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!command || command == &commands[i])
			fprintf(stderr, "  cgctl %s\n", commands[i].usage);
	exit(STATUS_USAGE);
}

/* Checks the arguments of a command before any call. */
static void check(const struct command *command, char **word, int count)
{
	int i, first = command->run == do_hierarchies && count && !strcmp(word[0], "-v");

	if (count - first < command->least)
		usage(command, "missing argument of '%s'", command->name);
	if (command->run != do_hierarchies) {
		if (count > command->least)
			usage(command, "unexpected argument '%s'", word[command->least]);
		for (i = 0; i < (command->run == do_storm ? 2 : 1); i++)
			if (!is_number(word[i]))
				usage(command, "invalid number '%s'", word[i]);
		return;
	}
	for (i = first + 1; i < count; i++)
		if (!is_spec(word[i]))
			usage(command, "invalid hierarchy '%s'", word[i]);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		usage(NULL, "missing command");
	for (i = 0; i < ARRAY_SIZE(commands) && strcmp(argv[1], commands[i].name); i++)
		;
	if (i == ARRAY_SIZE(commands))
		usage(NULL, "unknown command '%s'", argv[1]);
	check(&commands[i], argv + 2, argc - 2);
	commands[i].run(argv + 2, argc - 2);
	return exit_status;
}
