// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgnet - guest program of the cases of cgroup namespaces: the cgroup of a socket, as nftables and BPF see it.
 *
 *	cgnet nft LEVEL ID
 *		In a new network namespace, drop what a socket sends if its cgroup's ancestor at
 *		LEVEL of the default hierarchy has the number ID ("socket cgroupv2 level LEVEL"),
 *		send a packet, and show whether it was dropped: "nft(level 1, 36) = dropped".
 *	cgnet bpf DIRECTORY LEVEL...
 *		Attach a program to what sockets of the cgroup DIRECTORY send, send a packet, and
 *		show the number of the socket's cgroup and of its ancestor at each LEVEL, as the
 *		helpers of the program return them: "cgroup = 38", "ancestor(1) = 36". 0 is none.
 *
 * Exit status: 0 on success, 1 when a call failed, with its line ("bpf(BPF_PROG_LOAD) = -1 EPERM"), 64 for a usage error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <guest_helper.h>

/* Of linux/netfilter/nf_tables.h since Linux 5.13, since the host's header may be older. */
#define SOCKET_CGROUPV2 3
#define SOCKET_LEVEL 3

static int failed(const char *call)
{
	line("%s = -1 %s", call, error_name(errno));
	return 1;
}

/* ---- a packet ---- */

/* Makes a network namespace with a loopback interface that is up. */
static int make_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		return -1;
	return close(fd);
}

/* Sends a datagram to this host; fails with EPERM when it is dropped on its way out. */
static int send_packet(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	result = sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1 ? 0 : -1;
	close(fd);
	return result;
}

/* ---- nftables ---- */

