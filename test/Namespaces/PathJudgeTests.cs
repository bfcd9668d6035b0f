using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.Lab;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using PathProbe = Masquerade.Core.Control.PathProbe;
using PeerCodec = Masquerade.Core.Control.PeerCodec;

namespace Masquerade.Namespaces.Tests;

/// <summary>The judge of captures, with captures made up: a right way, and every wrong one it must notice.</summary>
[Trait("Req", "A-01")]
public sealed class PathJudgeTests
{
    private const ushort Flow = 7001;
    private const int Ap1 = 0;
    private const int Ap2 = 1;
    private const int Ap3 = 2;
    private static readonly IpAddress s_client = IpAddress.Parse("192.168.77.101");
    private static readonly IpAddress s_server = IpAddress.Parse("10.1.100.2");
    private static readonly IpAddress s_masquerade = IpAddress.Parse("10.1.1.10");
    private static readonly IpAddress s_famEndpoint = IpAddress.Parse("10.1.2.10");
    private static readonly IReadOnlyDictionary<ushort, int> s_clientOfFlow = new Dictionary<ushort, int> { [Flow] = 0 };
    private readonly PacketLog _log = new(CapturePoints.Count);

    // c1 anchored its flow at AP1 and has been at AP2 since 1.02 s.
    private readonly LinkHistory _links = new(
        [new RoamRecord(0, -1, Ap1, 0, 0, 0, 0), new RoamRecord(0, Ap1, Ap2, Ms(1000), Ms(1000), Ms(1020), Ms(1020))], 1);

    [Fact]
    public void The_direct_way_is_accepted()
    {
        Outbound(Ms(2000), 1, Ap2);
        Inbound(Ms(2001), 1);

        var path = Judge();

        Assert.True(path.Ok, string.Join("; ", path.Violations));
        Assert.Equal(0, path.Encapsulated);
        Assert.Equal(1, path.ViaHamThenFam);
    }

