using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>
/// What an application helper has read makes the FAM expect a connection: an explicit mapping of the endpoint that the client has named, which lets in the far end of the connection in which
/// it was named and nobody else, for a short time and for one connection. So it follows the client like any explicit mapping. It is anchored at the address of that
/// connection's masquerade endpoint, for servers take no other (RFC 2577 section 3), which may be another node's.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>The port that goes with a server's address where it is not known which one it will send from.</summary>
    private const ushort AnyPort = 20;

    /// <summary>How often nobody is asked in vain for one endpoint that a client has named.</summary>
    private const int MaxQuestions = 3;

    /// <summary>The connection that is opened now and that could not be anchored beside the one that it belongs to.</summary>
    private FlowTuple _apart;

    /// <summary>Connections that are expected now.</summary>
    public int ExpectedCount => _table.ExpectedCount;

    /// <summary>
    /// Finds or makes the mapping of an endpoint that a client has named. False: the coordinator has been asked, and the segment waits. True with no endpoint: nothing comes of it.
    /// </summary>
    private bool Expect(int slot, int client, HelpedStream stream, TransportEndpoint named, uint at, Instant now, out TransportEndpoint masquerade)
    {
        masquerade = TransportEndpoint.None;
        ref var control = ref _table.Connection(slot);
        var server = control.Tuple.Destination;
        if (named.Address != control.Tuple.Source.Address || named.Port < HelperWish.LeastPort)
        {
            // Somebody else's address, which is an old trick (RFC 2577 section 3), or a service's port.
            return true;
        }

        var known = _table.FindByClientEndpoint(TransportProtocol.Tcp, named, TransportEndpoint.None);
        if (known < 0)
        {
            ref var beside = ref _table.Mapping(control.Mapping);
            var quota = IsAtLimit(CountTerms(client, expected: true), _config.ExpectationsPerClient) ? DropReason.ClientQuota : MayOpen(_clients[client], TransportProtocol.Tcp, newMapping: true, now);
            if (quota != DropReason.None)
            {
                NoteRefusal(ref _clients[client], quota, TransportProtocol.Tcp, now);
            }
            else if (beside.HamIsHere)
            {
                known = AnchorExpected(client, named, beside.Id.Masquerade.Address, now);
            }
            else if (AskForExpected(client, stream, named, control.Tuple, beside.Id.Masquerade.Address, at, now))
            {
                return false;
            }
        }

        if (known < 0 || !MayExpectAt(known, client, server) || _table.Mapping(known).Id.Masquerade.Address != _table.Mapping(_table.Connection(slot).Mapping).Id.Masquerade.Address)
        {
            UnhelpedEndpoints++;
            return true;
        }

        if (!IsService(_table.Mapping(known)))
        {
            LetIn(known, server, now);
        }

        masquerade = _table.Mapping(known).Id.Masquerade;
        return true;
    }

    /// <summary>A client's wish for a mapping that keeps one way open is not changed behind its back; who lets everybody in, or this server, lets it in already.</summary>
    private bool MayExpectAt(int slot, int client, TransportEndpoint server)
    {
        ref var mapping = ref _table.Mapping(slot);
        return mapping.Client == client && mapping.Explicit switch
        {
            null or { Expected: true } => true,
            { OutboundOnly: true } => false,
            { } terms => terms.Filters.Count == 0 || terms.Names(server with { Port = AnyPort }),
        };
    }

    private int AnchorExpected(int client, TransportEndpoint named, IpAddress address, Instant now)
    {
        ref var record = ref _clients[client];
        if (!_anchor.TryAnchorBeside(TransportProtocol.Tcp, named, record.Mac, record.Epoch, address, now, out var masquerade))
        {
            return -1;
        }

        var slot = AddAnchored(client, new MappingId(TransportProtocol.Tcp, masquerade), named, now);
        if (slot >= 0)
        {
            ChargeOpening(ref record, now);
        }

        return slot;
    }

    private bool AskForExpected(int client, HelpedStream stream, TransportEndpoint named, in FlowTuple control, IpAddress address, uint at, Instant now)
    {
        ref var record = ref _clients[client];
        if (!_coordinatorUp || _pendingById.Count >= MaxPendingAttaches || record.PendingCount >= MaxPendingPerClient
            || _pendingByEndpoint.ContainsKey((TransportProtocol.Tcp, named)) || !_pool.TryAllocate(TransportProtocol.Tcp, !named.Address.IsIPv4, 0, now, out var endpoint))
        {
            return false;
        }

        var tuple = new FlowTuple(named, control.Destination with { Port = AnyPort }, TransportProtocol.Tcp);
        if (!TrySendAttach(client, tuple, endpoint, mayEstablish: true, now, out var id, address))
        {
            _pool.ReleaseUnused(TransportProtocol.Tcp, endpoint);
            return false;
        }

        Remember(client, id, new PendingAttach(record.Mac, tuple, endpoint, MayEstablish: false, now + _config.AnswerTimeout) { Control = control, At = at });
        ChargeOpening(ref record, now);
        stream.Asked = id;
        return true;
    }

    private void OnExpectedReply(AttachReply reply, in PendingAttach pending, int client, Instant now)
    {
        var slot = -1;
        if (reply is { Status: AttachStatus.Attached, Mapping: { } mapping })
        {
            // The connection with which it was asked for is only a placeholder.
            slot = InstallAt(client, mapping with { Connections = [], Explicit = mapping.Explicit ?? TermsOf(Terms(pending.Tuple.Destination, now), client, now) }, pending, now);
        }
        else
        {
            _pool.ReleaseUnused(pending.Tuple.Protocol, pending.Endpoint);
        }

        if (slot < 0)
        {
            GiveUp(pending, isRefused: true);
        }

        ReleaseHeld(client, now, out _);
    }

    /// <summary>
    /// The address, of this node's or of others, beside which a connection that a client opens is to be anchored, because it belongs to a session whose server wants to see one address; none:
    /// any will do.
    /// </summary>
    private IpAddress BesideWhat(int client, in FlowTuple tuple, bool hamIsHere)
    {
        if (tuple.Protocol != TransportProtocol.Tcp || tuple == _apart || _table.HelpedWith(client, tuple.Destination.Address) is not { } sessions)
        {
            return IpAddress.None;
        }

        for (var i = sessions.Count - 1; i >= 0; i--)
        {
            ref var mapping = ref _table.Mapping(_table.Connection(sessions[i]).Mapping);
            if (mapping.HamIsHere == hamIsHere && !IsService(mapping) && _table.StreamOf(sessions[i]).Helper?.Accompanies(tuple.Destination) == true)
            {
                return mapping.Id.Masquerade.Address;
            }
        }

        return IpAddress.None;
    }

    /// <summary>It cannot be anchored there: it is anchored like any other, and the server may take it all the same.</summary>
    private void ReleaseApart(int client, in FlowTuple tuple, Instant now)
    {
        _apart = tuple;
        ReleaseHeld(client, now, out _);
        _apart = default;
    }

    /// <summary>
    /// Nobody can anchor it: what the client has named is sent as it is, and the server will not find it. Without an answer it is asked again, a few times, when the client repeats it.
    /// </summary>
    private void GiveUp(in PendingAttach pending, bool isRefused)
    {
        var slot = _table.FindConnection(pending.Control);
        if (slot >= 0 && _table.Connection(slot).IsHelped && _table.StreamOf(slot) is var stream && (isRefused || ++stream.Unanswered >= MaxQuestions))
        {
            stream.GaveUpAt = pending.At;
            stream.Unanswered = 0;
            UnhelpedEndpoints++;
        }
    }

    private void LetIn(int slot, TransportEndpoint server, Instant now)
    {
        var terms = Terms(server, now);
        if (_table.Mapping(slot).Explicit is { } before && before.Filters.Count < ExplicitTerms.MaxFilters)
        {
            terms = terms with { Filters = [.. before.Filters.Union(terms.Filters)] };
        }

        _table.SetTerms(slot, terms);
        TermsChanged(slot, now);
    }

    private FamTerms Terms(TransportEndpoint server, Instant now) =>
        new(default, now + _config.ExpectationTimeout, Published: false, OutboundOnly: false, [PeerFilter(server with { Port = 0 })]) { Expected = true };

    /// <summary>The connection that was expected has come: from now on the mapping lives by it, and nobody is let in but who else is expected.</summary>
    private void EndExpectation(int slot, TransportEndpoint server, Instant now)
    {
        if (_table.Mapping(slot).Explicit is not { Expected: true } terms || !terms.Names(server))
        {
            return;
        }

        RemoteFilter[] others = [.. terms.Filters.Where(f => f != PeerFilter(server with { Port = 0 }))];
        if (others.Length == 0)
        {
            DropTerms(slot, now);
            return;
        }

        _table.SetTerms(slot, terms with { Filters = others });
        TermsChanged(slot, now);
    }
}
