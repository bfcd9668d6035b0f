using System.Buffers;
using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

public sealed class ClientRecordCodecTests(ITestOutputHelper output)
{
    private const ulong Origin = 1_790_000_000_000;

    [Fact]
    public void What_is_written_is_read()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 300; i++)
        {
            var record = Random(random, random.NextInt(20));
            Assert.True(ClientRecordCodec.TryDecode(Encode(record), record.Client, Origin, out var read));
            AssertSame(record, read!);
        }
    }

    [Fact]
    public void Another_process_reads_the_same_times_by_its_own_clock()
    {
        var record = new ClientRecord { Client = Client, Since = Instant.FromMilliseconds(5_000) };
        Assert.True(ClientRecordCodec.TryDecode(Encode(record), Client, Origin - 1_000, out var read));
        Assert.Equal(Instant.FromMilliseconds(6_000), read!.Since);
    }

    [Fact]
    public void Whatever_is_cut_is_refused()
    {
        var octets = Encode(Random(Seed.Fresh(output), 5));
        for (var length = 0; length < octets.Length; length++)
        {
            Assert.False(ClientRecordCodec.TryDecode(octets.AsSpan(0, length), Client, Origin, out _));
        }

        Assert.False(ClientRecordCodec.TryDecode([.. octets, 0], Client, Origin, out _));
    }

    [Fact]
    public void Whatever_is_damaged_is_refused_or_read_and_never_throws()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 20_000; i++)
        {
            var octets = i % 4 == 0 ? new byte[random.NextInt(200)] : Encode(Random(random, 3));
            for (var damage = 1 + random.NextInt(4); damage > 0 && octets.Length > 0; damage--)
            {
                octets[random.NextInt(octets.Length)] = (byte)random.NextInt(256);
            }

            if (ClientRecordCodec.TryDecode(octets, Client, Origin, out var read))
            {
                Assert.True(ClientRecordCodec.TryDecode(Encode(read!), Client, Origin, out _));
            }
        }
    }

    [Fact]
    public void Another_version_is_refused()
    {
        var octets = Encode(new ClientRecord { Client = Client });
        octets[3] = ClientRecordCodec.Version + 1;
        Assert.False(ClientRecordCodec.TryDecode(octets, Client, Origin, out _));
    }

    internal static byte[] Encode(ClientRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>();
        ClientRecordCodec.Encode(record, Origin, buffer);
        return buffer.WrittenSpan.ToArray();
    }

    internal static void AssertSame(ClientRecord one, ClientRecord other)
    {
        var empty = ImmutableDictionary<MappingId, MappingEntry>.Empty;
        ClientRecord Bare(ClientRecord r) => r with { Mappings = empty, Ended = [], Addresses = [], Pending = null, LastArrivals = one.LastArrivals };
        Assert.Equal(Bare(one) with { Ended = default, Addresses = default, Further = default, Over = default }, Bare(other) with { Ended = default, Addresses = default, Further = default, Over = default });
        Assert.Equal(one.Over.ToArray(), other.Over.ToArray());
        Assert.Equal(one.Further.ToArray(), other.Further.ToArray());
        Assert.Equal(one.Ended.ToArray(), other.Ended.ToArray());
        Assert.Equal(one.Addresses.ToArray(), other.Addresses.ToArray());
        Assert.Equal(one.LastArrivals.OrderBy(a => a.Key), other.LastArrivals.OrderBy(a => a.Key));
        Assert.Equal(one.Pending?.Deadline, other.Pending?.Deadline);
        Assert.Equal(one.Pending?.Awaited.ToArray(), other.Pending?.Awaited.ToArray());
        Assert.Equal(one.Pending?.OffersLeft.ToArray(), other.Pending?.OffersLeft.ToArray());
        Assert.Equal(one.Mappings.Keys.ToHashSet(), other.Mappings.Keys.ToHashSet());
        foreach (var (id, entry) in one.Mappings)
        {
            var read = other.Mappings[id];
            Assert.Equal(entry.ReportEpoch, read.ReportEpoch);
            Assert.Equal(entry.Fams.ToArray(), read.Fams.ToArray());
            Assert.Equal(entry.Record.Connections, read.Record.Connections);
            Assert.Equal(entry.Record with { Connections = [], FamEndpoint = default, Explicit = null }, read.Record with { Connections = [], Explicit = null });
            Assert.Equal(entry.Record.Explicit?.Filters.ToArray(), read.Record.Explicit?.Filters.ToArray());
            Assert.Equal(entry.Record.Explicit is { } terms ? terms with { Filters = [] } : null, read.Record.Explicit is { } others ? others with { Filters = [] } : null);
        }
    }

    internal static ClientRecord Random(SeededRandom random, int mappings)
    {
        Epoch NextEpoch() => new(Origin + (ulong)random.NextInt(4));
        TransportEndpoint NextEndpoint() => random.Chance(0.3)
            ? new TransportEndpoint(new IpAddress(0x2001_0DB8_0000_0000, (ulong)random.NextInt(3) + 1), (ushort)random.NextInt(65_536))
            : At(1 + (ulong)random.NextInt(3), random.NextInt(65_536));
        NodeId NextNode() => Name(1 + (ulong)random.NextInt(4));
        TransportProtocol NextProtocol() => random.Chance(0.5) ? TransportProtocol.Udp : random.Chance(0.7) ? TransportProtocol.Tcp : TransportProtocol.Icmp;
        MappingId NextMapping()
        {
            var (mapping, server) = (new MappingId(NextProtocol(), NextEndpoint()), NextEndpoint());
            return mapping.Protocol != TransportProtocol.Icmp && server.Address.IsIPv4 == mapping.Masquerade.Address.IsIPv4 && random.Chance(0.5) ? mapping with { Server = server } : mapping;
        }

        var record = new ClientRecord
        {
            Client = Client,
            Epoch = NextEpoch(),
            HighestReported = random.Chance(0.5) ? Epoch.None : NextEpoch(),
            Fam = random.Chance(0.2) ? NodeId.None : NextNode(),
            PreviousFam = random.Chance(0.5) ? NodeId.None : NextNode(),
            Further = [.. Enumerable.Range(0, random.NextInt(ControlLimits.MaxFurtherFams + 1)).Select(_ => new FurtherFam(NextNode(), random.NextUInt64()))],
            IsLinkLost = random.Chance(0.5),
            AddressesAsOf = random.Chance(0.5) ? 0 : random.NextUInt64(),
            Departed = random.Chance(0.3),
            Since = Instant.FromMilliseconds(random.NextInt(1_000_000)),
            ArriveId = random.NextUInt64(),
            Answered = random.Chance(0.5),
            Decider = random.NextUInt64(),
            Token = random.NextUInt64(),
            LastArrivals = ImmutableDictionary<string, (ulong Incarnation, ulong Id)>.Empty.WithComparers(StringComparer.Ordinal).Add("ap1", (random.NextUInt64(), 7)),
            Ended = [.. Enumerable.Range(0, random.NextInt(4)).Select(_ => new EndMark(NextMapping(), NextEpoch(), random.NextUInt64()))],
            Addresses = [.. Enumerable.Range(0, random.NextInt(3)).Select(_ => NextEndpoint().Address)],
            User = random.Chance(0.5) ? null : new UserRecord
            {
                Session = new Octets([.. Enumerable.Range(0, UserSession.IdLength).Select(_ => (byte)random.NextInt(256))]),
                User = random.Chance(0.5) ? "alice@example.org" : "Zoë",
                SealedKey = new Octets(new byte[random.NextInt(UserRecord.MaxSealedKey + 1)]),
                SealedRoamingKey = new Octets(new byte[random.NextInt(2) * random.NextInt(UserRecord.MaxSealedKey + 1)]),
                Terms = new Octets(new byte[random.NextInt(300)]),
                Began = (long)(random.NextUInt64() >> 20),
                Ends = random.Chance(0.5) ? 0 : (long)(random.NextUInt64() >> 20),
                IdleSeconds = (uint)random.NextUInt64(),
                Segment = random.Chance(0.5) ? string.Empty : "staff",
                Role = random.Chance(0.5) ? string.Empty : "guest",
                At = random.Chance(0.5) ? NodeId.None : NextNode(),
                Proof = (SessionProof)random.NextInt((int)SessionProof.Trusted + 1),
                IsProtected = random.Chance(0.5),
            },
            Over = [.. Enumerable.Range(0, random.Chance(0.5) ? 0 : random.NextInt(SessionEnd.MaxKept + 1)).Select(_ => new SessionEnd(
                new Octets([.. Enumerable.Range(0, UserSession.IdLength).Select(_ => (byte)random.NextInt(256))]), random.Chance(0.5) ? string.Empty : "Zoë", "its time is over", (long)(random.NextUInt64() >> 20)))],
            Pending = random.Chance(0.5) ? null : new PendingArrival(
                [new AwaitedFam(NextNode(), 9)], Instant.FromMilliseconds(random.NextInt(1_000)), [new FamOffer(NextProtocol(), NextEndpoint())]),
        };
        for (var i = 0; i < mappings; i++)
        {
            var id = NextMapping();
            var mapping = new MappingRecord
            {
                Mapping = id,
                ClientEndpoint = NextEndpoint(),
                Ham = NextNode(),
                AnchorEpoch = random.Chance(0.1) ? Epoch.None : NextEpoch(),
                Revision = (uint)random.NextUInt64(),
                Opened = random.Chance(0.5) ? 0 : (long)(random.NextUInt64() >> 20),
                Connections =
                [
                    .. Enumerable.Range(0, random.NextInt(3)).Select(
                        _ => new ConnectionRecord(NextEndpoint(), (ConnectionState)random.NextInt((int)ConnectionState.Reset + 1), (uint)random.NextUInt64()) { Note = random.Chance(0.8) ? null : new HelperNote(BitConverter.GetBytes(random.NextUInt64())) }),
                ],
                Explicit = random.Chance(0.7) ? null : new ExplicitTerms
                {
                    Nonce = new MappingNonce(random.NextUInt64(), (uint)random.NextUInt64()),
                    LifetimeMilliseconds = (uint)random.NextUInt64(),
                    AgeMilliseconds = random.NextUInt64(),
                    Published = random.Chance(0.5),
                    OutboundOnly = random.Chance(0.5),
                    Expected = random.Chance(0.5),
                },
            };
            ImmutableArray<FamRecord> fams =
                [.. Enumerable.Range(0, random.NextInt(MappingEntry.MaxFams + 1)).Select(_ => new FamRecord(NextNode(), NextEndpoint(), NextEpoch()))];
            record = record with { Mappings = record.Mappings.SetItem(id, new MappingEntry(mapping, NextEpoch(), fams)) };
        }

        return record;
    }
}
