using Masquerade.AccessPoint.Link;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Tests.Link;

/// <summary>Whatever is on the wire: no exception, and every frame is answered, routed or counted.</summary>
public sealed class HostileFrameTests
{
    [Fact, Trait("Req", "A-29")]
    public void Frames_cut_at_every_length_and_with_every_octet_changed_are_answered_or_counted()
    {
        var output = new RecordingOutput();
        var drops = new DropCounters();
        var (clients, uplink) = Create(output, drops);
        foreach (var frame in Samples())
        {
            for (var length = 0; length <= frame.Length; length++)
            {
                Feed(frame.AsSpan(0, length));
            }

            for (var at = 0; at < frame.Length; at++)
            {
                foreach (var value in new byte[] { 0, 1, 2, 0x7F, 0x80, 0xFF })
                {
                    var changed = (byte[])frame.Clone();
                    changed[at] = value;
                    Feed(changed);
                }
            }
        }

        void Feed(ReadOnlySpan<byte> frame)
        {
            var before = drops.Total + output.Client.Count;
            var routed = clients.Accept(frame, out _, out _);
            Assert.True(routed || drops.Total + output.Client.Count > before, Convert.ToHexString(frame));
            uplink.Accept(frame, Instant.Zero);
        }
    }

    [Fact]
    public void Random_frames_do_no_harm()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var output = new RecordingOutput();
        var (clients, uplink) = Create(output, new DropCounters());
        var samples = Samples();
        var buffer = new byte[256];
        for (var i = 0; i < 200_000; i++)
        {
            random.NextBytes(buffer);
            var length = random.Next(buffer.Length);
            if (i % 2 == 0)
            {
                // Start like a real one, so that the random part is reached.
                var sample = samples[i / 2 % samples.Length];
                sample.AsSpan(0, random.Next(sample.Length)).CopyTo(buffer);
            }

            try
            {
                clients.Accept(buffer.AsSpan(0, length), out _, out _);
                uplink.Accept(buffer.AsSpan(0, length), Instant.Zero);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, frame {i}: {Convert.ToHexString(buffer.AsSpan(0, length))}", e);
            }

            output.Client.Clear();
            output.Uplink.Clear();
        }
    }

    private static (ClientLink Clients, UplinkLink Uplink) Create(RecordingOutput output, DropCounters drops) => (
        new ClientLink(
            new ClientSideModel
            {
                GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
            },
            output,
            drops,
            new IdentificationSource(new SeededRandom(1))),
        new UplinkLink(
            new UplinkModel
            {
                Mac = AccessPointModel.DefaultGatewayMac,
                Addresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                OnLink = [IpPrefix.Parse("192.168.77.0/24")],
            },
            output,
            drops,
            new IdentificationSource(new SeededRandom(1))));

    private static byte[][] Samples()
    {
        var mac = MacAddress.Parse("02:00:00:00:00:11");
        var arp = new byte[42];
        LinkFrames.ArpRequest(arp, MacAddress.Broadcast, mac, IpAddress.Parse("192.168.77.101"), IpAddress.Parse("192.168.77.1"));
        var nd = new byte[LinkFrames.MaxLength];
        var length = LinkFrames.NeighbourSolicitation(nd, mac, IpAddress.Parse("fd00:77::101"), IpAddress.Parse("fe80::1"), MacAddress.None);
        return [arp, nd[..length]];
    }
}
