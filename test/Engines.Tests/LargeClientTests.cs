using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Engines.Tests;

/// <summary>
/// One client with far more mappings than a message holds, the engines of its nodes and a real coordinator between them. Every message goes through the codec and its limits,
/// and when all is said the tables agree, mapping for mapping.
/// </summary>
public sealed class LargeClientTests
{
    [Fact]
    [Trait("Req", "A-10")]
    [Trait("Req", "A-11")]
    public void Twenty_thousand_mappings_are_announced_and_handed_over_in_parts()
    {
        const int Mappings = 20_000;
        var campus = new Campus();
        var first = campus.Add("ap1", "10.1.1.10");
        campus.AddSilent("ap2", "10.1.2.10");
        campus.Settle();
        first.Fam.OnAssociated(Campus.Client, campus.Now);
        campus.Settle();
        campus.Open(first, 1_000, Mappings - 3_000);
        campus.Settle();
        Assert.Equal(Mappings - 3_000, campus.Record.Mappings.Count);

        // Three thousand more, which only the hand-over brings; and one that has ended.
        campus.Open(first, 1_000 + Mappings - 3_000, 3_000);
        campus.Sent.Clear();
        campus.Say(2, new Arrive { Id = 1_000, Client = Campus.Client });
        campus.Settle();
        Assert.Equal(2UL, campus.Record.Epoch.Value);
        Assert.Equal("ap2", campus.Record.Fam.Name);
        Assert.Null(campus.Record.Pending);
        AssertSame(first, campus.Record);

        var parts = campus.Sent.OfType<HandOver>().DistinctBy(h => h.Id).ToList();
        Assert.Equal(10, parts.Count);
        Assert.All(parts.SkipLast(1), p => Assert.True(p.More));
        Assert.False(parts[^1].More);
        Assert.True(campus.Sent.OfType<FamChange>().DistinctBy(c => c.Id).Count() >= 5);

        // The new FAM heard that it was all behind everything else.
        var updates = campus.Sent.OfType<ArrivalUpdate>().DistinctBy(u => u.Id).ToList();
        Assert.Equal([false, true], updates.Select(u => u.Complete).Distinct());
        Assert.True(updates[^1].Complete);
        Assert.Equal(Mappings, updates.SelectMany(u => u.Mappings).DistinctBy(m => m.Mapping).Count());
    }

    /// <summary>Move and way back, both with engines that attach what the offers did not cover, through outboxes that hold a fraction of what is to be said.</summary>
    [Fact]
    [Trait("Req", "A-08")]
    [Trait("Req", "A-11")]
    public void A_client_moves_with_more_mappings_than_offers_messages_or_outboxes_hold()
    {
        const int Mappings = 3_000;
        var campus = new Campus(new OutboxOptions { Capacity = 64 });
        var first = campus.Add("ap1", "10.1.1.10");
        var second = campus.Add("ap2", "10.1.2.10");
        campus.Settle();
        first.Fam.OnAssociated(Campus.Client, campus.Now);
        campus.Settle();
        campus.Open(first, 1_000, Mappings);
        campus.Settle();
        AssertSame(first, campus.Record);

        second.Fam.OnAssociated(Campus.Client, campus.Now);
        campus.Settle(8_000);
        Assert.Equal(Mappings, second.Fam.MappingCount);
        Assert.Equal(0, first.Fam.ClientCount);
        AssertSame(first, campus.Record);
        Assert.All(campus.Record.Mappings.Values, e => Assert.Equal("ap2", e.Fams[0].Node.Name));
        var endpoints = second.Fam.DescribeConnections(int.MaxValue).ToDictionary(c => c.Masquerade, c => c.FamEndpoint);
        Assert.All(first.Ham.Describe(int.MaxValue), m => Assert.Equal(endpoints[m.Mapping.Masquerade], m.FamEndpoint));
        Assert.All(campus.Record.Mappings.Values, e => Assert.Equal(endpoints[e.Record.Mapping.Masquerade], e.Fams[0].Endpoint));

        // It leaves for good: a departure in parts, and nothing is left of it but what its HAM owns.
        second.Fam.OnDisassociated(Campus.Client, campus.Now);
        campus.Settle(1_000);
        Assert.Equal((0, 0), (second.Fam.ClientCount, second.Fam.MappingCount));
        Assert.True(campus.Record.Departed);
        AssertSame(first, campus.Record);
        Assert.All(first.Ham.Describe(int.MaxValue), m => Assert.True(m.FamEndpoint.IsNone));
    }

