// SPDX-License-Identifier: GPL-2.0-only
/*
 * nsctl - actions on namespaces and cgroups that a shell cannot do, with a line for each action.
 *
 *	nsctl ACTION [then ACTION | also ACTION]...
 *
 * One process does all actions in order. "then" continues only if the action before it
 * succeeded; "also" continues in any case (like && and ; in a shell). The whole command line is
 * checked before the first action.
 *
 * An action prints one line on standard output, as strace does: "unshare(CLONE_NEWCGROUP) = 0",
 * "setns(/proc/7/ns/cgroup, CLONE_NEWCGROUP) = -1 EPERM". A call that returns a descriptor
 * prints its name, "= @NAME". If the file of an action cannot be opened, the line is that of the
 * open: "open(/proc/7/ns/cgroup, O_RDONLY) = -1 EACCES".
 *
 * Exit status: 0 if all actions that were done succeeded, 1 if an action failed, 64 for a usage
 * error (no action was done). After "exec" and "session" it is that of the program, after a
 * "clone" without a block that of the child: 128 + the signal that killed it; 126 or 127 if the
 * program cannot be executed or does not exist.
 *
 * Arguments:
 *	FLAGS	names and numbers joined by "," or "|": cgroup mnt uts ipc user pid net time, fs
 *		files sighand sysvsem thread vm, CLONE_NEWCGROUP, 0x02000000, 0
 *	TYPE	as FLAGS, for setns: cgroup, mnt, 0, 0x20000
 *	FILE	a path; @NAME, a descriptor opened before; @7, the inherited descriptor 7 of
 *		nsctl; @NAME/PATH, a path from the directory @NAME
 *	NAME	a name for a new descriptor: letters, digits, "-", "_"; it is closed by exec
 *	WHO	self (the calling thread, the default), main (the first thread), thread (the last
 *		one started), or a PID
 *	{ ... }	actions; each brace is an argument by itself
 *
 * Namespaces:
 *	unshare FLAGS
 *		unshare(2); any bit, also one that is unknown to the kernel
 *	setns FILE [TYPE]
 *		setns(2) with a namespace file or a pidfd; TYPE is 0 when left out
 *	ns LINK [of WHO]
 *		the link in /proc/.../ns: "ns(cgroup) = cgroup:[4026531835]"
 *	ioctl FILE parent|userns [NAME]
 *	ioctl @PIDFD cgroupns [NAME]
 *	ioctl FILE nstype|owner|id
 *		NS_GET_PARENT, NS_GET_USERNS and, of a pidfd, PIDFD_GET_CGROUP_NAMESPACE show the
 *		namespace, or keep it as @NAME; NS_GET_NSTYPE, NS_GET_OWNER_UID, NS_GET_ID
 *	listns TYPE
 *		listns(2): the numbers of all namespaces of that type, as NS_GET_ID shows them
 *
 * Processes and threads:
 *	clone FLAGS [{ ... }]
 *		clone(2) without shared memory. With a block the child does the block, the parent
 *		waits for it and continues. Without a block the child does all later actions, the
 *		parent waits and returns its exit status
 *	clone3 FLAGS [into FILE] [{ ... }]
 *		clone by clone3(2); into: CLONE_INTO_CGROUP with that directory
 *	thread { ... }
 *		does the block in a new thread while the first one waits; the thread then stays,
 *		idle, until nsctl ends
 *	leave
 *		the first thread exits, and is a zombie; a new thread does all later actions, and
 *		its end is that of the process
 *	exec CMD...
 *		execvp(3); all arguments to the end, or to the "}" of a block, are its own; prints
 *		no line unless it fails
 *	pid [PATH], tid
 *		getpid(2), gettid(2); the pid is also written to PATH (a FIFO: waits for a reader)
 *	pidfd NAME PID
 *		pidfd_open(2)
 *	getfd NAME @PIDFD NUMBER
 *		pidfd_getfd(2): the descriptor NUMBER of that process
 *	ptrace PID
 *		ptrace(2), PTRACE_ATTACH; the process stops, is detached and continues
 *	zombie [PATH]
 *		a child that has exited and stays a zombie until nsctl ends (or a shell that it
 *		executes waits for a child); PATH as above
 *	user UID [GID]
 *		no groups, setresgid(2) to GID (UID when left out), setresuid(2) to UID
 *	setuid UID, setgid GID
 *		setresuid(2), setresgid(2); like user, of the calling thread alone
 *
 * Files:
 *	open NAME FILE [MODE]
 *		open(2); MODE is r (the default), w, rw, a, path or dir
 *	close @NAME
 *	read FILE
 *		read(2) from the start to the end; the content is shown as a C string
 *	write FILE TEXT
 *		one write(2) of exactly TEXT
 *	handle FILE
 *		name_to_handle_at(2), shown as HANDLE: TYPE:NUMBER when it has eight bytes, as in a
 *		cgroup filesystem ("254:77", where 77 is the number of the inode); else TYPE:0xBYTES
 *	byhandle NAME FILE HANDLE [MODE]
 *		open_by_handle_at(2) in the filesystem that FILE is in; HANDLE as handle shows it;
 *		MODE is r when left out
 *	inotify NAME FILE
 *		inotify_init(2), and a watch of FILE for changes of its content, and for what is made,
 *		removed and renamed in it
 *	events @NAME
 *		waits for the first events of @NAME, and shows all that there are
 *
 * Other processes:
 *	wait PATH
 *		waits until PATH is signalled, by "echo >PATH" in a shell or "signal PATH", before
 *		or after; then PATH is removed
 *	signal PATH
 *		signals PATH, and waits until a process waits for it
 *	send SOCKET @NAME, recv SOCKET NAME
 *		pass a descriptor from one nsctl to another; each waits for the other
 *
 * Cgroups and mounts:
 *	cgroup [of WHO]
 *		all lines of /proc/.../cgroup, unchanged
 *	cgroup [of WHO] in CONTROLLER
 *		the path in one hierarchy: "cgroup(freezer) = /sub", "cgroup(v2, main) = none";
 *		CONTROLLER is freezer, memory, ..., name=systemd, or v2 (the line of hierarchy 0)
 *	mount SOURCE TARGET FSTYPE [MSFLAGS [DATA]]
 *		mount(2); MSFLAGS: 0 ro nosuid nodev noexec remount bind move rec private slave
 *		shared unbindable, joined by ","
 *	umount TARGET [detach]
 *		umount2(2)
 *	fsopen NAME FSTYPE
 *	fsconfig @FS KEY [VALUE]
 *	create @FS
 *		fsopen(2), fsconfig(2) with a flag or a string, and FSCONFIG_CMD_CREATE
 *	fsmount NAME @FS
 *	opentree NAME FILE [clone]
 *	movemount @TREE TARGET
 *		fsmount(2), open_tree(2) with OPEN_TREE_CLONE or 0, and move_mount(2)
 *	statmount FILE
 *		statmount(2) of the mount that FILE is in: "statmount(/mnt) = cgroup2, root /"
 *	listmount FSTYPE
 *		listmount(2) of all mounts, and statmount(2) of those of that type:
 *		"listmount(cgroup2) = / on /mnt, /.. on /sys/fs/cgroup"
 *	session TTY CMD...
 *		for /init: runs CMD in a new session with TTY as its controlling terminal, set as
 *		the harness needs it, waits, drains the terminal and returns the exit status
 *
 * Examples:
 *	nsctl unshare cgroup then cgroup in freezer
 *	nsctl open f /sys/fs/cgroup/a/cgroup.procs w then unshare cgroup then write @f 0
 *	nsctl clone3 cgroup into /sys/fs/cgroup/a then exec bash
 *	nsctl thread { unshare cgroup } then ns cgroup of thread then ns cgroup of main
 *	mkfifo /run/p; nsctl unshare cgroup then pid /run/p then wait /run/end >/dev/null &
 *	read PID </run/p
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <guest_helper.h>

#define MAX_ACTIONS 128
#define MAX_WORDS 8
#define MAX_FDS 64
#define NAME_SIZE 32

/* clone flags that share this program's memory with the child or write to it are refused. */
#define CLONE_UNUSABLE                                                                             \
	(CLONE_VM | CLONE_VFORK | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |        \
	 CLONE_CHILD_CLEARTID | CLONE_PIDFD | CLONE_SIGHAND | CLONE_THREAD | CLONE_INTO_CGROUP)

