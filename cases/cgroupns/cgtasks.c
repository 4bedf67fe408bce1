// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgtasks - guest program for exploration: does operations of several tasks on cgroups and their namespaces.
 *
 *	cgtasks 'TASK VERB ARGUMENT...; TASK VERB ARGUMENT...'
 *
 * For each operation one line is printed, "OPERATION = ANSWER". An answer is 0, the name of an error ("open EACCES"
 * if the file could not be opened), or text. Any sequence is valid: a task that does not exist answers "none", one
 * that has exited "dead", one that a cgroup freezes "frozen", and one that dies of its operation "died".
 *
 *	TASK	p0 to p7. p0 is there at the start, as root in the initial namespaces, in the root of each hierarchy.
 *	DIR	a directory: 1/a/b and 2/a/b in the mounts of the v1 and the v2 hierarchy that were there before; m0/a and
 *		m1/a in what "mount" mounted at m0 and m1, "unmounted" if nothing is
 *	FLAGS	cgroup, user, mnt, joined by ","
 *	FD	f0 to f3, a descriptor of the process
 *
 *	pA fork pB [FLAGS]		clone(2)
 *	pA into pB DIR [FLAGS]		clone3(2) with CLONE_INTO_CGROUP
 *	pA thread pB			a thread in the same process
 *	pA exit				the thread exits
 *	pA reap				the zombie is waited for
 *	pA unshare FLAGS
 *	pA setns pB|FD			by the file of the namespace, or by a descriptor of it
 *	pA setnspid pB			by a pidfd of the process
 *	pA setnsmany pB			by the file of the namespace, with a type of two bits
 *	pA user [seen]			becomes user 9000, without capabilities; tasks of that user may not look into its
 *					process then, unless it is "seen"
 *	pA mkdir DIR, pA rmdir DIR, pA rename DIR NAME	not of the root of a mount: "root"; the name NL is a line's end,
 *					and the name SP has a space in it
 *	pA chown DIR			gives the directory and its lists of tasks to user 9000
 *	pA move pB DIR			writes pB to cgroup.procs
 *	pA movet pB DIR			writes pB to cgroup.threads, or tasks of v1
 *	pA write DIR FILE VALUE		writes a control file
 *	pA open FD DIR FILE		opens a file for writing
 *	pA open FD ns pB		opens the namespace of pB
 *	pA put FD pB			writes pB to a descriptor
 *	pA say FD VALUE			writes a value to a descriptor
 *	pA pass FD pB FD2		gives pB a copy of the descriptor
 *	pA view pB			the paths of /proc/pB/cgroup, of v1 and of v2
 *	pA same pB			whether both are in the same cgroup namespace
 *	pA cpuset pB			the path in /proc/pB/cpuset
 *	pA owner pB			whether the user namespace of pA owns the cgroup namespace of pB: own or other
 *	pA ls DIR			the names of the directories in it
 *	pA procs DIR			the tasks in its cgroup.procs
 *	pA foreign DIR			the numbers in its cgroup.procs, each once, as a child of pA reads them that is number 1
 *					of a new pid namespace; numbers above 1 are "other"
 *	pA events DIR			whether its cgroup.events says that it is populated
 *	pA mount 1|2|1r m0|m1		mounts a hierarchy; 1r is that of v1 with the option release_agent
 *	pA umount m0|m1
 *	pA mounts pB			the roots of the cgroup mounts in /proc/pB/mountinfo
 *	pA new name|freezer		mounts a new v1 hierarchy, without a controller or with one, and unmounts it
 *	pA count N			limits the cgroup namespaces of each user, in the user namespace of pA
 *	pA delegate on|off		remounts v2 with or without nsdelegate
 *
 * Exit status: 64 for an operation that is not in the list.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <guest_helper.h>

#define TASKS 8
#define WORDS 8
#define USER 9000
#define DESCRIPTOR 100		/* f0 */
#define STACK (64 * 1024)
#define PLACE "/run/cgtasks"
#define V1 "/sys/fs/cgroup/x"
#define V2 "/sys/fs/cgroup/unified"
#define LOOK_MS 20
#define LOST_MS 20000
#define COUNT "/proc/sys/user/max_cgroup_namespaces"
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct command {
	unsigned int number;
	int first, second;	/* thread ids of the tasks that the operation names, or 0 */
	int process;		/* process id of the first one */
	char text[112];
};

struct answer {
	unsigned int number;
	int made;		/* thread id of a new task */
	char text[500];
};

enum state { NONE, ALIVE, DEAD };

