namespace Masquerade.Namespaces.Tests;

/// <summary>Where this product is not to do what Linux' translator does with odd packets (<c>Judges/sequences.py</c>): what it does instead, and why.</summary>
internal static class LinuxDifferences
{
    private const string Sums = "what is wrong stays wrong, and the host at the end drops it: sums of what passes are not verified but changed by what changes (RFC 5508 REQ-3 wants it for errors only)";
    private const string Stamps = "a router that writes no timestamps counts none that it had no room for (RFC 781, RFC 7126 section 4.7)";
    private const string Problems = "no Parameter Problem is made: docs/rfc-compliance.md, RFC 5508 REQ-10";
    private const string Whole = "errors are made to fit any link, and are not to be cut; tracing by them is no different";
    private const string Quench = "RFC 6633: source quench is dropped";
    private const string Pieces = "fragments pass as they come, they do not wait for the whole datagram; the host waits";
    private const string Windows = "what is in its window is for the receiver to say; Linux drops it without nf_conntrack_tcp_be_liberal";
    private const string Resets = "RFC 7857 section 2.2: a RST is translated, and one that its receiver would not take moves nothing (the conversation goes on behind it, as with Linux)";
    private const string Syn = "RFC 5961 section 4: the receiver answers it with a challenge ACK, and can do so only if it sees it";
    private const string Flags = "hosts know what to do with flags that make no sense (RFC 9293 section 3.10.7); they end and open nothing here";
    private const string Neighbours = "a client that sends to itself by way of the gateway gets nothing back; others of its subnet are reached (N-13)";
    private const string Inside = "the addresses inside are anybody's choice (RFC 4787 REQ-7): what a client says is translated, is bounded by the addresses that it may have, and is answered to its own MAC address; Linux has rp_filter";
    private const string Gateway = "nothing but DHCP, PCP and ping is answered at the gateway's address";
    private const string Protocols = "only TCP, UDP and ICMP are translated: others have no ports to tell clients apart by (RFC 6888 REQ-1: DCCP is not forwarded); Linux lets one client of each server through";

    private const string Nothing = "there nothing, back nothing";

