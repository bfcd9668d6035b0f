using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>Packets that cannot be sent on: nobody's masquerade endpoint, or a client that nobody serves.</summary>
public sealed partial class HamEngine
{
    private long _unsolicited;
    private Instant _nextUnsolicitedReport = Instant.Zero;

    /// <summary>No mapping: counted, and reported at a limited rate, for it may be a scan.</summary>
    private Verdict RefuseUnsolicited(in FlowTuple tuple, Instant now)
    {
        _unsolicited++;
        if (now >= _nextUnsolicitedReport)
        {
            _output.Report(new UnsolicitedInbound(tuple, _unsolicited));
            _unsolicited = 0;
            _nextUnsolicitedReport = now + _config.UnsolicitedReportInterval;
        }

        return Drop(DropReason.NoMapping);
    }

    /// <summary>No FAM: ask the coordinator, but not again for this mapping within an interval that grows while the client stays away.</summary>
    private Verdict AskForFam(ref HamEntry entry, Instant now)
    {
        if (now >= entry.NextQueryAt)
        {
            entry.NextQueryAt = now + entry.QueryInterval;
            entry.QueryInterval = TimeSpan.FromTicks(Math.Min(entry.QueryInterval.Ticks * 2, _config.FamQueryMaximum.Ticks));
            _output.SendControl(new FamQuery { Id = _outbox.NextId(), Mapping = entry.Mapping, Client = _table.Client(entry.Client).Mac });
        }

        return Drop(DropReason.NoFam);
    }

    private void OnFamQueryReply(FamQueryReply reply, Instant now)
    {
        foreach (var route in reply.Routes)
        {
            SwitchRoute(route, reply.Client, reply.Epoch, _pool.Owns(route.NewFamEndpoint.Address), now);
        }
    }
}
