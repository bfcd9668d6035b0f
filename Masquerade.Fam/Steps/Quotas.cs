using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// What a client may have, and how fast it may get it (N-10, RFC 6888 REQ-4 and 5). Whoever is at a limit is refused what is new; nothing that exists makes room for it, neither its own
/// nor anybody else's (REQ-11). What a client brings along from another access point is taken in whatever the limits.
/// </summary>
public sealed partial class FamEngine
{
    private static readonly TimeSpan QuotaReportInterval = TimeSpan.FromMinutes(1);

    /// <summary>Whether a client may open one more connection, and with it one more mapping; if not, why.</summary>
    private DropReason MayOpen(in FamClient client, TransportProtocol protocol, bool newMapping, Instant now)
    {
        if (newMapping && IsAtLimit(MappingCountOf(client, protocol) + client.PendingCount, MappingLimitOf(protocol)))
        {
            return DropReason.ClientQuota;
        }

        if (IsAtLimit(client.ConnectionCount, _config.ConnectionsPerClient)
            || (protocol == TransportProtocol.Tcp && IsAtLimit(client.OpeningCount, _config.OpeningPerClient)))
        {
            return DropReason.ClientQuota;
        }

        return _openingInterval > TimeSpan.Zero && client.NextOpening > now + _openingTolerance ? DropReason.ClientRate : DropReason.None;
    }

    /// <summary>One more connection: the next is due an interval later, counted from now if the client has been slower than it may be.</summary>
    private void ChargeOpening(ref FamClient client, Instant now) => client.NextOpening = Instant.Max(client.NextOpening, now) + _openingInterval;

    private Verdict Refuse(DropReason limit, int client, ReadOnlySpan<byte> packet, in PacketSummary summary, Instant now)
    {
        ref var record = ref _clients[client];
        NoteRefusal(ref record, limit, summary.Tuple.Protocol, now);
        return SendBackToClient(limit, IcmpError.HostUnreachable, packet, summary, record.Mac);
    }

    private void NoteRefusal(ref FamClient record, DropReason limit, TransportProtocol protocol, Instant now)
    {
        record.QuotaRefusals++;
        if (now >= record.NextQuotaReport)
        {
            _output.Report(new QuotaReached(record.Mac, limit, protocol, record.QuotaRefusals));
            record.NextQuotaReport = now + QuotaReportInterval;
            record.QuotaRefusals = 0;
        }
    }

    private int MappingLimitOf(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => _config.TcpMappingsPerClient,
        TransportProtocol.Udp => _config.UdpMappingsPerClient,
        _ => _config.IcmpMappingsPerClient,
    };

    private static int MappingCountOf(in FamClient client, TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => client.TcpMappings,
        TransportProtocol.Udp => client.UdpMappings,
        _ => client.IcmpMappings,
    };

    private static bool IsAtLimit(int count, int limit) => limit > 0 && count >= limit;
}
