// A load that the kernel makes by itself (XDP live frames) and its sink: datagrams of many connections, as FrameLoad.cs writes them, with right checksums.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FLOWS_OF_CLIENT 1000
#define FIRST_PORT 10000
#define SINK_PORT 7000
#define FRAME 60

// The layout is LiveLoad.cs's as well.
struct load {
	__u32 flows, next, step; // the order is (next + step) modulo flows
	__u32 first_address;     // host order
	__u32 first_mac;         // the lower half of the first client's, host order
	__u32 header_sum;        // of the IP header without its source and checksum
	__u32 datagram_sum;      // of pseudo-header and datagram without source address and port and checksum
	__u32 unused;
	__u8 frame[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct load);
} loads SEC(".maps");

// One counter for each processor.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void count(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 *counter = bpf_map_lookup_elem(&counts, &cpu);

	if (counter)
		(*counter)++;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = (void *)(data + sizeof(struct ethhdr));
	struct udphdr *udp = (void *)(ip + 1);
	__u32 zero = 0, flow, client, address;
	struct load *load = bpf_map_lookup_elem(&loads, &zero);

	if (!load || data + FRAME > end)
		return XDP_ABORTED;

	flow = load->next + load->step;
	if (flow >= load->flows)
		flow -= load->flows;

	load->next = flow;
	client = flow / FLOWS_OF_CLIENT;
	address = bpf_htonl(load->first_address + client);

	// Frames come back from where they were sent, with what was written into them there.
	__builtin_memcpy(data, load->frame, FRAME);
	*(__u16 *)(data + 8) = bpf_htons((load->first_mac + client) >> 16);
	*(__u16 *)(data + 10) = bpf_htons(load->first_mac + client);
	ip->saddr = address;
	ip->check = folded(load->header_sum + (address & 0xffff) + (address >> 16));
	udp->source = bpf_htons(FIRST_PORT + flow % FLOWS_OF_CLIENT);
	udp->check = folded(load->datagram_sum + (address & 0xffff) + (address >> 16) + udp->source);
	return XDP_TX;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(SINK_PORT))
		return XDP_PASS;

	count();
	return XDP_DROP;
}

char _license[] SEC("license") = "Apache-2.0";
