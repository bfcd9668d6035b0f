using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>
/// One conversation between a client and a server with numbered payloads both ways. The server answers every packet of the client and speaks by itself too, so that
/// both directions are busy. TCP flows have two real ends; they carry the same messages as a stream.
/// </summary>
internal sealed class Flow
{
    public const int PayloadLength = 16;

    public required int Id { get; init; }

    public required SimClient Client { get; init; }

    public required TransportProtocol Protocol { get; init; }

    public required TransportEndpoint Local { get; init; }

    public required TransportEndpoint Server { get; init; }

    /// <summary>Of a flow between clients, the flow of the other client at whose masquerade endpoint the server is; that client is the server then.</summary>
    public Flow? Target { get; init; }

    /// <summary>Where the server is itself, behind whatever it seems to be.</summary>
    public TransportEndpoint ServerItself => Target?.Local ?? Server;

    /// <summary>What the server sees; for TCP once the connection is open.</summary>
    public TransportEndpoint Seen { get; set; }

    /// <summary>Every masquerade endpoint that the server has seen.</summary>
    public HashSet<TransportEndpoint> Faces { get; } = [];

    /// <summary>TCP: the client's end.</summary>
    public TcpEnd? ClientEnd { get; set; }

    /// <summary>TCP: the server's ends. A SYN that was anchored twice makes two, of which one can open.</summary>
    public Dictionary<TransportEndpoint, TcpEnd> ServerEnds { get; } = [];

    /// <summary>TCP: the server's end that is open.</summary>
    public TcpEnd? ServerEnd => ServerEnds.GetValueOrDefault(Seen);

    /// <summary>TCP: when the server took it for open.</summary>
    public Core.Time.Instant OpenedAt { get; set; }

    /// <summary>TCP: its SYN was anchored at two access points, and the one that does not have the open connection has sent on it.</summary>
    public bool OpenedTwice { get; set; }

    /// <summary>TCP: one side has reset it of its own accord.</summary>
    public bool Aborted { get; set; }

    public bool Stopped { get; set; }

    /// <summary>Octets on the way since the quiet phase, or nothing more to say: both ends have closed.</summary>
    public bool IsFinished => ClientEnd is { IsFinished: true } && ServerEnd is { IsFinished: true };

    public uint SentUp { get; set; }

    public uint SentDown { get; set; }

    public uint ReceivedUp { get; set; }

    public uint ReceivedDown { get; set; }

    /// <summary>Highest sequence numbers that have come, for order.</summary>
    public uint LastUp { get; set; }

    public uint LastDown { get; set; }

    public int Duplicated { get; set; }

    public int Reordered { get; set; }

    public HashSet<uint> SeenUp { get; } = [];

    public HashSet<uint> SeenDown { get; } = [];

    /// <param name="payload">What is written.</param>
    /// <param name="sequence">The message's number.</param>
    /// <param name="down">From the server.</param>
    /// <param name="summed">Whether the datagram has a checksum.</param>
    public void WritePayload(Span<byte> payload, uint sequence, bool down, bool summed = true)
    {
        if (payload.IsEmpty)
        {
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(payload, 0x4D51_5300);
        BinaryPrimitives.WriteInt32BigEndian(payload[4..], Id);
        BinaryPrimitives.WriteUInt32BigEndian(payload[8..], sequence);
        payload[12] = down ? (byte)1 : (byte)0;
        payload[13] = summed ? (byte)1 : (byte)0;
    }

    public static bool TryReadPayload(ReadOnlySpan<byte> payload, out int flow, out uint sequence, out bool down)
    {
        (flow, sequence, down) = (0, 0, false);
        if (payload.Length < PayloadLength || BinaryPrimitives.ReadUInt32BigEndian(payload) != 0x4D51_5300)
        {
            return false;
        }

        flow = BinaryPrimitives.ReadInt32BigEndian(payload[4..]);
        sequence = BinaryPrimitives.ReadUInt32BigEndian(payload[8..]);
        down = payload[12] == 1;
        return true;
    }

    public override string ToString() => $"flow {Id} ({Protocol} {Local} > {Server}, seen as {Seen})";
}