struct action;

/*
 * The shape of a verb's arguments, a letter for each: F flags, G clone flags, T type, P file, N new
 * name, O opened name, S any text, U number, L handle, M mode, K ioctl, X mount flags, D detach,
 * E clone.
 * Lower case: optional. I: [into FILE], W: [of WHO], C: [in CONTROLLER], b: [{ ... }], B: { ... },
 * R: a program and its arguments.
 */
struct verb {
	const char *name;
	const char *shape;
	const char *usage;
	bool (*run)(struct action *a);
};

struct action {
	const struct verb *verb;
	char *word[MAX_WORDS];		/* by position in the shape; NULL if omitted */
	char **rest;
	int rest_count;
	struct action *block;
	struct action *next;
	bool always;			/* after "also" */
	bool left_rest;			/* to a child: the parent does no later actions */
};

struct named_flag {
	const char *name;
	const char *shown;
	unsigned long long bit;
};

static const struct named_flag clone_flags[] = {
	{ "time", "CLONE_NEWTIME", CLONE_NEWTIME },
	{ "vm", "CLONE_VM", CLONE_VM },
	{ "fs", "CLONE_FS", CLONE_FS },
	{ "files", "CLONE_FILES", CLONE_FILES },
	{ "sighand", "CLONE_SIGHAND", CLONE_SIGHAND },
	{ "thread", "CLONE_THREAD", CLONE_THREAD },
	{ "mnt", "CLONE_NEWNS", CLONE_NEWNS },
	{ "newns", "CLONE_NEWNS", CLONE_NEWNS },
	{ "sysvsem", "CLONE_SYSVSEM", CLONE_SYSVSEM },
	{ "cgroup", "CLONE_NEWCGROUP", CLONE_NEWCGROUP },
	{ "uts", "CLONE_NEWUTS", CLONE_NEWUTS },
	{ "ipc", "CLONE_NEWIPC", CLONE_NEWIPC },
	{ "user", "CLONE_NEWUSER", CLONE_NEWUSER },
	{ "pid", "CLONE_NEWPID", CLONE_NEWPID },
	{ "net", "CLONE_NEWNET", CLONE_NEWNET },
	{ "into_cgroup", "CLONE_INTO_CGROUP", CLONE_INTO_CGROUP },
	{ NULL, NULL, 0 },
};

static const struct named_flag mount_flags[] = {
	{ "ro", "MS_RDONLY", MS_RDONLY },
	{ "nosuid", "MS_NOSUID", MS_NOSUID },
	{ "nodev", "MS_NODEV", MS_NODEV },
	{ "noexec", "MS_NOEXEC", MS_NOEXEC },
	{ "remount", "MS_REMOUNT", MS_REMOUNT },
	{ "bind", "MS_BIND", MS_BIND },
	{ "move", "MS_MOVE", MS_MOVE },
	{ "rec", "MS_REC", MS_REC },
	{ "unbindable", "MS_UNBINDABLE", MS_UNBINDABLE },
	{ "private", "MS_PRIVATE", MS_PRIVATE },
	{ "slave", "MS_SLAVE", MS_SLAVE },
	{ "shared", "MS_SHARED", MS_SHARED },
	{ NULL, NULL, 0 },
};

static const struct named_flag open_modes[] = {
	{ "r", "O_RDONLY", O_RDONLY },
	{ "w", "O_WRONLY", O_WRONLY },
	{ "rw", "O_RDWR", O_RDWR },
	{ "a", "O_WRONLY|O_APPEND", O_WRONLY | O_APPEND },
	{ "path", "O_PATH", O_PATH },
	{ "dir", "O_RDONLY|O_DIRECTORY", O_RDONLY | O_DIRECTORY },
	{ NULL, NULL, 0 },
};

static const struct named_flag inotify_events[] = {
	{ "modify", "IN_MODIFY", IN_MODIFY },
	{ "attrib", "IN_ATTRIB", IN_ATTRIB },
	{ "create", "IN_CREATE", IN_CREATE },
	{ "delete", "IN_DELETE", IN_DELETE },
	{ "from", "IN_MOVED_FROM", IN_MOVED_FROM },
	{ "to", "IN_MOVED_TO", IN_MOVED_TO },
	{ "gone", "IN_DELETE_SELF", IN_DELETE_SELF },
	{ "ignored", "IN_IGNORED", IN_IGNORED },
	{ "directory", "IN_ISDIR", IN_ISDIR },
	{ NULL, NULL, 0 },
};

#define WATCHED_EVENTS                                                                             \
	(IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF)

/* Requests and calls that are younger than the headers of the hosts that compile this. */
#define REQUEST_NS_ID _IOR(0xb7, 13, unsigned long long)	/* NS_GET_ID, Linux 6.18 */
#define REQUEST_PIDFD_CGROUP _IO(0xff, 1)	/* PIDFD_GET_CGROUP_NAMESPACE, Linux 6.11 */
#define CALL_OPEN_TREE 428			/* Linux 5.2, like the next four */
#define CALL_MOVE_MOUNT 429
#define CALL_FSOPEN 430
#define CALL_FSCONFIG 431
#define CALL_FSMOUNT 432
#define CALL_STATMOUNT 457			/* Linux 6.8 */
#define CALL_LISTMOUNT 458			/* Linux 6.8 */
#define CALL_LISTNS 470				/* Linux 6.19 */

static const struct named_flag ns_ioctls[] = {
	{ "parent", "NS_GET_PARENT", NS_GET_PARENT },
	{ "userns", "NS_GET_USERNS", NS_GET_USERNS },
	{ "nstype", "NS_GET_NSTYPE", NS_GET_NSTYPE },
	{ "owner", "NS_GET_OWNER_UID", NS_GET_OWNER_UID },
	{ "id", "NS_GET_ID", REQUEST_NS_ID },
	{ "cgroupns", "PIDFD_GET_CGROUP_NAMESPACE", REQUEST_PIDFD_CGROUP },
	{ NULL, NULL, 0 },
};

static struct {
	char name[NAME_SIZE];
	int fd;
} opened[MAX_FDS];

static int opened_count;
static int exit_status;
static pid_t last_thread;

/* ---- output ---- */

/* "CALL = 0", or "CALL = -1 ENAME" and the exit status 1. */
static bool __attribute__((format(printf, 2, 3))) report(long result, const char *format, ...)
{
	static _Thread_local char call[LINE_SIZE / 2];
	int error = errno;
	va_list list;

	va_start(list, format);
	vsnprintf(call, sizeof(call), format, list);
	va_end(list);
	if (result < 0) {
		line("%s = -1 %s", call, error_name(error));
		exit_status = 1;
		errno = error;
		return false;
	}
	line("%s = %ld", call, result);
	return true;
}

static const char *show_flags(const struct named_flag *table, unsigned long long bits)
{
	static _Thread_local char shown[512];
	size_t length = 0;

	shown[0] = '\0';
	for (; table->name; table++) {
		if (!(bits & table->bit))
			continue;
		length += snprintf(shown + length, sizeof(shown) - length, "%s%s",
				   length ? "|" : "", table->shown);
		bits &= ~table->bit;
	}
	if (bits || !length)
		snprintf(shown + length, sizeof(shown) - length, bits ? "%s%#llx" : "%s%llu",
			 length ? "|" : "", bits);
	return shown;
}

