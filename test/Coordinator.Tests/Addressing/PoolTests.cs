using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Addressing;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Addressing;

/// <summary>Which address a client gets.</summary>
[Trait("Req", "A-28")]
public sealed class PoolTests
{
    private static readonly AddressPool Pool = new()
    {
        Prefix = IpPrefix.Parse("192.168.77.0/24"),
        First = IpAddress.Parse("192.168.77.100"),
        Last = IpAddress.Parse("192.168.77.109"),
        Excluded = new HashSet<IpAddress> { IpAddress.Parse("192.168.77.105") },
        LeaseTime = TimeSpan.FromSeconds(600),
        DnsServers = [IpAddress.Parse("9.9.9.9")],
        Domain = "example.net",
    };

    [Theory]
    [InlineData("192.168.77.0/24", "192.168.77.0", "192.168.77.255", 254)]
    [InlineData("10.0.0.0/8", "10.1.0.0", "10.1.255.255", 65_536)]
    [InlineData("10.0.0.0/30", "10.0.0.1", "10.0.0.2", 2)]
    [InlineData("10.0.0.0/24", "10.0.0.9", "10.0.0.9", 1)]
    public void Every_address_of_a_pool_is_looked_at_once(string prefix, string first, string last, int size)
    {
        var pool = new AddressPool { Prefix = IpPrefix.Parse(prefix), First = IpAddress.Parse(first), Last = IpAddress.Parse(last) };
        foreach (var client in (MacAddress[])[Client, OtherClient, new MacAddress(0xFEFF_FFFF_FFFF)])
        {
            var all = new List<IpAddress>();
            for (var part = 0; pool.Candidates(client, default, default, part) is { Count: > 0 } some; part++)
            {
                Assert.InRange(some.Count, 1, AddressPool.CandidatesAtOnce + 2);
                all.AddRange(some);
            }

            Assert.Equal(size, all.Count);
            Assert.Equal(size, all.Distinct().Count());
            Assert.All(all, a => Assert.True(pool.Contains(a)));
        }
    }

    [Fact]
    public void What_a_client_has_comes_first_then_what_it_asks_for_if_they_are_of_the_pool()
    {
        var (has, asks) = (IpAddress.Parse("192.168.77.103"), IpAddress.Parse("192.168.77.108"));
        Assert.Equal([has, asks], Pool.Candidates(Client, has, asks, 0).Take(2));
        Assert.Equal(9, Pool.Candidates(Client, has, asks, 0).Distinct().Count());
        Assert.DoesNotContain(Pool.Candidates(Client, IpAddress.Parse("192.168.77.105"), IpAddress.Parse("10.0.0.1"), 0), a => !Pool.Contains(a));
        Assert.Empty(Pool.Candidates(Client, has, asks, 1));
    }

    [Fact]
    public void Neighbouring_clients_begin_at_different_places()
    {
        var pool = Pool with { First = IpAddress.Parse("192.168.77.1"), Last = IpAddress.Parse("192.168.77.254") };
        var places = Enumerable.Range(0, 100).Select(i => pool.Candidates(new MacAddress(0x0200_0000_0000 + (ulong)i), default, default, 0)[0]).Distinct().Count();
        Assert.InRange(places, 70, 100);
    }

