// What the kernel passes by itself: packets of connections about which the agent has decided. The agent writes a "way" (how one direction of one connection is rewritten) and takes it
// back; this program repeats it and counts. Whatever it does not know, or is not ordinary, goes to the agent untouched, so an empty map is right.
//
// There are two ways in. XDP sees a frame before anybody else does. tc (clsact, ingress) keeps super-packets whole, but the agent's packet socket has seen the frame by then: so a filter
// on that socket decides, notes its decision for this processor, and tc, which is called next for the same frame on the same processor, carries it out.

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INLINE static __always_inline

// The longest headers that are looked at: Ethernet, IPv6, TCP without options.
#define HEADERS (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

// Since Linux 6.16; before it, the helper refuses it and does not need it but for devices that sum whole packets.
#define F_IPV6 (1ULL << 7)

#define WAY_TO_CLIENT 0x80000000u
#define WAY_CLIENT 0x00ffffffu
#define NO_WAY 0xffffffffu
#define WINDOW 8
#define DONT_FRAGMENT 0x4000   // what may be cut gets another identification, which is the engine's
#define SHORTEST 60            // octets of a frame that may be padded
#define MANY_MISSED 16
#define ALL 0xffffffffu

// A tick is 2^20 ns, a little more than a millisecond.
#define TICK_SHIFT 20

enum side { UPLINK = 0, CLIENTS = 1 };

// The layouts below are the agent's as well (KernelLayouts.cs).
struct settings {
	__u64 alive_until;   // tick; a dead agent's ways must not live on
	__u64 secrets[2];    // of the hash; the second is odd
	__u32 mask;          // ways less one; there are a power of two
	__u32 ifindex[2];
	__u32 mtu[2];        // octets of an IP packet
	__u8 mac[2][ETH_ALEN];
	__u32 missed;        // decisions that tc did not carry out: it is not there any more
	__u32 unused;
};

// What packets of a way look like as they come. An IPv4 address is in the first word of its field.
struct key {
	__u32 source[4], destination[4];
	__u16 source_port, destination_port;
	__u8 protocol, side;
	__u16 unused;
};

#define KEY_WORDS (sizeof(struct key) / sizeof(__u64))

struct way {
	struct key key;
	__u32 generation;    // the client's when the way was written; 0: the way does not hold
	__u32 client;        // WAY_TO_CLIENT: the destination is rewritten, and the frame goes to the clients
	__u32 address[4];    // what is written
	__u64 octets;        // of IP packets, as they arrived
	__u32 packets;
	__u32 tick;          // of the last packet
	__u32 acknowledged;  // TCP, of the last packet, host order
	__u16 window;
	__u16 port;
	__u16 address_delta; // what the address adds to a checksum (ones' complement, as in memory), what the port adds
	__u16 port_delta;
	__u8 to[ETH_ALEN];   // the next hop or the client
	__u8 from[ETH_ALEN]; // who must have sent it; zero: anybody
	__u8 unused[24];
};

_Static_assert(sizeof(struct way) == 128, "a way is two lines of memory, the first of which decides");

struct mark {
	__u32 way;           // plus one; 0: none
	__u32 length;
	__u32 ifindex;
	__u8 side, is_v6, is_udp, unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings_map SEC(".maps");

// A hash table: a way is in one of WINDOW places from where its hash says. The agent alone writes it, in its own memory.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct way);
} ways SEC(".maps");

// One number for each client: adding one to it makes all ways of the client void.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} generations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mark);
} marks SEC(".maps");

// What a frame's headers say.
struct frame {
	__u32 length;        // octets of the IP packet by its header
	__u32 headers;       // of its headers
	__u32 acknowledged;
	__u16 window;
	__u8 protocol;
	__u8 is_v6;
};

