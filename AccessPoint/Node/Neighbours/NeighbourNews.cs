using Masquerade.AccessPoint.Neighbours;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>What the node and the coordinator tell each other about who is where (N-13).</summary>
public sealed partial class AccessPointNode
{
    private const int MaxPrevious = 4_096;
    private const int MaxRefused = 1_024;
    private const int MaxConfirmed = 65_536;
    private static readonly TimeSpan s_goneTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_doubtInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_newsRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_refusedRetry = TimeSpan.FromSeconds(5);

    private Instant NextNeighbourDeadline
    {
        get
        {
            if (_neighbours is not { } side)
            {
                return Instant.Never;
            }

            var next = Instant.Min(Instant.Min(side.Places.NextDeadline, side.Flows.NextDeadline), Instant.Min(Instant.Min(side.HeldUntil, side.RetryAt), side.SweepAt));
            next = RelaysAny && Session == SessionState.Up ? Instant.Min(next, _membersAt) : next;
            return Fam.AddressNewsCount > 0 && Session == SessionState.Up ? Instant.Min(next, side.NewsAt) : next;
        }
    }

    private void AdvanceNeighbours(Instant now)
    {
        if (_neighbours is not { } side)
        {
            return;
        }

        if (now >= side.HeldUntil)
        {
            ReplayNeighbours();
        }

        side.Places.Advance(now, id => _outbox.Complete(id));
        side.Flows.Advance(_pool, now);
        if (now >= side.SweepAt)
        {
            side.SweepAt = side.Confirmed.Count == 0 ? Instant.Never : now + s_refusedRetry;
            foreach (var (address, client) in side.Confirmed)
            {
                if (FindNeighbour(address, out var owner) is NeighbourPlace.Unknown or NeighbourPlace.Elsewhere || owner != client)
                {
                    side.Confirmed.Remove(address);
                }
            }
        }

        if (now >= side.RetryAt)
        {
            foreach (var (client, _) in side.Refused)
            {
                Fam.SayAddressesAgain(client);
            }

            side.Refused.RemoveWhere(r => Fam.EpochOf(r.Client) == Epoch.None);
            side.RetryAt = side.Refused.Count == 0 ? Instant.Never : now + s_refusedRetry;
        }

        SayAddresses(now);
        AdvanceRelays(now);
    }

    /// <summary>Tells the coordinator which addresses are here, so that others find them.</summary>
    private void SayAddresses(Instant now)
    {
        var side = _neighbours!;
        while (Fam.AddressNewsCount > 0 && Session == SessionState.Up && now >= side.NewsAt && Fam.TryTakeAddressNews(out var client, out var epoch, out var addresses))
        {
            if (side.IsIsolated)
            {
                continue;
            }

            // A coordinator that has just begun hears of it from who has it, before others may say that they have it.
            var mayHave = now < side.UpSince + s_refusedRetry ? addresses.Where(a => !side.Refused.Contains((client, a))) : addresses;
            var here = new NeighbourHere
            {
                Id = _outbox.NextId(), Client = client, Epoch = epoch, Addresses = [.. mayHave.Where(side.IsIn).Take(ControlLimits.MaxAddresses)], Peers = Peers(), Key = side.Key,
            };
            if (!_outbox.Send(here, now, canWait: true))
            {
                Fam.SayAddressesAgain(client);
                side.NewsAt = now + s_newsRetry;
                return;
            }
        }
    }

    /// <summary>A client that has not sent anything else yet can be found by others when it has said by ARP or neighbour discovery which address it has.</summary>
    private void NoteClaim(MacAddress client, IpAddress address)
    {
        if (_neighbours!.IsIn(address) && !_clientLink.IsGateway(address) && !Fam.TryNoteAddress(client, address))
        {
            Drops.Count(DropReason.SpoofedSource);
        }
    }

    /// <summary>Where other nodes' packets are taken: an endpoint of each family that there is.</summary>
    private List<TransportEndpoint> Peers()
    {
        var peers = new List<TransportEndpoint>(2);
        foreach (var isIPv4 in (ReadOnlySpan<bool>)[true, false])
        {
            if (OwnPeer(isIPv4) is { IsNone: false } own)
            {
                peers.Add(new TransportEndpoint(own, _model.PeerPort));
            }
        }

        return peers;
    }

