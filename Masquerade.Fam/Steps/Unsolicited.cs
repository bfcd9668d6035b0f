using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// SYNs that nobody here has asked for (RFC 5382 REQ-4). Two clients behind two translators that open a connection to each other at once, each by its own SYN, must not be told that there
/// is nobody: so such a SYN is answered only after 6 s, and not at all if the client has opened the same connection meanwhile. As many answers as there are places are given in that
/// time at most, so that a flood of SYNs makes no flood of answers.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>RFC 5382 REQ-4: at least so long.</summary>
    private static readonly TimeSpan UnsolicitedPatience = TimeSpan.FromSeconds(6);

    private readonly UnsolicitedSyns _unsolicited;

    /// <summary>Keeps a SYN that the filter has refused, as its sender sent it.</summary>
    private void KeepUnsolicited(int mappingSlot, TransportEndpoint local, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);
        if (!IsOpeningSyn(summary) || _clients[mapping.Client].State is not (ClientState.Serving or ClientState.Away))
        {
            return;
        }

        if (local != mapping.Id.Masquerade)
        {
            PacketRewriter.Destination(packet, summary, new PacketRewriter.Rewrite(local, mapping.Id.Masquerade), offload.ChecksumPartial);
        }

        _unsolicited.TryAdd(
            packet[..summary.Length], new FlowTuple(mapping.ClientEndpoint, summary.Tuple.Source, TransportProtocol.Tcp), _clients[mapping.Client].Mac, now + UnsolicitedPatience);
    }

    private void AnswerUnsolicited(Instant now)
    {
        while (_unsolicited.TryTake(now, out var syn, out var tuple, out var mac))
        {
            var client = _clients.Find(mac);

            // Where the client is now, its own SYN may be under way: here nothing is known of that.
            if (client >= 0 && _clients[client].State == ClientState.Serving && _table.FindConnection(tuple) < 0 && PacketParser.Parse(syn, out var summary) == DropReason.None)
            {
                _output.SendError(IcmpError.PortUnreachable, syn, summary, MacAddress.None);
            }
        }
    }

    private static bool IsOpeningSyn(in PacketSummary summary) =>
        summary.Kind == PacketKind.Tcp && (summary.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin)) == TcpFlags.Syn;
}
