using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Explicit mappings: they are asked for, by the client (RFC 6887) or the operator, and live by their lifetime and not by what is sent. What makes a mapping explicit belongs to the
/// mapping's record, so it goes wherever that goes: to the next FAM, to another HAM, through a loss of the coordinator's store.
/// </summary>
public sealed partial class FamEngine
{
    private const ulong LongestAge = 1UL << 42;

    private readonly TimerWheel _terms;

    /// <summary>Explicit mappings known here.</summary>
    public int ExplicitCount => _table.ExplicitCount;

    /// <summary>Makes, changes or (with no lifetime) ends an explicit mapping.</summary>
    public MapAnswer Map(MapRequest request, Instant now)
    {
        var outcome = FindForExplicit(request, now, out var client, out var slot);
        if (outcome != MapOutcome.Granted)
        {
            return WithoutEndpoint(outcome, client, now);
        }

        if (request.Lifetime > TimeSpan.Zero && (slot < 0 || AskedTerms(_table.Mapping(slot)) is null) && IsAtLimit(CountTerms(client, expected: false), _config.ExplicitMappingsPerClient))
        {
            NoteRefusal(ref _clients[client], DropReason.ClientQuota, request.Protocol, now);
            outcome = MapOutcome.Quota;
        }
        else if (slot >= 0)
        {
            outcome = MayChange(_table.Mapping(slot), request);
        }
        else if (request.Lifetime > TimeSpan.Zero)
        {
            outcome = AnchorExplicit(client, request, now, out slot);
        }

        if (slot < 0 || outcome is not (MapOutcome.Granted or MapOutcome.Published))
        {
            return WithoutEndpoint(outcome, client, now);
        }

        if (outcome == MapOutcome.Granted)
        {
            BeginAge(client, now);
            if (request.Lifetime > TimeSpan.Zero)
            {
                Prolong(slot, request, now);
            }
            else
            {
                return new MapAnswer(outcome, EndTerms(slot, request, now), TimeSpan.Zero, ExplicitAge(client, now));
            }
        }

        ref var mapping = ref _table.Mapping(slot);
        var lifetime = mapping.Explicit is { Published: false } terms ? terms.Until - now : request.Lifetime;
        return new MapAnswer(outcome, mapping.Id.Masquerade, lifetime, ExplicitAge(client, now));
    }

    /// <summary>Ends all explicit mappings of a client's address that were asked for with a nonce: of one protocol, or of all if it is none.</summary>
    public MapAnswer UnmapAll(MacAddress mac, TransportProtocol? protocol, IpAddress address, MappingNonce nonce, Instant now)
    {
        var outcome = FindForExplicit(new MapRequest(mac, protocol ?? TransportProtocol.Tcp, new TransportEndpoint(address, 0), nonce, TimeSpan.Zero), now, out var client, out _);
        if (outcome != MapOutcome.Granted)
        {
            return WithoutEndpoint(outcome, client, now);
        }

        for (var slot = _clients[client].FirstMapping; slot >= 0;)
        {
            ref var mapping = ref _table.Mapping(slot);
            var next = mapping.NextOfClient;
            if (mapping.Explicit is { Published: false, Expected: false } terms && terms.Nonce == nonce && mapping.ClientEndpoint.Address == address && (protocol is null || mapping.Id.Protocol == protocol))
            {
                DropTerms(slot, now);
            }

            slot = next;
        }

        return WithoutEndpoint(outcome, client, now);
    }

    /// <summary>Whether a client can be answered now, and for how long its explicit mappings have been kept without a loss.</summary>
    public MapAnswer DescribeExplicit(MacAddress mac, IpAddress address, Instant now)
    {
        var outcome = FindForExplicit(new MapRequest(mac, TransportProtocol.Tcp, new TransportEndpoint(address, 0), default, TimeSpan.Zero), now, out var client, out _);
        if (outcome == MapOutcome.Granted)
        {
            BeginAge(client, now);
        }

        return WithoutEndpoint(outcome, client, now);
    }

    /// <summary>Whether a client is not known here, or only as one that another FAM serves alone.</summary>
    public bool HasLeft(MacAddress mac) => _clients.Find(mac) is var client && (client < 0 || _clients[client].State == ClientState.Superseded);

    /// <summary>Whether a client is served here or about to be, and nothing says that it has left. What of its requests has waited may be answered only then: it shows where the client was.</summary>
    public bool IsAttending(MacAddress mac) => _clients.Find(mac) is >= 0 and var client && _clients[client] is { Gone: false, State: ClientState.Arriving or ClientState.Serving };

    /// <summary>An answer that names no endpoint: a refusal, or what has none. The client may not be known.</summary>
    private MapAnswer WithoutEndpoint(MapOutcome outcome, int client, Instant now) => new(outcome, TransportEndpoint.None, TimeSpan.Zero, ExplicitAge(client, now));