static struct task {
	enum state state;
	int thread, process;
} tasks[TASKS];

static int commands[TASKS][2], answers[2], passing[2];
static unsigned int number;
static bool is_freezing, was_delegated, was_counted;
static char bad_usage[160];

/* ---- in the tasks ---- */

static const char *name_of(const char *word)
{
	if (!strcmp(word, "NL"))
		return "\n";
	return strcmp(word, "SP") ? word : "a b";
}

/* Puts names into a path where words stand for them. */
static void name_parts(char *path, size_t size)
{
	char copy[256], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", path + 1);
	*path = '\0';
	while ((one = strsep(&rest, "/")))
		snprintf(path + strlen(path), size - strlen(path), "/%s", name_of(one));
}

/* Where a DIR of an operation is. */
static const char *path_of(const char *dir, const char *file, char *path, size_t size)
{
	const char *rest = strchr(dir, '/');
	int length = rest ? (int)(rest - dir) : (int)strlen(dir);

	if (length == 1 && (*dir == '1' || *dir == '2'))
		snprintf(path, size, "%s%s", *dir == '1' ? V1 : V2, rest ? rest : "");
	else
		snprintf(path, size, "%s/%.*s%s", PLACE, length, dir, rest ? rest : "");
	if (file)
		snprintf(path + strlen(path), size - strlen(path), "/%s", file);
	name_parts(path, size);
	return path;
}

static int flags_of(const char *words)
{
	return (strstr(words, "cgroup") ? CLONE_NEWCGROUP : 0) | (strstr(words, "user") ? CLONE_NEWUSER : 0) |
	       (strstr(words, "mnt") ? CLONE_NEWNS : 0);
}

static void answer_result(struct answer *answer, long result)
{
	snprintf(answer->text, sizeof(answer->text), "%s", result < 0 ? error_name(errno) : "0");
}

static void answer_open(struct answer *answer)
{
	snprintf(answer->text, sizeof(answer->text), "open %s", error_name(errno));
}

/* Adds a word to an answer; what does not fit is cut off. */
static void add(struct answer *answer, const char *word)
{
	size_t length = strlen(answer->text), more = strnlen(word, sizeof(answer->text) - length - 2);

	if (length)
		answer->text[length++] = ' ';
	memcpy(answer->text + length, word, more);
	answer->text[length + more] = '\0';
}

static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = 0, done;

	if (fd < 0)
		return -1;
	while ((done = read(fd, text + length, size - 1 - length)) > 0)
		length += done;
	text[length] = '\0';
	close(fd);
	return done < 0 ? -1 : length;
}

static void write_file(struct answer *answer, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		answer_open(answer);
		return;
	}
	answer_result(answer, write(fd, text, strlen(text)));
	close(fd);
}

static void write_task(struct answer *answer, int fd, int thread)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", thread);
	answer_result(answer, write(fd, text, strlen(text)));
}

static void do_move(struct answer *answer, const char *dir, const char *file, int thread)
{
	char path[256];
	int fd = open(path_of(dir, file, path, sizeof(path)), O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		answer_open(answer);
		return;
	}
	write_task(answer, fd, thread);
	close(fd);
}

