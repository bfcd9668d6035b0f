using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>
/// A client appears (first moment of the model): one round trip to the coordinator brings its mappings, and free FAM endpoints ride along so that they are attached at once.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>One arrival is offered at most this part of the endpoints that may be offered.</summary>
    private const int OfferShare = 8;

    /// <summary>How long the coordinator is not asked for a client that it has refused.</summary>
    private static readonly TimeSpan s_refusalPause = TimeSpan.FromSeconds(10);

    /// <summary>The link layer says that a client is associated here.</summary>
    public void OnAssociated(MacAddress mac, Instant now)
    {
        var client = _clients.Find(mac);
        if (client < 0)
        {
            client = Meet(mac, byAssociation: true, now);
            if (client >= 0)
            {
                _clients[client].IsLinked = true;
            }

            return;
        }

        _clients[client].LastSeen = now;
        _clients[client].IsLinked = true;
        ComeBack(client, byAssociation: true, now);
    }

    /// <summary>Any frame of a client that is not an IP packet for the engine (ARP, neighbour discovery): it shows that the client is here.</summary>
    public void OnClientSeen(MacAddress mac, Instant now)
    {
        var client = _clients.Find(mac);
        if (client < 0)
        {
            Meet(mac, byAssociation: false, now);
            return;
        }

        _clients[client].LastSeen = now;
        OnClientSeen(client, now);
    }

    /// <summary>A frame counts as a return only after a guard time: frames of the old link may be processed a moment after it went.</summary>
    private void OnClientSeen(int client, Instant now)
    {
        // A packet that has waited here shows where the client was, not where it is.
        if (_replaying || now < _clients[client].GuardUntil)
        {
            return;
        }

        if (_clients[client].Gone || _clients[client].State is ClientState.Away or ClientState.Departing or ClientState.Superseded)
        {
            ComeBack(client, byAssociation: false, now);
        }
    }

    private void ComeBack(int client, bool byAssociation, Instant now)
    {
        switch (_clients[client].State)
        {
            case ClientState.Away:
                // Nobody else has claimed it: the stay goes on.
                TakeBackLinkLost(ref _clients[client]);
                SetState(client, ClientState.Serving);
                _clients[client].FreshUntil = byAssociation ? now + _config.ReturnGuard : now;
                SetDeadline(client, _clients[client].Complete ? Instant.Never : now + _config.CompletionTimeout);
                ReleaseHeld(client, now, out _);
                break;
            case ClientState.Arriving when _clients[client].Gone:
                // The same question again: it may have been answered already, and HAMs sent to what was offered with it.
                _clients[client].Gone = false;
                AskForClient(client, now);
                break;
            case ClientState.Superseded when MustHandOverFirst(_clients[client]):
                break;
            case ClientState.Further when _clients[client].Gone:
            case ClientState.Departing:
            case ClientState.Superseded:
                BeginArrival(client, byAssociation, now);
                break;
        }
    }

    /// <summary>Adds a client that was not known and asks for it; -1 when the table is full.</summary>
    private int Meet(MacAddress mac, bool byAssociation, Instant now)
    {
        var client = mac.IsGroup || mac.IsNone ? -1 : _clients.Add(mac, now);
        if (client >= 0)
        {
            BeginArrival(client, byAssociation, now);
        }

        return client;
    }

    private void BeginArrival(int client, bool byAssociation, Instant now)
    {
        ref var record = ref _clients[client];
        record.FurtherUntil = record.IsSummoned ? Instant.Zero : record is { State: ClientState.Further, Gone: false } ? now + s_furtherPatience : record.FurtherUntil;
        SetState(client, ClientState.Arriving);
        BeginJudging(client);
        record.AnnounceAddressAgain = Instant.Zero;
        record.Complete = false;
        record.Truncated = false;
        record.Gone = false;
        record.AnnounceId = 0;
        record.MoveToken = 0;
        TakeBackLinkLost(ref record);
        _output.Report(new ClientArriving(record.Mac, byAssociation));
        if (_config.Standalone)
        {
            SetState(client, ClientState.Serving);
            CompleteArrival(client, settled: true, now);
            return;
        }

        WithdrawOffers(ref record, settled: false, now);
        MakeOffers(client, now);
        TurnFarewellIntoArrival(client);
        record.ArriveId = _outbox.NextId();
        AskForClient(client, now);
    }

    private void AskForClient(int client, Instant now)
    {
        ref var record = ref _clients[client];
        record.GuardUntil = now + _config.ArrivalPatience;
        SetDeadline(client, record.GuardUntil);
        record.News |= ClientNews.Arrival;
        SayNow(client, now);
    }

    /// <summary>
    /// What was to be said in parting need not be, for the client is here; what has changed since it was said is still to be said, once the client has its new epoch. A
    /// departure that the coordinator has been sent may not have reached it; it is left to be answered, so that it does not come after the arrival.
    /// </summary>
    private void TurnFarewellIntoArrival(int client)
    {
        ref var record = ref _clients[client];
        for (var slot = record.FirstNews; slot >= 0;)
        {
            var next = _table.Mapping(slot).NextNews;
            _table.ClearNews(slot, MappingNews.Whole | MappingNews.Attach);
            slot = next;
        }

        record.Farewell = 0;
        record.PartsUnderWay = 0;
        record.DepartId = 0;
        record.News = record.FirstNews >= 0 || record.Ended.Count > 0 ? ClientNews.Arrival | ClientNews.Changes : ClientNews.Arrival;
    }

    private void MakeOffers(int client, Instant now)
    {
        foreach (var ipv6 in (ReadOnlySpan<bool>)[false, true])
        {
            Offer(client, TransportProtocol.Tcp, ipv6, _config.TcpOffers, now);
            Offer(client, TransportProtocol.Udp, ipv6, _config.UdpOffers, now);
            Offer(client, TransportProtocol.Icmp, ipv6, _config.IcmpOffers, now);
        }
    }

    /// <summary>
    /// Endpoints that were offered and whose arrival came to nothing rest for minutes. Many such arrivals must not use up the ports: an offer takes a small share of what
    /// is free above the last quarter, which is left to connections. What is not offered costs an <see cref="Attach"/> later.
    /// </summary>
    private void Offer(int client, TransportProtocol protocol, bool ipv6, int count, Instant now)
    {
        var spare = _pool.Free(protocol, ipv6, now) - (_pool.Size(protocol, ipv6) / 4);
        count = Math.Min(Math.Min(count, spare / OfferShare), ControlLimits.MaxOffers - _clients[client].Offers.Count);
        for (var i = 0; i < count && _pool.TryAllocate(protocol, ipv6, 0, now, out var endpoint); i++)
        {
            _clients[client].Offers.Add(new FamOffer(protocol, endpoint));
            _offered[protocol, endpoint] = client;
        }
    }

    /// <summary>
    /// Takes back what was offered. Only when the coordinator has said that the arrival is complete (<paramref name="settled"/>) are the rest certainly unused. Before
    /// that it may have sent HAMs to any of them, and its word may still be under way: an endpoint given to another client now would get this client's packets, so it rests.
    /// </summary>
    private void WithdrawOffers(ref FamClient record, bool settled, Instant now)
    {
        foreach (var offer in record.Offers)
        {
            _offered[offer.Protocol, offer.Endpoint] = -1;
            if (settled)
            {
                _pool.ReleaseUnused(offer.Protocol, offer.Endpoint);
            }
            else
            {
                _pool.Release(offer.Protocol, offer.Endpoint, now);
            }
        }

        record.Offers.Clear();
        foreach (var (protocol, toNextFam) in record.Forwards)
        {
            _offered[protocol, toNextFam.From] = -1;
            _pool.Release(protocol, toNextFam.From, now);
        }

        record.Forwards.Clear();
    }

    /// <summary>Takes an offered endpoint into use; false if it was not on offer.</summary>
    private bool TakeOffer(ref FamClient record, TransportProtocol protocol, TransportEndpoint endpoint)
    {
        if (!record.Offers.Remove(new FamOffer(protocol, endpoint)))
        {
            return false;
        }

        _offered[protocol, endpoint] = -1;
        return true;
    }

    private void OnArriveReply(ArriveReply reply, Instant now)
    {
        var client = _clients.Find(reply.Client);
        if (client < 0 || _clients[client].State != ClientState.Arriving || _clients[client].ArriveId != reply.Id)
        {
            return;
        }

        ref var record = ref _clients[client];
        if (reply.Status == AckStatus.StaleEpoch)
        {
            // It has been elsewhere since this was asked. If it is here again, that is another arrival; if not, what was opened here meanwhile is handed in.
            if (record.Gone)
            {
                Depart(client, idle: false, now);
            }
            else
            {
                BeginArrival(client, byAssociation: false, now);
            }

            return;
        }

        if (reply.Status != AckStatus.Ok)
        {
            BeRefused(client, now);
            return;
        }

        if (reply.Role != FamRole.First)
        {
            BecomeFurther(client, reply, now);
            return;
        }

        if (reply.Epoch < record.HighestEpoch)
        {
            // A newer arrival elsewhere was heard of first: this stay was over before it began.
            record.Epoch = reply.Epoch;
            Install(client, reply.Mappings, now);
            BeSuperseded(client, now, []);
            BeginFarewell(client, ClientNews.HandOver, now);
            return;
        }

        if (_config.Links == ClientLinks.Shared && !reply.PreviousFam.IsNone && reply.PreviousFam != _self)
        {
            // The FAM before has heard what has waited here, and may have opened it. If it has not, its ends send it again.
            DropHeldOutbound(client);
        }

        var newStay = reply.Epoch > record.Epoch;
        record.IsSummoned = false;
        EndCopies(client, delivers: reply.Complete, now);
        record.GetsCopies = false;
        record.Epoch = reply.Epoch;
        record.HighestEpoch = reply.Epoch;
        record.Truncated = reply.Truncated;
        SetState(client, record.Gone ? ClientState.Away : ClientState.Serving);
        if (newStay && reply.Complete && !reply.PreviousFam.IsNone && reply.PreviousFam != _self)
        {
            ForgetOutdated(client, reply.Mappings, now);
        }

        foreach (var address in reply.Addresses)
        {
            _clients.TryClaim(client, address);
        }

        _clients.News?.Enqueue(client);

        MarkUnlisted(client, reply.Mappings, now);
        Install(client, reply.Mappings, now);
        AnnounceClient(client, now);
        _output.Report(new ClientArrived(reply.Client, reply.Epoch, reply.PreviousFam, reply.Mappings.Count, reply.Complete));
        if (reply.Complete)
        {
            CompleteArrival(client, settled: true, now);
        }
        else
        {
            SetDeadline(client, now + _config.CompletionTimeout);
            ReleaseHeld(client, now, out _);
        }

        if (_clients[client].Gone)
        {
            // Its packets wait, as if its link had gone just now.
            _clients[client].Gone = false;
            SetDeadline(client, now + _config.HoldTime);
        }

        AnnounceProvisional(client, now);
    }

    /// <summary>
    /// The coordinator will not have the client served here: too many others hear it, or it can take no more. It is asked again after a while, not with the client's next frame, and
    /// what was offered is free, for nobody was sent there.
    /// </summary>
    private void BeRefused(int client, Instant now)
    {
        ref var record = ref _clients[client];
        LetGo(client, DropReason.Refused, now);
        WithdrawOffers(ref record, settled: true, now);
        EndFarewell(ref record);
        record.Ended.Clear();
        SetState(client, ClientState.Superseded);
        record.Epoch = Epoch.None;
        record.IsSummoned = false;
        record.Gone = false;
        record.GuardUntil = now + s_refusalPause;
        SetDeadline(client, record.GuardUntil);
    }

    private void OnArrivalUpdate(ArrivalUpdate update, Instant now)
    {
        var client = _clients.Find(update.Client);
        if (client < 0 || _clients[client].Epoch != update.Epoch || _clients[client].State is not (ClientState.Serving or ClientState.Away or ClientState.Further))
        {
            return;
        }

        foreach (var id in update.Ended)
        {
            var mapping = _table.FindOfClient(client, id);
            if (mapping >= 0)
            {
                NoteLost(mapping, now);
                RemoveMapping(mapping, now);
            }
        }

        Install(client, update.Mappings, now);
        if (_clients[client].State == ClientState.Further)
        {
            // What waited because it was not known here may be known now.
            ReleaseHeld(client, now, out _);
            return;
        }

        if (update.Complete && !_clients[client].Complete)
        {
            CompleteArrival(client, settled: true, now);
        }
    }

    /// <summary>
    /// Endpoints of an address can be given out from now on. Clients that not everything is known of, perhaps because there were none, are asked for anew: what servers send them
    /// would not find its way before they speak.
    /// </summary>
    public void OnEndpointsFree(Instant now)
    {
        for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client] is { State: ClientState.Serving, Truncated: true })
            {
                BeginArrival(client, byAssociation: false, now);
            }
        }
    }

    /// <summary>From now on what is unknown is new. Endpoints that were offered and not used are free again, after a rest if it is only patience that has ended.</summary>
    private void CompleteArrival(int client, bool settled, Instant now)
    {
        ref var record = ref _clients[client];
        record.Complete = true;
        WithdrawOffers(ref record, settled, now);
        if (record.State == ClientState.Serving)
        {
            SetDeadline(client, Instant.Never);
            _output.Report(new ArrivalCompleted(record.Mac, record.Epoch));
        }

        ReleaseHeld(client, now, out _);
    }
}