    [Theory]
    [Trait("Req", "A-15")]
    [InlineData(Ap3, true, true)]
    [InlineData(Ap3, false, false)]
    [InlineData(Ap1, false, true)]
    [InlineData(Ap1, true, false)]
    public void The_HAM_is_who_has_the_address_at_that_time(int ham, bool takenOver, bool accepted)
    {
        var owners = new AddressOwners();
        if (takenOver)
        {
            owners.Take(System.Net.IPAddress.Parse(s_masquerade.ToString()), Ap3, Ms(3000));
        }

        Outbound(Ms(2000), 1, Ap2);
        Inbound(Ms(2001), 1);
        Inbound(Ms(4000), 2, ham);

        Assert.Equal(accepted, Judge(owners).Ok);
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void An_address_that_goes_home_is_its_own_access_points_again()
    {
        var address = System.Net.IPAddress.Parse(s_masquerade.ToString());
        var owners = new AddressOwners();
        owners.Take(address, Ap1, Ms(10));
        Assert.False(owners.ChangesAround(s_masquerade, Ms(10), Ms(1)));
        owners.Take(address, Ap3, Ms(3000));
        Assert.False(owners.AllHome(Ap1));
        owners.Take(address, Ap1, Ms(5000));

        Assert.True(owners.AllHome(Ap1));
        Assert.Equal([Ap1, Ap3, Ap1], ((double[])[2999, 3000, 5000]).Select(at => owners.At(s_masquerade, Ms(at))));
        Assert.True(owners.ChangesAround(s_masquerade, Ms(4900), Ms(100)));
        Assert.False(owners.ChangesAround(s_masquerade, Ms(4000), Ms(100)));
    }

    [Fact]
    public void Silences_are_those_of_the_time_that_is_asked_about()
    {
        var silences = new Silences();
        Assert.Equal(0, silences.Longest(0, Ms(1000)));
        foreach (var at in (double[])[100, 105, 405, 425, 1425])
        {
            silences.Arrived(Ms(at));
        }

        Assert.Equal(Ms(300), silences.Longest(Ms(200), Ms(300)) + Ms(105));
        Assert.Equal(Ms(300), silences.Longest(Ms(200), Ms(420)));
        Assert.Equal(Ms(575), silences.Longest(Ms(410), Ms(1000)));
        Assert.Equal(Ms(1000), silences.Longest(Ms(500), Ms(1500)));
        Assert.Equal(Ms(8575), silences.Longest(Ms(500), Ms(10_000)));
    }

    [Fact]
    public void Nothing_captured_proves_nothing() => Assert.False(Judge().Ok);

    [Fact]
    public void An_outbound_packet_through_the_HAM_is_noticed()
    {
        Outbound(Ms(2000), 1, Ap2);
        Put(CapturePoints.Uplink(Ap1), Ms(2003), 2, down: false, outgoing: false, s_masquerade, s_server);
        Expect("came in at AP1's uplink");
    }

    [Fact]
    public void An_outbound_packet_from_an_access_point_where_the_client_is_not_is_noticed()
    {
        Outbound(Ms(2000), 1, Ap1);
        Expect("left at AP1 while c1 was elsewhere");
    }

    [Fact]
    public void A_second_endpoint_at_the_server_is_noticed()
    {
        Outbound(Ms(2000), 1, Ap2);
        Put(CapturePoints.ServerLink, Ms(2002), 2, down: false, outgoing: false, s_famEndpoint, s_server);
        Expect("the server saw 2 endpoints");
    }

    [Fact]
    public void An_inbound_packet_that_never_was_at_the_HAM_is_noticed()
    {
        Outbound(Ms(2000), 1, Ap2);
        Put(CapturePoints.ClientSide(Ap2), Ms(2002), 5, down: true, outgoing: true, s_server, s_client);
        Expect("without passing its HAM");
    }

    [Fact]
    public void An_inbound_packet_by_way_of_a_third_access_point_is_noticed()
    {
        Outbound(Ms(2000), 1, Ap2);
        Inbound(Ms(2001), 1);
        Put(CapturePoints.Uplink(Ap3), Ms(2002), 1, down: true, outgoing: false, s_server, IpAddress.Parse("10.1.3.10"));
        Expect("neither its HAM (AP1) nor its FAM (AP2)");
    }

    /// <summary>A busy machine stamps single frames late, at any of the observers; which way datagrams go is what most of them say.</summary>
    [Theory]
    [InlineData(6)]
    [InlineData(-6)]
    public void Single_stamps_that_are_late_prove_nothing(double lateMs)
    {
        for (var sequence = 1; sequence <= 40; sequence++)
        {
            Outbound(Ms(2000 + (10 * sequence)), sequence, Ap2);
            Inbound(Ms(2001 + (10 * sequence)), sequence, famLate: sequence % 10 == 0 ? Ms(lateMs) : 0);
        }

        var path = Judge();
        Assert.True(path.Ok, string.Join("; ", path.Violations));
        Assert.Equal(40, path.ViaHamThenFam);
    }

    [Fact]
    public void Datagrams_that_go_to_the_FAM_before_the_HAM_are_noticed()
    {
        for (var sequence = 1; sequence <= 40; sequence++)
        {
            Outbound(Ms(2000 + (10 * sequence)), sequence, Ap2);
            Inbound(Ms(2001 + (10 * sequence)), sequence, famLate: -Ms(0.01));
        }

        Expect("of 40 datagrams of connection 7001, only 0 were at the HAM");
    }

    [Fact]
    public void A_packet_longer_than_the_original_counts_as_encapsulated()
    {
        Outbound(Ms(2000), 1, Ap2);
        Inbound(Ms(2001), 1);
        Put(CapturePoints.Uplink(Ap2), Ms(2002), 1, down: true, outgoing: false, s_server, s_famEndpoint, length: 112);
        Assert.Equal(1, Judge().Encapsulated);
        Expect("the original had 92");
    }

    [Theory]
    [InlineData(4, 0, 0)] // IP in IP
    [InlineData(47, 0, 0)] // GRE
    [InlineData(50, 0, 0)] // ESP
    [InlineData(17, 4789, 4789)] // VXLAN
    [InlineData(17, 51820, 51820)] // WireGuard
    public void Tunnels_are_recognised(byte protocol, ushort source, ushort destination)
    {
        var record = PacketRecord.Parse(Frame(protocol, source, destination, 1400), 1414);
        Assert.Equal(FrameKind.Unknown, record.Kind);
    }

    [Theory]
    [InlineData(60, FrameKind.PeerMarker)]
    [InlineData(1000, FrameKind.Unknown)] // a "marker" that could carry a packet
    public void Only_short_datagrams_between_peers_are_markers(int length, FrameKind expected) =>
        Assert.Equal(expected, PacketRecord.Parse(Frame(17, LabPorts.Peer, LabPorts.Peer, length), length + 14).Kind);

    /// <summary>Whether so large a packet gets through is asked by one that has nothing in it.</summary>
    [Theory]
    [InlineData(false, FrameKind.PeerMarker)]
    [InlineData(true, FrameKind.Unknown)]
    public void A_question_about_a_path_is_filled_with_nothing(bool isFilled, FrameKind expected)
    {
        var frame = Frame(17, LabPorts.Peer, LabPorts.Peer, 1500);
        var length = PeerCodec.Encode(new PathProbe(7), frame.AsSpan(42));
        frame[42 + length + 20] = isFilled ? (byte)0x45 : (byte)0;
        Assert.Equal(expected, PacketRecord.Parse(frame, 1514).Kind);
    }

    [Fact]
    public void Frames_cut_off_anywhere_are_read_without_failing()
    {
        var frame = Frame(17, 40000, Flow, 92);
        for (var length = 0; length <= frame.Length; length++)
        {
            _ = PacketRecord.Parse(frame.AsSpan(0, length), 106);
        }
    }

    private static long Ms(double value) => LabClock.Milliseconds(value);

    private static byte[] Frame(byte protocol, ushort source, ushort destination, int ipLength)
    {
        var frame = new byte[128];
        frame[12] = 8;
        frame[14] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)ipLength);
        frame[23] = protocol;
        IpAddress.Parse("10.1.1.10").WriteTo(frame.AsSpan(26));
        IpAddress.Parse("10.1.2.10").WriteTo(frame.AsSpan(30));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(34), source);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), destination);
        return frame;
    }

    private PathSummary Judge(AddressOwners? owners = null) => new PathJudge(_log, _links, s_clientOfFlow, owners).Judge();

    private void Expect(string violation)
    {
        var path = Judge();
        Assert.False(path.Ok);
        Assert.Contains(path.Violations, v => v.Contains(violation, StringComparison.Ordinal));
    }

    private void Outbound(long at, long sequence, int accessPoint)
    {
        Put(CapturePoints.ClientSide(accessPoint), at, sequence, down: false, outgoing: false, s_client, s_server);
        Put(CapturePoints.Uplink(accessPoint), at + 1000, sequence, down: false, outgoing: true, s_masquerade, s_server);
        Put(CapturePoints.ServerLink, at + 2000, sequence, down: false, outgoing: false, s_masquerade, s_server);
    }

    private void Inbound(long at, long sequence, int ham = Ap1, long famLate = 0)
    {
        Put(CapturePoints.ServerLink, at, sequence, down: true, outgoing: true, s_server, s_masquerade);
        Put(CapturePoints.Uplink(ham), at + 1000, sequence, down: true, outgoing: false, s_server, s_masquerade);
        Put(CapturePoints.Uplink(ham), at + 2000, sequence, down: true, outgoing: true, s_server, s_famEndpoint);
        Put(CapturePoints.Uplink(Ap2), at + 3000 + famLate, sequence, down: true, outgoing: false, s_server, s_famEndpoint);
        Put(CapturePoints.ClientSide(Ap2), at + 4000, sequence, down: true, outgoing: true, s_server, s_client);
    }

    private void Put(int point, long at, long sequence, bool down, bool outgoing, IpAddress source, IpAddress destination, int length = 92) =>
        _log.Add(point, new PacketRecord
        {
            At = at,
            Sequence = sequence,
            Down = down,
            Outgoing = outgoing,
            Source = source,
            Destination = destination,
            SourcePort = down ? Flow : (ushort)50_000,
            DestinationPort = down ? (ushort)50_000 : Flow,
            Flow = Flow,
            Protocol = 17,
            Kind = FrameKind.Flow,
            Length = length,
        });
}