// The shortest transport header of a protocol.
INLINE __u32 least(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

INLINE __u32 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

// HC' = ~(~HC + delta), RFC 1624, with delta = new - old.
INLINE __u16 adjusted(__u16 checksum, __u32 delta)
{
	return ~fold((__u16)~checksum + delta);
}

// Reads ports and what else is wanted; not, if the packet is none that keeps a connection as it is.
INLINE int transport(void *l4, void *end, struct frame *frame, __u16 *source, __u16 *destination)
{
	if (frame->protocol == IPPROTO_UDP) {
		struct udphdr *udp = l4;
		if ((void *)(udp + 1) > end || bpf_ntohs(udp->len) < sizeof(*udp) || frame->headers + bpf_ntohs(udp->len) > frame->length)
			return 0;

		*source = udp->source;
		*destination = udp->dest;
		frame->headers += sizeof(*udp);
		return 1;
	}

	struct tcphdr *tcp = l4;
	if (frame->protocol != IPPROTO_TCP || (void *)(tcp + 1) > end || tcp->doff < 5 || !tcp->ack || tcp->syn || tcp->fin || tcp->rst)
		return 0;

	frame->headers += tcp->doff * 4;
	if (frame->headers > frame->length)
		return 0;

	*source = tcp->source;
	*destination = tcp->dest;
	frame->acknowledged = bpf_ntohl(tcp->ack_seq);
	frame->window = bpf_ntohs(tcp->window);
	return 1;
}

// The way of packets that look like that: its number, or NO_WAY.
INLINE __u32 look_up(struct key *key, struct settings *settings)
{
	__u64 *words = (void *)key, *theirs, hash = settings->secrets[0];
	struct way *way;
	__u32 number;

#pragma unroll
	for (int i = 0; i < KEY_WORDS; i++) {
		hash = (hash ^ words[i]) * settings->secrets[1];
		hash ^= hash >> 29;
	}

#pragma unroll
	for (int i = 0; i < WINDOW; i++) {
		number = (hash + i) & settings->mask;
		way = bpf_map_lookup_elem(&ways, &number);
		if (!way)
			return NO_WAY;

		theirs = (void *)&way->key;
		if (way->generation && words[4] == theirs[4] && words[0] == theirs[0] && words[2] == theirs[2] && words[1] == theirs[1] && words[3] == theirs[3])
			return number;
	}

	return NO_WAY;
}

// Finds the way of a frame of which at least the headers are between data and end: its number, or NO_WAY. length: octets of the frame.
INLINE __u32 find(void *data, void *end, __u32 length, struct settings *settings, enum side side, struct frame *frame)
{
	struct ethhdr *ethernet = data;
	struct key key = {};
	void *l4;

	if ((void *)(ethernet + 1) > end)
		return NO_WAY;

	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(ethernet + 1);
		__u16 *words = (void *)ip;
		__u32 sum = 0;

		if ((void *)(ip + 1) > end || *(__u8 *)ip != 0x45 || ip->frag_off != bpf_htons(DONT_FRAGMENT) || ip->ttl <= 1)
			return NO_WAY;

#pragma unroll
		for (int i = 0; i < 10; i++)
			sum += words[i];

		if (fold(sum) != 0xffff)
			return NO_WAY;

		l4 = ip + 1;
		frame->headers = sizeof(*ip);
		frame->protocol = ip->protocol;
		frame->length = bpf_ntohs(ip->tot_len);
		key.source[0] = ip->saddr;
		key.destination[0] = ip->daddr;
	} else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(ethernet + 1);

		if ((void *)(ip + 1) > end || ip->version != 6 || ip->hop_limit <= 1)
			return NO_WAY;

		l4 = ip + 1;
		frame->is_v6 = 1;
		frame->headers = sizeof(*ip);
		frame->protocol = ip->nexthdr;
		frame->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
		__builtin_memcpy(key.source, &ip->saddr, sizeof(key.source));
		__builtin_memcpy(key.destination, &ip->daddr, sizeof(key.destination));
	} else {
		return NO_WAY;
	}

	if (frame->length + sizeof(*ethernet) > length || (length > SHORTEST && frame->length + sizeof(*ethernet) != length) || frame->length < frame->headers + least(frame->protocol)
	    || !transport(l4, end, frame, &key.source_port, &key.destination_port))
		return NO_WAY;

	key.protocol = frame->protocol;
	key.side = side;
	return look_up(&key, settings);
}

