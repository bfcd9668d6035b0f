using System.Diagnostics;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Link;

/// <summary>tshark reads every kind of ARP and ND frame that a node sends: it must understand it as it was meant, and find nothing wrong.</summary>
public sealed class LinkJudgeTests
{
    private static readonly MacAddress Host = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Own = MacAddress.Parse("02:aa:00:00:00:01");
    private static readonly IpAddress HostV6 = IpAddress.Parse("fd00:77::101");

    [Fact, Trait("Req", "A-01"), Trait("Req", "N-08")]
    public void Every_frame_of_the_client_side_says_what_it_should()
    {
        var output = new RecordingOutput();
        var link = new ClientLink(
            new ClientSideModel
            {
                GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64"), IpPrefix.Parse("fd00:78::/64")],
                Mtu = 1_400,
            },
            output,
            new DropCounters(),
            new IdentificationSource(new SeededRandom(1)));
        var frame = new byte[LinkFrames.MaxLength];
        link.Advance(Instant.Zero);
        link.Accept(frame.AsSpan(0, LinkFrames.ArpRequest(frame, MacAddress.Broadcast, Host, IpAddress.Parse("192.168.77.101"), IpAddress.Parse("192.168.77.1"))), out _, out _);
        link.Accept(frame.AsSpan(0, LinkFrames.NeighbourSolicitation(frame, Host, HostV6, IpAddress.Parse("fe80::1"), MacAddress.None)), out _, out _);
        link.Accept(frame.AsSpan(0, LinkFrames.NeighbourSolicitation(frame, Host, HostV6, IpAddress.Parse("fd00:77::102"), MacAddress.None)), out _, out _);
        var probe = NdWriter.NeighbourSolicitation(frame.AsSpan(14), IpAddress.None, NdMessage.SolicitedNode(IpAddress.Parse("fe80::1")), IpAddress.Parse("fe80::1"));
        link.Accept(frame.AsSpan(0, 14 + probe.Finish()), out _, out _);
        EthernetHeader.Write(frame, NdMessage.GroupMac(NdMessage.AllRouters), Host, EtherType.IPv6);
        link.Accept(frame.AsSpan(0, 14 + NdWriter.RouterSolicitation(frame.AsSpan(14), HostV6, NdMessage.AllRouters).Finish()), out _, out _);

        const string Advertised = " type=134 hops=255 sum=1 hop-limit=64 lifetime=1800 mtu=1400 prefix=fd00:77::,fd00:78:: length=64,64 on-link=0,0 autonomous=1,1 source-mac=02:6d:71:00:00:01";
        Assert.Equal(
            [
                "to=33:33:00:00:00:01 from=02:6d:71:00:00:01 src=fe80::1 dst=ff02::1" + Advertised,
                "to=02:00:00:00:00:11 from=02:6d:71:00:00:01 arp=2 sender=02:6d:71:00:00:01 sender-ip=192.168.77.1 target=02:00:00:00:00:11 target-ip=192.168.77.101",
                "to=02:00:00:00:00:11 from=02:6d:71:00:00:01 src=fe80::1 dst=fd00:77::101 type=136 hops=255 sum=1 tells=fe80::1 router=1 solicited=1 override=1 target-mac=02:6d:71:00:00:01",
                "to=02:00:00:00:00:11 from=02:6d:71:00:00:01 src=fd00:77::102 dst=fd00:77::101 type=136 hops=255 sum=1 tells=fd00:77::102 router=0 solicited=1 override=0 target-mac=02:6d:71:00:00:01",
                "to=33:33:00:00:00:01 from=02:6d:71:00:00:01 src=fe80::1 dst=ff02::1 type=136 hops=255 sum=1 tells=fe80::1 router=1 solicited=0 override=1 target-mac=02:6d:71:00:00:01",
                "to=02:00:00:00:00:11 from=02:6d:71:00:00:01 src=fe80::1 dst=fd00:77::101" + Advertised,
            ],
            Ask(output.Client));
    }