static void do_view(struct answer *answer, int thread)
{
	char path[64], text[2048], *rest = text, *one, *v1 = "-", *v2 = "-";

	snprintf(path, sizeof(path), "/proc/%d/cgroup", thread);
	if (read_file(path, text, sizeof(text)) < 0) {
		answer_result(answer, -1);
		return;
	}
	while ((one = strsep(&rest, "\n"))) {
		char *colon = strchr(one, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;

		if (!second)
			continue;
		if (!strncmp(colon, ":name=x:", 8))
			v1 = second + 1;
		else if (!strncmp(one, "0:", 2))
			v2 = second + 1;
	}
	snprintf(answer->text, sizeof(answer->text), "%.200s %.200s", v1, v2);
}

static void do_cpuset(struct answer *answer, int thread)
{
	char path[64], text[2048];

	snprintf(path, sizeof(path), "/proc/%d/cpuset", thread);
	if (read_file(path, text, sizeof(text)) < 0) {
		answer_result(answer, -1);
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	add(answer, text);
}

static int compare_names(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static void do_ls(struct answer *answer, const char *dir)
{
	char path[256], *names[32];
	size_t count = 0, i;
	struct dirent *entry;
	DIR *stream = opendir(path_of(dir, NULL, path, sizeof(path)));

	if (!stream) {
		answer_result(answer, -1);
		return;
	}
	while ((entry = readdir(stream)) && count < ARRAY_SIZE(names))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			names[count++] = strdup(entry->d_name);
	closedir(stream);
	qsort(names, count, sizeof(names[0]), compare_names);
	for (i = 0; i < count; i++)
		add(answer, names[i]);
	if (!count)
		add(answer, "empty");
}

static void do_events(struct answer *answer, const char *dir)
{
	char path[256], text[256], *rest = text, *one;

	if (read_file(path_of(dir, "cgroup.events", path, sizeof(path)), text, sizeof(text)) < 0) {
		answer_open(answer);
		return;
	}
	/* Tasks freeze one after the other, so "frozen" depends on the time. */
	while ((one = strsep(&rest, "\n")))
		if (!strncmp(one, "populated ", 10))
			add(answer, one);
}

/*
 * Shows the roots of cgroup mounts: those that were there before, then those at m0 and at m1, the lowest one first.
 * The kernel lists them in the order in which they were made or copied.
 */
static void do_mounts(struct answer *answer, int thread)
{
	static const char *const places[] = { "/sys/fs/cgroup/", PLACE "/m0", PLACE "/m1" };
	static char text[16384], copy[16384];
	char path[64];
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", thread);
	if (read_file(path, text, sizeof(text)) < 0) {
		answer_result(answer, -1);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		char *rest = strcpy(copy, text), *one;

		while ((one = strsep(&rest, "\n"))) {
			char root[200], place[100], shown[310];

			if (!strstr(one, " - cgroup") || sscanf(one, "%*d %*d %*s %199s %99s", root, place) != 2)
				continue;
			if (strncmp(place, places[i], strlen(places[i])))
				continue;
			if (i)
				snprintf(shown, sizeof(shown), "m%zu:%s", i - 1, root);
			else
				snprintf(shown, sizeof(shown), "%c:%s", strcmp(place, V2) ? '1' : '2', root);
			add(answer, shown);
		}
	}
	if (!answer->text[0])
		add(answer, "none");
}

static void do_setns(struct answer *answer, const char *word, int thread)
{
	char path[64];
	int fd;

	if (*word == 'f') {
		answer_result(answer, setns(DESCRIPTOR + word[1] - '0', CLONE_NEWCGROUP));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		answer_open(answer);
		return;
	}
	answer_result(answer, setns(fd, CLONE_NEWCGROUP));
	close(fd);
}

static void do_setns_pid(struct answer *answer, int process)
{
	int fd = syscall(SYS_pidfd_open, process, 0);

	if (fd < 0) {
		answer_open(answer);
		return;
	}
	answer_result(answer, setns(fd, CLONE_NEWCGROUP));
	close(fd);
}

static void do_setns_many(struct answer *answer, int thread)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		answer_open(answer);
		return;
	}
	answer_result(answer, setns(fd, CLONE_NEWCGROUP | CLONE_NEWUTS));
	close(fd);
}

static void do_user(struct answer *answer, bool is_seen)
{
	long result = syscall(SYS_setresgid, USER, USER, USER);

	if (result == 0)
		result = syscall(SYS_setresuid, USER, USER, USER);
	if (result == 0 && is_seen)
		result = prctl(PR_SET_DUMPABLE, 1);
	answer_result(answer, result);
}

static void do_chown(struct answer *answer, const char *dir)
{
	static const char *const files[] = { NULL, "cgroup.procs", "cgroup.threads", "tasks" };
	char path[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (chown(path_of(dir, files[i], path, sizeof(path)), USER, USER) == 0 || (i > 1 && errno == ENOENT))
			continue;
		answer_result(answer, -1);
		return;
	}
	answer_result(answer, 0);
}

static void do_rename(struct answer *answer, const char *dir, const char *name)
{
	char from[256], to[256];

	path_of(dir, NULL, from, sizeof(from));
	snprintf(to, sizeof(to), "%.*s/%s", (int)(strrchr(from, '/') - from), from, name_of(name));
	answer_result(answer, rename(from, to));
}

static void do_open(struct answer *answer, char **word, int thread)
{
	char path[256];
	int fd;

	if (!strcmp(word[1], "ns")) {
		snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", thread);
		fd = open(path, O_RDONLY);
	} else {
		fd = open(path_of(word[1], word[2], path, sizeof(path)), O_WRONLY);
	}
	if (fd >= 0) {
		int target = DESCRIPTOR + word[0][1] - '0';

		answer_result(answer, dup2(fd, target));
		close(fd);
		return;
	}
	answer_result(answer, -1);
}

static void do_pass(struct answer *answer, const char *descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = DESCRIPTOR + descriptor[1] - '0';

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	answer_result(answer, sendmsg(passing[0], &message, 0));
}

static void do_take(struct answer *answer, const char *descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	int fd;

	if (recvmsg(passing[1], &message, MSG_DONTWAIT) < 0 || !(header = CMSG_FIRSTHDR(&message))) {
		answer_result(answer, -1);
		return;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	answer_result(answer, dup2(fd, DESCRIPTOR + descriptor[1] - '0'));
	close(fd);
}

static void do_mount(struct answer *answer, const char *version, const char *place)
{
	const char *type = *version == '2' ? "cgroup2" : "cgroup", *data = *version == '2' ? NULL : "none,name=x";
	bool is_agent = !strcmp(version, "1r");
	char path[64];
	int result;

	path_of(place, NULL, path, sizeof(path));
	result = mount(type, path, type, MOUNT_FLAGS, is_agent ? "none,name=x,release_agent=/x" : data);
	/* Before 4.5, and in what was posted for such kernels. */
	if (result < 0 && errno == ENODEV && *version == '2')
		result = mount("cgroup", path, "cgroup", MOUNT_FLAGS, "__DEVEL__sane_behavior");
	answer_result(answer, result);
}

/* The numbers in a list of processes; "none" if it is empty. */
static void add_numbers(struct answer *answer, char *text)
{
	static const char *const words[] = { "0", "1", "other" };
	bool is_in[ARRAY_SIZE(words)] = { false };
	char *rest = text, *one;
	size_t i;

	while ((one = strsep(&rest, "\n")))
		if (*one)
			is_in[atoi(one) > 1 ? 2 : atoi(one)] = true;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (is_in[i])
			add(answer, words[i]);
	if (!answer->text[0])
		add(answer, "none");
}

static void do_foreign(struct answer *answer, const char *dir)
{
	char path[256];
	int ends[2];
	long child;

	path_of(dir, "cgroup.procs", path, sizeof(path));
	if (pipe2(ends, O_CLOEXEC) < 0) {
		answer_result(answer, -1);
		return;
	}
	child = syscall(SYS_clone, SIGCHLD | CLONE_NEWPID, 0, 0, 0, 0);
	if (child == 0) {
		static char list[16384];

		if (read_file(path, list, sizeof(list)) < 0)
			answer_open(answer);
		else
			add_numbers(answer, list);
		syscall(SYS_exit, write(ends[1], answer->text, sizeof(answer->text)) < 0);
	}
	if (child < 0)
		answer_result(answer, -1);
	close(ends[1]);
	if (child > 0) {
		if (read(ends[0], answer->text, sizeof(answer->text)) <= 0)
			answer_result(answer, -1);
		waitpid(child, NULL, __WALL);
	}
	close(ends[0]);
}

/* Creates a hierarchy whose name was never used, and lets go of it. */
static void do_new(struct answer *answer, const char *word, unsigned int unique)
{
	char data[64];
	int result;

	snprintf(data, sizeof(data), "%s,name=y%u", strcmp(word, "name") ? word : "none", unique);
	result = mount("cgroup", PLACE "/new", "cgroup", MOUNT_FLAGS, data);
	answer_result(answer, result);
	if (result == 0)
		umount2(PLACE "/new", MNT_DETACH);
}

static void do_owner(struct answer *answer, int thread)
{
	char path[64];
	struct stat owner, own;
	int fd, user;

	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		answer_open(answer);
		return;
	}
	user = ioctl(fd, NS_GET_USERNS);
	if (user < 0 || fstat(user, &owner) < 0 || stat("/proc/thread-self/ns/user", &own) < 0)
		answer_result(answer, -1);
	else
		add(answer, owner.st_ino == own.st_ino ? "own" : "other");
	if (user >= 0)
		close(user);
	close(fd);
}

static void do_delegate(struct answer *answer, const char *word)
{
	const char *data = strcmp(word, "on") ? NULL : "nsdelegate";

	answer_result(answer, mount("cgroup2", V2, "cgroup2", MS_REMOUNT | MOUNT_FLAGS, data));
}

static void serve(int own);

static int run_thread(void *argument)
{
	serve((int)(intptr_t)argument);
	return 0;
}

static void do_thread(struct answer *answer, const char *word)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	answer->made = clone(run_thread, stack + STACK, flags, (void *)(intptr_t)(word[1] - '0'));
	answer_result(answer, answer->made);
}

