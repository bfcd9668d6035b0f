using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Engine;

/// <summary>What becomes of a packet that an engine has looked at.</summary>
public enum VerdictKind : byte
{
    /// <summary>Dropped and counted; <see cref="Verdict.Reason"/> says why.</summary>
    Drop = 0,

    /// <summary>Rewritten in place; send it out of the uplink, to its destination address.</summary>
    ForwardUplink,

    /// <summary>Rewritten in place; send it to the client <see cref="Verdict.Client"/>.</summary>
    ForwardClient,

    /// <summary>HAM only: unchanged; the FAM is this very node, let its FAM engine have it.</summary>
    Local,

    /// <summary>Copied into a bounded queue; the engine will transmit or drop it later. The caller forgets it.</summary>
    Held,

    /// <summary>Not translated traffic but understood and finished (for example answered by the engine).</summary>
    Consumed,

    /// <summary>FAM only: untranslated; send it to the client, here or elsewhere, whose own address it is to.</summary>
    ForwardNeighbour,
}

/// <summary>An engine's decision about one packet.</summary>
public readonly record struct Verdict(VerdictKind Kind, DropReason Reason, MacAddress Client)
{
    /// <summary>The packet is rewritten for the uplink.</summary>
    public static readonly Verdict Uplink = new(VerdictKind.ForwardUplink, DropReason.None, MacAddress.None);

    /// <summary>The packet waits in the engine.</summary>
    public static readonly Verdict Held = new(VerdictKind.Held, DropReason.None, MacAddress.None);

    /// <summary>The FAM engine of this node takes over.</summary>
    public static readonly Verdict Local = new(VerdictKind.Local, DropReason.None, MacAddress.None);

    /// <summary>The packet is finished.</summary>
    public static readonly Verdict Consumed = new(VerdictKind.Consumed, DropReason.None, MacAddress.None);

    /// <summary>The packet goes to another client.</summary>
    public static readonly Verdict Neighbour = new(VerdictKind.ForwardNeighbour, DropReason.None, MacAddress.None);

    /// <summary>The packet is dropped for this reason.</summary>
    public static Verdict Drop(DropReason reason) => new(VerdictKind.Drop, reason, MacAddress.None);

    /// <summary>The packet is rewritten for this client.</summary>
    public static Verdict ToClient(MacAddress client) => new(VerdictKind.ForwardClient, DropReason.None, client);
}

/// <summary>
/// The receive offload state of a packet, as the virtio network header has it (OASIS virtio 1.2 section 5.1.6). Engines read only
/// <see cref="ChecksumPartial"/>; shells carry the rest unchanged from receive to transmit, so that a GSO super-packet stays whole.
/// Offsets count from the first octet of the Ethernet header.
/// </summary>
/// <param name="ChecksumPartial">
/// The transport checksum field holds only the sum of the pseudo-header (not complemented), and the sender's hardware would have finished it.
/// An address change is folded into it, a port change is not.
/// </param>
/// <param name="ChecksumStart">Where the checksummed part starts.</param>
/// <param name="ChecksumOffset">Where, from there, the checksum field is.</param>
/// <param name="GsoType">0 none, 1 TCPv4, 3 UDP fragmentation, 4 TCPv6, 5 UDP segmentation; 0x80 may be added for ECN.</param>
/// <param name="GsoSize">The payload octets of one segment; 0 if none.</param>
/// <param name="HeaderLength">A hint: Ethernet, IP and transport header octets together.</param>
public readonly record struct OffloadInfo(bool ChecksumPartial, ushort ChecksumStart, ushort ChecksumOffset, byte GsoType, ushort GsoSize, ushort HeaderLength)
{
    /// <summary>An ordinary packet with finished checksums.</summary>
    public static readonly OffloadInfo None;

    /// <summary>Octets of the longest IP packet that this one is on the wire: of a GSO super-packet that of a segment.</summary>
    public int LongestPacket(in PacketSummary summary) => GsoType == 0 ? summary.Length : summary.Length - summary.PayloadLength + GsoSize;
}

/// <summary>The largest IP packets, in octets, that a node's links carry.</summary>
/// <param name="Uplink">On the uplink.</param>
/// <param name="Clients">To the clients.</param>
public readonly record struct LinkMtu(int Uplink, int Clients)
{
    /// <summary>Links that carry everything.</summary>
    public static readonly LinkMtu Unlimited = new(int.MaxValue, int.MaxValue);

    /// <summary>Whether a packet must be sent back because it is larger than a link carries and must not be cut.</summary>
    public static bool IsExceeded(int mtu, in PacketSummary summary, in OffloadInfo offload) => summary.DontFragment && offload.LongestPacket(summary) > mtu;
}