    [Fact, Trait("Req", "A-15"), Trait("Req", "N-08")]
    public void Every_frame_of_the_uplink_says_what_it_should()
    {
        var output = new RecordingOutput();
        var link = new UplinkLink(
            new UplinkModel
            {
                Mac = Own,
                Addresses = [IpAddress.Parse("10.1.1.10"), IpAddress.Parse("fd00:10:1:1::10")],
                OnLink = [IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")],
                GatewayV4 = IpAddress.Parse("10.1.1.1"),
                GatewayV6 = IpAddress.Parse("fd00:10:1:1::1"),
            },
            output,
            new DropCounters(),
            new IdentificationSource(new SeededRandom(1)));
        link.Advance(Instant.Zero);
        var frame = new byte[LinkFrames.MaxLength];
        link.Accept(frame.AsSpan(0, LinkFrames.ArpRequest(frame, MacAddress.Broadcast, Host, IpAddress.Parse("10.1.1.1"), IpAddress.Parse("10.1.1.10"))), Instant.Zero);
        link.Accept(frame.AsSpan(0, LinkFrames.NeighbourSolicitation(frame, Host, IpAddress.Parse("fe80::1"), IpAddress.Parse("fd00:10:1:1::10"), Own)), Instant.Zero);
        Assert.Equal(
            [
                "to=ff:ff:ff:ff:ff:ff from=02:aa:00:00:00:01 arp=1 sender=02:aa:00:00:00:01 sender-ip=10.1.1.10 target=00:00:00:00:00:00 target-ip=10.1.1.10",
                "to=33:33:00:00:00:01 from=02:aa:00:00:00:01 src=fd00:10:1:1::10 dst=ff02::1 type=136 hops=255 sum=1 tells=fd00:10:1:1::10 router=1 solicited=0 override=1 target-mac=02:aa:00:00:00:01",
                "to=ff:ff:ff:ff:ff:ff from=02:aa:00:00:00:01 arp=1 sender=02:aa:00:00:00:01 sender-ip=10.1.1.10 target=00:00:00:00:00:00 target-ip=10.1.1.1",
                "to=33:33:ff:00:00:01 from=02:aa:00:00:00:01 src=fd00:10:1:1::10 dst=ff02::1:ff00:1 type=135 hops=255 sum=1 asks=fd00:10:1:1::1 source-mac=02:aa:00:00:00:01",
                "to=02:00:00:00:00:11 from=02:aa:00:00:00:01 arp=2 sender=02:aa:00:00:00:01 sender-ip=10.1.1.10 target=02:00:00:00:00:11 target-ip=10.1.1.1",
                "to=02:00:00:00:00:11 from=02:aa:00:00:00:01 src=fd00:10:1:1::10 dst=fe80::1 type=136 hops=255 sum=1 tells=fd00:10:1:1::10 router=1 solicited=1 override=1 target-mac=02:aa:00:00:00:01",
            ],
            Ask(output.Uplink));

        // One wrong bit is noticed: the judge can say no.
        output.Uplink[3][^1] ^= 1;
        Assert.Contains("sum=0", Ask(output.Uplink)[3], StringComparison.Ordinal);
    }

    /// <summary>What tshark reads in each frame, in its words shortened; "malformed" is among them if it finds something wrong besides a checksum.</summary>
    private static List<string> Ask(List<byte[]> frames)
    {
        const string Shark = "/usr/bin/tshark";
        (string Name, string Field)[] fields =
        [
            ("to", "eth.dst"), ("from", "eth.src"), ("arp", "arp.opcode"), ("sender", "arp.src.hw_mac"), ("sender-ip", "arp.src.proto_ipv4"), ("target", "arp.dst.hw_mac"),
            ("target-ip", "arp.dst.proto_ipv4"), ("src", "ipv6.src"), ("dst", "ipv6.dst"), ("type", "icmpv6.type"), ("hops", "ipv6.hlim"), ("sum", "icmpv6.checksum.status"),
            ("asks", "icmpv6.nd.ns.target_address"), ("tells", "icmpv6.nd.na.target_address"), ("router", "icmpv6.nd.na.flag.r"), ("solicited", "icmpv6.nd.na.flag.s"),
            ("override", "icmpv6.nd.na.flag.o"), ("hop-limit", "icmpv6.nd.ra.cur_hop_limit"), ("lifetime", "icmpv6.nd.ra.router_lifetime"), ("mtu", "icmpv6.opt.mtu"),
            ("prefix", "icmpv6.opt.prefix"), ("length", "icmpv6.opt.prefix.length"), ("on-link", "icmpv6.opt.prefix.flag.l"), ("autonomous", "icmpv6.opt.prefix.flag.a"),
            ("source-mac", "icmpv6.opt.src_linkaddr"), ("target-mac", "icmpv6.opt.target_linkaddr"), ("malformed", "_ws.malformed"),
        ];
        Assert.True(File.Exists(Shark), $"{Shark} is missing: apt-get install tshark");
        var path = Path.GetTempFileName();
        try
        {
            using (var writer = new CaptureFileWriter(path))
            {
                frames.ForEach(frame => writer.Write(frame, Instant.Zero));
            }

            var start = new ProcessStartInfo(Shark) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])["-n", "-r", path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", .. fields.SelectMany(f => (string[])["-e", f.Field])])
            {
                start.ArgumentList.Add(argument);
            }

            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var answer = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
            {
                process.Kill();
                Assert.Fail("tshark did not end");
            }

            Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
            var lines = answer.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal(frames.Count, lines.Length);
            return [.. lines.Select(line => string.Join(' ', fields.Zip(line.Split('|')).Where(p => p.Second.Length > 0).Select(p => $"{p.First.Name}={p.Second}")))];
        }
        finally
        {
            File.Delete(path);
        }
    }
}