/* Starts a task that is a child of this program, whichever task made it, so that it stays a zombie until "reap". */
static void do_fork(struct answer *answer, char **word, int count, bool is_into)
{
	int own = word[0][1] - '0';
	const char *flags = count > 1 + is_into ? word[1 + is_into] : "";

	if (is_into) {
		char path[256];
		struct clone_args arguments = {
			.flags = CLONE_PARENT | CLONE_INTO_CGROUP | (unsigned int)flags_of(flags),
		};
		int fd = open(path_of(word[1], NULL, path, sizeof(path)), O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0) {
			answer_open(answer);
			return;
		}
		arguments.cgroup = fd;
		answer->made = syscall(SYS_clone3, &arguments, sizeof(arguments));
		if (answer->made != 0)
			close(fd);
	} else {
		answer->made = syscall(SYS_clone, CLONE_PARENT | SIGCHLD | flags_of(flags), 0, 0, 0, 0);
	}
	if (answer->made == 0)
		serve(own);
	answer_result(answer, answer->made);
}

/* Whether a DIR of an operation is where no hierarchy is mounted. */
static bool has_unmounted(char **word, int count)
{
	struct statfs found;
	char path[64];
	int i;

	for (i = 0; i < count; i++) {
		if (word[i][0] != 'm' || (word[i][1] != '0' && word[i][1] != '1') || (word[i][2] && word[i][2] != '/'))
			continue;
		snprintf(path, sizeof(path), PLACE "/m%c", word[i][1]);
		if (statfs(path, &found) < 0 || (found.f_type != CGROUP_SUPER_MAGIC && found.f_type != CGROUP2_SUPER_MAGIC))
			return true;
	}
	return false;
}