/* ---- arguments that are numbers ---- */

static bool parse_number(const char *word, unsigned long long *number)
{
	char *end;

	errno = 0;
	*number = strtoull(word, &end, 0);
	return isdigit((unsigned char)word[0]) && !*end && !errno;
}

static const struct named_flag *find_flag(const struct named_flag *table, const char *word)
{
	for (; table->name; table++)
		if (!strcasecmp(word, table->name) || !strcmp(word, table->shown))
			return table;
	return NULL;
}

static bool parse_flags(const struct named_flag *table, const char *words, unsigned long long *bits)
{
	char copy[256], *rest = copy, *word;

	*bits = 0;
	if (snprintf(copy, sizeof(copy), "%s", words) >= (int)sizeof(copy))
		return false;
	while ((word = strsep(&rest, ",|"))) {
		const struct named_flag *flag = find_flag(table, word);
		unsigned long long number;

		if (flag)
			*bits |= flag->bit;
		else if (parse_number(word, &number))
			*bits |= number;
		else
			return false;
	}
	return true;
}

static unsigned long long flags_of(const struct named_flag *table, const char *words)
{
	unsigned long long bits = 0;

	if (words)
		parse_flags(table, words, &bits);
	return bits;
}

static unsigned long long number_of(const char *word)
{
	unsigned long long number = 0;

	parse_number(word, &number);
	return number;
}

/* ---- descriptors by name, files by path ---- */

static bool keep(const char *name, int fd)
{
	int i;

	for (i = 0; i < opened_count; i++)
		if (!strcmp(opened[i].name, name))
			break;
	if (i == MAX_FDS) {
		close(fd);
		errno = EMFILE;
		return false;
	}
	if (i == opened_count)
		opened_count++;
	else if (opened[i].fd >= 0)
		close(opened[i].fd);
	snprintf(opened[i].name, NAME_SIZE, "%s", name);
	opened[i].fd = fd;
	return true;
}

/* The descriptor of "@NAME" or "@7"; length is that of NAME. */
static int find_opened(const char *name, size_t length)
{
	char copy[NAME_SIZE];
	unsigned long long number;
	int i;

	snprintf(copy, sizeof(copy), "%.*s", (int)length, name);
	for (i = 0; i < opened_count; i++)
		if (!strcmp(opened[i].name, copy) && opened[i].fd >= 0)
			return opened[i].fd;
	if (parse_number(copy, &number))
		return (int)number;
	errno = EBADF;
	return -1;
}

/* A descriptor for FILE; one that "close_file" closes unless it was opened before under a name. */
static int open_file(const char *file, int flags)
{
	const char *slash;
	int directory;

	if (file[0] != '@')
		return open(file, flags | O_CLOEXEC);
	slash = strchr(file, '/');
	if (!slash)
		return find_opened(file + 1, strlen(file + 1));
	directory = find_opened(file + 1, slash - file - 1);
	return directory < 0 ? -1 : openat(directory, slash + 1, flags | O_CLOEXEC);
}

