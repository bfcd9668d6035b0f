using Masquerade.AccessPoint.Dhcp;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.AccessPoint.Tests.Dhcp;

/// <summary>A node that answers clients itself, with what the coordinator (played by the test) assigns.</summary>
[Trait("Req", "A-28")]
public sealed class PoolTests
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly byte[] Gateway = [192, 168, 77, 1];
    private static readonly IpAddress Given = IpAddress.Parse("192.168.77.50");
    private readonly RecordingOutput _output = new();
    private readonly ITestOutputHelper _testOutput;
    private readonly AccessPointNode _node;
    private Instant _now = Instant.FromMilliseconds(1_000);

    public PoolTests(ITestOutputHelper output)
    {
        _testOutput = output;
        _node = new AccessPointNode(RelayTests.Model(ClientAddressing.Pool) with { Standalone = false }, 7, _output);
        _node.OnControlConnected(_now);
        _node.OnControl(
            new Welcome { Id = _output.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 100 }, _now);
        _output.Control.Clear();
    }

    [Fact]
    public void A_client_is_offered_what_the_coordinator_assigns_and_gets_it()
    {
        Say(DhcpMessageType.Discover, options: [(61, [1, 2, 3]), (50, Gateway)]);
        var question = Question();
        Assert.Equal((Client, LeaseAction.Offer, "192.168.77.1"), (question.Client, question.Action, question.Address.ToString()));
        Answer(question);
        var (source, destination, to, message) = DhcpMessages.Read(Assert.Single(_output.Client));
        Assert.Equal(("192.168.77.1:67", "192.168.77.50:68", Client), (source.ToString(), destination.ToString(), to));
        Assert.Equal((2, 0, "0.0.0.0", "192.168.77.50", "0.0.0.0"), (message[0], message[3], DhcpMessages.AddressIn(message, 12), DhcpMessages.AddressIn(message, 16), DhcpMessages.AddressIn(message, 24)));

        // Golden: type, server, lease, renewal and rebinding times, mask, router, DNS, domain, and the client's own name for itself.
        Assert.Equal(
            "350102" + "3604C0A84D01" + "330400000E10" + "3A0400000708" + "3B0400000C4E" + "0104FFFFFF00" + "0304C0A84D01" + "060409090909" + "0F0B6578616D706C652E6E6574" + "3D03010203" + "FF",
            Convert.ToHexString(message.AsSpan(240)).TrimEnd('0'));

        Say(DhcpMessageType.Request, transaction: 2, options: [(54, Gateway), (50, [192, 168, 77, 50])]);
        question = Question();
        Assert.Equal((LeaseAction.Confirm, Given), (question.Action, question.Address));
        Answer(question);
        Assert.Equal([5], DhcpMessages.Options(DhcpMessages.Read(_output.Client[^1]).Message)[53]);
        Assert.Equal(0, _node.Drops.Total);
        Assert.Equal(0, _node.Fam.ConnectionCount);
    }

    [Fact]
    public void A_renewal_is_answered_and_becomes_no_connection()
    {
        Say(DhcpMessageType.Request, clientAddress: "192.168.77.50", to: "192.168.77.1");
        var question = Question();
        Assert.Equal((LeaseAction.Confirm, Given), (question.Action, question.Address));
        Answer(question);
        var (_, destination, _, message) = DhcpMessages.Read(Assert.Single(_output.Client));
        Assert.Equal("192.168.77.50:68", destination.ToString());
        Assert.Equal("192.168.77.50", DhcpMessages.AddressIn(message, 12));
        Assert.Equal(0, _node.Fam.ConnectionCount);
    }

    [Fact]
    public void An_address_that_is_anothers_is_refused_aloud()
    {
        Say(DhcpMessageType.Request, options: (50, [192, 168, 77, 50]));
        Answer(Question(), AckStatus.Refused);
        var (_, destination, to, message) = DhcpMessages.Read(Assert.Single(_output.Client));
        Assert.Equal(("255.255.255.255:68", MacAddress.Broadcast), (destination.ToString(), to));
        Assert.Equal([6], DhcpMessages.Options(message)[53]);
        Assert.Equal("0.0.0.0", DhcpMessages.AddressIn(message, 16));
    }

    [Theory]
    [InlineData(AckStatus.Refused, 1)]
    [InlineData(AckStatus.Unknown, 1)]
    [InlineData(AckStatus.Unknown, 3)]
    public void Where_there_is_nothing_to_give_nothing_is_said(AckStatus status, byte type)
    {
        Say((DhcpMessageType)type, options: (50, [192, 168, 77, 50]));
        Answer(Question(), status);
        Assert.Empty(_output.Client);
        Assert.Equal(1, _node.Drops[DropReason.Refused]);
    }

    [Fact]
    public void A_client_gives_back_and_declines_without_an_answer()
    {
        Say(DhcpMessageType.Release, clientAddress: "192.168.77.50", to: "192.168.77.1", options: (54, Gateway));
        Assert.Equal((LeaseAction.Release, Given), (Question().Action, Question().Address));
        Answer(Question());
        Say(DhcpMessageType.Decline, transaction: 2, options: [(54, Gateway), (50, [192, 168, 77, 50])]);
        Assert.Equal((LeaseAction.Decline, Given), (Question().Action, Question().Address));
        Answer(Question());
        Assert.Empty(_output.Client);
        Assert.Equal(0, _node.Drops.Total);
    }

    [Fact]
    public void A_client_with_an_address_is_told_the_rest()
    {
        Say(DhcpMessageType.Inform, clientAddress: "192.168.77.9");
        Assert.Equal(LeaseAction.Inform, Question().Action);
        Answer(Question());
        var message = DhcpMessages.Read(Assert.Single(_output.Client)).Message;
        Assert.Equal("0.0.0.0", DhcpMessages.AddressIn(message, 16));
        Assert.False(DhcpMessages.Options(message).ContainsKey(51));
        Assert.Equal([9, 9, 9, 9], DhcpMessages.Options(message)[6]);
    }

    [Fact]
    public void What_is_meant_for_other_servers_or_makes_no_sense_is_left_alone()
    {
        Say(DhcpMessageType.Request, options: [(54, [10, 0, 0, 1]), (50, [192, 168, 77, 50])]);
        Say(DhcpMessageType.Request, clientAddress: "192.168.77.50", to: "10.0.0.1");
        Say(DhcpMessageType.Request);
        Say(DhcpMessageType.Release);
        Say(DhcpMessageType.Decline);
        Say(DhcpMessageType.Inform);
        Assert.Empty(_output.Control.OfType<LeaseRequest>());
        Assert.Equal(6, _node.Drops[DropReason.NotForUs]);
    }

    [Fact]
    public void A_question_is_asked_once_repeated_and_given_up()
    {
        Say(DhcpMessageType.Discover);
        Say(DhcpMessageType.Discover);
        Assert.Single(_output.Control.OfType<LeaseRequest>());
        Step(150);
        Assert.Equal(2, _output.Control.OfType<LeaseRequest>().Count());
        Assert.Single(_output.Control.OfType<LeaseRequest>().Select(q => q.Id).Distinct());
        Assert.Equal(1, _node.AwaitedAnswers - Arrivals);

        // Another question of the client replaces it, and an answer to the first comes too late.
        var first = Question();
        Say(DhcpMessageType.Request, transaction: 2, options: (50, [192, 168, 77, 50]));
        _output.Client.Clear();
        Answer(first);
        Assert.Empty(_output.Client);
        Assert.Equal(1, _node.AwaitedAnswers - Arrivals);
        for (var i = 0; i < 16; i++)
        {
            Step(1_000);
        }

        Assert.Equal(0, _node.AwaitedAnswers - Arrivals);
        Assert.Equal(1, _node.Drops[DropReason.HoldExpired]);
    }

    [Fact]
    public void An_address_of_a_subnet_that_is_not_shown_here_is_not_given()
    {
        Say(DhcpMessageType.Discover);
        _node.OnControl(Reply(Question(), AckStatus.Ok) with { Address = IpAddress.Parse("10.77.0.9") }, _now);
        Assert.Empty(_output.Client);
        Assert.Equal(1, _node.Drops[DropReason.Refused]);
    }

    [Fact]
    public void The_gateways_own_address_is_declined_for_the_client()
    {
        Say(DhcpMessageType.Discover);
        var question = Question();
        _node.OnControl(Reply(question, AckStatus.Ok) with { Address = IpAddress.FromBytes(Gateway) }, _now);
        Assert.Empty(_output.Client);
        Assert.Equal((Client, LeaseAction.Decline, "192.168.77.1"), (Question().Client, Question().Action, Question().Address.ToString()));
        Assert.NotEqual(question.Id, Question().Id);

        // Its answer is nobody's to hear, and ends the asking.
        _node.OnControl(Reply(Question(), AckStatus.Ok), _now);
        Assert.Empty(_output.Client);
        Assert.Equal(0, _node.AwaitedAnswers - Arrivals);
    }

    [Fact]
    public void Whatever_clients_say_the_node_stands_and_says_only_what_can_be_read()
    {
        var random = Seed.Fresh(_testOutput);
        var answered = 0;
        for (var i = 0; i < 20_000; i++)
        {
            _now += TimeSpan.FromMilliseconds(50);
            var client = new MacAddress(0x0200_0000_0000 + (ulong)random.NextInt(200));
            var message = DhcpMessages.Build(
                1, (DhcpMessageType)(1 + random.NextInt(8)), client, (uint)random.NextUInt64(), random.Chance(0.5) ? "0.0.0.0" : "192.168.77.50", broadcast: random.Chance(0.3),
                options: [(50, new byte[random.Chance(0.8) ? 4 : random.NextInt(9)]), (61, new byte[random.NextInt(256)]), ((byte)(100 + random.NextInt(100)), new byte[random.NextInt(256)])]);
            for (var flips = random.NextInt(3); flips > 0; flips--)
            {
                message[random.Chance(0.5) ? random.NextInt(message.Length) : 236 + random.NextInt(message.Length - 236)] = (byte)random.NextUInt64();
            }

            var frame = DhcpMessages.FromClient(client, message[..(random.Chance(0.9) ? message.Length : random.NextInt(message.Length))]);
            if (random.Chance(0.1))
            {
                frame[random.NextInt(frame.Length)] ^= (byte)(1 << random.NextInt(8));
            }

            _node.OnClientFrame(frame.AsSpan(0, random.Chance(0.95) ? frame.Length : random.NextInt(frame.Length)), OffloadInfo.None, _now);
            foreach (var question in _output.Control.OfType<LeaseRequest>())
            {
                Answer(question, random.Chance(0.7) ? AckStatus.Ok : AckStatus.Refused);
            }

            foreach (var said in _output.Client.Where(f => f[12] == 8 && f[13] == 0))
            {
                answered++;
                var read = DhcpMessages.Read(said).Message;
                Assert.InRange(read.Length, 300, 1_472);
                Assert.True(DhcpMessage.TryParse(read, out var parsed) && parsed.Operation == DhcpMessage.Reply);
                Assert.Equal(Gateway, DhcpMessages.Options(read)[54]);
            }

            _output.Control.Clear();
            _output.Client.Clear();
        }

        Assert.InRange(answered, 1_000, 20_000);
    }

    /// <summary>The client's arrival is asked about as well, as its first frame has told of it.</summary>
    private int Arrivals => _output.Control.OfType<Arrive>().Select(a => a.Id).Distinct().Count();

    private LeaseRequest Question() => _output.Control.OfType<LeaseRequest>().Last();

    private void Answer(LeaseRequest question, AckStatus status = AckStatus.Ok) => _node.OnControl(Reply(question, status), _now);

    private static LeaseReply Reply(LeaseRequest question, AckStatus status) => new()
    {
        Id = question.Id,
        Client = question.Client,
        Status = status,
        Address = status == AckStatus.Ok && question.Action != LeaseAction.Inform ? Given : default,
        LeaseSeconds = 3_600,
        DnsServers = [IpAddress.Parse("9.9.9.9")],
        Domain = "example.net",
    };

    private void Say(DhcpMessageType type, uint transaction = 1, string clientAddress = "0.0.0.0", string to = "255.255.255.255", params (byte, byte[])[] options) =>
        _node.OnClientFrame(
            DhcpMessages.FromClient(Client, DhcpMessages.Build(1, type, Client, transaction, clientAddress, options: options), clientAddress, to), OffloadInfo.None, _now);

    private void Step(double milliseconds)
    {
        _now += TimeSpan.FromMilliseconds(milliseconds);
        foreach (var beat in _output.Control.OfType<Heartbeat>().ToList())
        {
            _node.OnControl(new Ack { Id = beat.Id, Status = AckStatus.Ok }, _now);
        }

        _node.Advance(_now);
    }
}
