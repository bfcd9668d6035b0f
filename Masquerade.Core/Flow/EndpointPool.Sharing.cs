using Masquerade.Core.Time;

namespace Masquerade.Core.Flow;

/// <summary>
/// Endpoints that are taken for one server alone (decision 27): while ports abound each is taken whole, as always; when they run short several users share one, no two of them for one server.
/// With no server named, all of these do what the methods of the same purpose do without one.
/// </summary>
public sealed partial class EndpointPool
{
    private readonly int _shareBelowPercent;

    /// <summary>Takes an endpoint of a protocol and family for a server. Addresses take turns. False when none is left.</summary>
    public bool TryAllocateFor(TransportEndpoint server, TransportProtocol protocol, bool ipv6, ushort preferredPort, Instant now, out TransportEndpoint endpoint, MacAddress client = default)
    {
        if (server.IsNone)
        {
            return TryAllocate(protocol, ipv6, preferredPort, now, out endpoint, client);
        }

        var family = _ofFamily[ipv6 ? 1 : 0];
        var turn = ++_turn[ipv6 ? 1 : 0];
        for (var i = 0; i < family.Length; i++)
        {
            if (TryAllocateAtFor(server, family[(int)(((uint)turn + (uint)i) % (uint)family.Length)], protocol, preferredPort, now, out endpoint, client))
            {
                return true;
            }
        }

        endpoint = TransportEndpoint.None;
        return false;
    }

    /// <summary>Takes an endpoint of the own address in a place for a server. False when none is left there for it.</summary>
    public bool TryAllocateAtFor(TransportEndpoint server, int place, TransportProtocol protocol, ushort preferredPort, Instant now, out TransportEndpoint endpoint, MacAddress client = default)
    {
        if (server.IsNone || BlockSize > 0)
        {
            // The ports of a block are one client's.
            return TryAllocateAt(place, protocol, preferredPort, now, out endpoint, client);
        }

        endpoint = TransportEndpoint.None;
        if (!GivesOutAt(place))
        {
            return false;
        }

        _ports.Wake(now);
        var space = PortSpaces.Of(place, protocol);
        if (_ports.Free(space) * 100L <= _ports.Size(space) * (long)_shareBelowPercent && _ports.Shared.TryJoin(space, server, out var port))
        {
            endpoint = new TransportEndpoint(_own[place], port);
            return true;
        }

        if (!TryAllocateAt(place, protocol, preferredPort, now, out endpoint, client))
        {
            return false;
        }

        _ports.Shared.Open(space, endpoint.Port, server);
        return true;
    }

    /// <summary>As <see cref="TryReclaim(TransportProtocol, TransportEndpoint, Instant, MacAddress)"/>, for an endpoint that is used for a server alone: others may share it.</summary>
    public bool TryReclaim(TransportProtocol protocol, TransportEndpoint endpoint, TransportEndpoint server, Instant now, MacAddress client = default)
    {
        if (!server.IsNone && IsShared(protocol, endpoint, out var space))
        {
            _ports.Wake(now);
            if (IsShared(protocol, endpoint, out _))
            {
                return _held[AddressIndex(endpoint.Address)] && _ports.Shared.TryJoin(space, endpoint.Port, server);
            }
        }

        if (!TryReclaim(protocol, endpoint, now, client))
        {
            return false;
        }

        if (!server.IsNone)
        {
            _ports.Shared.Reopen(PortSpaces.Of(AddressIndex(endpoint.Address), protocol), endpoint.Port, server, now);
        }

        return true;
    }

    /// <summary>Gives an endpoint back that was used for a server: towards that server it rests.</summary>
    public void Release(TransportProtocol protocol, TransportEndpoint endpoint, TransportEndpoint server, Instant now)
    {
        if (!server.IsNone && IsShared(protocol, endpoint, out var space))
        {
            _ports.Shared.Leave(space, endpoint.Port, server, rests: true, now);
        }
        else
        {
            Release(protocol, endpoint, now);
        }
    }

    /// <summary>As <see cref="ReleaseUnused(TransportProtocol, TransportEndpoint)"/>, for an endpoint that was taken for a server.</summary>
    public void ReleaseUnused(TransportProtocol protocol, TransportEndpoint endpoint, TransportEndpoint server)
    {
        if (!server.IsNone && IsShared(protocol, endpoint, out var space))
        {
            _ports.Shared.Leave(space, endpoint.Port, server, rests: false, Instant.Zero);
        }
        else
        {
            ReleaseUnused(protocol, endpoint);
        }
    }

    private bool IsShared(TransportProtocol protocol, TransportEndpoint endpoint, out int space)
    {
        var place = AddressIndex(endpoint.Address);
        space = place < 0 ? -1 : PortSpaces.Of(place, protocol);
        return place >= 0 && _ports.Shared.IsShared(space, endpoint.Port);
    }
}