    /// <summary>The store is lost: everything is reported and announced anew, in parts, through small outboxes.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void A_coordinator_that_has_forgotten_learns_all_of_it_again()
    {
        var campus = new Campus(new OutboxOptions { Capacity = 8 });
        var first = campus.Add("ap1", "10.1.1.10");
        campus.Settle();
        first.Fam.OnAssociated(Campus.Client, campus.Now);
        campus.Settle();
        campus.Open(first, 1_000, 20_000);
        campus.Settle();
        campus.Forget();
        campus.Settle();
        Assert.Equal(20_000, campus.Record.Mappings.Count);
        Assert.Equal("ap1", campus.Record.Fam.Name);
        AssertSame(first, campus.Record);
    }

    private static void AssertSame(Station ham, ClientRecord record)
    {
        var owned = ham.Ham.Describe(int.MaxValue).Select(m => (m.Mapping, m.ClientEndpoint)).ToHashSet();
        Assert.Equal(owned.Count, record.Mappings.Count);
        Assert.All(record.Mappings.Values, e => Assert.Contains((e.Record.Mapping, e.Record.ClientEndpoint), owned));
        Assert.All(record.Mappings.Values, e => Assert.Single(e.Record.Connections));
    }

    /// <summary>A node's two engines and its side of the conversation.</summary>
    private sealed class Station : IEngineOutput
    {
        private readonly Action<ControlMessage> _say;

        public Station(NodeId self, IpAddress own, OutboxOptions? options, Action<ControlMessage> say)
        {
            _say = say;
            Own = own;
            Outbox = new Outbox(say, options);
            var pool = new EndpointPool(new EndpointPoolOptions { Addresses = [own] }, new SeededRandom(1));
            Ham = new HamEngine(new HamConfig(), self, pool, new SeededRandom(2), Outbox, this, Drops);
            Fam = new FamEngine(new FamConfig { UdpMappingsPerClient = 0, ConnectionsPerClient = 0, ConnectionRatePerClient = 0 }, self, pool, Ham, new SeededRandom(3), Outbox, this, Drops);
        }

        public IpAddress Own { get; }

        public Outbox Outbox { get; }

        public HamEngine Ham { get; }

        public FamEngine Fam { get; }

        public DropCounters Drops { get; } = new();

        public ulong? Store { get; set; }

        /// <summary>As a node dispatches.</summary>
        public void Take(ControlMessage message, Instant now)
        {
            switch (message)
            {
                case Welcome welcome:
                    var storeChanged = Store != welcome.StoreIncarnation;
                    Store = welcome.StoreIncarnation;
                    Ham.OnCoordinatorUp(storeChanged, now);
                    Fam.OnCoordinatorUp(storeChanged, now);
                    break;
                case Ack or ArriveReply or AttachReply or LookupReply or FamQueryReply:
                    Outbox.Complete(message.Id);
                    Fam.OnControl(message, now);
                    Ham.OnControl(message, now);
                    break;
                case FamChange or FamCleared or MappingsEnded or ArrivalUpdate when Fam.CanTake(message):
                    Fam.OnControl(message, now);
                    if (Ham.OnControl(message, now))
                    {
                        _say(new Ack { Id = message.Id, Status = AckStatus.Ok });
                    }

                    break;
            }
        }

        public void Advance(Instant now)
        {
            Ham.Advance(now);
            Fam.Advance(now);
            Outbox.Advance(now);
        }

        void IEngineOutput.TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload)
        {
            // Packets are not what this is about.
        }

