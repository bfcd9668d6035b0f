using System.Buffers;
using System.Globalization;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Bench.Coordinator;

/// <summary>What a connection takes: of the coordinator's memory, and of Redis's. Clients have ten each.</summary>
internal static class MemoryLane
{
    private const int ConnectionsPerClient = 10;
    private const int Part = 2_000;

    public static void Run(BenchOptions options, Machine machine, bool overRedis, Action<Result> report)
    {
        using var coordinator = new CoordinatorUnderTest(machine, overRedis);
        using var site = new LoadSite(coordinator.EndPoint, options.Nodes);
        var walkers = new Walkers(site);

        // What the first ones take that the others do not: code, buffers, names.
        Load(walkers, site, Part / 10, options.InFlight);
        Thread.Sleep(500);
        var resident = Machine.ResidentBytes(coordinator.ProcessId);
        var redis = overRedis ? coordinator.RedisUsedBytes() : 0;
        var clients = options.Connections / ConnectionsPerClient;
        for (var loaded = 0; loaded < clients; loaded += Part)
        {
            Load(walkers, site, Math.Min(Part, clients - loaded), options.InFlight);
        }

        Thread.Sleep(500);
        double connections = clients * ConnectionsPerClient;
        var residentEach = (Machine.ResidentBytes(coordinator.ProcessId) - resident) / connections;
        var loadedText = string.Create(CultureInfo.InvariantCulture, $"{connections:#,0} connections, {ConnectionsPerClient} per client");
        if (overRedis)
        {
            var each = (coordinator.RedisUsedBytes() - redis) / connections;
            site.Dispose();
            var hash = Floors.HashBytes(coordinator.Redis!, options.Connections);
            report(new Result("Redis", "memory per connection in Redis (used_memory)", "B", [each], "one hash with two fields per connection", [hash])
            {
                Goal = "<= 24 B", IsMet = each <= 24, Repeated = site.Repeated, Checks = walkers.Checks, Note = loadedText,
            });
            report(new Result("Redis", "memory per connection in the coordinator, resident, with what the collector has not given back", "B", [residentEach], string.Empty, [])
            {
                Repeated = site.Repeated, Checks = walkers.Checks, Note = loadedText,
            });
            return;
        }

        var live = LiveBytes(clients);
        report(new Result("memory", "memory per connection in the coordinator, live objects", "B", [live], string.Empty, []) { Checks = clients, Note = loadedText });
        report(new Result("memory", "memory per connection in the coordinator, resident, with what the collector has not given back", "B", [residentEach], "live objects", [live])
        {
            Repeated = site.Repeated, Checks = walkers.Checks, Note = loadedText,
        });
    }

    private static void Load(Walkers walkers, LoadSite site, int count, int inFlight)
    {
        var clients = walkers.Arrive(count, i => i % site.Nodes, inFlight);
        walkers.ForAll(count, inFlight, (i, done) => walkers.Announce(clients[i], ConnectionsPerClient, done));
        walkers.Forget(clients);
    }

    /// <summary>The same core in this process, given the same messages as they come off the wire: here the heap can be asked what is alive.</summary>
    private static double LiveBytes(int clients)
    {
        const ulong Session = 1;
        var output = new LastAnswer();
        var store = new InMemoryClientStore(1, Math.Max(1_000_000, clients + 1));
        var core = new CoordinatorCore(new CoordinatorOptions(), store, 1, output);
        var now = Instant.FromMilliseconds(1);
        core.OnConnected(Session, now);
        var addresses = Enumerable.Range(0, 16).Select(a => LoadSite.Endpoint(0, a * 60_000).Address).ToArray();
        core.OnMessage(
            Session, new Hello { Id = 1, Node = LoadSite.Name(0), Incarnation = 1, PeerEndpoint = LoadSite.Endpoint(0, 0) with { Port = 4_747 }, Addresses = addresses }, now);
        var scratch = new ArrayBufferWriter<byte>();
        T Tell<T>(ControlMessage message)
            where T : ControlMessage
        {
            scratch.ResetWrittenCount();
            ControlCodec.Encode(message, scratch);
            if (!ControlCodec.TryDecode(scratch.WrittenSpan, out var decoded, out var error))
            {
                throw new BenchException(error);
            }

            core.OnMessage(Session, decoded!, now);
            return output.Message as T ?? throw new BenchException($"{message.GetType().Name} was answered by {output.Message?.GetType().Name ?? "nothing"}");
        }

        var (id, serial) = (1UL, 0);
        void Client(int number)
        {
            var mac = new MacAddress(0x0200_1000_0000 + (ulong)number);
            var epoch = Tell<ArriveReply>(new Arrive { Id = ++id, Client = mac }).Epoch;
            var mappings = Enumerable.Range(0, ConnectionsPerClient).Select(i =>
            {
                var endpoint = LoadSite.Endpoint(0, serial++);
                return new MappingRecord
                {
                    Mapping = new MappingId(TransportProtocol.Tcp, endpoint), ClientEndpoint = new TransportEndpoint(IpAddress.FromV4(0xC0A8_4D01), (ushort)(1_024 + i)),
                    Ham = LoadSite.Name(0), AnchorEpoch = epoch, Revision = 1, FamEndpoint = endpoint,
                    Connections = [new ConnectionRecord(new TransportEndpoint(IpAddress.FromV4(0xCB00_7100 + (uint)i), 443), ConnectionState.Established, 0)],
                };
            }).ToArray();
            if (Tell<Ack>(new Announce { Id = ++id, Client = mac, Epoch = epoch, Mappings = mappings }).Status != AckStatus.Ok)
            {
                throw new BenchException("an announcement was not taken");
            }
        }

        // As many as the endpoints of one access point are distinct.
        clients = Math.Min(clients, 90_000);
        Client(0);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 1; i <= clients; i++)
        {
            Client(i);
        }

        var bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(core);
        return bytes / ((double)clients * ConnectionsPerClient);
    }

    private sealed class LastAnswer : ICoordinatorOutput
    {
        public ControlMessage? Message { get; private set; }

        public void Send(ulong session, ControlMessage message) => Message = message;

        public void Close(ulong session, string reason)
        {
        }

        public void Report(CoordinatorEvent coordinatorEvent)
        {
        }
    }
}