/* Does one operation in the task; false if there is no such verb. */
static bool do_operation(struct answer *answer, const struct command *command, char **word, int count)
{
	char path[256];
	const char *verb = word[0];

	word++;
	count--;
	if (strcmp(verb, "mount") && strcmp(verb, "umount") && has_unmounted(word, count)) {
		add(answer, "unmounted");
		return true;
	}
	if ((!strcmp(verb, "mkdir") || !strcmp(verb, "rmdir") || !strcmp(verb, "rename")) && count && !strchr(word[0], '/')) {
		add(answer, "root");
		return true;
	}
	if (!strcmp(verb, "ping"))
		add(answer, "pong");
	else if (!strcmp(verb, "fork") && count >= 1)
		do_fork(answer, word, count, false);
	else if (!strcmp(verb, "into") && count >= 2)
		do_fork(answer, word, count, true);
	else if (!strcmp(verb, "thread") && count == 1)
		do_thread(answer, word[0]);
	else if (!strcmp(verb, "unshare") && count == 1)
		answer_result(answer, unshare(flags_of(word[0])));
	else if (!strcmp(verb, "setns") && count == 1)
		do_setns(answer, word[0], command->first);
	else if (!strcmp(verb, "setnspid") && count == 1)
		do_setns_pid(answer, command->process);
	else if (!strcmp(verb, "setnsmany") && count == 1)
		do_setns_many(answer, command->first);
	else if (!strcmp(verb, "foreign") && count == 1)
		do_foreign(answer, word[0]);
	else if (!strcmp(verb, "user") && count <= 1)
		do_user(answer, count == 1);
	else if (!strcmp(verb, "mkdir") && count == 1)
		answer_result(answer, mkdir(path_of(word[0], NULL, path, sizeof(path)), 0755));
	else if (!strcmp(verb, "rmdir") && count == 1)
		answer_result(answer, rmdir(path_of(word[0], NULL, path, sizeof(path))));
	else if (!strcmp(verb, "rename") && count == 2)
		do_rename(answer, word[0], word[1]);
	else if (!strcmp(verb, "chown") && count == 1)
		do_chown(answer, word[0]);
	else if (!strcmp(verb, "move") && count == 2)
		do_move(answer, word[1], "cgroup.procs", command->first);
	else if (!strcmp(verb, "movet") && count == 2)
		do_move(answer, word[1], word[1][0] == '1' ? "tasks" : "cgroup.threads", command->first);
	else if (!strcmp(verb, "write") && count == 3)
		write_file(answer, path_of(word[0], word[1], path, sizeof(path)), word[2]);
	else if (!strcmp(verb, "open") && count == 3)
		do_open(answer, word, command->first);
	else if (!strcmp(verb, "put") && count == 2)
		write_task(answer, DESCRIPTOR + word[0][1] - '0', command->first);
	else if (!strcmp(verb, "say") && count == 2)
		answer_result(answer, write(DESCRIPTOR + word[0][1] - '0', word[1], strlen(word[1])));
	else if (!strcmp(verb, "pass") && count == 3)
		do_pass(answer, word[0]);
	else if (!strcmp(verb, "take") && count == 1)
		do_take(answer, word[0]);
	else if (!strcmp(verb, "view") && count == 1)
		do_view(answer, command->first);
	else if (!strcmp(verb, "cpuset") && count == 1)
		do_cpuset(answer, command->first);
	else if (!strcmp(verb, "count") && count == 1)
		write_file(answer, COUNT, word[0]);
	else if (!strcmp(verb, "ls") && count == 1)
		do_ls(answer, word[0]);
	else if (!strcmp(verb, "events") && count == 1)
		do_events(answer, word[0]);
	else if (!strcmp(verb, "procs") && count == 1) {
		if (read_file(path_of(word[0], "cgroup.procs", path, sizeof(path)), answer->text, sizeof(answer->text)) < 0)
			answer_open(answer);
	} else if (!strcmp(verb, "mount") && count == 2)
		do_mount(answer, word[0], word[1]);
	else if (!strcmp(verb, "umount") && count == 1)
		answer_result(answer, umount2(path_of(word[0], NULL, path, sizeof(path)), MNT_DETACH));
	else if (!strcmp(verb, "mounts") && count == 1)
		do_mounts(answer, command->first);
	else if (!strcmp(verb, "new") && count == 1)
		do_new(answer, word[0], command->number);
	else if (!strcmp(verb, "owner") && count == 1)
		do_owner(answer, command->first);
	else if (!strcmp(verb, "delegate") && count == 1)
		do_delegate(answer, word[0]);
	else
		return false;
	return true;
}

