using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests.Helpers;

/// <summary>What an application helper's word makes the FAM do: whom it lets in, for how long, and what it does not do whatever anybody says.</summary>
[Trait("Req", "N-03")]
[Trait("Rfc", "4787 REQ-10")]
[Trait("Rfc", "5382 REQ-6")]
public sealed class HelpingTests
{
    private static readonly TransportEndpoint s_data = FtpSession.Server with { Port = 20 };
    private static readonly TransportEndpoint s_stranger = TransportEndpoint.Parse("203.0.113.10:20");

    [Fact]
    public void The_server_gets_in_where_the_client_has_named_itself_and_nobody_else_does()
    {
        var session = Begin();
        var endpoint = Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        Assert.Equal(session.Seen.Address, endpoint.Address);
        Assert.Equal(1, session.Site.Fam.ExpectedCount);
        Assert.Equal(DropReason.FilteredServer, Syn(session, endpoint, s_stranger).Reason);
        Assert.Equal(VerdictKind.ForwardClient, Syn(session, endpoint, s_data).Kind);
        Assert.Equal(TransportEndpoint.Parse("192.168.77.10:50000"), Site.Parse(session.Site.ToClient[^1]).Tuple.Destination);

        // From any of its ports, for not all servers may use 20. The first connection that the client takes up is the one that was expected.
        Assert.Equal(VerdictKind.ForwardClient, Syn(session, endpoint, s_data with { Port = 33_333 }).Kind);
        TakeUp(session, 50_000, s_data);
        Assert.Equal(endpoint, session.Site.Seen());
        Assert.Equal(0, session.Site.Fam.ExpectedCount);
        Assert.Equal(DropReason.FilteredServer, Syn(session, endpoint, s_data with { Port = 33_333 }).Reason);

        // The control connection goes on, and the next endpoint is another one.
        Assert.Equal("LIST\r\n", session.Command("LIST\r\n"));
        Assert.NotEqual(endpoint, Port(session.Command("PORT 192,168,77,10,195,81\r\n")));
    }

    [Fact]
    public void An_expectation_ends_by_its_time_and_leaves_nothing()
    {
        var session = Begin();
        var endpoint = Port(session.Command("EPRT |1|192.168.77.10|50000|\r\n"));
        session.Site.Wait(119_000);
        Assert.Equal(VerdictKind.ForwardClient, Syn(session, endpoint, s_data).Kind);
        session.Site.Wait(2_000);
        Assert.NotEqual(VerdictKind.ForwardClient, Syn(session, endpoint, s_data).Kind);
        Assert.Equal((0, 1), (session.Site.Fam.ExpectedCount, session.Site.Ham.MappingCount));
    }

    [Theory]
    [InlineData("PORT 192,168,77,11,195,80\r\n")]
    [InlineData("PORT 203,0,113,10,195,80\r\n")]
    [InlineData("PORT 10,1,1,10,195,80\r\n")]
    [InlineData("PORT 0,0,0,0,195,80\r\n")]
    [InlineData("PORT 192,168,77,10,3,255\r\n")]
    [InlineData("PORT 192,168,77,10,0,0\r\n")]
    [InlineData("EPRT |1|192.168.77.11|50000|\r\n")]
    [InlineData("EPRT |1|192.168.77.10|21|\r\n")]
    [InlineData("EPRT |2|fd00:77::10|50000|\r\n")]
    [Trait("Rfc", "2577 section 3")]
    public void Who_names_another_host_or_a_service_opens_nothing(string command)
    {
        var session = Begin();
        Assert.Equal(command, session.Command(command));
        Assert.Equal((0, 1), (session.Site.Fam.ExpectedCount, session.Site.Ham.MappingCount));
    }

    [Fact]
    public void Nobody_can_have_a_client_s_browser_name_an_endpoint()
    {
        var session = new FtpSession(FtpSession.NewSite());
        session.Command("POST / HTTP/1.1\r\nHost: 203.0.113.9:21\r\n\r\n");
        Assert.Equal("PORT 192,168,77,10,195,80\r\n", session.Command("PORT 192,168,77,10,195,80\r\n"));
        Assert.Equal(0, session.Site.Fam.ExpectedCount);
    }

