using Masquerade.AccessPoint.Dhcp;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.AccessPoint.Tests.Dhcp;

/// <summary>The wire format, above all what is wrong with it.</summary>
[Trait("Req", "A-28")]
public sealed class DhcpMessageTests(ITestOutputHelper output)
{
    private static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");

    [Fact]
    public void A_message_is_read()
    {
        var octets = DhcpMessages.Build(1, DhcpMessageType.Request, Client, clientAddress: "192.168.77.50", broadcast: true, hops: 3, options: [(0x32, DhcpMessages.Address("192.168.77.60")), (12, "host"u8.ToArray())]);
        Assert.True(DhcpMessage.TryParse(octets, out var message));
        Assert.Equal(DhcpMessageType.Request, message.Type);
        Assert.Equal(DhcpMessages.Transaction, message.TransactionId);
        Assert.Equal(Client, message.Client);
        Assert.Equal((byte)3, message.Hops);
        Assert.Equal(DhcpMessage.BroadcastFlag, message.Flags);
        Assert.Equal("192.168.77.50", message.ClientAddress.ToString());
        Assert.Equal("192.168.77.60", message.AddressIn(DhcpOption.RequestedAddress).ToString());
        Assert.True(message.AddressIn(12).IsIPv4);
        Assert.True(message.AddressIn(DhcpOption.ServerIdentifier).IsNone);
        Assert.False(message.TryGetOption(DhcpOption.RelayAgent, out _));
    }

    [Fact]
    public void A_message_without_an_end_mark_ends_with_the_datagram_and_pads_are_passed_over()
    {
        var octets = DhcpMessages.Build(2, DhcpMessageType.Offer, Client);
        Assert.True(DhcpMessage.TryParse(octets.AsSpan(0, octets.Length - 1), out _));
        Assert.True(DhcpMessage.TryParse([.. octets.AsSpan(0, 240), 0, 0, 0, .. octets.AsSpan(240)], out var message));
        Assert.Equal(DhcpMessageType.Offer, message.Type);
    }

    public static TheoryData<string> Broken => ["operation", "hardware", "length", "cookie", "no type", "type 0", "type 9", "long type", "two types", "cut option", "cut length", "beyond"];

    [Theory]
    [MemberData(nameof(Broken))]
    public void What_is_no_message_is_refused(string what)
    {
        var octets = DhcpMessages.Build(1, DhcpMessageType.Discover, Client);
        octets = what switch
        {
            "operation" => [3, .. octets[1..]],
            "hardware" => [1, 6, .. octets[2..]],
            "length" => [1, 1, 16, .. octets[3..]],
            "cookie" => [.. octets[..239], 0, .. octets[240..]],
            "no type" => [.. octets[..240], 255],
            "type 0" => [.. octets[..240], 53, 1, 0, 255],
            "type 9" => [.. octets[..240], 53, 1, 9, 255],
            "long type" => [.. octets[..240], 53, 2, 1, 1, 255],
            "two types" => [.. octets[..240], 53, 1, 1, 53, 1, 3, 255],
            "cut option" => [.. octets[..240], 53, 1, 1, 12, 5, 1, 2],
            "cut length" => [.. octets[..240], 53, 1, 1, 12],
            _ => [.. octets[..240], 53, 1, 1, 12, 255, 255],
        };
        Assert.False(DhcpMessage.TryParse(octets, out _));
    }

    [Fact]
    public void A_message_that_is_cut_anywhere_is_refused_or_read_but_never_read_beyond()
    {
        var octets = DhcpMessages.Build(1, DhcpMessageType.Discover, Client, options: [(12, new byte[40]), (61, new byte[7])]);
        for (var length = 0; length < octets.Length; length++)
        {
            if (DhcpMessage.TryParse(octets.AsSpan(0, length), out var message))
            {
                Assert.True(length >= 243);
                message.TryGetOption(200, out _);
            }
        }
    }