static int split(char *text, char **word)
{
	char *rest = text, *one;
	int count = 0;

	while ((one = strsep(&rest, " ")) && count < WORDS)
		if (*one)
			word[count++] = one;
	return count;
}

/* Does operations of one task until it exits. */
static void serve(int own)
{
	struct command command;

	while (read(commands[own][0], &command, sizeof(command)) == sizeof(command)) {
		struct answer answer = { .number = command.number };
		char *word[WORDS];
		int count = split(command.text, word);

		if (!strcmp(word[0], "exit"))
			syscall(SYS_exit, 0);
		if (!do_operation(&answer, &command, word, count))
			snprintf(answer.text, sizeof(answer.text), "?");
		if (write(answers[1], &answer, sizeof(answer)) < 0)
			break;
	}
	syscall(SYS_exit, 1);
}

/* ---- in the program itself ---- */

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The letter of a task's state in /proc, or 0 if there is no such task. */
static char letter_of(const struct task *task)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", task->process, task->thread);
	if (read_file(path, text, sizeof(text)) < 0 || !(end = strrchr(text, ')')))
		return 0;
	return end[2];
}

static bool is_sleeping(const struct task *task)
{
	return letter_of(task) == 'S';
}

/* The state of a task. The first thread of a process can be a zombie; any other one is gone soon. */
static enum state look(const struct task *task)
{
	char letter;

	while ((letter = letter_of(task)) == 'Z' || letter == 'X') {
		if (task->thread == task->process)
			return DEAD;
		usleep(200);
	}
	return letter ? ALIVE : NONE;
}

/*
 * Waits for the answer to the last command of a task. False if there is none: the task has ended, as its state then
 * says, or it is frozen. A task that has a command and is not frozen runs, or waits for a lock; it sleeps only when it
 * has answered. So the time that a busy host takes does not matter.
 */
static bool await(struct task *task, struct answer *answer)
{
	struct pollfd ready = { .fd = answers[0], .events = POLLIN };
	long end = now_ms() + LOST_MS;
	int asleep = 0;

	for (;;) {
		if (poll(&ready, 1, LOOK_MS) > 0) {
			if (read(answers[0], answer, sizeof(*answer)) == sizeof(*answer) && answer->number == number)
				return true;
			continue;
		}
		task->state = look(task);
		asleep = is_sleeping(task) ? asleep + 1 : 0;
		if (task->state != ALIVE || (is_freezing && asleep >= 3) || now_ms() > end)
			return false;
	}
}

static void send_command(int own, const char *text, int first, int process)
{
	struct command command = { .number = ++number, .first = first, .process = process };

	snprintf(command.text, sizeof(command.text), "%s", text);
	if (write(commands[own][1], &command, sizeof(command)) < 0)
		exit(1);
}