    [Fact, Trait("Req", "N-10")]
    public void A_client_has_a_bounded_number_of_expectations_and_they_are_not_those_that_it_asks_for_by_PCP()
    {
        var session = Begin(new FamConfig { ExpectationsPerClient = 3, ExplicitMappingsPerClient = 1 });
        for (var port = 0; port < 3; port++)
        {
            Port(session.Command($"PORT 192,168,77,10,195,{port}\r\n"));
        }

        Assert.Equal("PORT 192,168,77,10,195,99\r\n", session.Command("PORT 192,168,77,10,195,99\r\n"));
        Assert.Equal((3, 1L), (session.Site.Fam.ExpectedCount, session.Site.Fam.UnhelpedEndpoints));
        Assert.Contains(session.Site.Events, e => e is QuotaReached);
        var asked = new MapRequest(Site.Client, TransportProtocol.Udp, new TransportEndpoint(Site.ClientAddress, 8080), new MappingNonce(1, 2), TimeSpan.FromHours(1));
        Assert.Equal(MapOutcome.Granted, session.Site.Fam.Map(asked, session.Site.Now).Outcome);

        // One that has served makes room.
        TakeUp(session, 50_000 - 80, s_data);
        Port(session.Command("PORT 192,168,77,10,195,98\r\n"));
    }

    /// <summary>The client goes once around all sequence numbers while what it has named first is not acknowledged, and names an endpoint just before it.</summary>
    [Fact]
    public void Who_goes_around_all_numbers_comes_to_nothing()
    {
        const uint Start = 1_000;
        var session = Begin();
        Say("NOOP\r\n", 6);
        Say("PORT 192,168,077,010,200,200\r\n", 12);
        Assert.Equal(1, session.Site.Fam.HelpedEndpoints);
        var behind = 12 + 30u;
        Say("\n", behind + (1u << 31) - 10);
        Say("\n", behind - 60);
        Say("PORT 192,168,077,010,200,200\r\n", behind - 59);
        Say("x", behind - 3);
        Assert.Equal(1, session.Site.Fam.HelpedEndpoints);

        void Say(string text, uint from) => session.Site.Out(
            Segments.WithData(session.Client, session.Remote, TcpFlags.Ack | TcpFlags.Psh, unchecked(Start + (uint)session.Said + from - 6), 5_000_000, System.Text.Encoding.ASCII.GetBytes(text)), out _);
    }

    [Fact]
    public void Who_was_not_heard_from_the_beginning_has_not_shown_that_it_speaks_FTP()
    {
        var session = new FtpSession(FtpSession.NewSite());
        var (first, length) = session.Say("POST / HTTP/1.1\r\n");
        var (second, more) = session.Say("NOOP\r\nPORT 192,168,77,10,195,80\r\n");
        session.Send(second, more);
        session.Send(first, length);
        session.Send(second, more);
        Assert.EndsWith("PORT 192,168,77,10,195,80\r\n", session.Received, StringComparison.Ordinal);
        Assert.Equal(0, session.Site.Fam.ExpectedCount);
    }

    [Fact]
    public void What_a_client_asks_for_by_PCP_takes_the_place_of_what_is_expected_and_counts()
    {
        var session = Begin(new FamConfig { ExplicitMappingsPerClient = 1 });
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        Port(session.Command("PORT 192,168,77,10,195,81\r\n"));
        var nonce = new MappingNonce(1, 2);
        Assert.Equal(MapOutcome.Granted, Map(50_000, nonce));
        Assert.Equal(1, session.Site.Fam.ExpectedCount);
        Assert.Equal(MapOutcome.Quota, Map(50_001, default));
        Assert.Equal(MapOutcome.OthersNonce, Map(50_000, new MappingNonce(3, 4)));

        MapOutcome Map(ushort port, MappingNonce by) => session.Site.Fam.Map(
            new MapRequest(Site.Client, TransportProtocol.Tcp, new TransportEndpoint(Site.ClientAddress, port), by, TimeSpan.FromHours(1)), session.Site.Now).Outcome;
    }

    [Fact]
    public void Two_servers_may_be_expected_at_one_endpoint()
    {
        var first = Begin();
        var second = new FtpSession(first.Site, port: 40_001, server: TransportEndpoint.Parse("203.0.113.10:21"));
        second.Command("USER a\r\n");
        var endpoint = Port(first.Command("PORT 192,168,77,10,195,80\r\n"));
        Assert.Equal(endpoint, Port(second.Command("PORT 192,168,77,10,195,80\r\n")));
        Assert.Equal(endpoint, Port(first.Command("PORT 192,168,77,10,195,80\r\n")));
        Assert.Equal(VerdictKind.ForwardClient, Syn(first, endpoint, s_data).Kind);
        TakeUp(first, 50_000, s_data);
        Assert.Equal(VerdictKind.ForwardClient, Syn(first, endpoint, s_stranger).Kind);
        Assert.Equal(DropReason.FilteredServer, Syn(first, endpoint, s_data with { Port = 33_333 }).Reason);
    }

