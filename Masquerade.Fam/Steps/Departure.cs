using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>
/// A client's link goes away. Its inbound packets wait for a moment, for most clients turn up at the next access point at once; a client that does not is
/// reported as departed, and the report is its hand-over to whoever comes next.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Once a second for that long a client is asked whether it is there, before it is taken for gone: one that saves power may miss a few.</summary>
    private static readonly TimeSpan s_askingTime = TimeSpan.FromSeconds(5);

    private Instant _nextClientDeadline = Instant.Never;
    private Instant _nextIdleSweep = Instant.Zero;

    /// <summary>The link layer says that a client's link here is gone.</summary>
    public void OnDisassociated(MacAddress mac, Instant now)
    {
        var client = _clients.Find(mac);
        if (client < 0)
        {
            return;
        }

        ref var record = ref _clients[client];
        record.IsLinked = false;
        switch (record.State)
        {
            case ClientState.Further when !record.Gone:
                LeaveFurther(client, now);
                break;
            case ClientState.Serving:
                SayLinkLost(ref record, now);
                SetState(client, ClientState.Away);
                record.GuardUntil = now + _config.ReturnGuard;
                SetDeadline(client, now + _config.HoldTime);
                _output.Report(new ClientDeparted(mac, record.Epoch));
                break;
            case ClientState.Arriving:
                // HAMs may have been sent here already, so what they send waits. But the question is not repeated: it would fetch the client back from where it is by then.
                record.Gone = true;
                record.GuardUntil = now + _config.ReturnGuard;
                record.News &= ~ClientNews.Arrival;
                _outbox.Complete(record.ArriveId);
                SetDeadline(client, now + _config.HoldTime);
                break;
        }
    }

    private void SetDeadline(int client, Instant deadline)
    {
        _clients[client].Deadline = deadline;
        _nextClientDeadline = Instant.Min(_nextClientDeadline, deadline);
    }

    private void AdvanceClients(Instant now)
    {
        if (now < _nextClientDeadline && now < _nextIdleSweep)
        {
            return;
        }

        _nextIdleSweep = now + TimeSpan.FromSeconds(1);
        _nextClientDeadline = _nextIdleSweep;
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].Deadline <= now)
            {
                OnClientDeadline(client, now);
            }
            else if (IsIdleFor(_config.ClientIdleTimeout, _clients[client], now))
            {
                Depart(client, idle: true, now);
            }
            else if (_neighbourhood is not null && IsIdleFor(_config.ClientIdleTimeout - s_askingTime, _clients[client], now))
            {
                _neighbourhood.Ask(_clients[client].Mac, _clients[client].Addresses);
            }

            if (_clients[client].Held is not null && _clients[client].State != ClientState.Superseded)
            {
                DropOverdueHeld(client, now);
            }

            _nextClientDeadline = Instant.Min(_nextClientDeadline, _clients[client].Deadline);
        }

        if (_clients.Count == 0)
        {
            _nextClientDeadline = Instant.Never;
        }
    }

    private static bool IsIdleFor(TimeSpan time, in FamClient client, Instant now) =>
        client.State == ClientState.Serving && client.MappingCount == 0 && now - client.LastSeen > time;

    private void OnClientDeadline(int client, Instant now)
    {
        switch (_clients[client].State)
        {
            case ClientState.Arriving when _clients[client].Gone:
                Depart(client, idle: false, now);
                break;
            case ClientState.Arriving:
                // Patience is over: what may open a connection without an answer does, the rest waits on.
                SetDeadline(client, now + _config.AnswerTimeout);
                ReleaseHeld(client, now, out _);
                if (!_coordinatorUp && _clients[client].FirstMapping < 0 && now - _clients[client].LastSeen > _config.ClientIdleTimeout)
                {
                    Forget(client, DropReason.ClientGone, now);
                }

                break;
            case ClientState.Serving:
                CompleteArrival(client, settled: false, now);
                break;
            case ClientState.Away:
                Depart(client, idle: false, now);
                break;
            case ClientState.Further when _clients[client].LinkLostId == 0:
                // There was no room for it.
                LeaveFurther(client, now);
                break;
            case ClientState.Further when (_clients[client].News & ClientNews.Changes) != 0:
                // What was opened or seen here last is known to nobody else: it is kept until it could be said.
                DropHeld(client, DropReason.HoldExpired);
                BeSuperseded(client, now, []);
                BeginFarewell(client, ClientNews.HandOver, now);
                break;
            case ClientState.Further:
                Forget(client, DropReason.HoldExpired, now);
                break;
            case ClientState.Superseded when (_clients[client].News & ClientNews.HandOver) != 0:
                // What was opened here last is known to nobody else: it is kept until it could be said.
                SetDeadline(client, now + _config.ForwardTime);
                break;
            case ClientState.Superseded when MayStayLinked(_clients[client]):
                // It has said of no link that it is gone: it may have this one besides its new one.
                BeginArrival(client, byAssociation: true, now);
                break;
            case ClientState.Superseded:
                Forget(client, DropReason.ClientGone, now);
                break;
            default:
                SetDeadline(client, Instant.Never);
                break;
        }
    }

    private void Depart(int client, bool idle, Instant now)
    {
        ref var record = ref _clients[client];
        DropHeld(client, DropReason.HoldExpired);
        WithdrawOffers(ref record, settled: false, now);
        if (_config.Standalone)
        {
            ForgetWithMappings(client, now);
            return;
        }

        SetState(client, ClientState.Departing);
        ForgetUntranslated(client, now);
        record.Gone = false;
        record.GuardUntil = now + _config.ReturnGuard;
        record.DepartsIdle = idle;
        SetDeadline(client, Instant.Never);
        BeginFarewell(client, ClientNews.Departure, now);
        if (idle)
        {
            _output.Report(new ClientDeparted(record.Mac, record.Epoch));
        }
    }

    /// <summary>Nothing is left of the client here but what the HAM of this node owns of it.</summary>
    private void Forget(int client, DropReason heldReason, Instant now)
    {
        LetGo(client, heldReason, now);
        if (_clients[client].State == ClientState.Arriving)
        {
            // Repeated on, the question would fetch the client back from where it is by now.
            _outbox.Complete(_clients[client].ArriveId);
        }

        WithdrawOffers(ref _clients[client], settled: false, now);
        _unsaid.Remove(client);
        EndJudging(client);
        FastPath?.Void(client);
        _clients.Remove(client);
    }

    /// <summary>A client's mappings are not served here any more, and nothing waits for it.</summary>
    private void LetGo(int client, DropReason heldReason, Instant now)
    {
        ForgetUntranslated(client, now);
        while (_clients[client].FirstMapping >= 0)
        {
            RemoveMapping(_clients[client].FirstMapping, now);
        }

        DropHeld(client, heldReason);
        EndCopies(client, delivers: false, now);
    }

    private void ForgetWithMappings(int client, Instant now)
    {
        while (_clients[client].FirstMapping >= 0)
        {
            var slot = _clients[client].FirstMapping;
            if (_table.Mapping(slot).HamIsHere)
            {
                _anchor.Release(_table.Mapping(slot).Id, now);
            }

            RemoveMapping(slot, now);
        }

        Forget(client, DropReason.ClientGone, now);
    }
}