    private MapOutcome FindForExplicit(MapRequest request, Instant now, out int client, out int mapping)
    {
        mapping = -1;
        client = _clients.Find(request.Client);
        if (client < 0)
        {
            client = Meet(request.Client, byAssociation: false, now);
            if (client < 0)
            {
                return MapOutcome.NoResources;
            }
        }
        else
        {
            _clients[client].LastSeen = now;
            OnClientSeen(client, now);
        }

        if (!_clients.TryClaim(client, request.ClientEndpoint.Address))
        {
            return MapOutcome.SpoofedSource;
        }

        mapping = _table.FindByClientEndpoint(request.Protocol, request.ClientEndpoint, request.Server);
        ref var record = ref _clients[client];
        return record.State switch
        {
            _ when mapping >= 0 && _table.Mapping(mapping).Client != client => MapOutcome.SpoofedSource,
            ClientState.Serving when mapping >= 0 || (record.Complete && !record.Truncated) => MapOutcome.Granted,
            ClientState.Serving when record.Truncated => MapOutcome.NoResources,
            ClientState.Arriving when MayGoAlone(record, PacketKind.Udp, now) => MapOutcome.Granted,
            _ => MapOutcome.NotNow,
        };
    }

    /// <summary>What a client has asked for itself, or somebody has published for it; what a helper expects there gives way to that.</summary>
    private static FamTerms? AskedTerms(in FamMapping mapping) => mapping.Explicit is { Expected: false } terms ? terms : null;

    private static MapOutcome MayChange(in FamMapping mapping, MapRequest request) => AskedTerms(mapping) switch
    {
        { Published: true } => MapOutcome.Published,
        { OutboundOnly: false } when !request.Server.IsNone => MapOutcome.Granted,
        { } terms when terms.Nonce != request.Nonce => MapOutcome.OthersNonce,
        { OutboundOnly: true } terms when !request.Server.IsNone && terms.Filters.Count == ExplicitTerms.MaxFilters && !terms.Filters.Contains(PeerFilter(request.Server)) => MapOutcome.TooManyPeers,
        _ when request.Server.IsNone && Filters(mapping, request).Count > ExplicitTerms.MaxFilters => MapOutcome.TooManyPeers,
        _ when request.Exactly && request.Lifetime > TimeSpan.Zero && !IsSuggested(request.Suggested, mapping.Id.Masquerade) => MapOutcome.Taken,
        _ => MapOutcome.Granted,
    };

    private static bool IsSuggested(TransportEndpoint suggested, TransportEndpoint given) =>
        (suggested.Address.IsNone || suggested.Address == given.Address) && (suggested.Port == 0 || suggested.Port == given.Port);

    /// <summary>How many mappings a client has because it asked for them, or because a helper expects a connection there.</summary>
    private int CountTerms(int client, bool expected)
    {
        var count = 0;
        for (var slot = _clients[client].FirstMapping; slot >= 0; slot = _table.Mapping(slot).NextOfClient)
        {
            count += _table.Mapping(slot).Explicit is { Published: false } terms && terms.Expected == expected ? 1 : 0;
        }

        return count;
    }

    private MapOutcome AnchorExplicit(int client, MapRequest request, Instant now, out int slot)
    {
        slot = -1;
        ref var record = ref _clients[client];
        var quota = MayOpen(record, request.Protocol, newMapping: true, now);
        if (quota != DropReason.None)
        {
            NoteRefusal(ref record, quota, request.Protocol, now);
            return quota == DropReason.ClientRate ? MapOutcome.Rate : MapOutcome.Quota;
        }

        if (!_anchor.TryAnchorAt(request.Protocol, request.ClientEndpoint, record.Mac, record.Epoch, request.Suggested, request.Exactly, now, out var masquerade, out var reason))
        {
            return reason == DropReason.Refused ? MapOutcome.Taken : MapOutcome.NoResources;
        }

        slot = AddAnchored(client, new MappingId(request.Protocol, masquerade), request.ClientEndpoint, now);
        if (slot < 0)
        {
            return MapOutcome.NoResources;
        }

        ChargeOpening(ref record, now);
        return MapOutcome.Granted;
    }

    private void Prolong(int slot, MapRequest request, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        var until = now + request.Lifetime;
        if (request.Server.IsNone)
        {
            _table.SetTerms(slot, new FamTerms(request.Nonce, until, Published: false, OutboundOnly: false, Filters(mapping, request)));
        }
        else if (AskedTerms(mapping) is not { OutboundOnly: false })
        {
            var server = PeerFilter(request.Server);
            var (known, before) = AskedTerms(mapping) is { } asked ? (asked.Filters, asked.Until) : ([], until);
            _table.SetTerms(slot, new FamTerms(request.Nonce, Instant.Max(before, until), Published: false, OutboundOnly: true, known.Contains(server) ? known : [.. known, server]));
        }
        else
        {
            // Whoever may come anyway need not be kept a way open.
            return;
        }

        TermsChanged(slot, now);
    }

    /// <summary>Those that it has and is not to lose, and those that are asked for.</summary>
    private static IReadOnlyList<RemoteFilter> Filters(in FamMapping mapping, MapRequest request)
    {
        IReadOnlyList<RemoteFilter> kept = AskedTerms(mapping) is { OutboundOnly: false } terms && !request.ClearsFilters ? terms.Filters : [];
        return request.Filters.Count == 0 ? kept : [.. kept.Union(request.Filters)];
    }

