using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>
/// One conversation between a client and a server with numbered payloads both ways. The server answers every packet of the client and speaks by itself too, so that
/// both directions are busy. TCP flows show legal flags: SYN until answered, then data.
/// </summary>
internal sealed class Flow
{
    public const int PayloadLength = 16;

    public required int Id { get; init; }

    public required SimClient Client { get; init; }

    public required TransportProtocol Protocol { get; init; }

    public required TransportEndpoint Local { get; init; }

    public required TransportEndpoint Server { get; init; }

    /// <summary>What the server sees; changes only when the anchor was lost.</summary>
    public TransportEndpoint Seen { get; set; }

    /// <summary>TCP: the server has answered the SYN. UDP and ICMP: true from the start.</summary>
    public bool Open { get; set; }

    /// <summary>Its anchor was lost, or it was reset: a TCP flow cannot come back from that.</summary>
    public bool Dead { get; set; }

    public bool Stopped { get; set; }

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

    public void WritePayload(Span<byte> payload, uint sequence, bool down)
    {
        BinaryPrimitives.WriteUInt32BigEndian(payload, 0x4D51_5300);
        BinaryPrimitives.WriteInt32BigEndian(payload[4..], Id);
        BinaryPrimitives.WriteUInt32BigEndian(payload[8..], sequence);
        payload[12] = down ? (byte)1 : (byte)0;
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