static void close_quietly(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

static void close_file(const char *file, int fd)
{
	if (file[0] != '@' || strchr(file, '/'))
		close_quietly(fd);
}

static int open_or_report(const char *file, const char *mode)
{
	const struct named_flag *found = find_flag(open_modes, mode);
	int fd = open_file(file, found->bit);

	if (fd < 0)
		report(-1, "open(%s, %s)", file, found->shown);
	return fd;
}

static bool report_name(int fd, const char *name, const char *call)
{
	if (fd < 0 || !keep(name, fd))
		return report(-1, "%s", call);
	line("%s = @%s", call, name);
	return true;
}

static bool do_open(struct action *a)
{
	const struct named_flag *mode = find_flag(open_modes, a->word[2] ? a->word[2] : "r");
	char call[LINE_SIZE / 4];
	int fd = open_file(a->word[1], mode->bit);

	snprintf(call, sizeof(call), "open(%s, %s)", a->word[1], mode->shown);
	if (fd >= 0 && a->word[1][0] == '@' && !strchr(a->word[1], '/'))
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return report_name(fd, a->word[0], call);
}

static bool do_close(struct action *a)
{
	int i, result = -1;

	errno = EBADF;
	for (i = 0; i < opened_count; i++)
		if (!strcmp(opened[i].name, a->word[0] + 1) && opened[i].fd >= 0) {
			result = close(opened[i].fd);
			opened[i].fd = -1;
		}
	return report(result, "close(%s)", a->word[0]);
}

/* Text as a C string, so that any content fits on one line. */
static void quote(char *to, size_t size, const char *from, size_t length)
{
	static const char plain[] = "\n\t\r\\\"", marks[] = "ntr\\\"";
	size_t at = 0, i;

	for (i = 0; i < length && at + 8 < size; i++) {
		const char *found = from[i] ? strchr(plain, from[i]) : NULL;

		if (found)
			at += snprintf(to + at, size - at, "\\%c", marks[found - plain]);
		else if ((unsigned char)from[i] < ' ' || from[i] == 0x7f)
			at += snprintf(to + at, size - at, "\\%03o", (unsigned char)from[i]);
		else
			to[at++] = from[i];
	}
	to[at] = '\0';
}

/* From the start to the end, or as much as fits; -1 and errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	ssize_t length = 0, done = 0;

	lseek(fd, 0, SEEK_SET);
	while ((size_t)length < size && (done = read(fd, text + length, size - length)) != 0) {
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		length += done;
	}
	return length;
}

static bool do_read(struct action *a)
{
	char text[LINE_SIZE / 8], quoted[LINE_SIZE / 2];
	int fd = open_or_report(a->word[0], "r");
	ssize_t length;

	if (fd < 0)
		return false;
	length = read_all(fd, text, sizeof(text));
	close_file(a->word[0], fd);
	if (length < 0)
		return report(-1, "read(%s)", a->word[0]);
	quote(quoted, sizeof(quoted), text, length);
	line("read(%s) = \"%s\"", a->word[0], quoted);
	return true;
}

static bool do_write(struct action *a)
{
	char quoted[LINE_SIZE / 4];
	int fd = open_or_report(a->word[0], "w");
	ssize_t done;

	if (fd < 0)
		return false;
	done = write(fd, a->word[1], strlen(a->word[1]));
	close_file(a->word[0], fd);
	quote(quoted, sizeof(quoted), a->word[1], strlen(a->word[1]));
	return report(done, "write(%s, \"%s\")", a->word[0], quoted);
}

/* ---- files by handle, and inotify ---- */

union handle {
	struct file_handle head;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static bool do_handle(struct action *a)
{
	union handle handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	char shown[2 * MAX_HANDLE_SZ + 1];
	int result, mount_id, fd = open_or_report(a->word[0], "path");
	unsigned long long number;
	unsigned int i;

	if (fd < 0)
		return false;
	result = name_to_handle_at(fd, "", &handle.head, &mount_id, AT_EMPTY_PATH);
	close_file(a->word[0], fd);
	if (result < 0)
		return report(-1, "name_to_handle_at(%s)", a->word[0]);
	for (i = 0; i < handle.head.handle_bytes; i++)
		sprintf(shown + 2 * i, "%02x", handle.head.f_handle[i]);
	if (handle.head.handle_bytes == sizeof(number)) {
		memcpy(&number, handle.head.f_handle, sizeof(number));
		line("name_to_handle_at(%s) = %d:%llu", a->word[0], handle.head.handle_type, number);
	} else {
		line("name_to_handle_at(%s) = %d:0x%s", a->word[0], handle.head.handle_type, shown);
	}
	return true;
}

/* The bytes of "0x0a0b...", as do_handle shows them; 0 if the text is not of that form. */
static size_t parse_bytes(const char *text, unsigned char *bytes, size_t size)
{
	size_t length = strlen(text), i;

	if (strncmp(text, "0x", 2) || length < 4 || length % 2 || length / 2 - 1 > size)
		return 0;
	for (i = 2; i < length; i += 2) {
		if (!isxdigit((unsigned char)text[i]) || !isxdigit((unsigned char)text[i + 1]))
			return 0;
		sscanf(text + i, "%2hhx", bytes + i / 2 - 1);
	}
	return length / 2 - 1;
}

/*
 * A number is a handle of eight bytes. Digits in base 16 are bytes in their order in memory, unless
 * they are too few or too many to be what do_handle shows: 254:0x4d is the number 77.
 */
static bool parse_handle(const char *word, union handle *handle)
{
	char copy[2 * MAX_HANDLE_SZ + 32], *colon;
	unsigned long long type, number;
	size_t bytes;

	if (snprintf(copy, sizeof(copy), "%s", word) >= (int)sizeof(copy))
		return false;
	colon = strchr(copy, ':');
	if (!colon)
		return false;
	*colon = '\0';
	if (!parse_number(copy, &type))
		return false;
	handle->head.handle_type = type;
	bytes = parse_bytes(colon + 1, handle->head.f_handle, MAX_HANDLE_SZ);
	handle->head.handle_bytes = bytes;
	if (bytes >= sizeof(number))
		return true;
	if (!parse_number(colon + 1, &number))
		return false;
	handle->head.handle_bytes = sizeof(number);
	memcpy(handle->head.f_handle, &number, sizeof(number));
	return true;
}

static bool do_byhandle(struct action *a)
{
	const struct named_flag *mode = find_flag(open_modes, a->word[3] ? a->word[3] : "r");
	int fd, where = open_or_report(a->word[1], "r");
	char call[LINE_SIZE / 4];
	union handle handle;

	if (where < 0)
		return false;
	parse_handle(a->word[2], &handle);
	fd = open_by_handle_at(where, &handle.head, mode->bit | O_CLOEXEC);
	close_file(a->word[1], where);
	snprintf(call, sizeof(call), "open_by_handle_at(%s, %s, %s)", a->word[1], a->word[2],
		 mode->shown);
	return report_name(fd, a->word[0], call);
}

static bool do_inotify(struct action *a)
{
	int fd = inotify_init1(IN_CLOEXEC), target = open_or_report(a->word[1], "path");
	char call[LINE_SIZE / 4], path[64];

	snprintf(call, sizeof(call), "inotify(%s)", a->word[1]);
	if (target < 0 || fd < 0)
		return target < 0 ? false : report(-1, "%s", call);
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", target);
	if (inotify_add_watch(fd, path, WATCHED_EVENTS) < 0) {
		close_quietly(fd);
		fd = -1;
	}
	close_file(a->word[1], target);
	return report_name(fd, a->word[0], call);
}

static bool do_events(struct action *a)
{
	char text[LINE_SIZE / 4] __attribute__((aligned(8))), shown[LINE_SIZE / 2] = "";
	int fd = find_opened(a->word[0] + 1, strlen(a->word[0] + 1));
	ssize_t at = 0, length = fd < 0 ? -1 : read(fd, text, sizeof(text));
	size_t used = 0;

	if (length < 0)
		return report(-1, "events(%s)", a->word[0]);
	while (at < length) {
		const struct inotify_event *event = (const void *)(text + at);

		used += snprintf(shown + used, sizeof(shown) - used, "%s%s%s%s", used ? ", " : "",
				 show_flags(inotify_events, event->mask), event->len ? " " : "",
				 event->len ? event->name : "");
		if (used >= sizeof(shown))
			break;
		at += sizeof(*event) + event->len;
	}
	line("events(%s) = %s", a->word[0], shown);
	return true;
}

/* ---- namespaces ---- */

static bool do_unshare(struct action *a)
{
	unsigned long long flags = flags_of(clone_flags, a->word[0]);

	return report(syscall(SYS_unshare, (unsigned long)flags), "unshare(%s)",
		      show_flags(clone_flags, flags));
}

static bool do_setns(struct action *a)
{
	unsigned long long type = flags_of(clone_flags, a->word[1]);
	int fd = open_or_report(a->word[0], "r");
	long result;

	if (fd < 0)
		return false;
	result = syscall(SYS_setns, fd, (int)type);
	close_file(a->word[0], fd);
	return report(result, "setns(%s, %s)", a->word[0], show_flags(clone_flags, type));
}

static bool do_pidfd(struct action *a)
{
	char call[64];
	int fd = syscall(SYS_pidfd_open, (pid_t)number_of(a->word[1]), 0);

	snprintf(call, sizeof(call), "pidfd_open(%s)", a->word[1]);
	return report_name(fd, a->word[0], call);
}

static bool do_getfd(struct action *a)
{
	int fd = find_opened(a->word[1] + 1, strlen(a->word[1] + 1));
	char call[64];

	snprintf(call, sizeof(call), "pidfd_getfd(%s, %s)", a->word[1], a->word[2]);
	if (fd >= 0)
		fd = syscall(SYS_pidfd_getfd, fd, (int)number_of(a->word[2]), 0);
	return report_name(fd, a->word[0], call);
}

static bool do_ioctl(struct action *a)
{
	const struct named_flag *request = find_flag(ns_ioctls, a->word[1]);
	char call[LINE_SIZE / 4], path[64], target[64];
	int result, fd = open_or_report(a->word[0], "r");
	unsigned long long number = 0;
	ssize_t length;

	if (fd < 0)
		return false;
	/* A pidfd takes no argument, and a namespace writes its user (32 bits) or number. */
	result = ioctl(fd, request->bit, request->bit == REQUEST_PIDFD_CGROUP ? NULL : &number);
	close_file(a->word[0], fd);
	snprintf(call, sizeof(call), "ioctl(%s, %s)", a->word[0], request->shown);
	if (result < 0)
		return report(-1, "%s", call);
	if (request->bit == NS_GET_OWNER_UID || request->bit == REQUEST_NS_ID) {
		line("%s = %llu", call, number);
		return true;
	}
	if (request->bit == NS_GET_NSTYPE) {
		line("%s = %s", call, show_flags(clone_flags, result));
		return true;
	}
	fcntl(result, F_SETFD, FD_CLOEXEC);
	if (a->word[2])
		return report_name(result, a->word[2], call);
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", result);
	length = readlink(path, target, sizeof(target));
	close(result);
	if (length < 0)
		return report(-1, "readlink(%s)", path);
	line("%s = %.*s", call, (int)length, target);
	return true;
}

static bool do_listns(struct action *a)
{
	unsigned long long type = flags_of(clone_flags, a->word[0]), numbers[256];
	/* struct ns_id_req of linux/nsfs.h, as Linux 6.19 has it. */
	struct {
		unsigned int size, spare;
		unsigned long long after;
		unsigned int type, spare2;
		unsigned long long user_namespace;
	} request = { .size = sizeof(request), .type = type };
	char shown[LINE_SIZE / 4] = "";
	size_t used = 0;
	long count = syscall(CALL_LISTNS, &request, numbers, ARRAY_SIZE(numbers), 0), i;

	if (count < 0)
		return report(-1, "listns(%s)", show_flags(clone_flags, type));
	for (i = 0; i < count && used + 32 < sizeof(shown); i++)
		used += snprintf(shown + used, sizeof(shown) - used, " %llu", numbers[i]);
	line("listns(%s) =%s", show_flags(clone_flags, type), shown);
	return true;
}

static void who_path(char *path, size_t size, const char *who, const char *file)
{
	if (!who || !strcmp(who, "self"))
		snprintf(path, size, "/proc/thread-self/%s", file);
	else if (!strcmp(who, "main"))
		snprintf(path, size, "/proc/%d/%s", getpid(), file);
	else if (!strcmp(who, "thread"))
		snprintf(path, size, "/proc/self/task/%d/%s", last_thread, file);
	else
		snprintf(path, size, "/proc/%s/%s", who, file);
}

static bool do_ns(struct action *a)
{
	char path[128], target[64], file[64], call[128];
	const char *who = a->word[1];
	ssize_t length;

	snprintf(file, sizeof(file), "ns/%s", a->word[0]);
	snprintf(call, sizeof(call), "ns(%s%s%s)", a->word[0], who ? ", " : "", who ? who : "");
	who_path(path, sizeof(path), who, file);
	length = readlink(path, target, sizeof(target));
	if (length < 0)
		return report(-1, "%s", call);
	line("%s = %.*s", call, (int)length, target);
	return true;
}

static bool in_list(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		if (!strncmp(list, word, length) && (!list[length] || list[length] == ','))
			return true;
		list = strchr(list, ',');
		if (!list)
			return false;
		list++;
	}
}

/* The path in the line "ID:CONTROLLERS:PATH" of one controller; cuts the text up. */
static const char *cgroup_path(char *text, const char *controller)
{
	bool wants_v2 = !strcmp(controller, "v2");
	char *row;

	while ((row = strsep(&text, "\n"))) {
		char *id = strsep(&row, ":"), *list = strsep(&row, ":");
		bool is_v2 = !strcmp(id, "0");

		if (row && is_v2 == wants_v2 && (is_v2 || in_list(list, controller)))
			return row;
	}
	return NULL;
}

static bool do_cgroup(struct action *a)
{
	const char *who = a->word[0], *controller = a->word[1];
	static _Thread_local char text[LINE_SIZE * 2];
	char path[128], call[192];
	ssize_t length;
	int fd;

	snprintf(call, sizeof(call), "cgroup(%s%s%s)", controller ? controller : "",
		 controller && who ? ", " : "", who ? who : "");
	who_path(path, sizeof(path), who, "cgroup");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return report(-1, "%s", call);
	length = read_all(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	if (length < 0)
		return report(-1, "%s", call);
	text[length] = '\0';
	if (controller) {
		const char *found = cgroup_path(text, controller);

		line("%s = %s", call, found ? found : "none");
	} else {
		put(text, length);
	}
	return true;
}

/* ---- processes and threads ---- */

static bool run_list(struct action *a);

static void __attribute__((noreturn)) run_as_child(struct action *first)
{
	exit_status = 0;
	run_list(first);
	_exit(exit_status);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The child waits on a pipe until the parent has printed its line: lines come in one order. */
static bool go_on_in_child(struct action *a, pid_t pid, const int gate[2], const char *call)
{
	int error = errno, status;
	char go;

	if (pid == 0) {
		close(gate[1]);
		while (read(gate[0], &go, 1) < 0 && errno == EINTR)
			;
		run_as_child(a->block ? a->block : a->next);
	}
	errno = error;
	if (!report(pid, "%s", call)) {
		close(gate[0]);
		close(gate[1]);
		return false;
	}
	a->left_rest = !a->block;
	while (write(gate[1], "g", 1) < 0 && errno == EINTR)
		;
	close(gate[0]);
	close(gate[1]);
	status = wait_for(pid);
	if (status)
		exit_status = a->block ? 1 : status;
	return status == 0;
}

static bool do_clone(struct action *a)
{
	unsigned long long flags = flags_of(clone_flags, a->word[0]);
	char call[600];
	int gate[2];
	pid_t pid;

	snprintf(call, sizeof(call), "clone(%s)", show_flags(clone_flags, flags));
	if (pipe2(gate, O_CLOEXEC))
		return report(-1, "pipe2()");
	pid = syscall(SYS_clone, (unsigned long)flags | SIGCHLD, 0, 0, 0, 0);
	return go_on_in_child(a, pid, gate, call);
}

static bool do_clone3(struct action *a)
{
	struct clone_args args = {
		.flags = flags_of(clone_flags, a->word[0]),
		.exit_signal = SIGCHLD,
	};
	size_t size = CLONE_ARGS_SIZE_VER0;
	int gate[2], directory = -1;
	char call[LINE_SIZE / 4];
	pid_t pid;

	if (a->word[1]) {
		directory = open_or_report(a->word[1], "dir");
		if (directory < 0)
			return false;
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = directory;
		size = CLONE_ARGS_SIZE_VER2;
	}
	snprintf(call, sizeof(call), "clone3(%s%s%s)", show_flags(clone_flags, args.flags),
		 a->word[1] ? ", " : "", a->word[1] ? a->word[1] : "");
	if (pipe2(gate, O_CLOEXEC))
		return report(-1, "pipe2()");
	pid = syscall(SYS_clone3, &args, size);
	if (directory >= 0)
		close_file(a->word[1], directory);
	return go_on_in_child(a, pid, gate, call);
}

struct thread_work {
	struct action *block;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool has_ended;
	bool succeeded;
};

static void *thread_main(void *argument)
{
	struct thread_work *work = argument;
	bool succeeded;

	last_thread = syscall(SYS_gettid);
	line("thread() = %d", last_thread);
	succeeded = run_list(work->block);
	pthread_mutex_lock(&work->lock);
	work->succeeded = succeeded;
	work->has_ended = true;
	pthread_cond_signal(&work->ended);
	pthread_mutex_unlock(&work->lock);
	for (;;)
		pause();
	return NULL;
}

static bool do_thread(struct action *a)
{
	struct thread_work work = {
		.block = a->block,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended = PTHREAD_COND_INITIALIZER,
	};
	pthread_t thread;

	errno = pthread_create(&thread, NULL, thread_main, &work);
	if (errno)
		return report(-1, "thread()");
	pthread_mutex_lock(&work.lock);
	while (!work.has_ended)
		pthread_cond_wait(&work.ended, &work.lock);
	pthread_mutex_unlock(&work.lock);
	return work.succeeded;
}

static bool first_thread_is_zombie(void)
{
	char path[64], text[256], *end;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length < 0 ? 0 : length] = '\0';
	end = strrchr(text, ')');	/* the name before it may contain any character */
	return end && !strncmp(end, ") Z", 3);
}

static void *rest_main(void *argument)
{
	while (!first_thread_is_zombie())
		sched_yield();
	report(0, "leave()");
	run_list(argument);
	_exit(exit_status);
}

static bool do_leave(struct action *a)
{
	pthread_t thread;

	errno = EPERM;
	if (syscall(SYS_gettid) != getpid())
		return report(-1, "leave()");
	errno = pthread_create(&thread, NULL, rest_main, a->next);
	if (errno)
		return report(-1, "leave()");
	syscall(SYS_exit, 0);
	return false;
}

static bool write_number(const char *path, long number)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool written;

	if (fd < 0)
		return report(-1, "open(%s, O_WRONLY|O_CREAT|O_TRUNC)", path);
	written = dprintf(fd, "%ld\n", number) > 0;
	if (!written)
		report(-1, "write(%s, %ld)", path, number);
	close(fd);
	return written;
}

static bool do_pid(struct action *a)
{
	if (a->word[0] && !write_number(a->word[0], getpid()))
		return false;
	return report(getpid(), "getpid()");
}

static bool do_tid(struct action *a)
{
	(void)a;
	return report(syscall(SYS_gettid), "gettid()");
}

static bool do_zombie(struct action *a)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return report(-1, "zombie()");
	while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) < 0)
		if (errno != EINTR)
			return report(-1, "waitid(%d)", pid);
	if (a->word[0] && !write_number(a->word[0], pid))
		return false;
	return report(pid, "zombie()");
}