// Whether a way is to be gone now; what the agent has made void, or left behind, is not.
INLINE struct way *valid(__u32 number, struct settings *settings, enum side side, struct ethhdr *ethernet, __u32 longest, __u64 tick)
{
	struct way *way = bpf_map_lookup_elem(&ways, &number);
	__u32 client;
	__u64 *generation;
	__u16 *sender = (void *)ethernet->h_source;
	__u16 *receiver = (void *)ethernet->h_dest;
	__u16 *from, *own;

	if (!way || longest > settings->mtu[!side] || settings->alive_until < tick)
		return 0;

	own = (void *)settings->mac[side];
	if (receiver[0] != own[0] || receiver[1] != own[1] || receiver[2] != own[2])
		return 0;

	from = (void *)way->from;
	if ((from[0] | from[1] | from[2]) && (sender[0] != from[0] || sender[1] != from[1] || sender[2] != from[2]))
		return 0;

	client = way->client & WAY_CLIENT;
	generation = bpf_map_lookup_elem(&generations, &client);
	return generation && (__u32)*generation == way->generation ? way : 0;
}

INLINE void count(struct way *way, struct frame *frame, __u32 tick)
{
	way->packets++;
	way->octets += frame->length;
	way->tick = tick;
	if (frame->protocol == IPPROTO_TCP) {
		way->acknowledged = frame->acknowledged;
		way->window = frame->window;
	}
}

// Writes the Ethernet and IP headers and the port; checksums of the transport are the caller's.
INLINE void *rewrite(void *data, void *end, struct way *way, struct settings *settings, enum side side, int is_v6)
{
	struct ethhdr *ethernet = data;
	int to_client = !!(way->client & WAY_TO_CLIENT);
	__u16 *ports;

	if (is_v6) {
		struct ipv6hdr *ip = (void *)(ethernet + 1);
		ports = (void *)(ip + 1);
		if ((void *)(ports + 4) > end)
			return 0;

		__builtin_memcpy(to_client ? &ip->daddr : &ip->saddr, way->address, sizeof(way->address));
		ip->hop_limit--;
	} else {
		struct iphdr *ip = (void *)(ethernet + 1);
		ports = (void *)(ip + 1);
		if ((void *)(ports + 4) > end)
			return 0;

		if (to_client)
			ip->daddr = way->address[0];
		else
			ip->saddr = way->address[0];

		// One hop less is 0x0100 less in its word, as in memory: 0xfeff more.
		ip->ttl--;
		ip->check = adjusted(ip->check, (__u32)way->address_delta + bpf_htons(0xfeff));
	}

	if (to_client)
		ports[1] = way->port;
	else
		ports[0] = way->port;

	__builtin_memcpy(ethernet->h_dest, way->to, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, settings->mac[!side], ETH_ALEN);
	return ports;
}

INLINE struct settings *settings_of(__u32 ifindex, enum side *side)
{
	__u32 zero = 0;
	struct settings *found = bpf_map_lookup_elem(&settings_map, &zero);

	if (!found)
		return 0;

	*side = ifindex == found->ifindex[CLIENTS] ? CLIENTS : UPLINK;
	return found;
}

INLINE __u64 now(void)
{
	return bpf_ktime_get_coarse_ns() >> TICK_SHIFT;
}

