using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Whoever keeps to the limits never makes a message that does not fit a frame: shown with the longest encoding of every message.</summary>
public sealed class MessageSizeTests(ITestOutputHelper output)
{
    private static readonly IpAddress Address = new(ulong.MaxValue, ulong.MaxValue);
    private static readonly TransportEndpoint Endpoint = new(Address, ushort.MaxValue);
    private static readonly MappingId Mapping = new(TransportProtocol.Udp, Endpoint, Endpoint);
    private static readonly NodeId Node = new(new string('n', NodeId.MaxLength));
    private static readonly MacAddress Client = new(0xFFFF_FFFF_FFFF);
    private static readonly Epoch Last = new(ulong.MaxValue);
    private static readonly FamRoute LongRoute = new(Mapping, Node, Endpoint, Endpoint) { Further = Repeat(Endpoint, ControlLimits.MaxFurtherFams) };

    private static readonly UserSession LongSession = new()
    {
        Session = Of(UserSession.IdLength), User = new string('€', ControlLimits.MaxReasonLength), Key = Of(UserSession.KeyLength), Policy = Of(UserSession.PolicyLength),
        SecondsLeft = uint.MaxValue, IdleSeconds = uint.MaxValue, IsTrusted = true, Segment = new string('€', ControlLimits.MaxReasonLength),
    };

