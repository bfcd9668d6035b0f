using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Peer messages as small datagrams of fixed length: "MQP1", type, client MAC, epoch, token.</summary>
public static class PeerCodec
{
    /// <summary>Octets of a datagram's payload.</summary>
    public const int Length = 4 + 1 + 6 + 8 + 8;

    private const uint Magic = 0x4D51_5031;
    private const byte DrainType = 1;
    private const byte DrainedType = 2;
    private const byte ProbeType = 3;
    private const byte ProbedType = 4;
    private const byte PathProbeType = 5;
    private const byte PathProbedType = 6;
    private const byte CopyMarkType = 7;
    private const byte CopyMarkedType = 8;

    /// <summary>Writes a message; returns its length. The destination has room for <see cref="Length"/>.</summary>
    public static int Encode(PeerMessage message, Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, Magic);
        destination[4] = message switch
        {
            Drain => DrainType,
            Drained => DrainedType,
            Probe => ProbeType,
            PathProbe => PathProbeType,
            PathProbed => PathProbedType,
            CopyMark => CopyMarkType,
            CopyMarked => CopyMarkedType,
            _ => ProbedType,
        };
        message.Client.WriteTo(destination[5..]);
        BinaryPrimitives.WriteUInt64BigEndian(destination[11..], message.Epoch.Value);
        BinaryPrimitives.WriteUInt64BigEndian(destination[19..], message.Token);
        return Length;
    }

    /// <summary>Reads a message; false if it is not one.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> datagram, out PeerMessage? message)
    {
        // Only a question about a path is longer.
        return TryDecodeStart(datagram, out message) && (datagram.Length == Length || message is PathProbe);
    }

    /// <summary>Reads a message that may be longer, or quoted with more behind it.</summary>
    public static bool TryDecodeStart(ReadOnlySpan<byte> datagram, out PeerMessage? message)
    {
        message = null;
        if (datagram.Length < Length || BinaryPrimitives.ReadUInt32BigEndian(datagram) != Magic)
        {
            return false;
        }

        var client = MacAddress.FromBytes(datagram[5..]);
        var epoch = new Epoch(BinaryPrimitives.ReadUInt64BigEndian(datagram[11..]));
        var token = BinaryPrimitives.ReadUInt64BigEndian(datagram[19..]);
        var isAboutNobody = client.IsNone && epoch == Epoch.None;
        message = datagram[4] switch
        {
            DrainType => new Drain(client, epoch, token),
            DrainedType => new Drained(client, epoch, token),
            ProbeType when isAboutNobody => new Probe(token),
            ProbedType when isAboutNobody => new Probed(token),
            PathProbeType when isAboutNobody => new PathProbe(token),
            PathProbedType when isAboutNobody => new PathProbed(token),
            CopyMarkType => new CopyMark(client, epoch.Value, token),
            CopyMarkedType => new CopyMarked(client, epoch.Value, token),
            _ => null,
        };
        return message is not null;
    }
}
