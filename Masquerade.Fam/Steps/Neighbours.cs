using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Packets from client to client at their own addresses (N-13). They are routed and nothing else: no mapping, no connection; what policies say is asked for every packet. All that there is to know
/// here is whether the sender may use the address, and whether the receiver is here.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Clients of whose addresses others are still to be told.</summary>
    public int AddressNewsCount => _clients.News?.Count ?? 0;

    /// <summary>What is next to be said of clients' addresses.</summary>
    /// <param name="client">The client.</param>
    /// <param name="epoch">In which it is served here.</param>
    /// <param name="addresses">Its addresses; a copy.</param>
    public bool TryTakeAddressNews(out MacAddress client, out Epoch epoch, out IReadOnlyList<IpAddress> addresses)
    {
        (client, epoch, addresses) = (MacAddress.None, Epoch.None, []);
        while (_clients.News is { } news && news.TryPeek(out var slot))
        {
            news.Remove(slot);
            ref var record = ref _clients[slot];
            if (record.State is ClientState.Serving or ClientState.Away)
            {
                (client, epoch, addresses) = (record.Mac, record.Epoch, [.. record.Addresses]);
                return true;
            }
        }

        return false;
    }

    /// <summary>What was said of clients' addresses is to be said again: whoever was told may have forgotten, or it could not be said.</summary>
    public void SayAddressesAgain(MacAddress only = default)
    {
        for (var client = _clients.News is null ? -1 : only.IsNone ? _clients.Next(0) : _clients.Find(only); client >= 0; client = only.IsNone ? _clients.Next(client + 1) : -1)
        {
            _clients.News!.Enqueue(client);
        }
    }

    /// <summary>A client that is here says by ARP or neighbour discovery, or others say of it, that it has an address. False: another client here has it, or the client is not here.</summary>
    public bool TryNoteAddress(MacAddress mac, IpAddress address) =>
        _clients.Find(mac) is >= 0 and var client && _clients[client].State is ClientState.Serving or ClientState.Arriving or ClientState.Away && _clients.TryClaim(client, address);

    /// <summary>The coordinator says that an address is a client's, and another one's here that uses it has not been confirmed to have it: it is taken from that one.</summary>
    public bool TryTakeAddress(MacAddress mac, IpAddress address)
    {
        if (_clients.OwnerOf(address) is >= 0 and var owner && _clients[owner].Mac != mac && _clients.Find(mac) >= 0)
        {
            _clients.LetGo(address);
        }

        if (!TryNoteAddress(mac, address))
        {
            return false;
        }

        _clients.Keep(address);
        return true;
    }

    /// <summary>The coordinator says that an address is not the client's that uses it here: whoever comes and has it gets it.</summary>
    public void RefuseAddress(MacAddress mac, IpAddress address)
    {
        StopPassing(mac);
        if (_clients.OwnerOf(address) is >= 0 and var owner && _clients[owner].Mac == mac)
        {
            _clients.LetGo(address);
        }
    }

    /// <summary>Where the client is, as far as is known here, that has an address.</summary>
    public NeighbourPlace FindNeighbour(IpAddress address, out MacAddress client)
    {
        var slot = _clients.OwnerOf(address);
        if (slot < 0)
        {
            client = MacAddress.None;
            return NeighbourPlace.Unknown;
        }

        client = _clients[slot].Mac;
        return _clients[slot].State switch
        {
            ClientState.Serving => NeighbourPlace.Here,
            ClientState.Away or ClientState.Arriving => NeighbourPlace.Waiting,
            _ => NeighbourPlace.Elsewhere,
        };
    }

    /// <summary>The epoch of the last stay of a client here; none if it is not known.</summary>
    public Epoch EpochOf(MacAddress mac) => _clients.Find(mac) is >= 0 and var client ? _clients[client].Epoch : Epoch.None;

    /// <summary>Keeps a packet for a client that is <see cref="NeighbourPlace.Waiting"/>; <see cref="INeighbourhood.TryDeliver"/> is given it when the client is here or known to be elsewhere.</summary>
    /// <param name="address">Whose it is.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="isLocal">Whether a client here has sent it; else it has come from another node.</param>
    /// <param name="now">The time.</param>
    public Verdict HoldForNeighbour(IpAddress address, ReadOnlySpan<byte> packet, in OffloadInfo offload, bool isLocal, Instant now)
    {
        var client = _clients.OwnerOf(address);
        return client < 0 ? Drop(DropReason.ClientGone) : Hold(client, packet, offload, isLocal ? HoldLocal : HoldInbound, now);
    }

    private Verdict SendToNeighbour(int client, Span<byte> packet, in PacketSummary summary, in OffloadInfo offload, Instant now)
    {
        ref var record = ref _clients[client];
        if (_neighbourhood!.IsIsolated)
        {
            return SendBackToClient(DropReason.NeighbourIsolated, IcmpError.Prohibited, packet, summary, record.Mac);
        }

        switch (record.State)
        {
            case ClientState.Superseded or ClientState.Departing:
                return Drop(DropReason.ClientGone);
            case ClientState.Arriving when _coordinatorUp || now < record.GuardUntil || now < _aloneFrom:
                // Until it is said that the client is here, nobody elsewhere would believe whose packet it is.
                return Hold(client, packet, offload, HoldOutbound, now);
        }

        if (Filter is not null && JudgeExchange(client, summary, fromClient: true, now) is not DropReason.None and var reason)
        {
            return RefuseByPolicy(reason, packet, summary, offload, record.Mac, now);
        }

        if (summary.Ttl <= 1)
        {
            return SendBackToClient(DropReason.TtlExpired, IcmpError.TimeExceeded, packet, summary, record.Mac);
        }

        PacketRewriter.DecrementTtl(packet, summary);
        return Verdict.Neighbour;
    }

    private Verdict SendErrorToNeighbour(Span<byte> packet, in PacketSummary summary, MacAddress source, Instant now)
    {
        var client = _clients.OwnerOf(summary.Tuple.Source.Address);
        if (client < 0 || _clients[client].Mac != source)
        {
            return Drop(DropReason.SpoofedSource);
        }

        if (_neighbourhood!.IsIsolated || _clients[client].State is not (ClientState.Serving or ClientState.Away))
        {
            return Drop(_neighbourhood.IsIsolated ? DropReason.NeighbourIsolated : DropReason.ClientGone);
        }

        if (Filter is not null && JudgeExchange(client, summary, fromClient: true, now) is not DropReason.None and var reason)
        {
            return Drop(reason);
        }

        if (summary.Ttl <= 1)
        {
            return Drop(DropReason.TtlExpired);
        }

        PacketRewriter.DecrementTtl(packet, summary);
        return Verdict.Neighbour;
    }
}
