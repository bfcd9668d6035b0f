using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>What both links of a node do alike with frames that carry IP packets.</summary>
internal static class PacketFrames
{
    /// <summary>Whether a frame that the link has no use for itself carries an IP packet to one receiver; if not, it is counted.</summary>
    public static bool IsToBeRouted(in EthernetHeader ethernet, DropCounters drops)
    {
        if (ethernet.Type is not (EtherType.IPv4 or EtherType.IPv6))
        {
            drops.Count(DropReason.NotForUs);
            return false;
        }

        if (ethernet.Destination.IsGroup)
        {
            drops.Count(DropReason.Multicast);
            return false;
        }

        return true;
    }

    /// <summary>Copies a packet into a buffer of 65,549 octets, with room for a header in front. False, and counted, if it is longer than any IP packet.</summary>
    public static bool TryCopy(ReadOnlySpan<byte> packet, byte[] buffer, DropCounters drops, out Span<byte> frame)
    {
        frame = default;
        if (packet.Length > ushort.MaxValue)
        {
            drops.Count(DropReason.TooBig);
            return false;
        }

        frame = buffer.AsSpan(0, EthernetHeader.Length + packet.Length);
        packet.CopyTo(frame[EthernetHeader.Length..]);
        return true;
    }

    /// <summary>Whether a frame is within what its link carries; if not, it is counted. What the device itself will cut into segments may be longer.</summary>
    public static bool Fits(ReadOnlySpan<byte> frame, in OffloadInfo offload, int mtu, DropCounters drops)
    {
        if (offload.GsoType != 0 || frame.Length - EthernetHeader.Length <= mtu)
        {
            return true;
        }

        drops.Count(DropReason.TooBig);
        return false;
    }
}
