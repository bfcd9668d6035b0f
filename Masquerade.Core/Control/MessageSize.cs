namespace Masquerade.Core.Control;

/// <summary>
/// What messages can take on the wire at most. The constants are the longest encodings (IPv6, node names of full length, numbers of full width), so that who keeps to
/// <see cref="ControlLimits"/> never makes a message that does not fit a frame; a test holds them against the codec.
/// </summary>
public static class MessageSize
{
    /// <summary>Octets of everything in a message that is not an element of a list: the largest is the text of a <see cref="UserSessionChange"/>.</summary>
    public const int Fixed = 704;

    /// <summary>Octets of an address.</summary>
    public const int Address = 18;

    /// <summary>Octets of a prefix.</summary>
    public const int Prefix = 1 + Address + 2;

    /// <summary>Octets of an address's owner.</summary>
    public const int Owner = 1 + Address + 9 + Node + 1;

    /// <summary>Octets of an address's load.</summary>
    public const int Load = 1 + Address + 5;

    /// <summary>Octets of an endpoint.</summary>
    public const int Endpoint = 22;

    /// <summary>Octets of a bare mapping.</summary>
    public const int Mapping = 24 + Endpoint;

    /// <summary>Octets of an offer.</summary>
    public const int Offer = 24;

    /// <summary>Octets of a node's name.</summary>
    public const int Node = 66;

    /// <summary>Octets of a route.</summary>
    public const int Route = 1 + Mapping + Node + Endpoint + Endpoint + 1 + (ControlLimits.MaxFurtherFams * Endpoint);

    /// <summary>Octets of an attachment.</summary>
    public const int Attachment = 1 + Mapping + Endpoint;

    /// <summary>Octets of a connection.</summary>
    public const int Connection = 1 + Endpoint + 1 + 5;

    /// <summary>Octets of a mapping record besides its connections.</summary>
    public const int Record = 1 + Mapping + Endpoint + Node + 9 + 5 + Endpoint + 3 + Terms + 9;

    /// <summary>Octets of a record's explicit terms besides their filters, which count as connections: none is longer.</summary>
    public const int Terms = 1 + 14 + 5 + 9 + 1 + 1;

    /// <summary>Octets of a user session.</summary>
    public const int Session = 1 + (2 + UserSession.IdLength) + (2 * Text) + (2 + UserSession.KeyLength) + (2 + UserSession.PolicyLength) + 5 + 5 + 1 + 1;

    /// <summary>Octets of a text: a character takes up to three.</summary>
    public const int Text = 3 + (3 * ControlLimits.MaxReasonLength);

    /// <summary>At most so many octets does the message take as the body of a frame.</summary>
    public static int AtMost(ControlMessage message)
    {
        var lists = ListsOf(message);
        return Fixed + (lists.Records.Count * Record) + (Connections(lists.Records) * Connection) + (lists.Mappings.Count * Mapping)
            + (lists.Routes.Count * Route) + (lists.Offers.Count * Offer) + (lists.Addresses.Count * Address)
            + (lists.Attachments.Count * Attachment) + (lists.Prefixes.Count * Prefix) + (lists.Owners.Count * Owner) + (lists.Loads.Count * Load)
            + (lists.Endpoints.Count * Endpoint) + (lists.Refused.Count * Address) + lists.Octets + (lists.HasSession ? Session : 0);
    }

    /// <summary>What in a message is more than <see cref="ControlLimits"/> allow, so that the other end would refuse it; null if nothing is.</summary>
    public static string? Excess(ControlMessage message)
    {
        var lists = ListsOf(message);
        return Excess(lists.Records.Count, ControlLimits.MaxMappingsPerMessage, "records")
            ?? Excess(lists.Records.Count == 0 ? 0 : lists.Records.Max(r => r.Connections.Count), ControlLimits.MaxConnectionsPerMapping, "connections of a mapping")
            ?? Excess(lists.Records.Count == 0 ? 0 : lists.Records.Max(r => r.Explicit?.Filters.Count ?? 0), ExplicitTerms.MaxFilters, "filters of a mapping")
            ?? Excess(Connections(lists.Records), ControlLimits.MaxConnectionsPerMessage, "connections")
            ?? Excess(lists.Mappings.Count, ControlLimits.MaxBareMappings, "mappings")
            ?? Excess(lists.Routes.Count, ControlLimits.MaxRoutes, "routes")
            ?? Excess(lists.Offers.Count, ControlLimits.MaxOffers, "offers")
            ?? Excess(lists.Attachments.Count, ControlLimits.MaxAttachments, "attachments")
            ?? Excess(lists.Addresses.Count, ControlLimits.MaxAddresses, "addresses")
            ?? Excess(lists.Prefixes.Count, ControlLimits.MaxAddresses, "prefixes")
            ?? Excess(lists.Owners.Count, ControlLimits.MaxAddresses, "owners")
            ?? Excess(lists.Loads.Count, ControlLimits.MaxAddresses, "loads")
            ?? Excess(lists.Endpoints.Count, ControlLimits.MaxAddresses, "endpoints")
            ?? Excess(lists.Refused.Count, ControlLimits.MaxAddresses, "refused addresses")
            ?? Excess(lists.Octets, message is PolicyReply ? ControlLimits.MaxPolicy : ControlLimits.MaxEap, "octets");
    }