static bool do_ptrace(struct action *a)
{
	pid_t pid = number_of(a->word[0]);
	int status, result = ptrace(PTRACE_ATTACH, pid, 0, 0);

	report(result, "ptrace(PTRACE_ATTACH, %d)", pid);
	while (result == 0 && waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return report(-1, "waitpid(%d)", pid);
	if (result == 0)
		ptrace(PTRACE_DETACH, pid, 0, 0);
	return result == 0;
}

static bool do_exec(struct action *a)
{
	a->rest[a->rest_count] = NULL;	/* in a block the word there is "}" */
	execvp(a->rest[0], a->rest);
	report(-1, "exec(%s)", a->rest[0]);
	exit_status = errno == ENOENT ? 127 : 126;
	return false;
}

/* ---- communication with other processes ---- */

/* Opening a FIFO waits for the other end: this needs neither polling nor a kernel option. */
static int open_fifo(const char *path, int flags)
{
	if (mkfifo(path, 0666) == 0)
		chmod(path, 0666);	/* another user may be at the other end */
	else if (errno != EEXIST)
		return -1;
	return open(path, flags | O_CLOEXEC);
}

static bool do_wait(struct action *a)
{
	int fd = open_fifo(a->word[0], O_RDONLY);
	char text[256];

	if (fd < 0)
		return report(-1, "wait(%s)", a->word[0]);
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return report(unlink(a->word[0]) < 0 && errno != ENOENT ? -1 : 0, "wait(%s)", a->word[0]);
}

static bool do_signal(struct action *a)
{
	int fd = open_fifo(a->word[0], O_WRONLY);

	if (fd >= 0)
		close(fd);
	return report(fd < 0 ? -1 : 0, "signal(%s)", a->word[0]);
}

static bool socket_address(const char *path, struct sockaddr_un *address)
{
	size_t size = sizeof(address->sun_path);

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	errno = ENAMETOOLONG;
	return snprintf(address->sun_path, size, "%s", path) < (int)size;
}

/* The two meet at a FIFO beside the socket: when both hold it open, the socket listens. */
static bool meet(const char *path, int flags)
{
	char fifo[LINE_SIZE / 4];
	int fd;

	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	fd = open_fifo(fifo, flags);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool transfer(int socket, int *fd, bool sending)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec text = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (!sending) {
		if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
			return false;
		header = CMSG_FIRSTHDR(&message);
		errno = EBADMSG;
		if (!header || header->cmsg_type != SCM_RIGHTS)
			return false;
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
		return true;
	}
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), fd, sizeof(*fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static bool do_send(struct action *a)
{
	int fd = find_opened(a->word[1] + 1, strlen(a->word[1] + 1)), socket_fd = -1;
	struct sockaddr_un address;
	bool sent = false;

	if (fd >= 0 && socket_address(a->word[0], &address) && meet(a->word[0], O_RDONLY))
		socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (socket_fd >= 0)
		sent = connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		       transfer(socket_fd, &fd, true);
	report(sent ? 0 : -1, "send(%s, %s)", a->word[0], a->word[1]);
	if (socket_fd >= 0)
		close(socket_fd);
	return sent;
}

static bool listen_at(int fd, const char *path)
{
	struct sockaddr_un address;

	unlink(path);
	return socket_address(path, &address) &&
	       bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       chmod(path, 0666) == 0 && listen(fd, 1) == 0;
}

static bool do_recv(struct action *a)
{
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection = -1, fd = -1;
	char fifo[LINE_SIZE / 4], call[LINE_SIZE / 4];
	int error;

	snprintf(call, sizeof(call), "recv(%s)", a->word[0]);
	snprintf(fifo, sizeof(fifo), "%s.fifo", a->word[0]);
	if (listening >= 0 && listen_at(listening, a->word[0]) && meet(a->word[0], O_WRONLY))
		connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (connection >= 0 && !transfer(connection, &fd, false))
		fd = -1;
	error = errno;
	if (listening >= 0)
		close(listening);
	if (connection >= 0)
		close(connection);
	unlink(a->word[0]);
	unlink(fifo);
	errno = error;
	return report_name(fd, a->word[1], call);
}

/* ---- credentials ---- */

/* System calls: glibc's wrappers change every thread. Dumpable: our /proc files stay ours. */
static bool do_user(struct action *a)
{
	unsigned int uid = number_of(a->word[0]), gid = a->word[1] ? number_of(a->word[1]) : uid;
	long result = syscall(SYS_setgroups, 0, NULL);

	if (result == 0)
		result = syscall(SYS_setresgid, gid, gid, gid);
	if (result == 0)
		result = syscall(SYS_setresuid, uid, uid, uid);
	report(result, "user(%u, %u)", uid, gid);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return result == 0;
}

static bool do_setuid(struct action *a)
{
	unsigned int id = number_of(a->word[0]);
	bool done = report(syscall(SYS_setresuid, id, id, id), "setresuid(%u, %u, %u)", id, id, id);

	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return done;
}

static bool do_setgid(struct action *a)
{
	unsigned int id = number_of(a->word[0]);
	bool done = report(syscall(SYS_setresgid, id, id, id), "setresgid(%u, %u, %u)", id, id, id);

	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return done;
}

/* ---- mounts ---- */

static bool do_mount(struct action *a)
{
	unsigned long long flags = flags_of(mount_flags, a->word[3]);
	const char *data = a->word[4];
	int result = mount(a->word[0], a->word[1], a->word[2], flags, data);

	return report(result, "mount(%s, %s, %s, %s%s%s)", a->word[0], a->word[1], a->word[2],
		      show_flags(mount_flags, flags), data ? ", " : "", data ? data : "");
}

static bool do_umount(struct action *a)
{
	bool detach = a->word[1];

	return report(umount2(a->word[0], detach ? MNT_DETACH : 0), "umount2(%s, %s)", a->word[0],
		      detach ? "MNT_DETACH" : "0");
}

static bool do_fsopen(struct action *a)
{
	char call[LINE_SIZE / 4];

	snprintf(call, sizeof(call), "fsopen(%s)", a->word[1]);
	return report_name(syscall(CALL_FSOPEN, a->word[1], 1 /* FSOPEN_CLOEXEC */), a->word[0], call);
}

static bool do_fsconfig(struct action *a)
{
	int fd = find_opened(a->word[0] + 1, strlen(a->word[0] + 1)), command = a->word[2] ? 1 : 0;
	long result = fd;

	if (fd >= 0)
		result = syscall(CALL_FSCONFIG, fd, command, a->word[1], a->word[2], 0);
	return report(result, "fsconfig(%s, %s%s%s)", a->word[0], a->word[1], a->word[2] ? ", " : "",
		      a->word[2] ? a->word[2] : "");
}

static bool do_create(struct action *a)
{
	int fd = find_opened(a->word[0] + 1, strlen(a->word[0] + 1));
	long result = fd;

	if (fd >= 0)
		result = syscall(CALL_FSCONFIG, fd, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
	return report(result, "fsconfig(%s, FSCONFIG_CMD_CREATE)", a->word[0]);
}

static bool do_fsmount(struct action *a)
{
	int fd = find_opened(a->word[1] + 1, strlen(a->word[1] + 1));
	char call[64];

	snprintf(call, sizeof(call), "fsmount(%s)", a->word[1]);
	if (fd >= 0)
		fd = syscall(CALL_FSMOUNT, fd, 1 /* FSMOUNT_CLOEXEC */, 0);
	return report_name(fd, a->word[0], call);
}

static bool do_opentree(struct action *a)
{
	int fd, file = open_or_report(a->word[1], "path");
	unsigned int flags = AT_EMPTY_PATH | O_CLOEXEC | (a->word[2] ? 1 /* OPEN_TREE_CLONE */ : 0);
	char call[LINE_SIZE / 4];

	if (file < 0)
		return false;
	snprintf(call, sizeof(call), "open_tree(%s, %s)", a->word[1],
		 a->word[2] ? "OPEN_TREE_CLONE" : "0");
	fd = syscall(CALL_OPEN_TREE, file, "", flags);
	close_file(a->word[1], file);
	return report_name(fd, a->word[0], call);
}

static bool do_movemount(struct action *a)
{
	int fd = find_opened(a->word[0] + 1, strlen(a->word[0] + 1));
	long result = fd;

	if (fd >= 0)
		result = syscall(CALL_MOVE_MOUNT, fd, "", AT_FDCWD, a->word[1],
				 4 /* MOVE_MOUNT_F_EMPTY_PATH */);
	return report(result, "move_mount(%s, %s)", a->word[0], a->word[1]);
}

/* struct mnt_id_req and struct statmount of linux/mount.h, as Linux 6.8 has them. */
struct mount_request {
	unsigned int size, spare;
	unsigned long long mount, param;
};

struct mount_status {
	unsigned int size, options;
	unsigned long long mask;
	unsigned int major, minor;
	unsigned long long magic;
	unsigned int flags, type;
	unsigned long long numbers[8];
	unsigned int root, point;
	unsigned long long spare[50];
	char text[LINE_SIZE / 2];
};

#define STATUS_ROOT_POINT_TYPE 0x38	/* STATMOUNT_MNT_ROOT, _MNT_POINT and _FS_TYPE */

static bool mount_status(unsigned long long mount, struct mount_status *status)
{
	struct mount_request request = { sizeof(request), 0, mount, STATUS_ROOT_POINT_TYPE };

	return syscall(CALL_STATMOUNT, &request, status, sizeof(*status), 0) == 0;
}

static bool do_statmount(struct action *a)
{
	int result, fd = open_or_report(a->word[0], "path");
	static struct mount_status status;
	struct statx file;

	if (fd < 0)
		return false;
	/* STATX_MNT_ID_UNIQUE: the only kind of number that statmount takes. */
	result = statx(fd, "", AT_EMPTY_PATH, 0x4000, &file);
	close_file(a->word[0], fd);
	if (result < 0 || !mount_status(file.stx_mnt_id, &status))
		return report(-1, "statmount(%s)", a->word[0]);
	line("statmount(%s) = %s, root %s", a->word[0], status.text + status.type,
	     status.text + status.root);
	return true;
}

static bool do_listmount(struct action *a)
{
	/* LSMT_ROOT: all mounts below the caller's root. */
	struct mount_request request = { sizeof(request), 0, ~0ULL, 0 };
	unsigned long long mounts[256];
	long count = syscall(CALL_LISTMOUNT, &request, mounts, ARRAY_SIZE(mounts), 0), i;
	static struct mount_status status;
	char shown[LINE_SIZE / 4] = "";
	size_t used = 0;

	if (count < 0)
		return report(-1, "listmount(%s)", a->word[0]);
	for (i = 0; i < count && used < sizeof(shown); i++) {
		if (!mount_status(mounts[i], &status))
			return report(-1, "statmount(%llu)", mounts[i]);
		if (strcmp(status.text + status.type, a->word[0]))
			continue;
		used += snprintf(shown + used, sizeof(shown) - used, "%s %s on %s",
				 used ? "," : "", status.text + status.root,
				 status.text + status.point);
	}
	line("listmount(%s) =%s", a->word[0], shown);
	return true;
}

/* ---- a shell on a serial port ---- */

/*
 * Canonical input with signals, no echo; output as it is written. Nothing may stop or rewrite the
 * bytes: no flow control, no bell for a full line, no special characters beyond those of the
 * canonical mode. At 9600 baud, the default, an emulated port holds the last bytes of a command
 * back for milliseconds (the timeout of its FIFO): hence the speed.
 */
static void set_terminal(int fd)
{
	struct termios settings = {
		.c_iflag = ICRNL,
		.c_cflag = CS8 | CREAD | CLOCAL,
		.c_lflag = ISIG | ICANON,
		.c_cc = {
			[VINTR] = 'C' & 0x1f,
			[VQUIT] = '\\' & 0x1f,
			[VERASE] = 0x7f,
			[VKILL] = 'U' & 0x1f,
			[VEOF] = 'D' & 0x1f,
			[VSUSP] = 'Z' & 0x1f,
			[VMIN] = 1,
		},
	};
	struct winsize size = { .ws_row = 50, .ws_col = 500 };

	cfsetspeed(&settings, B115200);
	tcsetattr(fd, TCSANOW, &settings);
	ioctl(fd, TIOCSWINSZ, &size);
}

static void set_job_signals(void (*handler)(int))
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], handler);
}