    [Fact]
    public void A_client_gets_the_same_address_at_every_access_point_and_others_get_others()
    {
        var bench = Create();
        var offer = Ask(bench, 1, Client, LeaseAction.Offer);
        Assert.Equal((AckStatus.Ok, 600u, "example.net", "9.9.9.9"), (offer.Status, offer.LeaseSeconds, offer.Domain, Assert.Single(offer.DnsServers).ToString()));
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, Client, LeaseAction.Confirm, offer.Address).Status);
        Assert.Equal(offer.Address, Ask(bench, 2, Client, LeaseAction.Offer).Address);
        Assert.Equal(offer.Address, Ask(bench, 3, Client, LeaseAction.Offer, IpAddress.Parse("192.168.77.101")).Address);
        Assert.Equal(offer.Address, Ask(bench, 2, Client, LeaseAction.Confirm, offer.Address).Address);
        Assert.NotEqual(offer.Address, Ask(bench, 2, OtherClient, LeaseAction.Offer, offer.Address).Address);
        Assert.Equal(AckStatus.Refused, Ask(bench, 2, OtherClient, LeaseAction.Confirm, offer.Address).Status);
    }

    [Fact]
    public void After_a_restart_a_client_gets_what_it_had_if_it_is_free()
    {
        var address = IpAddress.Parse("192.168.77.108");
        var bench = Create();
        Assert.Equal(address, Ask(bench, 1, Client, LeaseAction.Offer, address).Address);
        Assert.Equal(AckStatus.Ok, Ask(Create(), 1, Client, LeaseAction.Confirm, address).Status);
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, Client, LeaseAction.Confirm, IpAddress.Parse("192.168.77.105")).Status);
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, Client, LeaseAction.Confirm, IpAddress.Parse("10.0.0.1")).Status);
    }

    [Fact]
    public void After_a_restart_what_access_points_say_is_in_use_is_not_given_to_others()
    {
        var bench = Create();
        var address = IpAddress.Parse("192.168.77.108");
        bench.Tell(1, bench.Announce(1) with { Full = true, Addresses = [address, IpAddress.Parse("fd00::1")] });
        Assert.Equal(AckStatus.Refused, Ask(bench, 2, OtherClient, LeaseAction.Confirm, address).Status);
        Assert.Equal(address, Ask(bench, 2, Client, LeaseAction.Offer).Address);
    }

    [Fact]
    public void An_offer_waits_a_short_time_and_a_lease_its_own()
    {
        var bench = Create();
        var first = Ask(bench, 1, Client, LeaseAction.Offer).Address;
        Assert.Equal(AckStatus.Refused, Ask(bench, 2, OtherClient, LeaseAction.Confirm, first).Status);
        bench.Now += TimeSpan.FromSeconds(31);
        Assert.Equal(AckStatus.Ok, Ask(bench, 2, OtherClient, LeaseAction.Confirm, first).Status);
        bench.Now += TimeSpan.FromSeconds(599);
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, Client, LeaseAction.Confirm, first).Status);
        bench.Now += TimeSpan.FromSeconds(2);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, Client, LeaseAction.Confirm, first).Status);
    }

    [Fact]
    public void What_is_given_back_is_free_and_what_is_declined_is_not_for_a_while()
    {
        var bench = Create();
        var address = Ask(bench, 1, Client, LeaseAction.Offer).Address;
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, OtherClient, LeaseAction.Release, address).Status);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, Client, LeaseAction.Release, address).Status);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, OtherClient, LeaseAction.Confirm, address).Status);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, OtherClient, LeaseAction.Decline, address).Status);
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, Client, LeaseAction.Confirm, address).Status);
        Assert.NotEqual(address, Ask(bench, 1, OtherClient, LeaseAction.Offer).Address);
        bench.Now += TimeSpan.FromSeconds(601);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, Client, LeaseAction.Confirm, address).Status);
    }

    [Fact]
    public void A_full_pool_refuses_the_new_and_keeps_the_old()
    {
        var bench = Create();
        var given = Enumerable.Range(0, 9).Select(i => Ask(bench, 1, new MacAddress(0x0200_0000_1000 + (ulong)i), LeaseAction.Offer).Address).ToList();
        Assert.Equal(9, given.Distinct().Count());
        Assert.All(given, a => Assert.True(Pool.Contains(a)));
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, Client, LeaseAction.Offer).Status);
        Assert.Equal(AckStatus.Refused, Ask(bench, 1, OtherClient, LeaseAction.Offer).Status);
        Assert.Equal(2, bench.Core.LeasesRefused);
        Assert.Equal(given[3], Ask(bench, 2, new MacAddress(0x0200_0000_1003), LeaseAction.Offer).Address);
        bench.Now += TimeSpan.FromSeconds(31);
        Assert.Equal(AckStatus.Ok, Ask(bench, 1, Client, LeaseAction.Offer).Status);
    }

    [Fact]
    public void Who_only_wants_to_know_is_told()
    {
        var reply = Ask(Create(), 1, Client, LeaseAction.Inform);
        Assert.Equal((AckStatus.Ok, true, "example.net"), (reply.Status, reply.Address.IsNone, reply.Domain));
    }

    [Fact]
    public void Without_a_pool_nothing_is_said_to_clients_and_group_addresses_are_nobodys()
    {
        Assert.Equal(AckStatus.Unknown, Ask(new CoordinatorBench(), 1, Client, LeaseAction.Offer).Status);
        Assert.Equal(AckStatus.Unknown, Ask(Create(), 1, MacAddress.Broadcast, LeaseAction.Offer).Status);
    }

    private static CoordinatorBench Create() => new(new CoordinatorOptions { Pool = Pool });

    private static LeaseReply Ask(CoordinatorBench bench, ulong node, MacAddress client, LeaseAction action, IpAddress address = default) =>
        bench.Ask<LeaseReply>(node, new LeaseRequest { Id = bench.NextId(), Client = client, Action = action, Address = address });
}