    /// <summary>What is known of a client may be old.</summary>
    private void Doubt(Whereabout place)
    {
        if (_now >= place.DoubtAgain)
        {
            place.DoubtAgain = _now + s_doubtInterval;
            AskForNeighbour(place);
        }
    }

    private void AskForNeighbour(Whereabout place)
    {
        place.AskAgain = _now + TimeSpan.FromSeconds(1);
        if (_model.Standalone)
        {
            place.UnknownUntil = place.AskAgain;
            return;
        }

        if (place.Question == 0)
        {
            var id = _outbox.NextId();
            place.Question = _outbox.Send(new NeighbourQuery { Id = id, Address = place.Address }, _now, canWait: true) ? id : 0;
        }
    }

    private void OnNeighbourAt(NeighbourAt at)
    {
        _outbox.Complete(at.Id);
        if (_neighbours is not { } side)
        {
            return;
        }

        if (at.Address == s_relays)
        {
            (_relays, _relayKey) = (at.Peers, at.Key);
            return;
        }

        if (side.Places.Find(at.Address) is null && FindNeighbour(at.Address, out var client) == NeighbourPlace.Elsewhere && client == at.Client)
        {
            // It was here a moment ago, and packets for it may still come.
            side.Places.Use(at.Address, client, _now);
        }

        side.Places.Learn(at, s_formerTime, _now);
        ReplayNeighbours();
    }

    private void OnNeighbourNoted(NeighbourNoted noted)
    {
        _outbox.Complete(noted.Id);
        if (_neighbours is not { } side)
        {
            return;
        }

        var isRefusalKept = _now < side.UpSince + s_refusedRetry;
        side.Refused.RemoveWhere(r => r.Client == noted.Client && (!isRefusalKept || noted.Addresses.Contains(r.Address)));
        foreach (var address in noted.Addresses)
        {
            // Who only says that it has an address gives way to who has it.
            Fam.FindNeighbour(address, out var user);
            var isOthers = user != noted.Client && side.Confirmed.TryGetValue(address, out var confirmed) && confirmed == user;
            if (!isOthers && Fam.TryTakeAddress(noted.Client, address) && side.Confirmed.Count < MaxConfirmed)
            {
                side.Confirmed[address] = noted.Client;
                side.SweepAt = Instant.Min(side.SweepAt, _now + s_refusedRetry);
            }
        }

        foreach (var address in noted.Refused)
        {
            Fam.RefuseAddress(noted.Client, address);
            if (side.Confirmed.TryGetValue(address, out var confirmed) && confirmed == noted.Client)
            {
                side.Confirmed.Remove(address);
            }

            if (side.Refused.Count < MaxRefused)
            {
                side.Refused.Add((noted.Client, address));
                side.RetryAt = Instant.Min(side.RetryAt, _now + s_refusedRetry);
            }
        }

        if (noted.Previous.Count > 0)
        {
            if (side.Previous.Count >= MaxPrevious)
            {
                foreach (var (mac, previous) in side.Previous)
                {
                    if (previous.Until <= _now)
                    {
                        side.Previous.Remove(mac);
                    }
                }
            }

            if (side.Previous.Count < MaxPrevious)
            {
                side.Previous[noted.Client] = (noted.Previous, _now + s_formerTime);
            }
        }

        ReplayNeighbours();
    }

    /// <summary>Which addresses this node has is not what it was: others have to hear where its clients are reached now.</summary>
    private void OnPeersChanged()
    {
        if (_neighbours is not null)
        {
            Fam.SayAddressesAgain();
        }
    }

    private void ForgetNeighbours()
    {
        if (_neighbours is not { } side)
        {
            return;
        }

        Drops.Count(DropReason.Fenced, side.Seeking.Count + side.Doubted.Count);
        side.Seeking.Clear();
        side.Doubted.Clear();
        side.Places.Clear();
        side.Flows.Clear();
        side.Previous.Clear();
        side.Refused.Clear();
        side.Confirmed.Clear();
        side.DrawKey();
        (side.HeldUntil, side.RetryAt) = (Instant.Never, Instant.Never);
    }
}