static void __attribute__((noreturn)) run_in_foreground(struct action *a)
{
	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpid());
	set_job_signals(SIG_DFL);
	execvp(a->rest[1], a->rest + 1);
	report(-1, "exec(%s)", a->rest[1]);
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * The leader of the session outlives the shell. If the shell was the leader, its exit would hang up
 * the terminal, and its last output, still in the port, would be lost.
 */
static bool do_session(struct action *a)
{
	int fd, i;
	pid_t pid;

	if (setsid() < 0)
		return report(-1, "setsid()");
	fd = open(a->rest[0], O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return report(-1, "open(%s, O_RDWR|O_NONBLOCK)", a->rest[0]);
	set_terminal(fd);
	fcntl(fd, F_SETFL, 0);
	if (ioctl(fd, TIOCSCTTY, 1) < 0)
		return report(-1, "ioctl(%s, TIOCSCTTY)", a->rest[0]);
	for (i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
	set_job_signals(SIG_IGN);
	pid = fork();
	if (pid == 0)
		run_in_foreground(a);
	if (pid < 0)
		return report(-1, "fork()");
	exit_status = wait_for(pid);
	tcdrain(STDIN_FILENO);
	return exit_status == 0;
}

/* ---- the command line ---- */

static const struct verb verbs[] = {
	{ "unshare", "F", "unshare FLAGS", do_unshare },
	{ "setns", "Pt", "setns FILE [TYPE]", do_setns },
	{ "clone", "Gb", "clone FLAGS [{ ... }]", do_clone },
	{ "clone3", "GIb", "clone3 FLAGS [into FILE] [{ ... }]", do_clone3 },
	{ "thread", "B", "thread { ... }", do_thread },
	{ "leave", "", "leave", do_leave },
	{ "open", "NPm", "open NAME FILE [r|w|rw|a|path|dir]", do_open },
	{ "close", "O", "close @NAME", do_close },
	{ "read", "P", "read FILE", do_read },
	{ "write", "PS", "write FILE TEXT", do_write },
	{ "handle", "P", "handle FILE", do_handle },
	{ "byhandle", "NPLm", "byhandle NAME FILE HANDLE [r|w|rw|a|path|dir]", do_byhandle },
	{ "inotify", "NP", "inotify NAME FILE", do_inotify },
	{ "events", "O", "events @NAME", do_events },
	{ "pidfd", "NU", "pidfd NAME PID", do_pidfd },
	{ "getfd", "NOU", "getfd NAME @PIDFD NUMBER", do_getfd },
	{ "ptrace", "U", "ptrace PID", do_ptrace },
	{ "ioctl", "PKn", "ioctl FILE parent|userns|nstype|owner|id|cgroupns [NAME]",
	  do_ioctl },
	{ "listns", "T", "listns TYPE", do_listns },
	{ "send", "SO", "send SOCKET @NAME", do_send },
	{ "recv", "SN", "recv SOCKET NAME", do_recv },
	{ "cgroup", "WC", "cgroup [of WHO] [in CONTROLLER]", do_cgroup },
	{ "ns", "NW", "ns LINK [of WHO]", do_ns },
	{ "pid", "s", "pid [PATH]", do_pid },
	{ "tid", "", "tid", do_tid },
	{ "zombie", "s", "zombie [PATH]", do_zombie },
	{ "wait", "S", "wait PATH", do_wait },
	{ "signal", "S", "signal PATH", do_signal },
	{ "user", "Uu", "user UID [GID]", do_user },
	{ "setuid", "U", "setuid UID", do_setuid },
	{ "setgid", "U", "setgid GID", do_setgid },
	{ "mount", "SSSxs", "mount SOURCE TARGET FSTYPE [MSFLAGS [DATA]]", do_mount },
	{ "umount", "Sd", "umount TARGET [detach]", do_umount },
	{ "fsopen", "NS", "fsopen NAME FSTYPE", do_fsopen },
	{ "fsconfig", "OSs", "fsconfig @FS KEY [VALUE]", do_fsconfig },
	{ "create", "O", "create @FS", do_create },
	{ "fsmount", "NO", "fsmount NAME @FS", do_fsmount },
	{ "opentree", "NPe", "opentree NAME FILE [clone]", do_opentree },
	{ "movemount", "OS", "movemount @TREE TARGET", do_movemount },
	{ "statmount", "P", "statmount FILE", do_statmount },
	{ "listmount", "S", "listmount FSTYPE", do_listmount },
	{ "session", "R", "session TTY CMD...", do_session },
	{ "exec", "R", "exec CMD...", do_exec },
};

static void __attribute__((noreturn, format(printf, 2, 3)))
usage(const struct verb *verb, const char *format, ...)
{
	va_list list;
	size_t i;

	fputs("nsctl: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	if (verb) {
		fprintf(stderr, "usage: %s\n", verb->usage);
	} else {
		fputs("usage: nsctl ACTION [then ACTION | also ACTION]...\n", stderr);
		for (i = 0; i < ARRAY_SIZE(verbs); i++)
			fprintf(stderr, "  %s\n", verbs[i].usage);
	}
	exit(STATUS_USAGE);
}

static bool is_name(const char *word)
{
	size_t length = 0;

	while (isalnum((unsigned char)word[length]) || word[length] == '-' || word[length] == '_')
		length++;
	return length > 0 && length < NAME_SIZE && !word[length];
}

static bool is_who(const char *word)
{
	unsigned long long number;

	return !strcmp(word, "self") || !strcmp(word, "main") || !strcmp(word, "thread") ||
	       parse_number(word, &number);
}

static bool fits(char letter, const char *word)
{
	unsigned long long number;
	union handle handle;

	switch (toupper((unsigned char)letter)) {
	case 'F':
	case 'T':
		return parse_flags(clone_flags, word, &number);
	case 'G':
		return parse_flags(clone_flags, word, &number) && !(number & CLONE_UNUSABLE);
	case 'X':
		return parse_flags(mount_flags, word, &number);
	case 'L':
		return parse_handle(word, &handle);
	case 'M':
		return find_flag(open_modes, word);
	case 'K':
		return find_flag(ns_ioctls, word);
	case 'U':
		return parse_number(word, &number);
	case 'N':
		return is_name(word);
	case 'O':
		return word[0] == '@' && is_name(word + 1);
	case 'D':
		return !strcmp(word, "detach");
	case 'E':
		return !strcmp(word, "clone");
	case 'W':
		return is_who(word);
	default:
		return true;
	}
}

static bool ends_action(const char *word)
{
	return !word || !strcmp(word, "then") || !strcmp(word, "also") || !strcmp(word, "}") ||
	       !strcmp(word, "{");
}

/* A program and its arguments: all that are left, or those up to the block's end. */
static char **take_program(struct action *a, char **word, bool in_block)
{
	a->rest = word;
	while (*word && !(in_block && !strcmp(*word, "}")))
		word++;
	a->rest_count = word - a->rest;
	if (a->rest_count < 1 + !strcmp(a->verb->name, "session"))
		usage(a->verb, "missing program of '%s'", a->verb->name);
	return word;
}

static struct action *parse_list(char ***cursor, bool in_block);

/* Read the argument for one letter of the shape, if there is one. */
static char **take_word(struct action *a, int place, char letter, char **word)
{
	const char *before = letter == 'I' ? "into" :
			     letter == 'W' ? "of" :
			     letter == 'C' ? "in" : NULL;

	if (before) {
		if (!*word || strcmp(*word, before))
			return word;
		word++;
	}
	if (ends_action(*word)) {
		if (before || isupper((unsigned char)letter))
			usage(a->verb, "missing argument of '%s'", a->verb->name);
		return word;
	}
	if (!fits(letter, *word))
		usage(a->verb, "invalid argument '%s'", *word);
	a->word[place] = *word;
	return word + 1;
}

static struct action *parse_action(char ***cursor, bool in_block)
{
	static struct action pool[MAX_ACTIONS];
	static size_t used;
	struct action *a = &pool[used++];
	char **word = *cursor;
	const char *letter;
	int place = 0;
	size_t i;

	if (used > MAX_ACTIONS)
		usage(NULL, "too many actions (at most %d)", MAX_ACTIONS);
	if (ends_action(*word))
		usage(NULL, *word ? "missing action before '%s'" : "missing action", *word);
	for (i = 0; i < ARRAY_SIZE(verbs) && strcmp(*word, verbs[i].name); i++)
		;
	if (i == ARRAY_SIZE(verbs))
		usage(NULL, "unknown action '%s'", *word);
	a->verb = &verbs[i];
	word++;
	for (letter = a->verb->shape; *letter; letter++) {
		if (*letter == 'R') {
			word = take_program(a, word, in_block);
		} else if (*letter != 'b' && *letter != 'B') {
			word = take_word(a, place++, *letter, word);
		} else if (*word && !strcmp(*word, "{")) {
			word++;
			a->block = parse_list(&word, true);
		} else if (*letter == 'B') {
			usage(a->verb, "missing block of '%s'", a->verb->name);
		}
	}
	*cursor = word;
	return a;
}

static struct action *parse_list(char ***cursor, bool in_block)
{
	struct action *first = parse_action(cursor, in_block), *last = first;

	for (;;) {
		char *word = **cursor;

		if (!word && !in_block)
			return first;
		if (!word)
			usage(NULL, "missing '}'");
		(*cursor)++;
		if (!strcmp(word, "}") && in_block)
			return first;
		if (strcmp(word, "then") && strcmp(word, "also"))
			usage(last->verb, "unexpected argument '%s'", word);
		last->next = parse_action(cursor, in_block);
		last->next->always = !strcmp(word, "also");
		last = last->next;
	}
}

static bool run_list(struct action *a)
{
	bool succeeded = true, all = true;

	for (; a; a = a->next) {
		if (!succeeded && !a->always)
			continue;
		succeeded = a->verb->run(a);
		all &= succeeded;
		if (!succeeded && !exit_status)
			exit_status = 1;
		if (a->left_rest)
			break;
	}
	return all;
}

int main(int argc, char **argv)
{
	char **cursor = argv + 1;
	struct action *first;

	if (argc < 2)
		usage(NULL, "missing action");
	first = parse_list(&cursor, false);
	run_list(first);
	return exit_status;
}
