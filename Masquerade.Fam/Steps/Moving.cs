using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// The client is at another access point now: what waits here and what is still under way follows it, in order, and the last word on its connections is handed over.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Markers that may wait for the news of a move; a client has at most one HAM per node that it has opened connections at.</summary>
    private const int MaxEarlyDrains = 32;

    private void OnFamChange(FamChange change, Instant now)
    {
        var client = _clients.Find(change.Client);
        foreach (var route in change.Routes)
        {
            if (route.Ham == _self && !_anchor.Owns(route.Mapping, change.Client))
            {
                // Whoever has the client now: the HAM of this node would disown it, and the answer that establishes it would come after that.
                TryAnchorAwaited(change.Client, route.Mapping, client < 0 ? Epoch.None : _clients[client].Epoch, now);
            }
        }

        if (client < 0 || change.NewFam == _self || change.Epoch < _clients[client].HighestEpoch)
        {
            return;
        }

        ref var record = ref _clients[client];
        if (change.Stay != 0 && change.PreviousFam == _self && change.Stay < record.ArriveId && record.State == ClientState.Further)
        {
            // It has become a further FAM again since.
            return;
        }

        var wasFurther = record.State == ClientState.Further;
        if (change.Epoch <= record.Epoch && record.State != ClientState.Superseded && !(wasFurther && change.PreviousFam == _self))
        {
            return;
        }

        var isOld = change.Epoch == record.HighestEpoch;
        record.HighestEpoch = change.Epoch;
        if (record.State == ClientState.Arriving && record.ArriveId != 0 && (isOld || change.PreviousFam != _self))
        {
            // This node's own arrival is still being asked for; the answer will show whether it came before or after that one. What was heard of before it was asked for is before it.
            return;
        }

        record.MoveToken = change.Token;
        var isHereAgain = now < record.FreshUntil && record.State == ClientState.Serving;
        var wasServing = record.State is not ClientState.Superseded;
        var hadDeparted = record.State is ClientState.Departing && (record.News & ClientNews.Departure) == 0;
        foreach (var route in change.Routes)
        {
            var slot = _table.FindOfClient(client, route.Mapping);
            if (slot >= 0 && !route.NewFamEndpoint.IsNone)
            {
                ref var mapping = ref _table.Mapping(slot);
                mapping.ToNextFam = new PacketRewriter.Rewrite(mapping.Fam, route.NewFamEndpoint);
                mapping.HasNextFam = true;
            }
        }

        if (wasServing)
        {
            BeSuperseded(client, now, change.Routes);
        }

        ReleaseHeld(client, now, out var flushed);
        _output.Report(new ClientSuperseded(change.Client, change.Epoch, change.NewFam, flushed));
        if (wasServing && !hadDeparted && !wasFurther)
        {
            BeginFarewell(client, ClientNews.HandOver, now);
        }

        AnswerEarlyDrains(client);
        if (isHereAgain)
        {
            // It came back before this news of its having been elsewhere did.
            BeginArrival(client, byAssociation: true, now);
        }
    }

    private void BeSuperseded(int client, Instant now, IReadOnlyList<FamRoute> routes)
    {
        ref var record = ref _clients[client];
        if (record.State == ClientState.Arriving)
        {
            _outbox.Complete(record.ArriveId);
        }

        EndFarewell(ref record);
        EndCopies(client, delivers: false, now);
        SetState(client, ClientState.Superseded);
        record.IsSummoned = false;
        ForgetUntranslated(client, now);
        record.Gone = false;
        record.GuardUntil = now + _config.ReturnGuard;
        ForwardOffers(client, routes);
        SetDeadline(client, now + (MayStayLinked(record) ? _config.ReturnGuard : _config.ForwardTime));
    }

    /// <summary>HAMs that were sent to offered endpoints of a stay whose answer never came: what they send goes on like everything else.</summary>
    private void ForwardOffers(int client, IReadOnlyList<FamRoute> routes)
    {
        ref var record = ref _clients[client];
        foreach (var route in routes)
        {
            if (!route.NewFamEndpoint.IsNone && record.Offers.Remove(new FamOffer(route.Mapping.Protocol, route.OldFamEndpoint)))
            {
                record.Forwards.Add((route.Mapping.Protocol, new PacketRewriter.Rewrite(route.OldFamEndpoint, route.NewFamEndpoint)));
            }
        }
    }

    /// <summary>A packet to an endpoint that was offered: it waits for the answer to the arrival, or follows the client to where it went without waiting for that.</summary>
    private Verdict DeliverToOffer(int client, TransportProtocol protocol, TransportEndpoint local, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        foreach (var (offered, toNextFam) in _clients[client].Forwards)
        {
            if (offered == protocol && toNextFam.From == local)
            {
                if (summary.Ttl <= 1)
                {
                    return Drop(DropReason.TtlExpired);
                }

                RewriteInbound(packet, summary, toNextFam, offload);
                return Verdict.Uplink;
            }
        }

        return _clients[client].State == ClientState.Superseded ? Drop(DropReason.NoFamEndpoint) : Hold(client, packet, offload, HoldInbound, now);
    }

    /// <summary>A datagram from another node: a HAM asks to be told when everything in front of its marker has been passed on.</summary>
    public void OnPeer(PeerMessage message, TransportEndpoint from, Instant now)
    {
        if (message is CopyMark or CopyMarked)
        {
            OnCopyMark(message, from);
            return;
        }

        if (message is not Drain drain)
        {
            return;
        }

        var client = _clients.Find(drain.Client);
        if (client < 0 || (_clients[client].State == ClientState.Superseded && _clients[client].MoveToken == drain.Token))
        {
            // Packets are passed on as they come, so all that came before the marker has gone.
            _output.SendPeer(from, new Drained(drain.Client, drain.Epoch, drain.Token));
            return;
        }

        // The marker overtook the coordinator's message: it is answered when the move is known. Each HAM of the client sends one of its own.
        var early = _clients[client].EarlyDrains ??= [];
        early.RemoveAll(e => e.From == from);
        if (early.Count == MaxEarlyDrains)
        {
            early.RemoveAt(0);
        }

        early.Add((from, drain));
    }

    private void AnswerEarlyDrains(int client)
    {
        ref var record = ref _clients[client];
        if (record.EarlyDrains is not { } early)
        {
            return;
        }

        record.EarlyDrains = null;
        foreach (var (from, drain) in early)
        {
            if (drain.Token == record.MoveToken)
            {
                _output.SendPeer(from, new Drained(drain.Client, drain.Epoch, drain.Token));
            }
        }
    }
}
