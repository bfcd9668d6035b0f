using System.Collections.Immutable;
using System.Globalization;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Redis;

/// <summary>What a connection costs in Redis: record, claims and lists, as Redis itself counts (MEMORY USAGE). The figures are in docs/operations.md.</summary>
public sealed class RedisMemoryTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Bytes_per_connection()
    {
        using var server = new RedisProcess();
        var worst = 0.0;
        foreach (var (clients, mappings) in new[] { (2_000, 10), (200, 100), (20, 1_000) })
        {
            server.Command("FLUSHALL");
            await using var store = await RedisClientStore.ConnectAsync(
                new RedisOptions { Endpoints = [server.EndPoint], Timeout = TimeSpan.FromSeconds(10) }, completion => completion(), 0);
            var random = Seed.Fresh(output);
            var ports = Enumerable.Range(1_024, 64_000).OrderBy(_ => random.NextUInt64()).ToArray();
            var blocking = new BlockingStore(store);
            for (var c = 0; c < clients; c++)
            {
                blocking.CompareAndSet(Record(c, ports.AsSpan(c * mappings, mappings)), default, default, set => Assert.Equal(StoreOutcome.Stored, set.Outcome));
            }

            var records = Sum(server, "masq:c:*");
            var claims = Sum(server, "masq:e:*");
            var lists = Sum(server, "masq:n:*");
            double connections = clients * mappings;
            worst = Math.Max(worst, mappings >= 100 ? (records + claims + lists) / connections : 0);
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{clients} clients with {mappings} connections each: {(records + claims + lists) / connections:f1} B per connection (records {records / connections:f1}, claims {claims / connections:f1}, lists {lists / connections:f1})"));
        }

        Assert.InRange(worst, 1, 120);
    }

    private static long Sum(RedisProcess server, string pattern) => server
        .Command("EVAL", "local sum = 0 for _, k in ipairs(redis.call('KEYS', ARGV[1])) do sum = sum + redis.call('MEMORY', 'USAGE', k, 'SAMPLES', '0') end return sum", "0", pattern) is var text
            ? long.Parse(text, CultureInfo.InvariantCulture)
            : 0;

    /// <summary>A client that has roamed: each mapping has one TCP connection and two FAMs, half of them were anchored where the client has been before.</summary>
    private static ClientRecord Record(int client, ReadOnlySpan<int> ports)
    {
        const ulong Now = 1_790_000_000_000;
        var mappings = ImmutableDictionary.CreateBuilder<MappingId, MappingEntry>();
        for (var i = 0; i < ports.Length; i++)
        {
            var id = new MappingId(TransportProtocol.Tcp, At(1, ports[i]));
            mappings[id] = new MappingEntry(
                new MappingRecord
                {
                    Mapping = id,
                    ClientEndpoint = Own(1_024 + i),
                    Ham = Ap1,
                    AnchorEpoch = new Epoch(Now + ((ulong)i % 2)),
                    Revision = (uint)i,
                    Opened = (long)Now + (i * 1_000),
                    Connections = [new ConnectionRecord(TransportEndpoint.Parse(string.Create(CultureInfo.InvariantCulture, $"203.0.113.{1 + (i % 50)}:443")), ConnectionState.Established, (uint)(i * 1_000))],
                },
                new Epoch(Now + 1),
                [new FamRecord(Ap2, At(2, ports[i]), new Epoch(Now + 1)), new FamRecord(Ap1, At(1, ports[i]), new Epoch(Now))]);
        }

        return new ClientRecord
        {
            Client = new MacAddress(0x0200_0100_0000 + (ulong)client),
            Epoch = new Epoch(Now + 1),
            Fam = Ap2,
            PreviousFam = Ap1,
            ArriveId = 77,
            Answered = true,
            Decider = 0x1234_5678_9ABC_DEF0,
            Token = 0x1234_5678_9ABC_DEF1,
            Addresses = [IpAddress.Parse("192.168.77.10")],
            Mappings = mappings.ToImmutable(),
        };
    }
}