        void IEngineOutput.TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload)
        {
            // Nor here.
        }

        void IEngineOutput.DeliverLocally(Span<byte> packet, in OffloadInfo offload)
        {
            // Nor here.
        }

        void IEngineOutput.SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client)
        {
            // No packet here is sent back.
        }

        void IEngineOutput.SendControl(ControlMessage message) => _say(message);

        void IEngineOutput.SendPeer(TransportEndpoint peer, PeerMessage message)
        {
            // Nobody drains: there are no packets.
        }

        void IEngineOutput.Report(EngineEvent engineEvent)
        {
            // The tables are what this is about.
        }
    }

    /// <summary>The coordinator and the channels, in order and without loss, each message as the octets that it takes.</summary>
    private sealed class Campus : ICoordinatorOutput
    {
        public static readonly MacAddress Client = MacAddress.Parse("02:c0:00:00:00:01");
        private readonly OutboxOptions? _options;
        private readonly Dictionary<ulong, Station?> _stations = [];
        private readonly Dictionary<ulong, (string Name, string Address)> _names = [];
        private readonly Queue<Action> _underWay = new();
        private CoordinatorCore _core;
        private InMemoryClientStore _store = new(1);

        public Campus(OutboxOptions? options = null)
        {
            _options = options;
            _core = Start();
        }

        public Instant Now { get; private set; } = Instant.FromMilliseconds(1_000);

        public List<ControlMessage> Sent { get; } = [];

        public ClientRecord Record => _store.Load(Client).Record!;

        public Station Add(string name, string address)
        {
            var session = AddSilent(name, address);
            var station = new Station(new NodeId(name), IpAddress.Parse(address), _options, m => Say(session, m));
            _stations[session] = station;
            return station;
        }

        /// <summary>A node that only acknowledges.</summary>
        public ulong AddSilent(string name, string address)
        {
            var session = (ulong)_names.Count + 1;
            _names[session] = (name, address);
            _stations[session] = null;
            Greet(session);
            return session;
        }

        public void Forget()
        {
            _store = new InMemoryClientStore(2);
            _core = Start();
            foreach (var session in _names.Keys)
            {
                Greet(session);
            }
        }

        public void Say(ulong session, ControlMessage message)
        {
            var heard = Through(message);
            _underWay.Enqueue(() => _core.OnMessage(session, heard, Now));
        }

        public void Open(Station station, int firstPort, int count)
        {
            for (var port = firstPort; port < firstPort + count; port++)
            {
                var packet = Site.Udp(new TransportEndpoint(Site.ClientAddress, (ushort)port), Site.Server, 0);
                Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
                Assert.Equal(VerdictKind.ForwardUplink, station.Fam.ProcessOutbound(packet, summary, Client, OffloadInfo.None, Now).Kind);
            }
        }

        /// <summary>Lets everything be said, and time go on.</summary>
        public void Settle(int milliseconds = 500)
        {
            for (var end = Now + TimeSpan.FromMilliseconds(milliseconds); Now < end; Now += TimeSpan.FromMilliseconds(5))
            {
                while (_underWay.TryDequeue(out var delivery))
                {
                    delivery();
                }

                foreach (var station in _stations.Values)
                {
                    station?.Advance(Now);
                }

                _core.Advance(Now);
            }

            Assert.Empty(_underWay);
        }

        void ICoordinatorOutput.Send(ulong session, ControlMessage message)
        {
            var heard = Through(message);
            _underWay.Enqueue(() =>
            {
                if (_stations[session] is { } station)
                {
                    station.Take(heard, Now);
                }
                else if (heard is FamChange or FamCleared or MappingsEnded or ArrivalUpdate)
                {
                    Say(session, new Ack { Id = heard.Id, Status = AckStatus.Ok });
                }
            });
        }

        void ICoordinatorOutput.Close(ulong session, string reason) => Assert.Fail(reason);

        void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent) => Assert.IsNotType<ClaimRefused>(coordinatorEvent);

        private CoordinatorCore Start() => new(
            new CoordinatorOptions { MaxMappingsPerClient = 30_000, SessionTimeout = TimeSpan.FromHours(1) }, _store, 1, this);

        private void Greet(ulong session)
        {
            _core.OnConnected(session, Now);
            var address = IpAddress.Parse(_names[session].Address);
            Say(session, new Hello
            {
                Id = 1UL << 60, Node = new NodeId(_names[session].Name), Incarnation = 1, PeerEndpoint = new TransportEndpoint(address, 4_747), Addresses = [address],
            });
        }

        private ControlMessage Through(ControlMessage message)
        {
            Sent.Add(message);
            var frame = new ArrayBufferWriter<byte>();
            Assert.True(FrameCodec.TryWriteMessage(message, new ArrayBufferWriter<byte>(), frame, out var reason), reason);
            Assert.True(ControlCodec.TryDecode(frame.WrittenSpan[FrameCodec.PrefixLength..], out var heard, out var error), error);
            return heard!;
        }
    }
}