    /// <summary>By what was done: what comes of it here, and the reason.</summary>
    public static IReadOnlyDictionary<string, (string Here, string Reason)> All { get; } = new Dictionary<string, (string Here, string Reason)>(StringComparer.Ordinal)
    {
        ["udp sums, out: a wrong sum"] = ("there UDP O:m > S:s bad-sum 'wrong', back nothing", Sums),
        ["udp sums, in: a wrong sum"] = ("there UDP S:s > C:c bad-sum 'wrong', back nothing", Sums),
        ["pings, out: a wrong sum"] = ("there ICMP 8/0 O > S bad-sum id=own seq=3 'echo', back nothing", Sums),
        ["pings, in: a wrong sum"] = ("there ICMP 0/0 S > C bad-sum id=own seq=2 'echo', back nothing", Sums),
        ["tcp, in: a wrong sum"] = ("there TCP S:s > C:c PA seq=5015 ack=1008 bad-sum 'wrong', back nothing", Sums),
        ["ip options, out: a full timestamp"] = ("there UDP O:m > S:s options=4408091000000007 'x', back nothing", Stamps),
        ["ip options, in: a full timestamp"] = ("there UDP S:s > C:c options=4408091000000007 'x', back nothing", Stamps),
        ["ip options, out: an option too long"] = (Nothing, Problems),
        ["ttl, out: TTL 1"] = ("there nothing, back ICMP 11/0 G > C tos=192 DF rest=00000000 about [UDP C:c > S:s]", Whole),
        ["ttl, out: TTL 0"] = ("there nothing, back ICMP 11/0 G > C tos=192 DF rest=00000000 about [UDP C:c > S:s]", Whole),
        ["ttl, in: TTL 2"] = ("there nothing, back ICMP 11/0 O > S tos=192 DF rest=00000000 about [UDP S:s > O:m]", Whole),
        ["errors from outside, in: source quench"] = (Nothing, Quench),
        ["fragments, out: one is missing"] = ("there pieces of a datagram at 0 800 2400, back nothing", Pieces),
        ["fragments, in: one is missing"] = ("there pieces of a datagram at 0 800 2400, back nothing", Pieces),
        ["tcp, in: data beyond the window"] = ("there TCP S:s > C:c PA seq=75015 ack=1008 'far', back nothing", Windows),
        ["tcp, in: an acknowledgment of what was not sent"] = ("there TCP S:s > C:c A seq=5015 ack=901008 '', back nothing", Windows),
        ["tcp reset guessed, in: RST beyond the window"] = ("there TCP S:s > C:c R seq=1005001 ack=0 '', back nothing", Resets),
        ["tcp reset guessed, in: RST of a number before"] = ("there TCP S:s > C:c R seq=4000 ack=0 '', back nothing", Resets),
        ["tcp opening, in: RST of something else"] = ("there TCP S:s > C:c RA seq=0 ack=4711 '', back nothing", Resets),
        ["tcp strangers, in: SYN in an open connection"] = ("there TCP S:s > C:c S seq=5500 ack=0 '', back nothing", Syn),
        ["tcp odd flags, out: none"] = ("there TCP O:m > S:s - seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: none"] = ("there TCP S:s > C:c - seq=5001 ack=1001 '', back nothing", Flags),
        ["tcp odd flags, out: Christmas"] = ("there TCP O:m > S:s FPU seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: Christmas"] = ("there TCP S:s > C:c FPU seq=5001 ack=1001 '', back nothing", Flags),
        ["tcp odd flags, out: SYN and FIN"] = ("there TCP O:m > S:s FS seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: SYN and FIN"] = ("there TCP S:s > C:c FS seq=5001 ack=1001 '', back nothing", Flags),
        ["tcp odd flags, out: SYN and RST"] = ("there TCP O:m > S:s SR seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: SYN and RST"] = ("there TCP S:s > C:c SR seq=5001 ack=1001 '', back nothing", Flags),
        ["tcp odd flags, out: PSH alone"] = ("there TCP O:m > S:s P seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: PSH alone"] = ("there TCP S:s > C:c P seq=5001 ack=1001 '', back nothing", Flags),
        ["tcp odd flags, out: FIN alone"] = ("there TCP O:m > S:s F seq=1001 ack=5001 '', back nothing", Flags),
        ["tcp odd flags, in: FIN alone"] = ("there TCP S:s > C:c F seq=5001 ack=1001 '', back nothing", Flags),
        ["land, out: from the client to itself"] = (Nothing, Neighbours),
        ["martians, out: to C"] = (Nothing, Neighbours),
        ["martians, out: from 10.9.9.9"] = ("there UDP N:new > S:s 'x', back nothing", Inside),
        ["martians, out: from O"] = ("there UDP N:new > S:s 'x', back nothing", Inside),
        ["martians, out: from G"] = ("there UDP N:new > S:s 'x', back nothing", Inside),
        ["martians, out: from 192.168.77.255"] = ("there UDP N:new > S:s 'x', back nothing", Inside),
        ["martians, out: to G"] = (Nothing, Gateway),
        ["other protocols, out: protocol 2"] = (Nothing, Protocols),
        ["other protocols, out: protocol 4"] = (Nothing, Protocols),
        ["other protocols, out: protocol 41"] = (Nothing, Protocols),
        ["other protocols, out: protocol 47"] = (Nothing, Protocols),
        ["other protocols, out: protocol 50"] = (Nothing, Protocols),
        ["other protocols, out: protocol 51"] = (Nothing, Protocols),
        ["other protocols, out: protocol 253"] = (Nothing, Protocols),
        ["other protocols, out: protocol 255"] = (Nothing, Protocols),
        ["other protocols, in: protocol 4"] = (Nothing, Protocols),
        ["other protocols, in: protocol 50"] = (Nothing, Protocols),
    };
}
