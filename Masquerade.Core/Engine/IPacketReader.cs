using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Engine;

/// <summary>
/// How an engine reads a packet again that has waited in it. All but fragments are read by the parser alone; of a fragment the node knows to which flow it belongs.
/// </summary>
public interface IPacketReader
{
    /// <summary>Reads a packet that has been read before.</summary>
    /// <param name="packet">The packet, unchanged since.</param>
    /// <param name="client">The client that it is from; none if it is from the uplink.</param>
    /// <param name="summary">What it is.</param>
    DropReason Read(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary);
}

/// <summary>The parser alone, for engines without fragments.</summary>
public sealed class PlainPacketReader : IPacketReader
{
    /// <summary>The only one: it has no state.</summary>
    public static readonly PlainPacketReader Instance = new();

    private PlainPacketReader()
    {
    }

    /// <inheritdoc/>
    public DropReason Read(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary) => PacketParser.Parse(packet, out summary, hairpin: client.IsNone);
}
