// SPDX-License-Identifier: GPL-2.0-only
/*
 * clocks - actions on the clocks of a time namespace that a shell cannot do, with a line for each.
 *
 *	clocks ACTION [then ACTION]...
 *
 * One process does all actions in order, and stops at the first one that fails. The whole command
 * line is checked before the first action.
 *
 * An action prints one line on standard output, "days(boottime, vdso) = 7". A system call that
 * fails is shown as strace shows it, "timerfd_settime(boottime, now-1) = -1 EINVAL".
 *
 * Exit status: 0 if all actions succeeded, 1 if an action failed, 64 for a usage error (no action
 * was done). After "vfork" it is that of the program.
 *
 * Arguments:
 *	CLOCK	realtime, tai, monotonic, monotonic_raw, monotonic_coarse, boottime, boottime_alarm
 *	WAY	syscall (the default) or vdso. "vdso" calls the function __vdso_clock_gettime that
 *		the kernel maps into the process; the function makes the system call itself if the
 *		clock or the clock source needs it
 *	WHEN	now, now+SECONDS or now-SECONDS by the clock of the action, with up to nine
 *		decimals; or a number of seconds after the clock's zero
 *
 * Reading clocks:
 *	table
 *		four lines, in the form of the example program of clock_getres(2)
 *	days CLOCK [WAY]
 *		the number of whole days of the clock, which is that of the offset on a machine
 *		that has been up for less than a day
 *	days sysinfo
 *		the number of whole days of the uptime that sysinfo(2) reports
 *	agree CLOCK
 *		"yes" if a reading through the vDSO is between two readings by system call, else
 *		"no"; the result does not depend on the speed of the machine
 *	offset CLOCK FILE
 *		the seconds by which the clock is ahead of the one in the time namespace FILE: the
 *		shortest decimal number between two readings here, minus one there. The process
 *		enters FILE and returns, by setns(2)
 *
 * Waiting until an absolute time. A wait that has not ended after 20 seconds is interrupted and
 * shown as "= not expired"; a wait that ends before its time is shown as "= too early":
 *	nanosleep CLOCK WHEN
 *		clock_nanosleep(2) with TIMER_ABSTIME
 *	timerfd CLOCK WHEN
 *		timerfd_settime(2) with TFD_TIMER_ABSTIME
 *	timer CLOCK WHEN
 *		timer_settime(2) with TIMER_ABSTIME
 *	futex WHEN
 *		futex(2), FUTEX_WAIT_BITSET, whose timeout is absolute and by the clock monotonic
 *
 * Processes:
 *	setns FILE
 *		setns(2) with CLONE_NEWTIME
 *	unshare
 *		unshare(2) with CLONE_NEWTIME
 *	vfork CMD...
 *		vfork(2), and execvp(3) in the child; all arguments to the end are its own. The line
 *		"vfork() = 0" shows the exit status of the program, after its output
 *
 * Examples:
 *	clocks days monotonic then days monotonic vdso then agree monotonic
 *	clocks offset boottime /proc/1/ns/time
 *	clocks timerfd boottime now-1 then nanosleep monotonic now+0.1
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <guest_helper.h>

#define NSEC_PER_SEC 1000000000LL
#define SECONDS_PER_DAY 86400
#define PATIENCE 20
#define MAX_ARGS 2
#define MAX_ACTIONS 32

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Nanoseconds: 292 years fit, and no clock of the kernel can show more than 146. */
typedef int64_t nanoseconds;

/*
 * The shape of a verb's arguments, a letter for each: C clock, S clock or "sysinfo", Y way, T time,
 * P file, R a program and its arguments. Lower case: optional.
 */
struct verb {
	const char *name;
	const char *shape;
	const char *usage;
	int (*run)(char **arg);
};

struct action {
	const struct verb *verb;
	char *arg[MAX_ARGS];
	char **rest;
};

static const struct {
	const char *name;
	clockid_t id;
} clocks[] = {
	{ "realtime", CLOCK_REALTIME },
	{ "tai", CLOCK_TAI },
	{ "monotonic", CLOCK_MONOTONIC },
	{ "monotonic_raw", CLOCK_MONOTONIC_RAW },
	{ "monotonic_coarse", CLOCK_MONOTONIC_COARSE },
	{ "boottime", CLOCK_BOOTTIME },
	{ "boottime_alarm", CLOCK_BOOTTIME_ALARM },
};

