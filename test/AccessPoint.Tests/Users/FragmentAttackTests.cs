using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>FragAttacks at the level of IP: what one user has begun to send, another at the same MAC address does not finish (CVE-2020-24586, CVE-2020-24587).</summary>
[Trait("Req", "A-24")]
public sealed class FragmentAttackTests
{
    private readonly UserBench _bench = new();

    [Theory]
    [InlineData("the link goes")]
    [InlineData("the session is ended")]
    [InlineData("the link gets another protection")]
    public void A_user_s_fragments_do_not_meet_those_of_the_next_one_at_the_same_address(string between)
    {
        LetIn("alice", 1);
        _bench.Node.OnClientFrame(Pieces(0xAA)[1], OffloadInfo.None, _bench.Now);
        Assert.Equal(1, _bench.Node.WaitingFragments);
        switch (between)
        {
            case "the link goes":
                _bench.Node.OnDisassociated(Client, _bench.Now);
                break;
            case "the session is ended":
                _bench.Push(id => new UserDenied { Id = id, User = "alice" });
                break;
            default:
                _bench.Node.OnAssociated(Client, _bench.Now);
                break;
        }

        Assert.Equal(0, _bench.Node.WaitingFragments);
        LetIn("carol", 2);
        _bench.Output.Uplink.Clear();
        _bench.Node.OnClientFrame(Pieces(0xBB)[0], OffloadInfo.None, _bench.Now);
        Assert.DoesNotContain(_bench.Output.Uplink, f => f.AsSpan(40).Contains((byte)0xAA));
    }

    /// <summary>A datagram of one identification, full of one octet, in two fragments.</summary>
    private static List<byte[]> Pieces(byte mark)
    {
        var endpoint = new TransportEndpoint(IpAddress.Parse("192.168.77.101"), 40_000);
        var whole = Frames.Build(AccessPointModel.DefaultGatewayMac, Client, TransportProtocol.Udp, endpoint, Server, Enumerable.Repeat(mark, 1_600).ToArray());
        var packet = FragmentCases.MayBeCut(whole[EthernetHeader.Length..]);
        (packet[4], packet[5]) = (0x12, 0x34);
        var frames = new List<byte[]>();
        var cutter = new Ipv4Cutter(packet, 1_000);
        var piece = new byte[EthernetHeader.Length + 1_000];
        whole.AsSpan(0, EthernetHeader.Length).CopyTo(piece);
        while (cutter.TryNext(piece.AsSpan(EthernetHeader.Length), out var length))
        {
            frames.Add(piece[..(EthernetHeader.Length + length)]);
        }

        return frames;
    }

    private void LetIn(string user, byte number)
    {
        _bench.Authenticate(Client, Session(user, number));
        _bench.TellPolicy();
        if (_bench.Output.Control.OfType<Arrive>().Any())
        {
            _bench.Admit(Client);
        }

        Assert.True(_bench.Speak(Client), $"{user} is not let in");
    }
}