SEC("xdp")
int pass_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 tick = now();
	__u32 number;
	struct frame frame = {};
	struct settings *settings;
	struct way *way;
	enum side side;
	__u16 *ports, *checksum;
	int is_udp;

	settings = settings_of(ctx->ingress_ifindex, &side);
	if (!settings)
		return XDP_PASS;

	number = find(data, end, end - data, settings, side, &frame);
	if (number == NO_WAY)
		return XDP_PASS;

	way = valid(number, settings, side, data, frame.length, tick);
	if (!way)
		return XDP_PASS;

	ports = rewrite(data, end, way, settings, side, frame.is_v6);
	if (!ports)
		return XDP_PASS;

	is_udp = frame.protocol == IPPROTO_UDP;
	checksum = (void *)ports + (is_udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	if ((void *)(checksum + 1) > end)
		return XDP_ABORTED;

	if (!is_udp || *checksum) {
		*checksum = adjusted(*checksum, (__u32)way->address_delta + way->port_delta);
		if (is_udp && !*checksum)
			*checksum = 0xffff;
	}

	count(way, &frame, tick);
	return bpf_redirect(settings->ifindex[!side], 0);
}

// The packet socket's filter: what tc will pass on is nothing for the agent.
SEC("socket")
int decide(struct __sk_buff *skb)
{
	// The IP header has to be aligned.
	__u8 aligned[2 + HEADERS + 4] __attribute__((aligned(8))) = {}, *headers = aligned + 2;
	__u32 zero = 0, length = skb->len, number;
	__u64 tick = now();
	struct frame frame = {};
	struct settings *settings;
	struct mark *mark;
	struct way *way;
	enum side side;

	mark = bpf_map_lookup_elem(&marks, &zero);
	if (!mark)
		return ALL;

	settings = settings_of(skb->ifindex, &side);
	if (settings && mark->way)
		settings->missed++;

	mark->way = 0;
	if (!settings || settings->missed > MANY_MISSED || skb->vlan_present || length < sizeof(struct ethhdr)
	    || bpf_skb_load_bytes(skb, 0, headers, length < HEADERS ? length : HEADERS))
		return ALL;

	number = find(headers, headers + HEADERS, length, settings, side, &frame);
	if (number == NO_WAY)
		return ALL;

	way = valid(number, settings, side, (void *)headers, skb->gso_size ? frame.headers + skb->gso_size : frame.length, tick);
	if (!way)
		return ALL;

	count(way, &frame, tick);
	mark->length = length;
	mark->ifindex = skb->ifindex;
	mark->is_v6 = frame.is_v6;
	mark->is_udp = frame.protocol == IPPROTO_UDP;
	mark->side = side;
	mark->way = number + 1;
	return 0;
}

SEC("tc")
int pass_tc(struct __sk_buff *skb)
{
	struct mark *mark;
	struct settings *settings;
	struct way *way;
	__u32 zero = 0, number, checksum;
	__u64 flags;
	enum side side;
	int is_v6, failed;

	mark = bpf_map_lookup_elem(&marks, &zero);
	if (!mark || !mark->way || mark->length != skb->len || mark->ifindex != skb->ifindex)
		return TC_ACT_UNSPEC;

	number = mark->way - 1;
	mark->way = 0;
	side = mark->side;
	is_v6 = mark->is_v6;
	settings = bpf_map_lookup_elem(&settings_map, &zero);
	way = bpf_map_lookup_elem(&ways, &number);
	if (!settings || !way)
		return TC_ACT_SHOT;

	// The helper knows whether the checksum is to be finished by a device, in which case only the address counts.
	flags = mark->is_udp ? BPF_F_MARK_MANGLED_0 : 0;
	checksum = sizeof(struct ethhdr) + (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr))
		   + (mark->is_udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	failed = bpf_l4_csum_replace(skb, checksum, 0, way->address_delta, flags | BPF_F_PSEUDO_HDR | (is_v6 ? F_IPV6 : 0));
	if (failed && is_v6)
		failed = bpf_l4_csum_replace(skb, checksum, 0, way->address_delta, flags | BPF_F_PSEUDO_HDR);

	if (!failed && way->port_delta)
		failed = bpf_l4_csum_replace(skb, checksum, 0, way->port_delta, flags);

	if (failed || !rewrite((void *)(long)skb->data, (void *)(long)skb->data_end, way, settings, side, is_v6))
		return TC_ACT_SHOT;

	return bpf_redirect(settings->ifindex[!side], 0);
}

char _license[] SEC("license") = "Apache-2.0";
