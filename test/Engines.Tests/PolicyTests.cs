using Masquerade.Auth.Filter;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>What the FAM lets through is what the client's policy says, now.</summary>
[Trait("Req", "A-26")]
public sealed class PolicyTests
{
    private static readonly DateTimeOffset s_noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly TransportEndpoint s_other = TransportEndpoint.Parse("198.51.100.9:7000");
    private static readonly TransportEndpoint s_client = new(Site.ClientAddress, 1000);

    private readonly FilterTable _table = new(16, 100);

    [Fact]
    public void Without_a_filter_everything_is_as_it_was()
    {
        var site = new Site();
        site.Arrive(1);
        site.Fam.SetPolicy(Site.Client, 7, site.Now);
        site.Fam.OnPolicyChanged(7);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(site.Seen()).Kind);
    }

    [Fact]
    public void Nothing_passes_of_a_client_of_whom_nothing_is_known_and_goes_on_when_it_is()
    {
        var site = Arrived("allow out udp");
        site.FromClient(1000);
        var mapped = site.Seen();
        site.Fam.SetPolicy(Site.Client, IClientFilter.Unknown, site.Now);
        Assert.Equal(DropReason.NotAuthenticated, site.FromClient(1000).Reason);
        Assert.Equal(DropReason.NotAuthenticated, site.FromClient(1001).Reason);
        Assert.Equal(DropReason.NotAuthenticated, site.FromServer(mapped).Reason);
        Assert.Empty(site.Errors);
        Assert.Equal(1, site.Fam.ConnectionCount);
        site.Fam.SetPolicy(Site.Client, Number("allow out udp"), site.Now);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(mapped, site.Seen());
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(mapped).Kind);
    }

    [Fact]
    public void Packets_wait_for_a_policy_that_is_being_asked_for()
    {
        Assert.True(_table.TryAssign(Site.Client, IClientFilter.Awaited));
        var site = Site.With(_table);
        site.Arrive(1);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000, mark: 5).Kind);
        Assert.Empty(site.Uplink);
        Assert.Equal(0, site.Fam.ConnectionCount);
        site.Fam.SetPolicy(Site.Client, Number("allow out udp"), site.Now);
        Assert.Equal(5, Site.Mark(Assert.Single(site.Uplink)));

        site.Fam.SetPolicy(Site.Client, IClientFilter.Awaited, site.Now);
        Assert.Equal(VerdictKind.Held, site.FromServer(site.Seen(), mark: 6).Kind);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000, mark: 7).Kind);
        site.Fam.SetPolicy(Site.Client, Number("deny out udp"), site.Now);
        Assert.Equal((1, 0), (site.Uplink.Count, site.ToClient.Count));
        Assert.Equal(0, site.Fam.HeldPackets);
    }

    [Fact]
    public void Packets_that_wait_for_a_policy_do_not_wait_for_ever()
    {
        Assert.True(_table.TryAssign(Site.Client, IClientFilter.Awaited));
        var site = Site.With(_table);
        site.Arrive(1);
        site.FromClient(1000);
        site.Wait(5_000);
        site.Wait(5_000);
        Assert.Equal(0, site.Fam.HeldPackets);
        Assert.True(site.Drops[DropReason.HoldExpired] > 0);
    }

    [Fact]
    [Trait("Req", "A-29")]
    public void What_is_denied_takes_no_port_and_the_client_is_told()
    {
        var site = Arrived("deny out udp to 198.51.100.0/24", "allow out udp");
        var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
        Assert.Equal(DropReason.Policy, site.FromClient(1000, s_other).Reason);
        Assert.Equal(1, site.Drops[DropReason.Policy]);
        Assert.Equal((0, free), (site.Fam.MappingCount, site.Pool.Free(TransportProtocol.Udp, false, site.Now)));
        Assert.Equal(IcmpErrorKind.Prohibited, Assert.Single(site.Errors).Error.Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);

        // The mapping that is there now does not help.
        Assert.Equal(DropReason.Policy, site.FromClient(1000, s_other).Reason);
        Assert.Equal(1, site.Fam.ConnectionCount);
    }

    [Fact]
    public void Answers_of_what_is_allowed_pass_and_what_others_open_does_not()
    {
        var site = Arrived(new FamConfig { UdpFiltering = FilteringPolicy.EndpointIndependent }, "allow out udp", "allow in udp from 198.51.100.9 port 7000");
        site.FromClient(1000);
        var mapped = site.Seen();
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(mapped).Kind);
        Assert.Equal(DropReason.Policy, site.FromServer(mapped, TransportEndpoint.Parse("203.0.113.9:7001")).Reason);
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(mapped, s_other).Kind);
        Assert.Equal(1, site.Fam.ConnectionCount);
    }

    [Fact]
    public void Whoever_may_be_reached_may_answer_but_not_begin()
    {
        var site = Arrived(new FamConfig { TcpFiltering = FilteringPolicy.EndpointIndependent }, "allow out tcp to 203.0.113.9", "allow in tcp from 198.51.100.0/24");
        site.Out(Site.Tcp(s_client, Site.Server, TcpFlags.Syn), out _);
        var mapped = site.Seen();
        Assert.Equal(DropReason.Policy, site.Out(Site.Tcp(s_client, s_other, TcpFlags.Syn), out _).Reason);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Site.Tcp(s_other, mapped, TcpFlags.Syn)).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Site.Tcp(s_client, s_other, TcpFlags.Syn | TcpFlags.Ack), out _).Kind);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Site.Tcp(s_other, mapped, TcpFlags.Ack)).Kind);

        // Judged again it is still the far end's.
        site.Fam.OnPolicyChanged(1);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Site.Tcp(s_client, s_other, TcpFlags.Ack), out _).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Site.Tcp(s_client, Site.Server, TcpFlags.Ack), out _).Kind);
    }

    [Theory]
    [Trait("Req", "A-27")]
    [InlineData(true)]
    [InlineData(false)]
    public void A_change_ends_what_it_forbids_and_nothing_else(bool clientIsFirst)
    {
        var site = Arrived("allow out udp");
        site.FromClient(1000);
        var kept = site.Seen();
        site.FromClient(1001, s_other);
        var ended = site.Seen();
        site.Fam.SetPolicy(Site.Client, Number("deny out udp to 198.51.100.0/24", "allow out udp"), site.Now);
        if (clientIsFirst)
        {
            Assert.Equal(DropReason.Policy, site.FromClient(1001, s_other).Reason);
        }
        else
        {
            Assert.Equal(DropReason.Policy, site.FromServer(ended, s_other).Reason);
        }

        Assert.Equal((1, 1, 1L), (site.Fam.ConnectionCount, site.Ham.MappingCount, site.Fam.EndedByPolicy));
        Assert.NotEqual(VerdictKind.ForwardClient, site.FromServer(ended, s_other).Kind);
        Assert.Equal(DropReason.Policy, site.FromClient(1001, s_other).Reason);
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(kept).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(kept, site.Seen());
        site.Wait(100);
        Assert.Equal(1, site.Fam.MappingCount);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void Another_clients_change_is_not_this_ones_affair()
    {
        var site = Arrived("allow out udp");
        site.FromClient(1000);
        site.Fam.SetPolicy(MacAddress.Parse("02:c0:00:00:00:99"), Number("deny out any"), site.Now);
        site.Fam.OnPolicyChanged(Number("deny out any"));
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
    }

    [Fact]
    public void The_time_of_day_ends_what_is_not_allowed_any_more()
    {
        var site = Arrived("allow out udp at 08:00-18:00");
        site.FromClient(1000);
        foreach (var policy in _table.Advance(s_noon.AddHours(6)))
        {
            site.Fam.OnPolicyChanged(policy);
        }

        Assert.Equal(DropReason.Policy, site.FromClient(1000).Reason);
    }

    [Fact]
    public void Connections_by_one_rule_share_its_bucket_and_others_have_their_own()
    {
        var site = Arrived("limit 8kbit burst 2kb out udp to 203.0.113.9", "limit 8kbit burst 2kb out udp");
        int passed = 0, limited = 0;
        for (var i = 0; i < 100; i++)
        {
            // 32 octets each, from two ports, and one answer for two packets.
            Count(site.FromClient((ushort)(1000 + (i % 2))), ref passed, ref limited);
            Count(site.FromServer(site.Uplink.Count > 0 ? site.Seen() : s_client), ref passed, ref limited);
        }

        Assert.Equal((2_000 + 31) / 32, passed);
        Assert.Equal(limited, site.Drops[DropReason.RateLimited]);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000, s_other).Kind);
        Assert.Equal(2, site.Fam.RateBucketCount);

        // A second brings 1,000 octets.
        site.Wait(1_000);
        (passed, limited) = (0, 0);
        for (var i = 0; i < 100; i++)
        {
            Count(site.FromClient(1000), ref passed, ref limited);
        }

        Assert.InRange(passed, 30, 32);
        site.Fam.SetPolicy(Site.Client, Number("allow out any"), site.Now);
        Assert.Equal(0, site.Fam.RateBucketCount);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
    }

    [Fact]
    public void Where_no_bucket_is_left_the_limited_is_refused_and_the_rest_passes()
    {
        var site = Arrived(new FamConfig { MaxRateBuckets = 1 }, "limit 1mbit out udp to 203.0.113.9", "limit 1mbit out udp to 198.51.100.9", "allow out udp");
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(DropReason.TableFull, site.FromClient(1000, s_other).Reason);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000, TransportEndpoint.Parse("192.0.2.7:1")).Kind);
    }

    [Fact]
    public void An_error_goes_the_way_of_the_connection_that_it_is_about()
    {
        var site = Arrived("allow out udp");
        site.FromClient(1000);
        var answer = Site.Udp(Site.Server, site.Seen(), 0);
        Assert.Equal(VerdictKind.ForwardClient, site.In(answer).Kind);
        site.Fam.SetPolicy(Site.Client, Number("deny out any"), site.Now);
        var error = new byte[IcmpError.MaxIPv6];
        var length = IcmpError.PortUnreachable.Write(error, Site.ClientAddress, answer);
        Assert.Equal(DropReason.Policy, site.Out(error[..length], out _).Reason);
    }

    [Fact]
    public void What_comes_from_another_access_point_is_judged_by_the_policy_here()
    {
        var fam = TransportEndpoint.Parse("10.1.2.10:6000");
        _table.TryAssign(Site.Client, Number("deny out udp to 203.0.113.9", "allow out udp"));
        var site = Site.With(_table);
        site.Arrive(2, previous: Site.Other, mappings: [Site.Elsewhere(1000, fam)]);
        Assert.Equal(1, site.Fam.ConnectionCount);
        Assert.Equal(DropReason.Policy, site.FromClient(1000).Reason);
        Assert.Equal(1, site.Fam.EndedByPolicy);

        var allowed = Site.With(_table);
        _table.TryAssign(Site.Client, Number("allow out udp"));
        allowed.Arrive(2, previous: Site.Other, mappings: [Site.Elsewhere(1000, fam)]);
        Assert.Equal(VerdictKind.ForwardUplink, allowed.FromClient(1000).Kind);
    }

    [Fact]
    public void Who_comes_back_is_looked_up_again()
    {
        var site = Arrived("allow out udp");
        site.FromClient(1000);
        site.Wait(10);
        site.Tell(new FamChange { Id = 9, Client = Site.Client, Epoch = new Epoch(2), NewFam = Site.Other, PreviousFam = Site.Self, Token = 5, Routes = [] });
        _table.TryAssign(Site.Client, Number("deny out any"));
        site.Wait(1_000);
        site.Arrive(3);
        Assert.Equal(DropReason.Policy, site.FromClient(1000).Reason);
    }

    [Fact]
    public void A_packet_to_ones_own_masquerade_endpoint_is_judged_like_any_other()
    {
        var site = Arrived(new FamConfig { UdpFiltering = FilteringPolicy.EndpointIndependent }, "allow out udp to 203.0.113.9", "allow out udp from any port 1001");
        site.FromClient(1000);
        var mapped = site.Seen();
        Assert.Equal(DropReason.Policy, site.FromClient(1002, mapped).Reason);

        // Its own side allows it to go there; the one that it comes to takes nothing from outside.
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1001, mapped).Kind);
        var packet = Site.Udp(s_other, mapped, 0);
        var summary = Site.Parse(packet);
        summary.Tuple = new FlowTuple(new TransportEndpoint(Site.Own, System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(site.Uplink[^1].AsSpan(20))), mapped, TransportProtocol.Udp);
        Assert.Equal(DropReason.Policy, site.Fam.ProcessInbound(packet, summary, OffloadInfo.None, site.Now).Reason);
    }

    private static void Count(Verdict verdict, ref int passed, ref int limited)
    {
        passed += verdict.Kind is VerdictKind.ForwardUplink or VerdictKind.ForwardClient ? 1 : 0;
        limited += verdict.Reason == DropReason.RateLimited ? 1 : 0;
    }

    private Site Arrived(params string[] rules) => Arrived(new FamConfig(), rules);

    private Site Arrived(FamConfig config, params string[] rules)
    {
        Assert.True(_table.TryAssign(Site.Client, Number(rules)));
        var site = Site.With(_table, config);
        site.Arrive(1);
        return site;
    }

    private int Number(params string[] rules)
    {
        var mistakes = new List<PolicyMistake>();
        var policy = FilterPolicy.Create("p", rules, FilterSets.None, "p", mistakes);
        Assert.True(policy is not null, string.Join('\n', mistakes));
        Assert.True(_table.TryAdd(policy, s_noon, out var number));
        return number;
    }
}