    private static string? Excess(int count, int limit, string what) => count > limit ? $"{count} {what}, at most {limit} are allowed" : null;

    private static int Connections(IReadOnlyList<MappingRecord> records)
    {
        var count = 0;
        for (var i = 0; i < records.Count; i++)
        {
            count += RecordRoom.WeightOf(records[i]);
        }

        return count;
    }

    private static Lists ListsOf(ControlMessage message) => message switch
    {
        Hello m => new Lists { Addresses = m.Addresses, Prefixes = m.Takes, Owners = m.Owners },
        Welcome m => new Lists { Owners = m.Owners, Mappings = m.Reserved },
        Heartbeat m => new Lists { Loads = m.Loads },
        AddressOwners m => new Lists { Owners = m.Owners },
        NeighbourHere m => new Lists { Addresses = m.Addresses, Endpoints = m.Peers },
        NeighbourNoted m => new Lists { Addresses = m.Addresses, Refused = m.Refused, Endpoints = m.Previous },
        NeighbourAt m => new Lists { Endpoints = m.Peers },
        LeaseReply m => new Lists { Addresses = m.DnsServers },
        Arrive m => new Lists { Addresses = m.Addresses, Offers = m.Offers },
        ArriveReply m => new Lists { Addresses = m.Addresses, Records = m.Mappings },
        ArrivalUpdate m => new Lists { Records = m.Mappings, Mappings = m.Ended },
        Announce m => new Lists { Addresses = m.Addresses, Records = m.Mappings, Mappings = m.Ended },
        HandOver m => new Lists { Records = m.Mappings, Mappings = m.Ended },
        Depart m => new Lists { Records = m.Mappings, Mappings = m.Ended },
        AttachReply { Mapping: { } record } => new Lists { Records = [record] },
        LookupReply { Mapping: { } record } => new Lists { Records = [record] },
        AttachKnown m => new Lists { Attachments = m.Attachments },
        FamChange m => new Lists { Routes = m.Routes },
        FamCleared m => new Lists { Routes = m.Routes },
        FamQueryReply m => new Lists { Routes = m.Routes },
        MappingsEnded m => new Lists { Mappings = m.Mappings },
        ReleaseMappings m => new Lists { Mappings = m.Mappings },
        AnchorReport m => new Lists { Records = m.Mappings },
        AdoptMappings m => new Lists { Records = m.Mappings },
        EapFromClient m => new Lists { Octets = m.Eap.Length },
        EapToClient m => new Lists { Octets = m.Eap.Length, HasSession = m.Session is not null },
        UserSessionReply m => new Lists { HasSession = m.Session is not null },
        UserSessionChange m => new Lists { HasSession = m.Now is not null },
        PolicyReply m => new Lists { Octets = m.Text.Length },
        _ => new Lists(),
    };

    private readonly ref struct Lists
    {
        public Lists()
        {
        }

        public int Octets { get; init; }

        public bool HasSession { get; init; }

        public IReadOnlyList<MappingRecord> Records { get; init; } = [];

        public IReadOnlyList<Flow.MappingId> Mappings { get; init; } = [];

        public IReadOnlyList<FamRoute> Routes { get; init; } = [];

        public IReadOnlyList<Attachment> Attachments { get; init; } = [];

        public IReadOnlyList<FamOffer> Offers { get; init; } = [];

        public IReadOnlyList<Flow.IpAddress> Addresses { get; init; } = [];

        public IReadOnlyList<Flow.IpPrefix> Prefixes { get; init; } = [];

        public IReadOnlyList<AddressOwner> Owners { get; init; } = [];

        public IReadOnlyList<AddressLoad> Loads { get; init; } = [];

        public IReadOnlyList<Flow.TransportEndpoint> Endpoints { get; init; } = [];

        public IReadOnlyList<Flow.IpAddress> Refused { get; init; } = [];
    }
}
