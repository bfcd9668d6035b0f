using System.Buffers.Binary;
using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.FastPath;

/// <summary>Packets of established connections pass in the kernel as the engine would have passed them, and whatever is not ordinary comes to the agent (decision 47).</summary>
[Trait("Req", "N-07"), Trait("Req", "A-20")]
public sealed class KernelFastPathTests
{
    private const int Enough = 12;

    public static TheoryData<FastPathHook, bool, TransportProtocol> Kinds
    {
        get
        {
            var kinds = new TheoryData<FastPathHook, bool, TransportProtocol>();
            foreach (var hook in Enum.GetValues<FastPathHook>())
            {
                foreach (var isIPv6 in (bool[])[false, true])
                {
                    kinds.Add(hook, isIPv6, TransportProtocol.Tcp);
                    kinds.Add(hook, isIPv6, TransportProtocol.Udp);
                }
            }

            return kinds;
        }
    }

    public static TheoryData<FastPathHook> Hooks => [.. Enum.GetValues<FastPathHook>()];

    [Theory, MemberData(nameof(Kinds))]
    public void A_packet_passes_as_the_engine_passes_it_octet_for_octet(FastPathHook hook, bool isIPv6, TransportProtocol protocol)
    {
        using var site = new PassingSite(hook);
        var talk = new Talk(site, isIPv6, protocol);
        var byEngine = (Out: talk.FirstOut!, In: talk.FirstIn!);
        talk.Settle();
        for (var i = 0; i < 20; i++)
        {
            var (outward, outByAgent) = site.Send(talk.ToServer(), fromClient: true);
            var (inward, inByAgent) = site.Send(talk.ToClient(), fromClient: false);
            Assert.Equal((false, false), (outByAgent, inByAgent));
            Assert.Equal(byEngine.Out, outward!.Frame);
            Assert.Equal(byEngine.In, inward!.Frame);
        }

        // The engine knows of all of them.
        var view = Assert.Single(site.Node.Fam.DescribeConnections(10));
        Assert.Equal((talk.SentOut + 20, talk.SentIn + 20), (view.PacketsOut, view.PacketsIn));
        Assert.Equal(ConnectionState.Established, view.State);
        Assert.Equal(0, site.Node.Drops.Total);
    }

    [Theory, MemberData(nameof(Hooks))]
    public void What_is_not_ordinary_comes_to_the_agent(FastPathHook hook)
    {
        using var site = new PassingSite(hook);
        var talk = new Talk(site, isIPv6: false, TransportProtocol.Tcp);
        talk.Settle();
        (string What, Action<byte[]> Change)[] odd =
        [
            ("no hop left", f => Patch(f, 22, 1)),
            ("a wrong header checksum", f => f[24] ^= 1),
            ("may be cut", f => Patch(f, 20, 0)),
            ("a fragment", f => Patch(f, 20, 0x20)),
            ("a later fragment", f => Patch(f, 21, 9)),
            ("another sender's address on the link", f => f[11] ^= 1),
            ("for another receiver", f => f[5] ^= 1),
            ("SYN", f => f[47] = (byte)(TcpFlags.Syn | TcpFlags.Ack)),
            ("FIN", f => f[47] = (byte)(TcpFlags.Fin | TcpFlags.Ack)),
            ("RST", f => f[47] = (byte)(TcpFlags.Rst | TcpFlags.Ack)),
            ("no ACK", f => f[47] = 0),
            ("a header of 16 octets", f => f[46] = 0x40),
            ("another protocol", f => Patch(f, 23, 132)),
            ("IP version 5", f => Patch(f, 14, 0x55)),
        ];
        foreach (var (what, change) in odd)
        {
            var frame = talk.ToServer();
            change(frame);
            Assert.True(site.Send(frame, fromClient: true).ByAgent, what);
            if (what is "FIN" or "RST")
            {
                // Another one: this one is over, or about to be.
                talk = new Talk(site, isIPv6: false, TransportProtocol.Tcp, (ushort)(50_000 + what[0]));
                talk.Settle();
            }

            Assert.False(site.Send(talk.ToServer(), fromClient: true).ByAgent, $"an ordinary one after {what}");
        }

        var tagged = talk.ToServer();
        byte[] withTag = [.. tagged[..12], 0x81, 0x00, 0x00, 0x07, .. tagged[12..]];
        Assert.True(site.Send(withTag, fromClient: true).ByAgent, "a VLAN tag");
        Assert.True(site.Send(talk.ToServer()[..50], fromClient: true).ByAgent, "a header that is cut off");
        Assert.True(site.Send([.. talk.ToServer(), 1, 2, 3, 4], fromClient: true).ByAgent, "a trailer");
        Assert.False(site.Send(talk.ToServer(), fromClient: true).ByAgent, "an ordinary one after all");
    }