    [Fact]
    public void Random_octets_neither_throw_nor_grow()
    {
        var random = Seed.Fresh(output);
        var buffer = new byte[1_472];
        var relay = new DhcpRelay(new NodeId("ap1"), IpAddress.Parse("192.168.77.1"), [IpAddress.Parse("10.1.100.2")]);
        var readable = 0;
        for (var i = 0; i < 50_000; i++)
        {
            var octets = DhcpMessages.Build((byte)(1 + random.NextInt(2)), (DhcpMessageType)(1 + random.NextInt(8)), Client, options: [(12, new byte[random.NextInt(256)]), (82, new byte[random.NextInt(40)])]);
            for (var flips = random.NextInt(4); flips > 0; flips--)
            {
                octets[random.Chance(0.5) ? random.NextInt(octets.Length) : 240 + random.NextInt(octets.Length - 240)] = (byte)random.NextUInt64();
            }

            if (!DhcpMessage.TryParse(octets.AsSpan(0, random.Chance(0.5) ? octets.Length : random.NextInt(octets.Length)), out var message))
            {
                continue;
            }

            readable++;
            Assert.True(relay.WriteRequest(message, IpAddress.Parse("10.1.1.10"), buffer, out var length) is DropReason.None or DropReason.TtlExpired);
            Assert.True(length == 0 || DhcpMessage.TryParse(buffer.AsSpan(0, length), out _));
            relay.WriteReply(message, buffer, out _);
        }

        Assert.InRange(readable, 10_000, 50_000);
    }

    [Fact]
    public void What_does_not_fit_is_not_written()
    {
        var octets = DhcpMessages.Build(1, DhcpMessageType.Discover, Client, options: [(12, new byte[255]), (13, new byte[255])]);
        Assert.True(DhcpMessage.TryParse(octets, out var message));
        var relay = new DhcpRelay(new NodeId("ap1"), IpAddress.Parse("192.168.77.1"), [IpAddress.Parse("10.1.100.2")]);
        for (var room = 0; room < octets.Length + relay.AgentInformation.Length + 2; room++)
        {
            var buffer = new byte[room];
            Assert.Equal(DropReason.TooBig, relay.WriteRequest(message, IpAddress.Parse("10.1.1.10"), buffer, out var length));
            Assert.Equal(0, length);
        }

        Assert.Equal(DropReason.None, relay.WriteRequest(message, IpAddress.Parse("10.1.1.10"), new byte[octets.Length + relay.AgentInformation.Length + 2], out _));
    }

    [Fact]
    public void A_client_that_asks_too_often_has_to_wait_and_others_do_not()
    {
        var clients = new DhcpClients();
        var now = Instant.FromMilliseconds(1_000);
        for (uint i = 0; i < DhcpClients.ClientBurst; i++)
        {
            Assert.Equal(DropReason.None, clients.TryAsk(Client, i, now));
        }

        Assert.Equal(DropReason.TooOften, clients.TryAsk(Client, 9, now));
        Assert.Equal(DropReason.None, clients.TryAsk(new MacAddress(0x0200_0000_0012), 9, now));
        Assert.Equal(DropReason.None, clients.TryAsk(Client, 10, now + TimeSpan.FromSeconds(1)));
        Assert.True(clients.IsAwaited(Client, 10, now + TimeSpan.FromSeconds(2)));
        Assert.False(clients.IsAwaited(Client, 7, now + TimeSpan.FromSeconds(2)));
        Assert.False(clients.IsAwaited(Client, 10, now + TimeSpan.FromSeconds(17)));
    }

    [Fact]
    public void A_flood_of_clients_is_bounded_and_passes()
    {
        var clients = new DhcpClients();
        var now = Instant.FromMilliseconds(1_000);
        var taken = 0;
        for (ulong i = 0; i < 100_000; i++)
        {
            now += TimeSpan.FromMicroseconds(200);
            taken += clients.TryAsk(new MacAddress(0x0200_0000_0000 + i), 1, now) == DropReason.None ? 1 : 0;
            Assert.InRange(clients.Count, 0, DhcpClients.Capacity);
        }

        Assert.InRange(taken, 20 * DhcpClients.PerSecond, 21 * DhcpClients.PerSecond);
        now += DhcpClients.Lifetime;
        Assert.Equal(DropReason.None, clients.TryAsk(Client, 1, now));
        Assert.Equal(1, clients.Count);
    }
}
