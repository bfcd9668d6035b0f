using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests;

/// <summary>
/// Random histories over a channel that loses, repeats and reorders: clients move, nodes announce, end, depart, lose their sessions. After every message the invariants
/// of the index hold; when the channel is quiet again, everything that was acknowledged is still there.
/// </summary>
public sealed class HistoryTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-10")]
    [Trait("Req", "A-12")]
    public void Random_histories_keep_the_invariants()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 150; i++)
        {
            new History(random).Run(steps: 250);
        }
    }

    private sealed class History : ICoordinatorOutput
    {
        private const int Nodes = 4;
        private const int Clients = 3;

        private readonly SeededRandom _random;
        private readonly InMemoryClientStore _store = new(1);
        private readonly CoordinatorCore _core;
        private readonly List<(ulong Session, ControlMessage Message)> _underWay = [];
        private readonly ulong[] _sessions = new ulong[Nodes + 1];
        private readonly ulong[] _ids = new ulong[Nodes + 1];
        private readonly Dictionary<(ulong Node, ulong Id), ControlMessage> _unanswered = [];
        private readonly Dictionary<MacAddress, Epoch> _highest = [];
        private readonly Dictionary<(MacAddress Client, Epoch Epoch), NodeId> _fams = [];
        private readonly Dictionary<MacAddress, (ulong Node, Epoch Epoch)> _serving = [];
        private readonly HashSet<MappingId> _acknowledged = [];
        private readonly HashSet<MappingId> _ended = [];
        private readonly Dictionary<MappingId, (MacAddress Client, uint Revision)> _made = [];
        private Instant _now = Instant.FromMilliseconds(1);
        private ulong _nextSession = 100;
        private int _nextPort = 1_024;
        private bool _quiet;

        public History(SeededRandom random)
        {
            _random = random;
            _core = new CoordinatorCore(new CoordinatorOptions { SessionTimeout = TimeSpan.FromHours(1) }, _store, random.NextUInt64(), this);
            for (ulong node = 1; node <= Nodes; node++)
            {
                Connect(node);
            }
        }

        public void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                Act();
                Deliver();
                Check();
            }

            // The quiet phase: what is unanswered is repeated on a channel that loses nothing.
            _quiet = true;
            for (var round = 0; round < 4; round++)
            {
                foreach (var ((node, _), message) in _unanswered.OrderBy(u => u.Key.Node).ThenBy(u => u.Key.Id).ToArray())
                {
                    Tell(node, message);
                }

                _now += TimeSpan.FromSeconds(3);
                _core.Advance(_now);
                while (_underWay.Count > 0)
                {
                    Deliver();
                }

                Check();
            }

            Assert.Empty(_unanswered);
            foreach (var id in _acknowledged.Where(id => !_ended.Contains(id)))
            {
                Assert.True(_store.TryFindOwner(id, out var owner), $"{id} was acknowledged and is lost");
                Assert.Equal(_made[id].Client, owner);
            }

            foreach (var id in _ended)
            {
                Assert.False(_store.TryFindOwner(id, out _), $"{id} has ended and is still there");
            }

            foreach (var mac in _store.Clients())
            {
                Assert.Null(_store.Load(mac).Record!.Pending);
            }
        }

        void ICoordinatorOutput.Send(ulong session, ControlMessage message)
        {
            var node = (ulong)Array.IndexOf(_sessions, session);
            Assert.InRange(node, 1UL, (ulong)Nodes);
            if (message is ArriveReply { Status: AckStatus.Ok } arrived)
            {
                // Two nodes that were given the same epoch would both believe to be the FAM.
                if (_fams.TryGetValue((arrived.Client, arrived.Epoch), out var other))
                {
                    Assert.Equal(other, Name(node));
                }

                _fams[(arrived.Client, arrived.Epoch)] = Name(node);
            }

            if (_quiet || _random.Chance(0.8))
            {
                _underWay.Add((session, message));
            }
        }

        void ICoordinatorOutput.Close(ulong session, string reason)
        {
            // A session that was replaced is history for the test as well.
        }

        void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent) => Assert.IsNotType<ClaimRefused>(coordinatorEvent);

        private void Act()
        {
            var node = 1 + (ulong)_random.NextInt(Nodes);
            var client = new MacAddress(0x0200_0000_0001 + (ulong)_random.NextInt(Clients));
            _now += TimeSpan.FromMilliseconds(_random.NextInt(60));
            switch (_random.NextInt(10))
            {
                case 0 or 1:
                    Ask(node, new Arrive { Id = ++_ids[node], Client = client, Offers = [.. Enumerable.Range(0, 4).Select(_ => new FamOffer(TransportProtocol.Udp, At(node, NextPort())))] });
                    break;
                case 2 or 3 or 4 when _serving.TryGetValue(client, out var at):
                    var port = NextPort();
                    var made = Mapping(at.Node, port, at.Epoch.Value);
                    _made[made.Mapping] = (client, 1);
                    Ask(at.Node, new Announce { Id = ++_ids[at.Node], Client = client, Epoch = at.Epoch, Mappings = [made] });
                    break;
                case 5 when _serving.TryGetValue(client, out var at):
                    // The FAM ends what it knows: what it made itself and what the coordinator has told it.
                    var known = _store.Load(client).Record?.Mappings.Keys.OrderBy(m => m.Masquerade).ToArray() ?? [];
                    if (known.Length > 0 && _store.Load(client).Record!.Epoch == at.Epoch)
                    {
                        var id = known[_random.NextInt(known.Length)];
                        _ended.Add(id);
                        Ask(at.Node, new Announce { Id = ++_ids[at.Node], Client = client, Epoch = at.Epoch, Ended = [id] });
                    }

                    break;
                case 6 when _serving.Remove(client, out var left):
                    Ask(left.Node, new Depart { Id = ++_ids[left.Node], Client = client, Epoch = left.Epoch, Idle = false });
                    break;
                case 7 when _random.Chance(0.3):
                    _core.OnDisconnected(_sessions[node], _now);
                    Connect(node);
                    break;
                case 8 when _unanswered.Count > 0:
                    // A requester repeats itself.
                    var repeated = _unanswered.OrderBy(u => u.Key.Node).ThenBy(u => u.Key.Id).ElementAt(_random.NextInt(_unanswered.Count));
                    Tell(repeated.Key.Node, repeated.Value);
                    break;
                default:
                    _core.Advance(_now);
                    break;
            }
        }

        private void Ask(ulong node, ControlMessage message)
        {
            _unanswered[(node, message.Id)] = message;
            for (var copies = _quiet ? 1 : _random.Chance(0.15) ? 0 : _random.Chance(0.2) ? 2 : 1; copies > 0; copies--)
            {
                Tell(node, message);
            }
        }

        private void Tell(ulong node, ControlMessage message) => _core.OnMessage(_sessions[node], message, _now);

        /// <summary>Some of what is under way comes, in any order.</summary>
        private void Deliver()
        {
            for (var i = _random.NextInt(4); i > 0 && _underWay.Count > 0; i--)
            {
                var at = _random.NextInt(_underWay.Count);
                var (session, message) = _underWay[at];
                _underWay.RemoveAt(at);
                var node = (ulong)Array.IndexOf(_sessions, session);
                if (node is < 1 or > Nodes)
                {
                    continue;
                }

                Take(node, message);
            }
        }

        private void Take(ulong node, ControlMessage message)
        {
            switch (message)
            {
                case Ack or ArriveReply:
                    var asked = _unanswered.Remove((node, message.Id), out var request) ? request : null;
                    if (message is Ack { Status: AckStatus.Ok or AckStatus.StaleEpoch } && asked is Announce announce)
                    {
                        _acknowledged.UnionWith(announce.Mappings.Select(m => m.Mapping));
                    }

                    if (message is ArriveReply { Status: AckStatus.Ok } arrived && (!_serving.TryGetValue(arrived.Client, out var at) || at.Epoch < arrived.Epoch))
                    {
                        _serving[arrived.Client] = (node, arrived.Epoch);
                    }

                    break;
                case FamChange change:
                    Tell(node, new Ack { Id = change.Id, Status = AckStatus.Ok });
                    if (change.PreviousFam == Name(node))
                    {
                        Ask(node, new HandOver { Id = ++_ids[node], Client = change.Client, Epoch = new Epoch(change.Epoch.Value - 1) });
                    }

                    break;
                default:
                    Tell(node, new Ack { Id = message.Id, Status = AckStatus.Ok });
                    break;
            }
        }

        private void Connect(ulong node)
        {
            _sessions[node] = ++_nextSession;
            _core.OnConnected(_sessions[node], _now);
            _core.OnMessage(
                _sessions[node],
                new Hello { Id = ++_ids[node], Node = Name(node), Incarnation = node, PeerEndpoint = At(node, 4_747), Addresses = [Address(node)] },
                _now);
        }

        private int NextPort() => ++_nextPort;

        private void Check()
        {
            var owners = new Dictionary<MappingId, MacAddress>();
            foreach (var mac in _store.Clients())
            {
                var record = _store.Load(mac).Record!;
                Assert.True(!_highest.TryGetValue(mac, out var highest) || record.Epoch >= highest, $"the epoch of {mac} went back");
                _highest[mac] = record.Epoch;
                if (!record.Fam.IsNone && _fams.TryGetValue((mac, record.Epoch), out var fam))
                {
                    Assert.Equal(fam, record.Fam);
                }

                foreach (var (id, entry) in record.Mappings)
                {
                    Assert.True(owners.TryAdd(id, mac), $"{id} has two owners");
                    Assert.True(_store.TryFindOwner(id, out var owner) && owner == mac);
                    Assert.InRange(entry.Fams.Length, 0, MappingEntry.MaxFams);
                    Assert.Equal(entry.Fams.Length, entry.Fams.Select(f => f.Node).Distinct().Count());
                }
            }
        }
    }
}