/* Asks a task whether it runs at all. */
static bool answers_ping(int own)
{
	struct answer answer;

	send_command(own, "ping", 0, 0);
	return await(&tasks[own], &answer);
}

/* Finds out which tasks a write has killed. They die before they answer anything. */
static void settle(void)
{
	int i;

	for (i = 0; i < TASKS; i++)
		if (tasks[i].state == ALIVE)
			answers_ping(i);
	for (i = 0; i < TASKS; i++)
		if (tasks[i].state == ALIVE)
			tasks[i].state = look(&tasks[i]);
}

/* Replaces the pids in a list by the names of tasks; others are left out. */
static void name_tasks(char *text, size_t size)
{
	bool is_in[TASKS] = { false };
	char *rest = text, *one;
	int i;

	/* The answer is an error. */
	if (*text && (*text < '0' || *text > '9'))
		return;
	while ((one = strsep(&rest, "\n")))
		for (i = 0; i < TASKS; i++)
			is_in[i] |= tasks[i].state != NONE && tasks[i].thread == tasks[i].process && atoi(one) == tasks[i].thread;
	*text = '\0';
	for (i = 0; i < TASKS; i++)
		if (is_in[i])
			snprintf(text + strlen(text), size - strlen(text), "%sp%d", *text ? " " : "", i);
	if (!*text)
		snprintf(text, size, "none");
}

static void do_same(struct answer *answer, const struct task *one, const struct task *other)
{
	const struct task *both[] = { one, other };
	struct stat found[2];
	int i;

	for (i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", both[i]->thread);
		if (stat(path, &found[i]) < 0) {
			answer_result(answer, -1);
			return;
		}
	}
	add(answer, found[0].st_ino == found[1].st_ino ? "yes" : "no");
}

static void do_reap(struct answer *answer, struct task *task)
{
	int i;

	for (i = 0; i < TASKS; i++)
		if (&tasks[i] != task && tasks[i].state != NONE && tasks[i].process == task->process) {
			add(answer, "threads");
			return;
		}
	answer_result(answer, waitpid(task->process, NULL, __WALL));
	task->state = NONE;
}

static void do_exit(struct answer *answer, struct task *task)
{
	long end = now_ms() + LOST_MS;

	while ((task->state = look(task)) == ALIVE && now_ms() < end)
		usleep(200);
	/* The first thread of a process is a zombie until the others are gone. */
	answer_result(answer, 0);
}

static int task_of(const char *word)
{
	return word && word[0] == 'p' && word[1] >= '0' && word[1] < '0' + TASKS && !word[2] ? word[1] - '0' : -1;
}

/* Does one operation, and fills in the answer. False if it is not in the list. */
static bool operate(const char *text, struct answer *answer)
{
	char copy[112], *word[WORDS] = { NULL };
	int count, own, other = -1, i;
	const char *verb;

	snprintf(copy, sizeof(copy), "%s", text);
	count = split(copy, word);
	own = task_of(word[0]);
	if (own < 0 || count < 2)
		return false;
	verb = word[1];
	for (i = 2; i < count && other < 0; i++)
		other = task_of(word[i]);
	if (tasks[own].state == NONE) {
		add(answer, "none");
		return true;
	}
	if (!strcmp(verb, "reap")) {
		if (tasks[own].state != DEAD || tasks[own].thread != tasks[own].process)
			add(answer, "alive");
		else
			do_reap(answer, &tasks[own]);
		return true;
	}
	if (tasks[own].state == DEAD) {
		add(answer, "dead");
		return true;
	}
	if (!strcmp(verb, "fork") || !strcmp(verb, "into") || !strcmp(verb, "thread")) {
		if (other < 0)
			return false;
		if (tasks[other].state != NONE) {
			add(answer, "used");
			return true;
		}
	} else if (other >= 0 && tasks[other].state == NONE) {
		add(answer, "none");
		return true;
	}
	if (!strcmp(verb, "same")) {
		if (other < 0)
			return false;
		do_same(answer, &tasks[own], &tasks[other]);
		return true;
	}
	if (is_freezing && !answers_ping(own)) {
		add(answer, "frozen");
		return true;
	}
	is_freezing |= strstr(text, "cgroup.freeze") != NULL;
	was_delegated |= !strcmp(verb, "delegate");
	was_counted |= !strcmp(verb, "count");
	if (!strcmp(verb, "pass") && (other < 0 || tasks[other].state != ALIVE || (is_freezing && !answers_ping(other)))) {
		add(answer, "unable");
		return true;
	}
	/* Past the task itself. */
	send_command(own, text + 3, other < 0 ? 0 : tasks[other].thread, other < 0 ? 0 : tasks[other].process);
	if (!strcmp(verb, "exit")) {
		do_exit(answer, &tasks[own]);
		return true;
	}
	if (!await(&tasks[own], answer)) {
		snprintf(answer->text, sizeof(answer->text), "%s", tasks[own].state == ALIVE ? "frozen" : "died");
	} else if (!strcmp(answer->text, "?")) {
		return false;
	} else if (answer->made > 0) {
		tasks[other] = (struct task){ ALIVE, answer->made, strcmp(verb, "thread") ? answer->made : tasks[own].process };
	} else if (!strcmp(verb, "procs")) {
		name_tasks(answer->text, sizeof(answer->text));
	} else if (!strcmp(verb, "pass") && !strcmp(answer->text, "0") && word[4]) {
		char take[32];

		answer->text[0] = '\0';
		snprintf(take, sizeof(take), "take %s", word[4]);
		send_command(other, take, 0, 0);
		if (!await(&tasks[other], answer))
			snprintf(answer->text, sizeof(answer->text), "unable");
	}
	/* A write through a descriptor may kill as well. */
	if (strstr(text, "cgroup.kill") || !strcmp(verb, "say") || !strcmp(verb, "into"))
		settle();
	return true;
}

