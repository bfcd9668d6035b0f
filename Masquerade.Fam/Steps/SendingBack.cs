using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Packets that cannot be passed on, and of which their sender is told: a FAM is a hop like any router.</summary>
public sealed partial class FamEngine
{
    /// <summary>What the node's links carry; packets beyond it that must not be cut are sent back (RFC 4787 REQ-13, RFC 8201).</summary>
    public LinkMtu Mtu { get; init; } = LinkMtu.Unlimited;

    /// <summary>How packets that have waited are read again.</summary>
    public IPacketReader Reader { get; init; } = PlainPacketReader.Instance;

    /// <summary>Drops a packet of a client and tells it why.</summary>
    private Verdict SendBackToClient(DropReason reason, in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client)
    {
        _output.SendError(error, packet, summary, client);
        return Drop(reason);
    }

    /// <summary>
    /// Drops a packet from the uplink and tells its sender why. What the HAM made of it is undone first: the server knows only the masquerade endpoint and would take no error about
    /// another for its own.
    /// </summary>
    private Verdict SendBackToServer(DropReason reason, in IcmpError error, Span<byte> packet, in PacketSummary summary, TransportEndpoint local, TransportEndpoint masquerade, in OffloadInfo offload)
    {
        if (IcmpError.MayAnswer(summary))
        {
            if (local != masquerade)
            {
                PacketRewriter.Destination(packet, summary, new PacketRewriter.Rewrite(local, masquerade), offload.ChecksumPartial);
            }

            _output.SendError(error, packet, summary, MacAddress.None);
        }

        return Drop(reason);
    }
}