    [Theory, MemberData(nameof(Hooks))]
    public void Nothing_passes_from_the_moment_on_that_it_is_void_and_the_next_packets_make_it_pass_again(FastPathHook hook)
    {
        using var site = new PassingSite(hook);
        var talk = new Talk(site, isIPv6: false, TransportProtocol.Udp);
        talk.Settle();
        (string What, Action Do)[] reasons =
        [
            ("the way is another", () => site.Node.Fam.StopPassing(PassingSite.Client)),
            ("all ways may be others", site.Kernel.VoidAll),
            ("the link needs more room", () => site.Node.Fam.SetLinkOverhead(PassingSite.Client, 0)),
            ("the engine has begun anew", site.Kernel.Clear),
        ];
        foreach (var (what, reason) in reasons)
        {
            reason();
            Assert.True(site.Send(talk.ToServer(), fromClient: true).ByAgent, what);
            Assert.True(site.Send(talk.ToClient(), fromClient: false).ByAgent, what);
            talk.Settle();
        }

        site.Node.OnDisassociated(PassingSite.Client, Agent.Devices.MonotonicClock.Now);
        var (held, byAgent) = site.Send(talk.ToClient(), fromClient: false);
        Assert.Null(held);
        Assert.True(byAgent);
    }

    [Theory, MemberData(nameof(Hooks))]
    public void What_an_agent_leaves_behind_that_does_not_work_any_more_passes_nothing(FastPathHook hook)
    {
        using var site = new PassingSite(hook);
        var talk = new Talk(site, isIPv6: false, TransportProtocol.Udp);
        talk.Settle();
        Thread.Sleep(1_300);
        Assert.True(site.Send(talk.ToServer(), fromClient: true).ByAgent, "after a second without a sign of life");
        talk.Settle();
        site.End();
        Assert.DoesNotContain("bpf", site.Exec("tc", "filter", "show", "dev", "cl0", "ingress"), StringComparison.Ordinal);
        Assert.DoesNotContain("xdp", site.Exec("ip", "link", "show", "dev", "cl0"), StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Hooks))]
    public void A_datagram_without_a_checksum_stays_without(FastPathHook hook)
    {
        using var site = new PassingSite(hook);
        var talk = new Talk(site, isIPv6: false, TransportProtocol.Udp);
        talk.Settle();
        var frame = talk.ToServer();
        (frame[40], frame[41]) = (0, 0);
        var (seen, byAgent) = site.Send(frame, fromClient: true);
        Assert.False(byAgent);
        Assert.Equal(0, BinaryPrimitives.ReadUInt16BigEndian(seen!.Frame.AsSpan(40)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_super_packet_stays_whole_and_its_unfinished_checksum_right(bool isIPv6)
    {
        using var site = new PassingSite(FastPathHook.Tc);
        var talk = new Talk(site, isIPv6, TransportProtocol.Tcp);
        var (frame, offload) = talk.Super(20_000, 1_400);
        var (byEngine, first) = site.Send([.. frame], fromClient: true, offload);
        Assert.True(first);
        talk.Settle();
        var (byKernel, second) = site.Send([.. frame], fromClient: true, offload);
        Assert.False(second);
        Assert.Equal(byEngine!.Frame, byKernel!.Frame);
        Assert.Equal(byEngine.Offload, byKernel.Offload);
        Assert.Equal((offload.GsoType, offload.GsoSize, true), (byKernel.Offload.GsoType, byKernel.Offload.GsoSize, byKernel.Offload.ChecksumPartial));
    }

    [Fact]
    public void Connections_that_nobody_uses_give_room_to_others_and_what_finds_none_goes_by_the_agent()
    {
        using var site = new PassingSite(FastPathHook.Tc);
        var talks = Enumerable.Range(0, 80).Select(i => new Talk(site, isIPv6: false, TransportProtocol.Udp, (ushort)(20_000 + i))).ToList();
        foreach (var talk in talks)
        {
            for (var i = 0; i < Enough; i++)
            {
                Assert.NotNull(site.Send(talk.ToServer(), fromClient: true).Out);
                Assert.NotNull(site.Send(talk.ToClient(), fromClient: false).Out);
            }
        }

        Assert.Equal(128, site.Kernel.Count);
        Assert.True(site.Kernel.Declined > 0);
        Assert.Equal(0, site.Node.Drops.Total);
    }

    /// <summary>Sets an octet of the IP header and makes its checksum right.</summary>
    private static void Patch(byte[] frame, int at, byte value)
    {
        frame[at] = value;
        frame.AsSpan(24, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), InternetChecksum.Compute(frame.AsSpan(14, 20)));
    }

    /// <summary>A connection between the client and a server, opened by way of the agent.</summary>
    private sealed class Talk
    {
        private readonly PassingSite _site;
        private readonly TransportProtocol _protocol;
        private readonly TransportEndpoint _client;
        private readonly TransportEndpoint _server;
        private readonly TransportEndpoint _masquerade;

        public Talk(PassingSite site, bool isIPv6, TransportProtocol protocol, ushort port = 40_000)
        {
            _site = site;
            _protocol = protocol;
            _client = TransportEndpoint.Parse(isIPv6 ? $"[fd00:77::11]:{port}" : $"192.168.77.11:{port}");
            _server = TransportEndpoint.Parse(isIPv6 ? "[2001:db8::9]:7000" : "203.0.113.9:7000");
            var opening = Frames.Build(AccessPointModel.DefaultGatewayMac, PassingSite.Client, protocol, _client, _server, "hello"u8);
            _masquerade = Frames.Read(Sent(opening, fromClient: true)).Source;
            _ = Sent(Frames.Build(site.UplinkMac, site.RouterMac, protocol, _server, _masquerade, "hello"u8, TcpFlags.Syn | TcpFlags.Ack), fromClient: false);
            FirstOut = Sent(ToServer(), fromClient: true);
            FirstIn = Sent(ToClient(), fromClient: false);
        }

        public byte[] FirstOut { get; }

        public byte[] FirstIn { get; }

        public long SentOut { get; private set; }

        public long SentIn { get; private set; }

        public byte[] ToServer() => Frames.Build(AccessPointModel.DefaultGatewayMac, PassingSite.Client, _protocol, _client, _server, "some words to a server"u8, TcpFlags.Ack);

        public byte[] ToClient() => Frames.Build(_site.UplinkMac, _site.RouterMac, _protocol, _server, _masquerade, "and what it answers, at more length"u8, TcpFlags.Ack);

        public (byte[] Frame, OffloadInfo Offload) Super(int payload, ushort size)
        {
            var frame = Frames.Build(AccessPointModel.DefaultGatewayMac, PassingSite.Client, _protocol, _client, _server, new byte[payload], TcpFlags.Ack);
            var ip = _client.Address.IsIPv4 ? 20 : 40;
            var transport = (ushort)(14 + ip);
            var sum = InternetChecksum.PseudoHeaderSum(_client.Address, _server.Address, (byte)_protocol, frame.Length - transport);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport + 16), (ushort)~InternetChecksum.Finish(sum));
            return (frame, new OffloadInfo(true, transport, 16, (byte)(_client.Address.IsIPv4 ? 1 : 4), size, (ushort)(transport + 20)));
        }

        /// <summary>Both ways until the kernel passes both.</summary>
        public void Settle()
        {
            for (var i = 0; i < 4 * Enough; i++)
            {
                var outward = _site.Send(ToServer(), fromClient: true);
                var inward = _site.Send(ToClient(), fromClient: false);
                Assert.NotNull(outward.Out);
                Assert.NotNull(inward.Out);
                SentOut++;
                SentIn++;
                if (!outward.ByAgent && !inward.ByAgent)
                {
                    return;
                }
            }

            Assert.Fail("after many packets both ways the agent still gets them");
        }

        private byte[] Sent(byte[] frame, bool fromClient)
        {
            var (seen, byAgent) = _site.Send(frame, fromClient);
            Assert.True(byAgent);
            Assert.NotNull(seen);
            SentOut += fromClient ? 1 : 0;
            SentIn += fromClient ? 0 : 1;
            return seen.Frame;
        }
    }
}