    [Fact]
    public void Without_the_helper_or_at_another_port_nothing_is_read()
    {
        foreach (var (helpers, server) in new (IReadOnlyList<IApplicationHelper>, TransportEndpoint)[] { ([], FtpSession.Server), ([new FtpHelper(21)], FtpSession.Server with { Port = 22 }) })
        {
            var session = new FtpSession(FtpSession.NewSite(helpers), server: server);
            session.Command("USER x\r\n");
            Assert.Equal("PORT 192,168,77,10,195,80\r\n", session.Command("PORT 192,168,77,10,195,80\r\n"));
            Assert.Equal((0, 0), (session.Site.Fam.HelpedConnections, session.Site.Fam.ExpectedCount));
        }
    }

    [Fact]
    public void A_broken_segment_is_not_believed_and_not_mended()
    {
        var session = Begin();
        var (from, length) = session.Say("PORT 192,168,77,10,195,80\r\n");
        var packet = Segments.WithData(session.Client, FtpSession.Server, TcpFlags.Ack, 1_000 + (uint)from, 5_000_000, "PORT 192,168,77,10,195,80\r\n"u8);
        packet[^4] ^= 1;
        Assert.Equal(DropReason.BadTransportChecksum, session.Site.Out(packet, out _).Reason);
        Assert.Equal(0, session.Site.Fam.ExpectedCount);
        session.Send(from, length);
        Port(session.Received[(session.Received.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
    }

    [Fact]
    public void A_segment_that_becomes_too_long_for_the_link_becomes_two()
    {
        var session = Begin(mtu: new LinkMtu(1_500, 1_500), own: "210.110.210.110");
        var filler = new string('x', 1_460 - "STOR \r\nPORT 192,168,77,10,195,80\r\n".Length);
        var said = $"STOR {filler}\r\nPORT 192,168,77,10,195,80\r\n";
        var already = session.Site.Uplink.Count;
        var heard = session.Command(said);
        Assert.Equal([1_500, 40 + heard.Length - 1_460], session.Site.Uplink.Skip(already).Select(p => p.Length));
        Assert.Equal($"STOR {filler}", heard.Split("\r\n")[0]);
        Port(heard[(heard.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        Assert.Equal("NOOP\r\n", session.Command("NOOP\r\n"));
    }

    [Fact]
    public void In_a_super_packet_it_is_found_and_the_device_cuts_what_has_become_of_it()
    {
        var session = Begin(own: "210.110.210.110");
        var filler = new string('x', 4_000);
        var already = session.Site.Uplink.Count;
        var packet = Segments.WithData(
            session.Client, FtpSession.Server, TcpFlags.Ack | TcpFlags.Psh, 1_000 + (uint)session.Said, 5_000_000, System.Text.Encoding.ASCII.GetBytes($"STOR {filler}\r\nPORT 192,168,77,10,195,80\r\n"));
        var pseudo = Masquerade.Core.Checksum.InternetChecksum.PseudoHeaderSum(session.Client.Address, FtpSession.Server.Address, IpProtocolNumber.Tcp, packet.Length - 20);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(36), (ushort)pseudo);
        Assert.Equal(VerdictKind.Consumed, session.Site.Out(packet, out _, new OffloadInfo(true, 34, 16, 1, 1_460, 54)).Kind);
        var sent = Assert.Single(session.Site.Uplink.Skip(already));
        var text = System.Text.Encoding.ASCII.GetString(sent.AsSpan(40));
        Port(text[(text.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        var seen = Site.Parse(sent);
        Assert.Equal(
            (ushort)Masquerade.Core.Checksum.InternetChecksum.PseudoHeaderSum(seen.Tuple.Source.Address, seen.Tuple.Destination.Address, IpProtocolNumber.Tcp, sent.Length - 20),
            BinaryPrimitives.ReadUInt16BigEndian(sent.AsSpan(36)));
    }

    [Fact, Trait("Rfc", "5508 REQ-4")]
    public void An_error_about_what_was_changed_names_what_the_client_has_sent()
    {
        var session = Begin();
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        var (from, length) = session.Say("LIST\r\n");
        session.Send(from, length, () => true);
        Assert.Equal(VerdictKind.ForwardClient, session.Site.In(Segments.ErrorAbout(session.Site.Uplink[^1])).Kind);
        var error = session.Site.ToClient[^1];
        var summary = Site.Parse(error);
        Assert.Equal(1_000 + (uint)from, BinaryPrimitives.ReadUInt32BigEndian(error.AsSpan(summary.EmbeddedTransportOffset + 4)));
        Assert.Equal(0xFFFFu, Masquerade.Core.Checksum.InternetChecksum.Sum(error.AsSpan(summary.TransportOffset)));
    }

    [Fact, Trait("Req", "A-05")]
    public void It_goes_with_the_client_and_what_is_named_elsewhere_is_anchored_beside_the_connection()
    {
        var session = Begin();
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        TakeUp(session, 50_000, s_data);
        foreach (var move in new[] { 1, 2, 3 })
        {
            session.Move();
            Assert.Equal("NOOP\r\n", session.Command("NOOP\r\n"));
            var (from, length) = session.Say($"PORT 192,168,77,10,195,{80 + move}\r\n");
            var (already, before) = (session.Site.Uplink.Count, session.Received.Length);
            Assert.Equal(VerdictKind.Held, session.Send(from, length).Kind);
            var famEndpoint = session.Anchor((ushort)(20_000 + move));
            session.TakeNew(already);
            session.Answer();
            Assert.Equal(session.Said, session.Acknowledged);
            Assert.Equal(new TransportEndpoint(session.Seen.Address, (ushort)(20_000 + move)), Port(session.Received[before..]));
            Assert.Equal(DropReason.FilteredServer, Syn(session, famEndpoint, s_stranger).Reason);
            Assert.Equal(VerdictKind.ForwardClient, Syn(session, famEndpoint, s_data).Kind);

            // Everybody hears who may come in there: the HAM keeps it while nobody serves the client.
            session.Site.Wait(5);
            var told = session.Site.Said.OfType<Announce>().SelectMany(a => a.Mappings).Last(m => m.Mapping.Masquerade.Port == 20_000 + move);
            Assert.True(told.Explicit is { Expected: true });
        }
    }

    [Fact]
    public void What_nobody_can_anchor_is_sent_as_it_is()
    {
        var session = Begin();
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        session.Move();
        var (from, length) = session.Say("PORT 192,168,77,10,195,81\r\n");
        var (already, before) = (session.Site.Uplink.Count, session.Received.Length);
        Assert.Equal(VerdictKind.Held, session.Send(from, length).Kind);
        session.Anchor(1, refuse: true);
        session.TakeNew(already);
        Assert.Equal("PORT 192,168,77,10,195,81\r\n", session.Received[before..]);
        session.Answer();

        // Without an answer it is asked again, and again; then what the client repeats goes.
        (from, length) = session.Say("PORT 192,168,77,10,195,82\r\n");
        before = session.Received.Length;
        for (var attempt = 0; attempt < 3; attempt++)
        {
            Assert.Equal(VerdictKind.Held, session.Send(from, length).Kind);
            session.Site.Wait(1_500);
        }

        session.Send(from, length);
        Assert.Equal("PORT 192,168,77,10,195,82\r\n", session.Received[before..]);
    }

    [Fact]
    public void What_the_client_opens_to_the_server_in_passive_mode_is_anchored_beside_the_session()
    {
        var session = Begin();
        session.Move();
        var passive = FtpSession.Server with { Port = 45_000 };
        var already = session.Site.Uplink.Count;
        Assert.Equal(VerdictKind.Held, Open(50_000, passive).Kind);
        session.Anchor(20_001);
        Assert.Equal(new TransportEndpoint(session.Seen.Address, 20_001), Site.Parse(Assert.Single(session.Site.Uplink.Skip(already))).Tuple.Source);

        // What nobody can anchor there, what is no data connection and what goes to somebody else is anchored here.
        Assert.Equal(VerdictKind.Held, Open(50_001, passive).Kind);
        session.Anchor(1, refuse: true);
        Assert.Equal(IpAddress.Parse("10.1.3.10"), session.Site.Seen().Address);
        Assert.Equal(VerdictKind.ForwardUplink, Open(50_002, FtpSession.Server with { Port = 443 }).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, Open(50_003, TransportEndpoint.Parse("203.0.113.10:45000")).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, Open(50_004, FtpSession.Server).Kind);

        Verdict Open(ushort port, TransportEndpoint to) => session.Site.Out(Segments.Make(new TransportEndpoint(Site.ClientAddress, port), to, TcpFlags.Syn, 1), out _);
    }

    [Fact]
    public void Where_there_is_no_helper_what_was_changed_goes_on_being_accounted_for()
    {
        var session = Begin();
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        session.Move(helpers: []);
        Assert.Equal("NOOP\r\n", session.Command("NOOP\r\n"));
        Assert.Equal("PORT 192,168,77,10,195,81\r\n", session.Command("PORT 192,168,77,10,195,81\r\n"));
        session.Move(helpers: [new FtpHelper(21)]);
        Assert.Equal("LIST\r\n", session.Command("LIST\r\n"));
    }

    [Fact]
    public void After_a_crash_the_stream_is_as_it_was_announced_and_the_next_command_is_read()
    {
        var session = Begin();
        session.Site.Wait(5);
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        session.Site.Wait(5);
        session.Command("NOOP\r\n");
        session.Move(crash: true);
        var (from, length) = session.Say("PORT 192,168,77,10,195,81\r\n");
        var (already, before) = (session.Site.Uplink.Count, session.Received.Length);
        Assert.Equal(VerdictKind.Held, session.Send(from, length).Kind);
        session.Anchor(20_000);
        session.TakeNew(already);
        session.Answer();
        Assert.Equal(20_000, Port(session.Received[before..]).Port);
        Assert.Equal(session.Said, session.Acknowledged);
    }

    [Fact, Trait("Req", "A-19")]
    public void While_an_arrival_is_not_complete_the_connection_waits_for_what_may_have_been_changed()
    {
        var session = Begin();
        session.Site.Wait(5);
        var record = session.Site.Said.OfType<Announce>().SelectMany(a => a.Mappings).Last();
        var site = FtpSession.NewSite();
        site.Wait(5_000);
        var other = new Site([new FtpHelper(21)]);
        other.Fam.OnAssociated(Site.Client, other.Now);
        var offer = other.Last<Arrive>().Offers.First(o => o.Protocol == TransportProtocol.Tcp && o.Endpoint.Address.IsIPv4).Endpoint;
        other.Answer(2, complete: false, Site.Other, record with { Ham = Site.Other, FamEndpoint = offer });
        Assert.Equal(VerdictKind.Held, other.Out(Segments.WithData(session.Client, FtpSession.Server, TcpFlags.Ack, 1_008, 5_000_000, "NOOP\r\n"u8), out _).Kind);
        Assert.Equal(VerdictKind.Held, other.In(Segments.Make(FtpSession.Server, offer, TcpFlags.Ack, 5_000_000, 1_008)).Kind);

        // The previous FAM's last word: something was changed there in the meantime.
        Port(session.Command("PORT 192,168,77,10,195,80\r\n"));
        session.Site.Wait(5);
        record = session.Site.Said.OfType<Announce>().SelectMany(a => a.Mappings).Last(m => m.ClientEndpoint == session.Client);
        other.Tell(new ArrivalUpdate { Id = 99, Client = Site.Client, Epoch = new Epoch(2), Mappings = [record with { Ham = Site.Other, FamEndpoint = offer }], Ended = [], Complete = true });
        Assert.NotEqual(1_008u, Site.Parse(other.Uplink[^1]).TcpSequence);
        Assert.Equal(0, other.Fam.HeldPackets);
    }

    [Fact, Trait("Req", "A-21")]
    public void A_server_at_a_client_names_itself_in_its_answers()
    {
        var site = FtpSession.NewSite();
        var client = new TransportEndpoint(Site.ClientAddress, 21);
        var remote = TransportEndpoint.Parse("203.0.113.77:40123");
        var asked = new MapRequest(Site.Client, TransportProtocol.Tcp, client, new MappingNonce(1, 2), TimeSpan.FromHours(1));
        var service = site.Fam.Map(asked, site.Now).Masquerade;
        site.In(Segments.Make(remote, service, TcpFlags.Syn, 99));
        site.Out(Segments.Make(client, remote, Segments.SynAck, 4_999, 100), out _);
        Say("220 ready\r\n", 5_000);
        foreach (var (answer, length) in new[] { ("227 Entering Passive Mode (192,168,77,10,195,80).\r\n", 51u), ("229 Extended (|||50001|)\r\n", 26u) })
        {
            site.Wait(1);
            var text = Say(answer, answer[2] == '7' ? 5_011 : 5_062u);
            var numbers = text.Split('(', ')')[1].Split([',', '|'], StringSplitOptions.RemoveEmptyEntries);
            var port = ushort.Parse(numbers[^1], System.Globalization.CultureInfo.InvariantCulture);
            port = numbers.Length == 6 ? (ushort)(port + (ushort.Parse(numbers[4], System.Globalization.CultureInfo.InvariantCulture) << 8)) : port;
            Assert.Equal(length, (uint)answer.Length);
            Assert.Equal(DropReason.FilteredServer, site.In(Segments.Make(s_stranger, new TransportEndpoint(service.Address, port), TcpFlags.Syn)).Reason);
            Assert.Equal(VerdictKind.ForwardClient, site.In(Segments.Make(remote with { Port = 40_200 }, new TransportEndpoint(service.Address, port), TcpFlags.Syn)).Kind);
        }

        string Say(string text, uint sequence)
        {
            site.Out(Segments.WithData(client, remote, TcpFlags.Ack, sequence, 100, System.Text.Encoding.ASCII.GetBytes(text)), out var after);
            var sent = site.Uplink[^1];
            return System.Text.Encoding.ASCII.GetString(sent.AsSpan(40));
        }
    }

    [Fact]
    public void A_helper_of_another_application_finds_its_place()
    {
        var session = new FtpSession(FtpSession.NewSite([new CallHelper()]), server: TransportEndpoint.Parse("203.0.113.9:7777"));
        var heard = session.Command("call me at 192.168.77.10:50000!");
        Assert.Equal($"call me at {session.Seen.Address}:", heard[..heard.IndexOf(':', StringComparison.Ordinal)] + ":");
        Assert.Equal(1, session.Site.Fam.ExpectedCount);
        Assert.Equal("call me at 192.168.77.99:50000!", session.Command("call me at 192.168.77.99:50000!"));
    }

    private static FtpSession Begin(FamConfig? config = null, LinkMtu? mtu = null, string own = "10.1.1.10")
    {
        var session = new FtpSession(FtpSession.NewSite(config: config, mtu: mtu, own: own));
        Assert.Equal("USER x\r\n", session.Command("USER x\r\n"));
        return session;
    }

    private static Verdict Syn(FtpSession session, TransportEndpoint to, TransportEndpoint from) => session.Site.In(Segments.Make(from, to, TcpFlags.Syn, 77));

    /// <summary>The client answers the server's SYN.</summary>
    private static void TakeUp(FtpSession session, ushort port, TransportEndpoint from) =>
        Assert.Equal(VerdictKind.ForwardUplink, session.Site.Out(Segments.Make(new TransportEndpoint(Site.ClientAddress, port), from, Segments.SynAck, 1, 78), out _).Kind);

    private static TransportEndpoint Port(string heard)
    {
        Assert.EndsWith("\r\n", heard, StringComparison.Ordinal);
        Assert.True(heard.StartsWith("PORT ", StringComparison.Ordinal) || heard.StartsWith("EPRT ", StringComparison.Ordinal), heard);
        if (heard[0] == 'E')
        {
            var parts = heard.Split('|');
            return TransportEndpoint.Parse($"{parts[2]}:{parts[3]}");
        }

        var numbers = heard[5..].Trim().Split(',').Select(n => byte.Parse(n, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(6, numbers.Length);
        var endpoint = new TransportEndpoint(IpAddress.FromBytes(numbers.AsSpan(0, 4)), (ushort)((numbers[4] << 8) | numbers[5]));
        Assert.NotEqual(Site.ClientAddress, endpoint.Address);
        return endpoint;
    }

    /// <summary>An application of two words, to show what a helper has to say and what not.</summary>
    private sealed class CallHelper : IApplicationHelper
    {
        public string Name => "call";

        public uint Begin => 0;

        public bool Covers(TransportEndpoint client, TransportEndpoint server, bool isService) => server.Port == 7_777;

        public bool Accompanies(TransportEndpoint server) => false;

        public bool TryFind(in HelperText text, int from, ref uint state, out HelperWish wish)
        {
            wish = default;
            var at = text.Octets[from..].IndexOf("at "u8);
            var end = text.Octets.IndexOf((byte)'!');
            if (at < 0 || end < 0 || !TransportEndpoint.TryParse(System.Text.Encoding.ASCII.GetString(text.Octets[(from + at + 3)..end]), out var endpoint))
            {
                return false;
            }

            wish = new HelperWish(from + at + 3, end - from - at - 3, endpoint);
            return true;
        }

        public int Write(in HelperWish wish, TransportEndpoint masquerade, Span<byte> text) => System.Text.Encoding.ASCII.GetBytes(masquerade.ToString(), text);
    }
}
