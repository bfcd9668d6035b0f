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

    /// <summary>Asks whether a mapping still has its FAM. Without an answer it is asked again after the same interval.</summary>
    private void Verify(int slot, Instant now)
    {
        _orphans.Schedule(slot, now + _config.VerifyInterval);
        AskAbout(slot);
    }

    /// <summary>Asks whether anybody knows of a mapping that was placed here. If no answer comes to any of the questions, it goes as those go that nobody serves.</summary>
    private void AskWhetherWanted(int slot, Instant now)
    {
        ref var entry = ref _table[slot];
        entry.Unclaimed--;
        _orphans.Schedule(slot, now + (entry.Unclaimed > 0 ? ClaimPatience : OrphanTimeout(entry.Mapping.Protocol)));
        AskAbout(slot);
    }

    private void AskAbout(int slot)
    {
        ref var entry = ref _table[slot];
        entry.VerifyId = _outbox.NextId();
        _output.SendControl(new FamQuery { Id = entry.VerifyId, Mapping = entry.Mapping, Client = _table.Client(entry.Client).Mac });
    }

    /// <summary>The mapping that was asked about has nobody who serves it: its time without a FAM begins.</summary>
    private void EndUnverified(FamQueryReply reply, Instant now)
    {
        var client = _table.FindClient(reply.Client);
        for (var slot = client < 0 ? -1 : _table.Client(client).FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
        {
            if (_table[slot].VerifyId == reply.Id)
            {
                var mapping = _table[slot].Mapping;
                _table[slot].VerifyId = 0;
                if (reply.Status == AckStatus.Unknown && _table[slot] is { Route: HamRoute.None, Unclaimed: > 0 })
                {
                    // Placed here by somebody who died over it.
                    Remove(slot, now, MappingEnd.Unwanted);
                }
                else if (!reply.Routes.Any(r => r.Mapping == mapping))
                {
                    BecomeOrphan(slot, now);
                }

                return;
            }
        }
    }

    private void OnFamQueryReply(FamQueryReply reply, Instant now)
    {
        EndUnverified(reply, now);
        foreach (var route in reply.Routes)
        {
            SwitchRoute(route, reply.Client, reply.Epoch, _pool.Owns(route.NewFamEndpoint.Address), changeId: 0, now);
        }
    }
}
