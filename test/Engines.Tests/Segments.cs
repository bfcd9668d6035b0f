using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>TCP segments of either family with everything that a tracker looks at, checksums included.</summary>
internal static class Segments
{
    public const TcpFlags Syn = TcpFlags.Syn;
    public const TcpFlags Ack = TcpFlags.Ack;
    public const TcpFlags SynAck = TcpFlags.Syn | TcpFlags.Ack;
    public const TcpFlags FinAck = TcpFlags.Fin | TcpFlags.Ack;
    public const TcpFlags Rst = TcpFlags.Rst;
    public const TcpFlags RstAck = TcpFlags.Rst | TcpFlags.Ack;

    public static byte[] Make(
        TransportEndpoint from, TransportEndpoint to, TcpFlags flags, uint sequence = 0, uint acknowledgment = 0, ushort window = 1_000, int payload = 0, params byte[] options)
    {
        var isV4 = from.Address.IsIPv4;
        var ip = isV4 ? Ipv4Header.MinimumLength : Ipv6Header.Length;
        var header = TcpHeader.MinimumLength + ((options.Length + 3) & ~3);
        var packet = new byte[ip + header + payload];
        if (isV4)
        {
            Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Tcp, from.Address, to.Address);
        }
        else
        {
            Ipv6Header.Write(packet, packet.Length - ip, IpProtocolNumber.Tcp, from.Address, to.Address);
        }

        var tcp = packet.AsSpan(ip);
        BinaryPrimitives.WriteUInt16BigEndian(tcp, from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], to.Port);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], acknowledgment);
        tcp[12] = (byte)(header / 4 << 4);
        tcp[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], window);
        options.CopyTo(tcp[TcpHeader.MinimumLength..]);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[TcpHeader.ChecksumOffset..], Sum(from, to, tcp));
        return packet;
    }

    /// <summary>A segment that carries these octets.</summary>
    public static byte[] WithData(TransportEndpoint from, TransportEndpoint to, TcpFlags flags, uint sequence, uint acknowledgment, ReadOnlySpan<byte> data, params byte[] options)
    {
        var packet = Make(from, to, flags, sequence, acknowledgment, payload: data.Length, options: options);
        data.CopyTo(packet.AsSpan(packet.Length - data.Length));
        var tcp = packet.AsSpan(from.Address.IsIPv4 ? Ipv4Header.MinimumLength : Ipv6Header.Length);
        tcp.Slice(TcpHeader.ChecksumOffset, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(tcp[TcpHeader.ChecksumOffset..], Sum(from, to, tcp));
        return packet;
    }

    /// <summary>An ICMP error of the server about a packet that it got.</summary>
    public static byte[] ErrorAbout(byte[] sent)
    {
        var packet = new byte[IcmpError.MaxIPv6];
        return packet[..IcmpError.HostUnreachable.Write(packet, Site.Parse(sent).Tuple.Destination.Address, sent)];
    }

    /// <summary>Whether a segment's checksum is right.</summary>
    public static bool IsRight(byte[] packet)
    {
        var summary = Site.Parse(packet);
        var tcp = packet.AsSpan(summary.TransportOffset);
        return InternetChecksum.Sum(tcp, InternetChecksum.PseudoHeaderSum(summary.Tuple.Source.Address, summary.Tuple.Destination.Address, IpProtocolNumber.Tcp, tcp.Length)) == 0xFFFF;
    }

    private static ushort Sum(TransportEndpoint from, TransportEndpoint to, ReadOnlySpan<byte> tcp) =>
        InternetChecksum.Finish(InternetChecksum.Sum(tcp, InternetChecksum.PseudoHeaderSum(from.Address, to.Address, IpProtocolNumber.Tcp, tcp.Length)));
}

/// <summary>A client of a <see cref="Site"/> and a server that speak TCP with each other through it, with sequence numbers as real ones have them.</summary>
internal sealed class Conversation
{
    public const uint ClientStart = 0xFFFF_FF00;
    public const uint ServerStart = 5_000_000;

    /// <summary>The window that both announce, and by how much it is shifted.</summary>
    public const ushort Window = 500;
    public const byte Scale = 7;
    private static readonly byte[] ScaleOption = [1, 3, 3, Scale];

    private readonly Site _site;
    private uint _clientNext = ClientStart;
    private uint _serverNext = ServerStart;

    public Conversation(Site site, bool ipv6, ushort port = 1000)
    {
        _site = site;
        Client = new TransportEndpoint(ipv6 ? ClientV6 : Site.ClientAddress, port);
        Server = ipv6 ? ServerV6 : Site.Server;
    }

    public static IpAddress OwnV6 { get; } = IpAddress.Parse("fd00:10:1:1::10");

    public static IpAddress ClientV6 { get; } = IpAddress.Parse("fd00:77::10");

    public static TransportEndpoint ServerV6 { get; } = TransportEndpoint.Parse("[fd00:f::9]:7000");

    public TransportEndpoint Client { get; }

    public TransportEndpoint Server { get; }

    /// <summary>The client's endpoint as the server sees it.</summary>
    public TransportEndpoint Seen { get; private set; }

    /// <summary>The FAM endpoint, where a HAM elsewhere sends what the server sends; none if the HAM is here.</summary>
    public TransportEndpoint FamEndpoint { get; init; }

    /// <summary>Where what the server sends comes in here.</summary>
    public TransportEndpoint WayIn => FamEndpoint.IsNone ? Seen : FamEndpoint;

    public uint ClientNext => _clientNext;

    public uint ServerNext => _serverNext;

    public ConnectionState State => _site.Fam.DescribeConnections(100).Single(c => c.Tuple.Source == Client && c.Tuple.Destination == Server).State;

    public bool Exists => _site.Fam.DescribeConnections(100).Any(c => c.Tuple.Source == Client && c.Tuple.Destination == Server);

    public static Site NewSite(FamConfig? config = null)
    {
        var site = new Site(config, null, Site.Own, OwnV6);
        site.Arrive(1);
        return site;
    }

    public Verdict FromClient(TcpFlags flags, int payload = 0)
    {
        var verdict = _site.Out(Segments.Make(Client, Server, flags, _clientNext, _serverNext, Window, payload, (flags & TcpFlags.Syn) != 0 ? ScaleOption : []), out var after);
        if (verdict.Kind == VerdictKind.ForwardUplink)
        {
            Assert.True(Segments.IsRight(after));
            Seen = Site.Parse(after).Tuple.Source;
            _clientNext += Length(flags, payload);
        }

        return verdict;
    }

    public Verdict FromServer(TcpFlags flags, int payload = 0)
    {
        var verdict = _site.In(Segments.Make(Server, WayIn, flags, _serverNext, _clientNext, Window, payload, (flags & TcpFlags.Syn) != 0 ? ScaleOption : []));
        if (verdict.Kind == VerdictKind.ForwardClient)
        {
            Assert.True(Segments.IsRight(_site.ToClient[^1]));
            _serverNext += Length(flags, payload);
        }

        return verdict;
    }

    /// <summary>A RST in the server's name, whoever sends it.</summary>
    public Verdict Forged(TcpFlags flags, uint sequence, uint acknowledgment = 0) => _site.In(Segments.Make(Server, WayIn, flags, sequence, acknowledgment));

    public void Open()
    {
        FromClient(Segments.Syn);
        FromServer(Segments.SynAck);
        FromClient(Segments.Ack);
        Assert.Equal(ConnectionState.Established, State);
    }

    private static uint Length(TcpFlags flags, int payload) => (uint)payload + ((flags & (TcpFlags.Syn | TcpFlags.Fin)) != 0 ? 1u : 0);
}
