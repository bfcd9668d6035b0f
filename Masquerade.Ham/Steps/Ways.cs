using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>What a HAM knows of its mappings' FAMs, for who sends on what came from one in another way (N-09).</summary>
public sealed partial class HamEngine
{
    /// <summary>The client of a mapping that is anchored here, and the FAM endpoint of another node where its inbound packets go; none if the FAM is this node, or unknown.</summary>
    /// <param name="protocol">The transport protocol.</param>
    /// <param name="masquerade">The masquerade endpoint.</param>
    /// <param name="server">The server that is spoken to from there.</param>
    /// <param name="mapping">The mapping.</param>
    /// <param name="fam">The FAM endpoint.</param>
    /// <param name="client">Whose it is.</param>
    public bool TryFindFam(TransportProtocol protocol, TransportEndpoint masquerade, TransportEndpoint server, out MappingId mapping, out TransportEndpoint fam, out MacAddress client)
    {
        var slot = _table.Find(protocol, masquerade, server);
        mapping = slot >= 0 ? _table[slot].Mapping : default;
        fam = slot >= 0 && _table[slot].Route == HamRoute.Remote ? _table[slot].Fam : TransportEndpoint.None;
        client = slot >= 0 ? _table.Client(_table[slot].Client).Mac : MacAddress.None;
        return slot >= 0;
    }

    /// <summary>
    /// A packet that the previous FAM had already and sends back, because the client has moved: it was sent before everything that is held here until that FAM is drained, so it does not
    /// wait. Verdicts are as those of <see cref="ProcessInbound"/>.
    /// </summary>
    public Verdict ProcessReturned(Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        var slot = _table.Find(summary.Tuple.Protocol, summary.Tuple.Destination, summary.Tuple.Source);
        if (slot < 0 || _table[slot].Route != HamRoute.Remote)
        {
            return ProcessInbound(packet, summary, offload, now);
        }

        return RewriteToFam(_table[slot].ToFam, _table[slot].Mtu, packet, summary, offload);
    }
}
