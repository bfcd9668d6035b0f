using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;
using static Masquerade.SimWorld.World.Talk;

namespace Masquerade.SimWorld;

/// <summary>
/// Epochs begin with a coordinator's wall clock, which may be another one in its next life, before or behind. They never go back all the same, and clients roam; the checkers of the
/// history watch every record that the store takes.
/// </summary>
public sealed class ClockTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    [Theory]
    [InlineData(-30)]
    [InlineData(30)]
    [Trait("Req", "A-12")]
    public void A_coordinator_comes_back_with_another_clock_and_epochs_never_go_back(int seconds)
    {
        var network = new SimNetwork(11, new Settings { Coordinators = 1, AccessPoints = 3, Clients = 1 });
        network.Run(TimeSpan.FromMilliseconds(200));
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        var seen = flow.Seen;
        var epoch = Move(network, client, 1, network.RecordOf(client.Mac)!.Epoch);

        var coordinator = network.Coordinators[0];
        var skew = coordinator.Skew + TimeSpan.FromSeconds(seconds);
        network.Kill(coordinator);
        network.Run(TimeSpan.FromMilliseconds(300));
        network.Revive(coordinator, skew);
        network.Run(Soon);
        AssertTalks(network, flow);

        // By a clock that is behind, the next epoch is the one after the last; by one that is ahead, it is that clock's.
        var next = Move(network, client, 2, epoch);
        if (seconds < 0)
        {
            Assert.Equal(epoch.Next(), next);
        }
        else
        {
            Assert.True(next.Value - epoch.Value >= (ulong)seconds * 1_000, $"{epoch}, then {next}");
        }

        // And right again: what has been reached is kept.
        network.Kill(coordinator);
        network.Run(TimeSpan.FromMilliseconds(300));
        network.Revive(coordinator, skew - TimeSpan.FromSeconds(seconds));
        network.Run(Soon);
        Move(network, client, 0, next);
        AssertWhole(network, flow, seen);
    }

    /// <summary>Two coordinators whose clocks are apart decide in turn.</summary>
    [Theory]
    [InlineData(-30)]
    [InlineData(30)]
    [Trait("Req", "A-12")]
    public void Coordinators_whose_clocks_are_apart_agree_on_the_order_of_moves(int seconds)
    {
        var network = new SimNetwork(12, new Settings { Coordinators = 2, AccessPoints = 2, Clients = 1 });
        network.Run(TimeSpan.FromMilliseconds(200));
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        var seen = flow.Seen;
        Assert.NotEqual(network.AccessPoints[0].Coordinator, network.AccessPoints[1].Coordinator);

        // The other one's agents come to this one and, when it is killed in its turn, back: both are spread again.
        var other = network.AccessPoints[1].Coordinator!;
        network.Kill(other);
        network.Run(TimeSpan.FromMilliseconds(300));
        network.Revive(other, other.Skew + TimeSpan.FromSeconds(seconds));
        network.Run(Soon);
        network.Disconnect(network.AccessPoints[1]);
        network.Connect(network.AccessPoints[1]);
        network.Run(Soon);
        Assert.Equal(other, network.AccessPoints[1].Coordinator);
        Assert.NotEqual(other, network.AccessPoints[0].Coordinator);

        var epoch = network.RecordOf(client.Mac)!.Epoch;
        for (var i = 1; i <= 6; i++)
        {
            epoch = Move(network, client, i % 2, epoch);
            AssertTalks(network, flow);
        }

        AssertWhole(network, flow, seen);
    }

    /// <summary>The client goes to another access point; its epoch there, which is higher.</summary>
    private static Epoch Move(SimNetwork network, SimClient client, int to, Epoch before)
    {
        network.Detach(client);
        network.Attach(client, to);
        network.Run(TimeSpan.FromMilliseconds(500));
        var record = network.RecordOf(client.Mac)!;
        Assert.Equal($"ap{to + 1}", record.Fam.Name);
        Assert.True(record.Epoch > before, $"{record.Epoch} after {before}");
        return record.Epoch;
    }

    private static void AssertWhole(SimNetwork network, Flow flow, TransportEndpoint seen)
    {
        AssertTalks(network, flow);
        Assert.Equal(seen, flow.Seen);
        Assert.Null(network.FirstStoreDisagreement());
        Assert.Null(TableCheck.FirstStrayServer(network));
        Assert.Null(TableCheck.FirstDisagreement(network));
    }
}
