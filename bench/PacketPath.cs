using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Bench;

/// <summary>
/// The real engines on 64-octet UDP packets, one connection per mapping, in random order. Each operation copies a packet from a store as large as the table, parses it and
/// has it rewritten; <see cref="CopyAndParse"/> is the same without the engine, to be subtracted.
/// </summary>
public class PacketPath : IEngineOutput
{
    private const int Slot = 64;

    /// <summary>Packets of one call.</summary>
    internal const int Operations = 4_096;

    /// <summary>Clients at most.</summary>
    internal const int MaxClients = 2_048;

    private static readonly TransportEndpoint Server = new(IpAddress.FromV4(0xCB00_7109), 7_000);

    private readonly DropCounters _drops = new();
    private readonly byte[] _scratch = new byte[Slot];
    private byte[] _outbound = [];
    private byte[] _inbound = [];
    private byte[] _toHam = [];
    private int[] _order = [];
    private MacAddress[] _macs = [];
    private FamEngine _fam = null!;
    private HamEngine _ham = null!;
    private HamEngine _away = null!;
    private int _next;
    private readonly Instant _now = Instant.FromMilliseconds(1);

    /// <summary>How many mappings.</summary>
    [Params(1_000, 64_000, 1_000_000)]
    public int Mappings { get; set; }

    /// <summary>What clients may do; null: everything.</summary>
    internal IClientFilter? Filter { get; set; }

    /// <summary>A client's address.</summary>
    internal static MacAddress ClientMac(int client) => new(0x02C0_0000_0000UL + (ulong)client);

    /// <summary>Makes the tables and the packets, and checks a sample.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var random = new SeededRandom(42);
        var addresses = Enumerable.Range(0, 16).Select(i => IpAddress.FromV4(0x0A01_0100 + (uint)i)).ToArray();
        var pool = new EndpointPool(new EndpointPoolOptions { Addresses = addresses }, random);
        var outbox = new Outbox(_ => { });
        var ham = new HamConfig { MaxMappings = Mappings + 1, MaxClients = MaxClients };
        _ham = new HamEngine(ham, new NodeId("bench"), pool, random, outbox, this, _drops);
        _fam = new FamEngine(
            new FamConfig { Standalone = true, MaxMappings = Mappings + 1, MaxConnections = Mappings + 1, MaxClients = MaxClients }, new NodeId("bench"), pool, _ham, random, outbox, this, _drops)
        {
            Filter = Filter,
        };
        _away = _ham;
        var clients = Math.Min(1_000, Mappings / 10);
        _outbound = new byte[Mappings * Slot];
        _inbound = new byte[Mappings * Slot];
        _toHam = new byte[Mappings * Slot];
        _macs = new MacAddress[Mappings];
        var awayPool = new EndpointPool(new EndpointPoolOptions { Addresses = addresses }, random);
        _away = new HamEngine(ham, new NodeId("home"), awayPool, random, outbox, this, _drops);
        for (var i = 0; i < Mappings; i++)
        {
            var client = i % clients;
            _macs[i] = ClientMac(client);
            var local = new TransportEndpoint(IpAddress.FromV4(0x0A80_0000 + (uint)client), (ushort)(1_024 + (i / clients)));
            Write(_outbound, i, local, Server);
            var packet = Load(_outbound, i);
            PacketParser.Parse(packet, out var summary);
            if (_fam.ProcessOutbound(packet, summary, _macs[i], OffloadInfo.None, _now).Kind != VerdictKind.ForwardUplink)
            {
                throw new InvalidOperationException($"mapping {i} could not be made");
            }

            PacketParser.Parse(packet, out summary);
            Write(_inbound, i, Server, summary.Tuple.Source);
            MakeAway(i, local);
        }

        _order = [.. Enumerable.Range(0, Mappings)];
        for (var i = _order.Length - 1; i > 0; i--)
        {
            var j = random.NextInt(i + 1);
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }

        CheckSample();
    }

    /// <summary>What the harness and the parser cost.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int CopyAndParse()
    {
        var sum = 0;
        for (var i = 0; i < Operations; i++)
        {
            var packet = Load(_outbound, Next());
            sum += (int)PacketParser.Parse(packet, out var summary) + summary.Length;
        }

        return sum;
    }

    /// <summary>Client to server at the FAM.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int FamOutbound()
    {
        var sum = 0;
        for (var i = 0; i < Operations; i++)
        {
            var index = Next();
            var packet = Load(_outbound, index);
            PacketParser.Parse(packet, out var summary);
            sum += (int)_fam.ProcessOutbound(packet, summary, _macs[index], OffloadInfo.None, _now).Kind + packet[15];
        }

        return sum;
    }

    /// <summary>Server to client at the FAM.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int FamInbound()
    {
        var sum = 0;
        for (var i = 0; i < Operations; i++)
        {
            var packet = Load(_inbound, Next());
            PacketParser.Parse(packet, out var summary);
            sum += (int)_fam.ProcessInbound(packet, summary, OffloadInfo.None, _now).Kind + packet[19];
        }

        return sum;
    }

    /// <summary>Server to another node's FAM at the HAM.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int HamInbound()
    {
        var sum = 0;
        for (var i = 0; i < Operations; i++)
        {
            var packet = Load(_toHam, Next());
            PacketParser.Parse(packet, out var summary);
            sum += (int)_away.ProcessInbound(packet, summary, OffloadInfo.None, _now).Kind + packet[19];
        }

        return sum;
    }

    /// <summary>Writes the headers of a datagram whose content is there, with both checksums.</summary>
    internal static void WriteHeaders(Span<byte> packet, TransportEndpoint from, TransportEndpoint to)
    {
        Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, from.Address, to.Address);
        var datagram = packet[Ipv4Header.MinimumLength..];
        UdpHeader.Write(datagram, from.Port, to.Port);
        var sum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(from.Address, to.Address, IpProtocolNumber.Udp, datagram.Length)));

        // A sum of zero would say that there is none (RFC 768).
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], sum == 0 ? ushort.MaxValue : sum);
    }

    void IEngineOutput.TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload)
    {
    }

    void IEngineOutput.TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload)
    {
    }

    void IEngineOutput.DeliverLocally(Span<byte> packet, in OffloadInfo offload)
    {
    }

    void IEngineOutput.SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client)
    {
        // No packet here is sent back.
    }

    void IEngineOutput.SendControl(ControlMessage message)
    {
    }

    void IEngineOutput.SendPeer(TransportEndpoint peer, PeerMessage message)
    {
    }

    void IEngineOutput.Report(EngineEvent engineEvent)
    {
    }

    private static void Write(byte[] store, int index, TransportEndpoint from, TransportEndpoint to) => WriteHeaders(store.AsSpan(index * Slot, Slot), from, to);

    private void MakeAway(int index, TransportEndpoint local)
    {
        if (!_away.TryAnchor(TransportProtocol.Udp, local, _macs[index], Epoch.None, server: default, _now, out var masquerade, out var reason))
        {
            throw new InvalidOperationException($"mapping {index}: {reason}");
        }

        var fam = new TransportEndpoint(IpAddress.FromV4(0x0A02_0100 + ((uint)index >> 15)), (ushort)(1_024 + (index & 0x7FFF)));
        var route = new FamRoute(new MappingId(TransportProtocol.Udp, masquerade), new NodeId("home"), TransportEndpoint.None, fam);
        _away.OnControl(
            new FamChange { Id = 1, Client = _macs[index], Epoch = new Epoch(1), NewFam = new NodeId("elsewhere"), Token = 1, Routes = [route] }, _now);
        Write(_toHam, index, Server, masquerade);
    }

    private void CheckSample()
    {
        for (var i = 0; i < 1_000; i++)
        {
            var index = _order[i % _order.Length];
            foreach (var (store, kind) in new[] { (_outbound, VerdictKind.ForwardUplink), (_inbound, VerdictKind.ForwardClient), (_toHam, VerdictKind.ForwardUplink) })
            {
                var packet = Load(store, index);
                PacketParser.Parse(packet, out var summary);
                var verdict = store == _outbound ? _fam.ProcessOutbound(packet, summary, _macs[index], OffloadInfo.None, _now)
                    : store == _inbound ? _fam.ProcessInbound(packet, summary, OffloadInfo.None, _now)
                    : _away.ProcessInbound(packet, summary, OffloadInfo.None, _now);
                var datagram = packet[Ipv4Header.MinimumLength..];
                if (verdict.Kind != kind || PacketParser.Parse(packet, out summary) != DropReason.None
                    || InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, IpProtocolNumber.Udp, datagram.Length)) != 0xFFFF)
                {
                    throw new InvalidOperationException($"packet {index} is not rewritten as it should be: {verdict}");
                }
            }
        }
    }

    private Span<byte> Load(byte[] store, int index)
    {
        store.AsSpan(index * Slot, Slot).CopyTo(_scratch);
        return _scratch;
    }

    private int Next()
    {
        _next = _next + 1 < _order.Length ? _next + 1 : 0;
        return _order[_next];
    }
}
