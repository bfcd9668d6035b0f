using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Filter;

/// <summary>Rules made by a seed, in our words and in libpcap's, and connections to be judged by them.</summary>
internal sealed class RuleSet
{
    private const int Packets = 4_096;

    public RuleSet(int count, SeededRandom random)
    {
        Count = count;
        var (rules, expression) = Rules(count, random);
        Expression = expression;
        Policy = FilterPolicy.Create("bench", rules, FilterSets.None, "bench", []) ?? throw new BenchException("a rule is wrong");
        Tuples = [.. Enumerable.Range(0, Packets).Select(_ => Tuple(random))];
        Octets = [.. Tuples.Select(Packet)];
    }

    public int Count { get; }

    public FilterPolicy Policy { get; }

    /// <summary>The same in libpcap's words.</summary>
    public string Expression { get; }

    public FlowTuple[] Tuples { get; }

    /// <summary>The same as IPv4 packets.</summary>
    public byte[][] Octets { get; }

    /// <summary>Rules that each ask for a prefix and ports; with libpcap's words for the same, where the first match decides as well.</summary>
    private static (string[] Rules, string Expression) Rules(int count, SeededRandom random)
    {
        var rules = new string[count];
        var expression = new StringBuilder("not ip");
        for (var i = count - 1; i >= 0; i--)
        {
            var prefix = new IpPrefix(IpAddress.FromV4((10u << 24) | (uint)random.NextInt(1 << 24)), 12 + random.NextInt(13));
            var (isAllow, isTcp, port) = (random.Chance(0.5), random.Chance(0.5), 1 + random.NextInt(1000));
            var last = port + random.NextInt(200);
            var protocol = isTcp ? "tcp" : "udp";
            rules[i] = string.Create(CultureInfo.InvariantCulture, $"{(isAllow ? "allow" : "deny")} out {protocol} to {prefix} port {port}-{last}");
            var match = string.Create(CultureInfo.InvariantCulture, $"({protocol} dst portrange {port}-{last} and dst net {prefix})");
            expression.Insert(0, isAllow ? $"{match} or (" : $"not {match} and (").Append(')');
        }

        return (rules, expression.ToString());
    }

    private static FlowTuple Tuple(SeededRandom random) => new(
        new TransportEndpoint(IpAddress.FromV4(0xC0A84D0A), (ushort)(1024 + random.NextInt(60_000))),
        new TransportEndpoint(IpAddress.FromV4((10u << 24) | (uint)random.NextInt(1 << 24)), (ushort)(1 + random.NextInt(1200))),
        random.Chance(0.5) ? TransportProtocol.Tcp : TransportProtocol.Udp);

    private static byte[] Packet(FlowTuple tuple)
    {
        var packet = new byte[60];
        packet[0] = 0x45;
        packet[3] = 60;
        packet[8] = 64;
        packet[9] = (byte)tuple.Protocol;
        tuple.Source.Address.WriteTo(packet.AsSpan(12));
        tuple.Destination.Address.WriteTo(packet.AsSpan(16));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(20), tuple.Source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(22), tuple.Destination.Port);
        return packet;
    }
}