/* A batch of netlink messages, and the message and the nested attributes that are open. */
static char batch[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
static size_t filled;
static struct nlmsghdr *message;
static struct nlattr *nest[8];
static int depth;

static void begin_message(int type, int flags, int family)
{
	struct nfgenmsg *header;

	message = (struct nlmsghdr *)(batch + filled);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header = NLMSG_DATA(message);
	header->nfgen_family = family;
	header->res_id = htons(family == AF_UNSPEC ? NFNL_SUBSYS_NFTABLES : 0);
	filled += NLMSG_SPACE(sizeof(*header));
	message->nlmsg_len = (char *)batch + filled - (char *)message;
}

static struct nlattr *add(int type, const void *value, size_t size)
{
	struct nlattr *attribute = (struct nlattr *)(batch + filled);

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy((char *)attribute + NLA_HDRLEN, value, size);
	filled += NLA_ALIGN(attribute->nla_len);
	message->nlmsg_len = batch + filled - (char *)message;
	return attribute;
}

static void add_text(int type, const char *text)
{
	add(type, text, strlen(text) + 1);
}

static void add_number(int type, unsigned int number)
{
	unsigned int value = htonl(number);

	add(type, &value, sizeof(value));
}

static void open_nest(int type)
{
	nest[depth++] = add(type | NLA_F_NESTED, NULL, 0);
}

static void close_nest(void)
{
	struct nlattr *attribute = nest[--depth];

	attribute->nla_len = batch + filled - (char *)attribute;
}

static void open_expression(const char *name)
{
	open_nest(NFTA_LIST_ELEM);
	add_text(NFTA_EXPR_NAME, name);
	open_nest(NFTA_EXPR_DATA);
}

static void close_expression(void)
{
	close_nest();
	close_nest();
}

/* table ip t { chain c { type filter hook output priority 0; socket cgroupv2 level LEVEL ID drop; } } */
static void write_ruleset(unsigned int level, unsigned long long id)
{
	int subsystem = NFNL_SUBSYS_NFTABLES << 8;

	begin_message(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
	begin_message(subsystem | NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_IPV4);
	add_text(NFTA_TABLE_NAME, "t");
	begin_message(subsystem | NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_IPV4);
	add_text(NFTA_CHAIN_TABLE, "t");
	add_text(NFTA_CHAIN_NAME, "c");
	open_nest(NFTA_CHAIN_HOOK);
	add_number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	add_number(NFTA_HOOK_PRIORITY, 0);
	close_nest();
	add_text(NFTA_CHAIN_TYPE, "filter");
	begin_message(subsystem | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, NFPROTO_IPV4);
	add_text(NFTA_RULE_TABLE, "t");
	add_text(NFTA_RULE_CHAIN, "c");
	open_nest(NFTA_RULE_EXPRESSIONS);
	open_expression("socket");
	add_number(NFTA_SOCKET_KEY, SOCKET_CGROUPV2);
	add_number(NFTA_SOCKET_DREG, NFT_REG_1);
	add_number(SOCKET_LEVEL, level);
	close_expression();
	open_expression("cmp");
	add_number(NFTA_CMP_SREG, NFT_REG_1);
	add_number(NFTA_CMP_OP, NFT_CMP_EQ);
	open_nest(NFTA_CMP_DATA);
	add(NFTA_DATA_VALUE, &id, sizeof(id));
	close_nest();
	close_expression();
	open_expression("immediate");
	add_number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	open_nest(NFTA_IMMEDIATE_DATA);
	open_nest(NFTA_DATA_VERDICT);
	add_number(NFTA_VERDICT_CODE, NF_DROP);
	close_nest();
	close_nest();
	close_expression();
	close_nest();
	begin_message(NFNL_MSG_BATCH_END, 0, AF_UNSPEC);
}

/* Sends the batch, and waits for the acknowledgment or the first error. */
static int send_ruleset(void)
{
	char reply[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *header = (struct nlmsghdr *)reply;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	ssize_t length;

	if (fd < 0 || send(fd, batch, filled, 0) < 0)
		return -1;
	length = recv(fd, reply, sizeof(reply), 0);
	if (length < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -1;
	errno = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
	close(fd);
	return errno ? -1 : 0;
}

static int do_nft(const char *level, const char *id)
{
	bool is_dropped;

	if (make_network())
		return failed("unshare(CLONE_NEWNET)");
	write_ruleset(strtoul(level, NULL, 0), strtoull(id, NULL, 0));
	if (send_ruleset())
		return failed("nft");
	is_dropped = send_packet();
	if (is_dropped && errno != EPERM)
		return failed("sendto");
	line("nft(level %s, %s) = %s", level, id, is_dropped ? "dropped" : "passed");
	return 0;
}

/* ---- BPF ---- */

static int bpf(int command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

#define INSTRUCTION(CODE, DST, SRC, OFF, IMM)                                                      \
	((struct bpf_insn){ .code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (IMM) })
#define MOVE_REGISTER(DST, SRC) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, DST, SRC, 0, 0)
#define MOVE_NUMBER(DST, IMM) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, DST, 0, 0, IMM)
#define ADD_NUMBER(DST, IMM) INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_K, DST, 0, 0, IMM)
#define CALL(FUNCTION) INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, FUNCTION)

/* Loads a program that stores the number of the packet's cgroup, or of its ancestor at a level, in a map. */
static int load_program(int map, int level)
{
	struct bpf_insn program[] = {
		MOVE_NUMBER(BPF_REG_2, level),
		CALL(level < 0 ? BPF_FUNC_skb_cgroup_id : BPF_FUNC_skb_ancestor_cgroup_id),
		INSTRUCTION(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, -8, 0),
		INSTRUCTION(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -12, 0),
		INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
		INSTRUCTION(0, 0, 0, 0, 0),
		MOVE_REGISTER(BPF_REG_2, BPF_REG_10),
		ADD_NUMBER(BPF_REG_2, -12),
		MOVE_REGISTER(BPF_REG_3, BPF_REG_10),
		ADD_NUMBER(BPF_REG_3, -8),
		MOVE_NUMBER(BPF_REG_4, 0),
		CALL(BPF_FUNC_map_update_elem),
		MOVE_NUMBER(BPF_REG_0, 1),
		INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SKB,
		.insns = (unsigned long)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (unsigned long)"GPL",
		.expected_attach_type = BPF_CGROUP_INET_EGRESS,
	};

	return bpf(BPF_PROG_LOAD, &load);
}

/* Sends a packet past a program of the cgroup, and shows the number that the program saw. */
static int show_number(int directory, const char *level)
{
	unsigned long long number = 0;
	unsigned int key = 0;
	union bpf_attr create = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1 };
	union bpf_attr attach = { .target_fd = directory, .attach_type = BPF_CGROUP_INET_EGRESS };
	union bpf_attr look_up = { .key = (unsigned long)&key, .value = (unsigned long)&number };
	int map = bpf(BPF_MAP_CREATE, &create);
	int program;

	if (map < 0)
		return failed("bpf(BPF_MAP_CREATE)");
	program = load_program(map, level ? atoi(level) : -1);
	if (program < 0)
		return failed("bpf(BPF_PROG_LOAD)");
	attach.attach_bpf_fd = program;
	if (bpf(BPF_PROG_ATTACH, &attach))
		return failed("bpf(BPF_PROG_ATTACH)");
	if (send_packet())
		return failed("sendto");
	attach.attach_bpf_fd = 0;
	if (bpf(BPF_PROG_DETACH, &attach))
		return failed("bpf(BPF_PROG_DETACH)");
	look_up.map_fd = map;
	if (bpf(BPF_MAP_LOOKUP_ELEM, &look_up))
		return failed("bpf(BPF_MAP_LOOKUP_ELEM)");
	if (level)
		line("ancestor(%s) = %llu", level, number);
	else
		line("cgroup = %llu", number);
	close(program);
	return close(map);
}

static int do_bpf(const char *path, char **levels)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return failed("open");
	if (make_network())
		return failed("unshare(CLONE_NEWNET)");
	if (show_number(directory, NULL))
		return 1;
	for (; *levels; levels++)
		if (show_number(directory, *levels))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "nft"))
		return do_nft(argv[2], argv[3]);
	if (argc > 2 && !strcmp(argv[1], "bpf"))
		return do_bpf(argv[2], argv + 3);
	fputs("usage: cgnet nft LEVEL ID | bpf DIRECTORY LEVEL...\n", stderr);
	return STATUS_USAGE;
}