/* ---- output ---- */

/* "CALL = -1 ENAME", and the exit status 1. */
static int __attribute__((format(printf, 1, 2))) failed(const char *format, ...)
{
	int error = errno;
	char call[256];
	va_list list;

	va_start(list, format);
	vsnprintf(call, sizeof(call), format, list);
	va_end(list);
	line("%s = -1 %s", call, error_name(error));
	return 1;
}

/* ---- clocks ---- */

static clockid_t clock_of(const char *arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(clocks); i++)
		if (!strcmp(arg, clocks[i].name))
			return clocks[i].id;
	return -1;
}

static nanoseconds in_nanoseconds(struct timespec time)
{
	return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static struct timespec in_timespec(nanoseconds time)
{
	return (struct timespec){ time / NSEC_PER_SEC, time % NSEC_PER_SEC };
}

typedef int (*gettime)(clockid_t clock, struct timespec *time);

static int by_syscall(clockid_t clock, struct timespec *time)
{
	return syscall(SYS_clock_gettime, clock, time);
}

/*
 * The vDSO is an ELF file in memory: find its dynamic section, there the symbols and their names.
 * The C library does the same, but does not report whether it found the function. Linkers write
 * the names directly after the symbols; nothing else in every vDSO gives the number of symbols.
 */
static gettime find_vdso(void)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR), *names = NULL;
	const Elf64_Ehdr *head = (const void *)base;
	const Elf64_Sym *symbol = NULL;
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Phdr *segment;
	uint64_t shift = 0;
	int i;

	if (!base)
		return NULL;
	segment = (const void *)(base + head->e_phoff);
	for (i = 0; i < head->e_phnum; i++, segment++) {
		if (segment->p_type == PT_LOAD)
			shift = (uint64_t)base + segment->p_offset - segment->p_vaddr;
		else if (segment->p_type == PT_DYNAMIC)
			dynamic = (const void *)(base + segment->p_offset);
	}
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			symbol = (const void *)(dynamic->d_un.d_ptr + shift);
		else if (dynamic->d_tag == DT_STRTAB)
			names = (const void *)(dynamic->d_un.d_ptr + shift);
	}
	for (; symbol && (const char *)symbol < names; symbol++)
		if (!strcmp(names + symbol->st_name, "__vdso_clock_gettime"))
			return (gettime)(symbol->st_value + shift);
	return NULL;
}

static int by_vdso(clockid_t clock, struct timespec *time)
{
	static gettime found;
	int result;

	if (!found)
		found = find_vdso();
	if (!found) {
		errno = ENOSYS;
		return -1;
	}
	result = found(clock, time);
	if (result < 0)
		errno = -result;
	return result;
}

static bool show(clockid_t clock, nanoseconds *time, const char *way)
{
	struct timespec shown;
	int result = way && !strcmp(way, "vdso") ? by_vdso(clock, &shown) :
						    by_syscall(clock, &shown);

	*time = in_nanoseconds(shown);
	return result >= 0;
}

/* ---- reading clocks ---- */

/* Print a line of the program in clock_getres(2). */
static void show_row(const char *name, clockid_t clock)
{
	long seconds, days;
	nanoseconds time;
	char text[64] = "";

	if (!show(clock, &time, NULL)) {
		failed("clock_gettime(%s)", name);
		return;
	}
	seconds = time / NSEC_PER_SEC;
	days = seconds / SECONDS_PER_DAY;
	if (days > 0)
		snprintf(text, sizeof(text), "%ld days + ", days);
	line("%-15s: %10ld.%03ld (%s%2ldh %2ldm %2lds)", name, seconds,
	     (long)(time % NSEC_PER_SEC / 1000000), text, seconds % SECONDS_PER_DAY / 3600,
	     seconds % 3600 / 60, seconds % 60);
}