static void prepare(void)
{
	int i;

	for (i = 0; i < TASKS; i++)
		if (pipe2(commands[i], O_CLOEXEC) < 0)
			exit(1);
	if (pipe2(answers, O_CLOEXEC) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, passing) < 0)
		exit(1);
	/* What a task mounts is in its own mount namespace and in those that are copied from it, nowhere else. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		exit(1);
	mkdir(PLACE, 0755);
	mkdir(PLACE "/m0", 0755);
	mkdir(PLACE "/m1", 0755);
	mkdir(PLACE "/new", 0755);
	umask(022);
	tasks[0].thread = tasks[0].process = fork();
	if (tasks[0].thread < 0)
		exit(1);
	tasks[0].state = ALIVE;
	if (tasks[0].thread == 0)
		serve(0);
}

/* Removes the cgroups in a directory. */
static void remove_below(const char *path)
{
	char below[300];
	struct dirent *entry;
	DIR *stream = opendir(path);

	while (stream && (entry = readdir(stream))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%.200s/%.90s", path, entry->d_name);
		remove_below(below);
		rmdir(below);
	}
	if (stream)
		closedir(stream);
}

static void reset(const char *path, const char *file, const char *value)
{
	struct answer ignored = { 0 };
	char name[256];

	write_file(&ignored, path_of(path, file, name, sizeof(name)), value);
}

/* Leaves the machine as it was, so that a sequence can be repeated on it. */
static void finish(void)
{
	static const char *const roots[] = { "1", "2" };
	static const char *const files[] = { NULL, "cgroup.procs", "cgroup.threads", "tasks" };
	struct answer ignored = { 0 };
	char path[256];
	size_t i, j;

	/* A frozen task dies of the signal as well. */
	for (i = 0; i < TASKS; i++)
		if (tasks[i].state != NONE)
			kill(tasks[i].process, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		remove_below(path_of(roots[i], NULL, path, sizeof(path)));
		for (j = 0; j < ARRAY_SIZE(files); j++)
			if (chown(path_of(roots[i], files[j], path, sizeof(path)), 0, 0) < 0)
				continue;
	}
	if (was_counted)
		write_file(&ignored, COUNT, "10000");
	reset("2", "cgroup.max.depth", "max");
	reset("2", "cgroup.max.descendants", "max");
	if (was_delegated)
		mount("cgroup2", V2, "cgroup2", MS_REMOUNT | MOUNT_FLAGS, NULL);
}

int main(int count, char **argument)
{
	char *rest, *text;

	if (count != 2) {
		fprintf(stderr, "usage: cgtasks 'TASK VERB ARGUMENT...; ...'\n");
		return STATUS_USAGE;
	}
	prepare();
	for (rest = argument[1]; (text = strsep(&rest, ";"));) {
		struct answer answer = { 0 };

		while (*text == ' ')
			text++;
		if (!*text)
			continue;
		if (!operate(text, &answer)) {
			snprintf(bad_usage, sizeof(bad_usage), "cgtasks: no such operation: %.100s\n", text);
			put(bad_usage, strlen(bad_usage));
			finish();
			return STATUS_USAGE;
		}
		line("%s = %s", text, answer.text);
	}
	finish();
	return 0;
}