    private static RemoteFilter PeerFilter(TransportEndpoint server) => new(new IpPrefix(server.Address, server.Address.IsIPv4 ? 32 : 128), server.Port);

    private void TermsChanged(int slot, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        if (mapping.Explicit is { Published: false } terms)
        {
            _terms.Schedule(slot, terms.Until);
        }
        else
        {
            _terms.Cancel(slot);
        }

        if (mapping.HamIsHere)
        {
            _anchor.Keep(mapping.Id, TermsOf(mapping.Explicit, mapping.Client, now), now);
        }

        MarkDirty(slot, now);
    }

    /// <summary>The client wants it no more. What it has opened by it goes on: the mapping then lives as one that was never asked for.</summary>
    private TransportEndpoint EndTerms(int slot, MapRequest request, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        var masquerade = mapping.Id.Masquerade;
        if (AskedTerms(mapping) is { } terms && terms.OutboundOnly != request.Server.IsNone)
        {
            DropTerms(slot, now);
        }

        return masquerade;
    }

    private void DropTerms(int slot, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        _table.SetTerms(slot, null);
        if (mapping.ConnectionCount == 0)
        {
            EndMapping(slot, now);
        }
        else
        {
            TermsChanged(slot, now);
        }
    }

    private void ExpireTerms(Instant now)
    {
        int count;
        do
        {
            count = _terms.Advance(now, _expired);
            for (var i = 0; i < count; i++)
            {
                var slot = _expired[i];
                if (_clients[_table.Mapping(slot).Client].State is ClientState.Superseded or ClientState.Departing or ClientState.Arriving or ClientState.Further)
                {
                    // Not the owner (any more, or yet): it may have been prolonged elsewhere.
                    _terms.Schedule(slot, now + _config.ForwardTime);
                }
                else
                {
                    DropTerms(slot, now);
                }
            }
        }
        while (count == _expired.Length);
    }

    /// <summary>Takes in what a record from elsewhere says. What is known here is fresher if its revision is higher; but of what is published the coordinator alone decides.</summary>
    private void InstallTerms(int slot, MappingRecord record, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        var isPublished = record.Explicit is { Published: true };
        if (!isPublished && mapping.Explicit is { Published: false } && record.Revision < mapping.Revision)
        {
            return;
        }

        if (record.Explicit is not { } terms)
        {
            if (mapping.Explicit is { Published: true } || record.Revision > mapping.Revision)
            {
                _table.SetTerms(slot, null);
                _terms.Cancel(slot);
            }

            return;
        }

        var since = now - TimeSpan.FromMilliseconds(Math.Min(terms.AgeMilliseconds, LongestAge));
        ref var client = ref _clients[mapping.Client];
        if (!terms.Expected && (!client.HasExplicitSince || since < client.ExplicitSince))
        {
            (client.HasExplicitSince, client.ExplicitSince) = (true, since);
        }

        var until = isPublished || terms.LifetimeMilliseconds == ExplicitTerms.Forever ? Instant.Never : now + TimeSpan.FromMilliseconds(terms.LifetimeMilliseconds);
        _table.SetTerms(slot, new FamTerms(terms.Nonce, until, isPublished, terms.OutboundOnly, terms.Filters) { Expected = terms.Expected });
        if (until == Instant.Never)
        {
            _terms.Cancel(slot);
        }
        else
        {
            _terms.Schedule(slot, until);
        }

        if (mapping.HamIsHere)
        {
            _anchor.Keep(mapping.Id, terms, now);
        }
    }

    private ExplicitTerms? TermsOf(FamTerms? terms, int client, Instant now) => terms is null ? null : new ExplicitTerms
    {
        Nonce = terms.Nonce,
        LifetimeMilliseconds = terms.Until == Instant.Never ? ExplicitTerms.Forever : (uint)Math.Clamp((terms.Until - now).TotalMilliseconds, 0, ExplicitTerms.Forever - 1),
        AgeMilliseconds = (ulong)Math.Max(0, ExplicitAge(client, now).TotalMilliseconds),
        Published = terms.Published,
        OutboundOnly = terms.OutboundOnly,
        Filters = terms.Filters,
        Expected = terms.Expected,
    };

    /// <summary>An explicit mapping has been lost before its time: the client's epoch begins anew, by which it knows that it must ask for its mappings again.</summary>
    private void NoteLost(int slot, Instant now)
    {
        ref var mapping = ref _table.Mapping(slot);
        if (mapping.Explicit is { Published: false, Expected: false } terms && terms.Until > now)
        {
            (_clients[mapping.Client].HasExplicitSince, _clients[mapping.Client].ExplicitSince) = (true, now);
        }
    }

    private void BeginAge(int client, Instant now)
    {
        if (!_clients[client].HasExplicitSince)
        {
            (_clients[client].HasExplicitSince, _clients[client].ExplicitSince) = (true, now);
        }
    }

    private TimeSpan ExplicitAge(int client, Instant now) => client >= 0 && _clients[client].HasExplicitSince ? now - _clients[client].ExplicitSince : TimeSpan.Zero;
}