static int do_table(char **arg)
{
	(void)arg;
	show_row("CLOCK_REALTIME", CLOCK_REALTIME);
	show_row("CLOCK_TAI", CLOCK_TAI);
	show_row("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
	show_row("CLOCK_BOOTTIME", CLOCK_BOOTTIME);
	return 0;
}

static int do_days(char **arg)
{
	struct sysinfo info;
	nanoseconds time;

	if (!strcmp(arg[0], "sysinfo")) {
		if (sysinfo(&info) < 0)
			return failed("sysinfo()");
		line("days(sysinfo) = %ld", (long)info.uptime / SECONDS_PER_DAY);
		return 0;
	}
	if (!show(clock_of(arg[0]), &time, arg[1]))
		return failed("clock_gettime(%s%s%s)", arg[0], arg[1] ? ", " : "",
			      arg[1] ? arg[1] : "");
	line("days(%s%s%s) = %lld", arg[0], arg[1] ? ", " : "", arg[1] ? arg[1] : "",
	     (long long)(time / NSEC_PER_SEC / SECONDS_PER_DAY));
	return 0;
}

static int do_agree(char **arg)
{
	clockid_t clock = clock_of(arg[0]);
	nanoseconds before, between, after;

	if (!show(clock, &before, NULL) || !show(clock, &between, "vdso") ||
	    !show(clock, &after, NULL))
		return failed("clock_gettime(%s)", arg[0]);
	line("agree(%s) = %s", arg[0], before <= between && between <= after ? "yes" : "no");
	return 0;
}

/* Format the shortest decimal number from low to high. */
static void show_between(char *text, size_t size, nanoseconds low, nanoseconds high)
{
	nanoseconds unit = NSEC_PER_SEC, number = 0;
	int digits;

	for (digits = 0; digits < 9; digits++, unit /= 10) {
		number = high - ((high % unit) + unit) % unit;
		if (number >= low)
			break;
	}
	if (digits == 9)
		number = high;
	snprintf(text, size, "%s%lld%s%.*lld", number < 0 ? "-" : "",
		 llabs(number) / NSEC_PER_SEC, digits ? "." : "", digits,
		 llabs(number) % NSEC_PER_SEC / unit);
	if (!digits)
		*strchrnul(text, '.') = '\0';
}

static int do_offset(char **arg)
{
	int here = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	int there = open(arg[1], O_RDONLY | O_CLOEXEC);
	clockid_t clock = clock_of(arg[0]);
	nanoseconds first, other, last;
	char text[64];

	if (here < 0 || there < 0)
		return failed("open(%s)", here < 0 ? "/proc/self/ns/time" : arg[1]);
	do {
		if (!show(clock, &first, NULL))
			return failed("clock_gettime(%s)", arg[0]);
		if (setns(there, CLONE_NEWTIME) < 0)
			return failed("setns(%s, CLONE_NEWTIME)", arg[1]);
		show(clock, &other, NULL);
		if (setns(here, CLONE_NEWTIME) < 0)
			return failed("setns(/proc/self/ns/time, CLONE_NEWTIME)");
		show(clock, &last, NULL);
	} while (last - first > NSEC_PER_SEC / 20);
	close(here);
	close(there);
	show_between(text, sizeof(text), first - other, last - other);
	line("offset(%s, %s) = %s", arg[0], arg[1], text);
	return 0;
}

/* ---- waiting ---- */

/* Parse "now", "now+0.5", "now-1" or "172800"; false for any other text. */
static bool parse_when(const char *arg, bool *relative, nanoseconds *time)
{
	nanoseconds sign = 1, unit = NSEC_PER_SEC / 10;
	char *end;

	*relative = !strncmp(arg, "now", 3);
	*time = 0;
	if (*relative && !arg[3])
		return true;
	if (*relative && arg[3] != '+' && arg[3] != '-')
		return false;
	if (*relative)
		sign = arg[3] == '-' ? -1 : 1;
	arg += *relative ? 4 : 0;
	if (*arg < '0' || *arg > '9')
		return false;
	*time = strtoll(arg, &end, 10) * NSEC_PER_SEC;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			*time += (*end - '0') * unit;
	*time *= sign;
	return !*end;
}

/* Return the absolute time of an argument; not before zero, which is EINVAL. */
static nanoseconds time_of(clockid_t clock, const char *arg)
{
	nanoseconds time, now = 0;
	bool relative;

	parse_when(arg, &relative, &time);
	if (relative)
		show(clock, &now, NULL);
	time += now;
	return time < 0 ? 0 : time;
}

static void nothing(int number)
{
	(void)number;
}

/* Interrupt system calls after some seconds of a clock that no namespace shifts; 0 for never. */
static void set_watchdog(unsigned int seconds)
{
	struct sigaction action = { .sa_handler = nothing };

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

/* Print the end of a wait until a time. */
static int show_end(bool expired, clockid_t clock, nanoseconds time, const char *call)
{
	nanoseconds now;

	set_watchdog(0);
	show(clock, &now, NULL);
	if (!expired)
		line("%s = not expired", call);
	else
		line("%s = %s", call, now < time ? "too early" : "expired");
	return !expired || now < time;
}

static int do_nanosleep(char **arg)
{
	clockid_t clock = clock_of(arg[0]);
	nanoseconds time = time_of(clock, arg[1]);
	struct timespec until = in_timespec(time);
	char call[128];

	snprintf(call, sizeof(call), "clock_nanosleep(%s, %s)", arg[0], arg[1]);
	set_watchdog(PATIENCE);
	errno = clock_nanosleep(clock, TIMER_ABSTIME, &until, NULL);
	if (errno && errno != EINTR)
		return failed("%s", call);
	return show_end(!errno, clock, time, call);
}

static int do_timerfd(char **arg)
{
	clockid_t clock = clock_of(arg[0]);
	nanoseconds time = time_of(clock, arg[1]);
	struct itimerspec until = { .it_value = in_timespec(time) };
	struct pollfd polled = { .events = POLLIN };
	char call[128];
	int ready;

	snprintf(call, sizeof(call), "timerfd_settime(%s, %s)", arg[0], arg[1]);
	polled.fd = timerfd_create(clock, TFD_CLOEXEC);
	if (polled.fd < 0)
		return failed("timerfd_create(%s)", arg[0]);
	if (timerfd_settime(polled.fd, TFD_TIMER_ABSTIME, &until, NULL) < 0)
		return failed("%s", call);
	ready = poll(&polled, 1, PATIENCE * 1000);
	close(polled.fd);
	return show_end(ready > 0, clock, time, call);
}

static int do_timer(char **arg)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct timespec patience = { .tv_sec = PATIENCE };
	clockid_t clock = clock_of(arg[0]);
	nanoseconds time = time_of(clock, arg[1]);
	struct itimerspec until = { .it_value = in_timespec(time) };
	char call[128];
	timer_t timer;
	sigset_t set;
	int number;

	snprintf(call, sizeof(call), "timer_settime(%s, %s)", arg[0], arg[1]);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (timer_create(clock, &event, &timer) < 0)
		return failed("timer_create(%s)", arg[0]);
	if (timer_settime(timer, TIMER_ABSTIME, &until, NULL) < 0)
		return failed("%s", call);
	number = sigtimedwait(&set, NULL, &patience);
	timer_delete(timer);
	return show_end(number == SIGUSR1, clock, time, call);
}

static int do_futex(char **arg)
{
	nanoseconds time = time_of(CLOCK_MONOTONIC, arg[0]);
	struct timespec until = in_timespec(time);
	uint32_t value = 0;
	char call[128];

	snprintf(call, sizeof(call), "futex(FUTEX_WAIT_BITSET, %s)", arg[0]);
	set_watchdog(PATIENCE);
	if (syscall(SYS_futex, &value, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, NULL,
		    FUTEX_BITSET_MATCH_ANY) == 0 ||
	    (errno != ETIMEDOUT && errno != EINTR))
		return failed("%s", call);
	return show_end(errno == ETIMEDOUT, CLOCK_MONOTONIC, time, call);
}

/* ---- processes ---- */

static int do_setns(char **arg)
{
	int fd = open(arg[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed("open(%s, O_RDONLY)", arg[0]);
	if (setns(fd, CLONE_NEWTIME) < 0)
		return failed("setns(%s, CLONE_NEWTIME)", arg[0]);
	close(fd);
	line("setns(%s, CLONE_NEWTIME) = 0", arg[0]);
	return 0;
}

static int do_unshare(char **arg)
{
	(void)arg;
	if (unshare(CLONE_NEWTIME) < 0)
		return failed("unshare(CLONE_NEWTIME)");
	line("unshare(CLONE_NEWTIME) = 0");
	return 0;
}

static int do_vfork(char **arg)
{
	int status;
	pid_t pid;

	pid = vfork();
	if (pid == 0) {
		execvp(arg[0], arg);
		_exit(127);
	}
	if (pid < 0)
		return failed("vfork()");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return failed("waitpid()");
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	line("vfork() = %d", status);
	return status;
}

/* ---- the command line ---- */

static const struct verb verbs[] = {
	{ "table", "", "table", do_table },
	{ "days", "Sy", "days CLOCK [syscall|vdso], or days sysinfo", do_days },
	{ "agree", "C", "agree CLOCK", do_agree },
	{ "offset", "CP", "offset CLOCK FILE", do_offset },
	{ "nanosleep", "CT", "nanosleep CLOCK WHEN", do_nanosleep },
	{ "timerfd", "CT", "timerfd CLOCK WHEN", do_timerfd },
	{ "timer", "CT", "timer CLOCK WHEN", do_timer },
	{ "futex", "T", "futex WHEN", do_futex },
	{ "setns", "P", "setns FILE", do_setns },
	{ "unshare", "", "unshare", do_unshare },
	{ "vfork", "R", "vfork CMD...", do_vfork },
};

static void __attribute__((noreturn, format(printf, 2, 3)))
usage(const struct verb *verb, const char *format, ...)
{
	va_list list;
	size_t i;

	fputs("clocks: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	if (verb) {
		fprintf(stderr, "usage: %s\n", verb->usage);
	} else {
		fputs("usage: clocks ACTION [then ACTION]...\n", stderr);
		for (i = 0; i < ARRAY_SIZE(verbs); i++)
			fprintf(stderr, "  %s\n", verbs[i].usage);
	}
	exit(STATUS_USAGE);
}

static bool fits(char letter, const char *arg)
{
	nanoseconds time;
	bool relative;

	switch (letter) {
	case 'C':
		return clock_of(arg) >= 0;
	case 'S':
		return clock_of(arg) >= 0 || !strcmp(arg, "sysinfo");
	case 'y':
		return !strcmp(arg, "syscall") || !strcmp(arg, "vdso");
	case 'T':
		return parse_when(arg, &relative, &time);
	default:
		return true;
	}
}

/* Parse one action; return the next argument. */
static char **parse_action(struct action *a, char **arg)
{
	const char *letter;
	int place = 0;
	size_t i;

	if (!*arg)
		usage(NULL, "missing action");
	for (i = 0; i < ARRAY_SIZE(verbs) && strcmp(*arg, verbs[i].name); i++)
		;
	if (i == ARRAY_SIZE(verbs))
		usage(NULL, "unknown action '%s'", *arg);
	a->verb = &verbs[i];
	arg++;
	for (letter = a->verb->shape; *letter; letter++) {
		bool ends = !*arg || (!strcmp(*arg, "then") && *letter != 'R');

		if (ends && *letter == 'y')
			continue;
		if (ends)
			usage(a->verb, "missing argument of '%s'", a->verb->name);
		if (*letter == 'R') {
			a->rest = arg;
			while (*arg)
				arg++;
			continue;
		}
		if (!fits(*letter, *arg))
			usage(a->verb, "invalid argument '%s'", *arg);
		a->arg[place++] = *arg++;
	}
	return arg;
}

int main(int argc, char **argv)
{
	static struct action actions[MAX_ACTIONS];
	int count = 0, i, status;
	char **arg = argv + 1;

	if (argc < 2)
		usage(NULL, "missing action");
	for (;;) {
		if (count == MAX_ACTIONS)
			usage(NULL, "too many actions (at most %d)", MAX_ACTIONS);
		arg = parse_action(&actions[count++], arg);
		if (!*arg)
			break;
		if (strcmp(*arg, "then"))
			usage(actions[count - 1].verb, "unexpected argument '%s'", *arg);
		arg++;
	}
	for (i = 0; i < count; i++) {
		struct action *a = &actions[i];

		status = a->verb->run(a->rest ? a->rest : a->arg);
		if (status)
			return status;
	}
	return 0;
}
