using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Fragments;
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

    /// <summary>What has to be done with a frame so that its link carries it.</summary>
    public static Fitting Fit(ReadOnlySpan<byte> frame, int mtu, ref OffloadInfo offload, DropCounters drops)
    {
        if (offload.GsoType == 0 && frame.Length - EthernetHeader.Length <= mtu)
        {
            return Fitting.AsIs;
        }

        return offload.GsoType == 0 ? FitPacket(frame, drops) : FitSegments(frame, mtu, ref offload);
    }

    /// <summary>Finishes the transport checksum of a packet that will be cut: the device could not do it any more.</summary>
    public static void FinishChecksum(Span<byte> frame, in OffloadInfo offload)
    {
        if (!offload.ChecksumPartial || offload.ChecksumStart + offload.ChecksumOffset + 2 > frame.Length)
        {
            return;
        }

        var checksum = InternetChecksum.Compute(frame[offload.ChecksumStart..]);
        var isUdp = frame[EthernetHeader.Length + (frame[EthernetHeader.Length] >> 4 == 4 ? 9 : 6)] == IpProtocolNumber.Udp;
        BinaryPrimitives.WriteUInt16BigEndian(frame[(offload.ChecksumStart + offload.ChecksumOffset)..], checksum == 0 && isUdp ? (ushort)0xFFFF : checksum);
    }

    private static Fitting FitPacket(ReadOnlySpan<byte> frame, DropCounters drops)
    {
        // The engines have sent back what must not be cut; what is left are errors, about which nobody is told.
        var packet = frame[EthernetHeader.Length..];
        if (packet[0] >> 4 == 4 && (packet[6] & 0x40) == 0 && packet.Length <= ushort.MaxValue)
        {
            return Fitting.Cut;
        }

        drops.Count(DropReason.TooBig);
        return Fitting.Never;
    }

    /// <summary>
    /// The segments of a super-packet are cut by the device. Where they are too long for the link and the sender does not mind what becomes of its packets (no DF), those of TCP are made
    /// shorter; datagrams have to stay what they are and become fragments.
    /// </summary>
    private static Fitting FitSegments(ReadOnlySpan<byte> frame, int mtu, ref OffloadInfo offload)
    {
        // What must not be cut the engines have sent back already, so nearly every super-packet needs no second look.
        var packet = frame[EthernetHeader.Length..];
        if (packet[0] >> 4 == 6 || (packet[6] & 0x40) != 0 || PacketParser.Parse(packet, out var summary) != DropReason.None)
        {
            return Fitting.AsIs;
        }

        var headers = summary.Length - summary.PayloadLength;
        if (headers + offload.GsoSize <= mtu)
        {
            return Fitting.AsIs;
        }

        if (summary.Kind == PacketKind.Tcp)
        {
            offload = offload with { GsoSize = (ushort)(mtu - headers) };
            return Fitting.AsIs;
        }

        return Fitting.Segments;
    }

    /// <summary>The datagrams of a super-packet that is <see cref="Fitting.Segments"/>.</summary>
    public static UdpSegmenter Segments(ReadOnlySpan<byte> frame, in OffloadInfo offload, IdentificationSource identifications)
    {
        var packet = frame[EthernetHeader.Length..];
        var checksum = ((packet[0] & 0x0F) * 4) + UdpHeader.ChecksumOffset;
        return new UdpSegmenter(packet, offload.GsoSize, offload.ChecksumPartial || packet[checksum] != 0 || packet[checksum + 1] != 0, identifications);
    }
}

/// <summary>What has to be done with a frame so that its link carries it.</summary>
internal enum Fitting : byte
{
    /// <summary>Nothing.</summary>
    AsIs,

    /// <summary>It must be cut into fragments.</summary>
    Cut,

    /// <summary>It must be made the datagrams that it stands for, and these cut into fragments.</summary>
    Segments,

    /// <summary>It cannot be sent; that has been counted.</summary>
    Never,
}