    public static TheoryData<string> Types => [.. RandomMessages.Types.Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Types))]
    public void The_longest_message_of_every_kind_fits_a_frame_and_is_taken(string type)
    {
        var message = Longest(type);
        Assert.Null(MessageSize.Excess(message));
        var frames = new ArrayBufferWriter<byte>();
        Assert.True(FrameCodec.TryWriteMessage(message, new ArrayBufferWriter<byte>(), frames, out var reason), reason);
        var body = Encoded.Body(message);
        output.WriteLine($"{type}: {body.Length} octets, reckoned with {MessageSize.AtMost(message)}");
        Assert.InRange(body.Length, 1, MessageSize.AtMost(message));
        Assert.InRange(MessageSize.AtMost(message), 1, ControlLimits.MaxFrameBytes);
        Assert.Equal(body, Encoded.Body(Encoded.Decode(body)));
    }

    /// <summary>The reckoning is not merely high enough: entry for entry it is what the codec writes.</summary>
    [Fact]
    public void An_entry_takes_what_is_reckoned_for_it()
    {
        Assert.Equal(MessageSize.Route, Growth(n => new FamCleared { Id = 1, Client = Client, Epoch = Last, Routes = Repeat(LongRoute, n) }));
        Assert.Equal(MessageSize.Mapping, Growth(n => new ReleaseMappings { Id = 1, Client = Client, Mappings = Repeat(Mapping, n) }));
        Assert.Equal(MessageSize.Offer, Growth(n => new Arrive { Id = 1, Client = Client, Offers = Repeat(new FamOffer(TransportProtocol.Udp, Endpoint), n) }));
        Assert.Equal(MessageSize.Attachment, Growth(n => new AttachKnown { Id = 1, Client = Client, Epoch = Last, Attachments = Repeat(new Attachment(Mapping, Endpoint), n) }));
        Assert.Equal(MessageSize.Address, Growth(n => new Arrive { Id = 1, Client = Client, Addresses = Repeat(Address, n) }));
        Assert.Equal(MessageSize.Load, Growth(n => new Heartbeat { Id = 1, Loads = Repeat(new AddressLoad(Address, uint.MaxValue), n) }));
        Assert.Equal(MessageSize.Owner, Growth(n => new AddressOwners { Id = 1, Owners = Repeat(new AddressOwner(Address, Last, Node, true), n) }));
        Assert.Equal(MessageSize.Connection, Growth(n => new LookupReply { Id = 1, Mapping = Record(n) }));

        // A record of many connections: its list takes a longer header than an empty one.
        Assert.Equal(
            MessageSize.Record + (20 * MessageSize.Connection),
            Growth(n => new AnchorReport { Id = 1, Client = Client, Epoch = Last, FamEpoch = Last, Mappings = Repeat(Record(20), n) }));
    }

    [Fact]
    public void Notes_of_helpers_take_the_room_of_connections()
    {
        var note = new HelperNote(new byte[HelperNote.MaxLength]);
        Assert.InRange(note.Weight * MessageSize.Connection, HelperNote.MaxLength + 3, HelperNote.MaxLength + 3 + MessageSize.Connection);
        var record = Record(0) with { Connections = [new ConnectionRecord(Endpoint, ConnectionState.Reset, uint.MaxValue) { Note = note }] };
        var parts = MessageParts.OfRecords(Repeat(record, ControlLimits.MaxMappingsPerMessage)).ToList();
        Assert.True(parts.Count > 1);
        foreach (var part in parts)
        {
            var message = new HandOver { Id = 7, Client = Client, Epoch = Last, Mappings = part };
            Assert.Null(MessageSize.Excess(message));
            var body = Encoded.Body(message);
            Assert.InRange(body.Length, 1, Math.Min(MessageSize.AtMost(message), ControlLimits.MaxFrameBytes));
            Assert.Equal(body, Encoded.Body(Encoded.Decode(body)));
        }

        Assert.Throws<ArgumentException>(() => new HelperNote(new byte[HelperNote.MaxLength + 1]));
    }

    [Fact]
    public void No_message_takes_more_than_is_reckoned()
    {
        var random = new RandomMessages(Seed.Number(output));
        for (var i = 0; i < 20_000; i++)
        {
            var message = random.Next();
            Assert.InRange(Encoded.Body(message).Length, 1, MessageSize.AtMost(message));
        }
    }

    [Theory]
    [InlineData("records")]
    [InlineData("connections of a mapping")]
    [InlineData("connections")]
    [InlineData("mappings")]
    [InlineData("routes")]
    [InlineData("offers")]
    [InlineData("attachments")]
    [InlineData("addresses")]
    [InlineData("prefixes")]
    [InlineData("owners")]
    [InlineData("loads")]
    public void What_the_other_end_would_refuse_is_not_sent_and_the_reason_is_said(string what)
    {
        ControlMessage message = what switch
        {
            "records" => new HandOver { Id = 7, Client = Client, Epoch = Last, Mappings = Repeat(Record(0), ControlLimits.MaxMappingsPerMessage + 1) },
            "connections of a mapping" => new LookupReply { Id = 7, Mapping = Record(ControlLimits.MaxConnectionsPerMapping + 1) },
            "connections" => new HandOver { Id = 7, Client = Client, Epoch = Last, Mappings = Repeat(Record(1_639), 10) },
            "mappings" => new HandOver { Id = 7, Client = Client, Epoch = Last, Ended = Repeat(Mapping, ControlLimits.MaxBareMappings + 1) },
            "routes" => new FamCleared
            {
                Id = 7, Client = Client, Epoch = Last, Routes = Repeat(new FamRoute(Mapping, Node, default, default), ControlLimits.MaxRoutes + 1),
            },
            "attachments" => new AttachKnown { Id = 7, Client = Client, Epoch = Last, Attachments = Repeat(new Attachment(Mapping, Endpoint), ControlLimits.MaxAttachments + 1) },
            "offers" => new Arrive { Id = 7, Client = Client, Offers = Repeat(new FamOffer(TransportProtocol.Udp, Endpoint), ControlLimits.MaxOffers + 1) },
            "prefixes" => new Hello
            {
                Id = 7, Node = Node, Incarnation = 1, PeerEndpoint = Endpoint, Addresses = [], Takes = Repeat(new IpPrefix(Address, 128), ControlLimits.MaxAddresses + 1),
            },
            "loads" => new Heartbeat { Id = 7, Loads = Repeat(new AddressLoad(Address, 1), ControlLimits.MaxAddresses + 1) },
            "owners" => new AddressOwners { Id = 7, Owners = Repeat(new AddressOwner(Address, Last, Node, true), ControlLimits.MaxAddresses + 1) },
            _ => new Arrive { Id = 7, Client = Client, Addresses = Repeat(Address, ControlLimits.MaxAddresses + 1) },
        };
        var frames = new ArrayBufferWriter<byte>();
        Assert.False(FrameCodec.TryWriteMessage(message, new ArrayBufferWriter<byte>(), frames, out var reason));
        Assert.Equal(0, frames.WrittenCount);
        Assert.StartsWith($"{message.GetType().Name} 7 was not sent", reason, StringComparison.Ordinal);
        Assert.Contains($" {what},", reason, StringComparison.Ordinal);
        Encoded.Refusal(Encoded.Body(message));
    }

    [Fact]
    public void What_is_no_message_of_the_protocol_is_not_sent_either()
    {
        var frames = new ArrayBufferWriter<byte>();
        Assert.False(FrameCodec.TryWriteMessage(new Stranger { Id = 1 }, new ArrayBufferWriter<byte>(), frames, out var reason));
        Assert.Contains(nameof(Stranger), reason, StringComparison.Ordinal);
        Assert.Equal(0, frames.WrittenCount);
    }

    /// <summary>Parts keep order, lose nothing and are no smaller than they must be.</summary>
    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 4_096, 1)]
    [InlineData(2_048, 8, 1)]
    [InlineData(2_049, 0, 2)]
    [InlineData(20_000, 1, 10)]
    [InlineData(9, 4_096, 3)]
    public void Records_are_cut_into_messages_that_keep_to_the_limits(int records, int connections, int parts)
    {
        var all = Enumerable.Range(0, records).Select(i => Record(connections) with { Revision = (uint)i }).ToList();
        var cut = MessageParts.OfRecords(all).ToList();
        Assert.Equal(parts, cut.Count);
        Assert.Equal(all.Select(r => r.Revision), cut.SelectMany(p => p).Select(r => r.Revision));
        Assert.All(cut, p => Assert.Null(MessageSize.Excess(new AnchorReport { Id = 1, Client = Client, Epoch = Last, FamEpoch = Last, Mappings = p })));
    }

    [Fact]
    public void Lists_are_cut_into_parts_of_a_size()
    {
        Assert.Equal([[]], MessageParts.Of<int>([], 3));
        Assert.Equal([[1, 2, 3]], MessageParts.Of([1, 2, 3], 3));
        Assert.Equal([[1, 2, 3], [4, 5, 6], [7]], MessageParts.Of([1, 2, 3, 4, 5, 6, 7], 3));
    }

    private static Octets Of(int length) => new(new byte[length]);

    private static int Growth(Func<int, ControlMessage> message) => Encoded.Body(message(41)).Length - Encoded.Body(message(40)).Length;

    private static T[] Repeat<T>(T value, int count) => [.. Enumerable.Repeat(value, count)];

    private static MappingRecord Record(int connections) => new()
    {
        Mapping = Mapping,
        ClientEndpoint = Endpoint,
        Ham = Node,
        AnchorEpoch = Last,
        Revision = uint.MaxValue,
        FamEndpoint = Endpoint,
        Connections = Repeat(new ConnectionRecord(Endpoint, ConnectionState.Reset, uint.MaxValue), connections),
        Explicit = new ExplicitTerms { Nonce = default, LifetimeMilliseconds = uint.MaxValue, AgeMilliseconds = ulong.MaxValue, Published = true },
        Opened = long.MaxValue,
    };

    /// <summary>As many records as are allowed, with as many connections as are allowed.</summary>
    private static MappingRecord[] Records()
    {
        const int Each = ControlLimits.MaxConnectionsPerMessage / ControlLimits.MaxMappingsPerMessage;
        return Repeat(Record(Each), ControlLimits.MaxMappingsPerMessage);
    }

    private static ControlMessage Longest(string type)
    {
        const ulong Id = ulong.MaxValue;
        var addresses = Repeat(Address, ControlLimits.MaxAddresses);
        var prefixes = Repeat(new IpPrefix(Address, 128), ControlLimits.MaxAddresses);
        var owners = Repeat(new AddressOwner(Address, Last, Node, true), ControlLimits.MaxAddresses);
        var ended = Repeat(Mapping, ControlLimits.MaxBareMappings);
        var routes = Repeat(LongRoute, ControlLimits.MaxRoutes);
        return type switch
        {
            nameof(Hello) => new Hello { Id = Id, Node = Node, Incarnation = ulong.MaxValue, PeerEndpoint = Endpoint, Addresses = addresses, Takes = prefixes, Owners = owners },
            nameof(Welcome) => new Welcome { Id = Id, Coordinator = Node, StoreIncarnation = ulong.MaxValue, HeartbeatMilliseconds = uint.MaxValue, Restored = uint.MaxValue, Owners = owners },
            nameof(Goodbye) => new Goodbye { Id = Id, Reason = new string('€', ControlLimits.MaxReasonLength) },
            nameof(Heartbeat) => new Heartbeat { Id = Id, Mappings = uint.MaxValue, Clients = uint.MaxValue, Store = ulong.MaxValue, WaysRewritten = uint.MaxValue, Loads = Repeat(new AddressLoad(Address, uint.MaxValue), ControlLimits.MaxAddresses) },
            nameof(Ack) => new Ack { Id = Id, Status = AckStatus.Refused },
            nameof(Arrive) => new Arrive
            {
                Id = Id, Client = Client, KnownEpoch = Last, Addresses = addresses, Offers = Repeat(new FamOffer(TransportProtocol.Udp, Endpoint), ControlLimits.MaxOffers), Also = true,
            },
            nameof(ArriveReply) => new ArriveReply
            {
                Id = Id, Client = Client, Status = AckStatus.Refused, Epoch = Last, PreviousFam = Node, Complete = true, Truncated = true, Addresses = addresses, Mappings = Records(),
                Role = FamRole.Reserve, Token = ulong.MaxValue,
            },
            nameof(ArrivalUpdate) => new ArrivalUpdate { Id = Id, Client = Client, Epoch = Last, Complete = true, Mappings = Records(), Ended = ended },
            nameof(Announce) => new Announce { Id = Id, Client = Client, Epoch = Last, Addresses = addresses, Mappings = Records(), Ended = ended, Full = true, Also = true },
            nameof(HandOver) => new HandOver { Id = Id, Client = Client, Epoch = Last, Mappings = Records(), Ended = ended, More = true },
            nameof(Depart) => new Depart { Id = Id, Client = Client, Epoch = Last, Idle = true, Mappings = Records(), Ended = ended },
            nameof(Attach) => new Attach
            {
                Id = Id, Client = Client, Epoch = Last, Protocol = TransportProtocol.Udp, ClientEndpoint = Endpoint, Server = Endpoint, FamEndpoint = Endpoint,
                MayEstablish = true,
            },
            nameof(AttachKnown) => new AttachKnown
            {
                Id = Id, Client = Client, Epoch = Last, Attachments = Repeat(new Attachment(Mapping, Endpoint), ControlLimits.MaxAttachments),
            },
            nameof(AttachReply) => new AttachReply { Id = Id, Status = AttachStatus.Established, Client = Client, Mapping = Record(ControlLimits.MaxConnectionsPerMapping) },
            nameof(Lookup) => new Lookup { Id = Id, Client = Client, Protocol = TransportProtocol.Udp, ClientEndpoint = Endpoint, Server = Endpoint },
            nameof(LookupReply) => new LookupReply { Id = Id, Mapping = Record(ControlLimits.MaxConnectionsPerMapping) },
            nameof(AnchorRequest) => new AnchorRequest { Id = Id, Client = Client, Epoch = Last, Protocol = TransportProtocol.Udp, ClientEndpoint = Endpoint },
            nameof(AnchorReply) => new AnchorReply { Id = Id, Status = AckStatus.Refused, Masquerade = Endpoint, Opened = long.MaxValue },
            nameof(FamChange) => new FamChange
            {
                Id = Id, Client = Client, Epoch = Last, NewFam = Node, PreviousFam = Node, PreviousFamPeer = Endpoint, Token = ulong.MaxValue, Routes = routes,
                Choice = FamChoice.Duplicate, CopyMilliseconds = uint.MaxValue, Peers = Repeat(Endpoint, ControlLimits.MaxFurtherFams + 1), Stay = ulong.MaxValue,
            },
            nameof(FamCleared) => new FamCleared { Id = Id, Client = Client, Epoch = Last, Routes = routes },
            nameof(MappingsEnded) => new MappingsEnded { Id = Id, Client = Client, Epoch = Last, Mappings = ended },
            nameof(FamQuery) => new FamQuery { Id = Id, Mapping = Mapping, Client = Client },
            nameof(FamQueryReply) => new FamQueryReply { Id = Id, Client = Client, Epoch = Last, Status = AckStatus.Refused, Routes = routes },
            nameof(ReleaseMappings) => new ReleaseMappings { Id = Id, Client = Client, Mappings = ended },
            nameof(AnchorReport) => new AnchorReport { Id = Id, Client = Client, Epoch = Last, FamEpoch = Last, Mappings = Records() },
            nameof(AdoptMappings) => new AdoptMappings { Id = Id, Client = Client, Epoch = Last, Mappings = Records() },
            nameof(AddressOwners) => new AddressOwners { Id = Id, Owners = owners },
            nameof(ProbeNode) => new ProbeNode { Id = Id, Peer = Endpoint, Token = ulong.MaxValue },
            nameof(LeaseRequest) => new LeaseRequest { Id = Id, Client = Client, Action = LeaseAction.Inform, Address = Address },
            nameof(LeaseReply) => new LeaseReply
            {
                Id = Id, Client = Client, Status = AckStatus.Refused, Address = Address, LeaseSeconds = uint.MaxValue, DnsServers = Repeat(Address, ControlLimits.MaxAddresses),
                Domain = new string('€', ControlLimits.MaxDomainLength),
            },
            nameof(NeighbourHere) => new NeighbourHere
            {
                Id = Id, Client = Client, Epoch = new Epoch(ulong.MaxValue), Addresses = Repeat(Address, ControlLimits.MaxAddresses), Peers = Repeat(Endpoint, ControlLimits.MaxAddresses), Key = ulong.MaxValue, HasLeft = true,
                OwnedMilliseconds = ulong.MaxValue, IsFinal = true,
            },
            nameof(NeighbourNoted) => new NeighbourNoted
            {
                Id = Id, Client = Client, Status = AckStatus.Refused, Addresses = Repeat(Address, ControlLimits.MaxAddresses), Refused = Repeat(Address, ControlLimits.MaxAddresses), Previous = Repeat(Endpoint, ControlLimits.MaxAddresses),
            },
            nameof(NeighbourQuery) => new NeighbourQuery { Id = Id, Address = Address },
            nameof(NeighbourAt) => new NeighbourAt
            {
                Id = Id, Address = Address, Client = Client, Epoch = new Epoch(ulong.MaxValue), Peers = Repeat(Endpoint, ControlLimits.MaxAddresses), Key = ulong.MaxValue,
            },
            nameof(LinkLost) => new LinkLost { Id = Id, Client = Client, Epoch = Last },
            nameof(Summon) => new Summon { Id = Id, Client = Client, Epoch = Last },
            nameof(EapFromClient) => new EapFromClient { Id = Id, Client = Client, Exchange = ulong.MaxValue, Eap = Of(ControlLimits.MaxEap) },
            nameof(EapToClient) => new EapToClient
            {
                Id = Id, Client = Client, Exchange = ulong.MaxValue, Outcome = EapOutcome.Unavailable, Eap = Of(ControlLimits.MaxEap), Session = LongSession,
            },
            nameof(UserSessionQuery) => new UserSessionQuery { Id = Id, Client = Client, Known = LongSession.Session },
            nameof(UserSessionReply) => new UserSessionReply { Id = Id, Client = Client, Session = LongSession, Ended = LongSession.Session, Reason = new string('€', ControlLimits.MaxReasonLength) },
            nameof(PolicyQuery) => new PolicyQuery { Id = Id, Policy = LongSession.Policy },
            nameof(PolicyReply) => new PolicyReply { Id = Id, Policy = LongSession.Policy, Text = Of(ControlLimits.MaxPolicy) },
            nameof(UserSessionChange) => new UserSessionChange
            {
                Id = Id, Client = Client, Session = LongSession.Session, Now = LongSession, Reason = new string('€', ControlLimits.MaxReasonLength),
            },
            nameof(UserSessionUsed) => new UserSessionUsed
            {
                Id = Id, Client = Client, Session = LongSession.Session, Proof = SessionProof.Trusted, OctetsFrom = ulong.MaxValue, OctetsTo = ulong.MaxValue, PacketsFrom = ulong.MaxValue,
                PacketsTo = ulong.MaxValue, Policy = LongSession.Policy,
            },
            nameof(UserDenied) => new UserDenied { Id = Id, User = new string('€', ControlLimits.MaxReasonLength) },
            nameof(RoamingKeyQuery) => new RoamingKeyQuery { Id = Id, Client = Client, Holder = Client, Name = LongSession.Session },
            nameof(RoamingKeyReply) => new RoamingKeyReply
            {
                Id = Id, Client = Client, Outcome = RoamingKeyOutcome.Refused, Key = LongSession.Policy, Cipher = uint.MaxValue, SecondsLeft = uint.MaxValue, Vlan = uint.MaxValue,
                User = new string('€', ControlLimits.MaxReasonLength),
            },
            nameof(ProbeResult) => new ProbeResult { Id = Id, Alive = true },
            _ => throw new NotSupportedException($"no longest {type}: write one down here"),
        };
    }

    private sealed record Stranger : ControlMessage;
}
