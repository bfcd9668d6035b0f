using Masquerade.Coordinator.Tests.Takeover;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Neighbours;

/// <summary>Two coordinators that did not hear of each other's clients have confirmed one address to both.</summary>
[Trait("Req", "N-13")]
[Trait("Req", "A-16")]
public sealed class SharedDirectoryTests
{
    private static readonly IpAddress s_address = IpAddress.Parse("192.168.77.11");

    /// <summary>The client that has had it for longer keeps it, whoever of both says something next; of two that got it at once, the one with the lower MAC address.</summary>
    [Theory]
    [InlineData(60, false, true)]
    [InlineData(60, true, true)]
    [InlineData(-60, false, false)]
    [InlineData(-60, true, false)]
    [InlineData(0, false, true)]
    [InlineData(0, true, true)]
    public void One_client_keeps_an_address_that_two_were_given(int earlierBySeconds, bool firstSpeaks, bool isFirsts)
    {
        var (peers, store) = (new PlayedCoordinators(), new InMemoryClientStore(7));
        var (first, second) = (peers.Begin(11, store), peers.Begin(12, store));
        first.Join(1, PlayedSite.Link);
        second.Join(2, PlayedSite.Link);
        first.Say(1, first.Bench.Arrive(1));
        second.Say(2, second.Bench.Arrive(2) with { Client = OtherClient });

        peers.LosesRelays = true;
        Claim(earlierBySeconds >= 0 ? first : second, earlierBySeconds >= 0);
        first.Bench.Now += TimeSpan.FromSeconds(Math.Abs(earlierBySeconds));
        second.Bench.Now = first.Bench.Now;
        Claim(earlierBySeconds >= 0 ? second : first, earlierBySeconds < 0);
        Assert.Equal((Client, OtherClient), (first.Bench.Core.Neighbours.Find(s_address)!.Client, second.Bench.Core.Neighbours.Find(s_address)!.Client));

        peers.LosesRelays = false;
        var (speaker, listener) = firstSpeaks ? (first, second) : (second, first);
        speaker.Said.Clear();
        var heard = listener.Bench.During(() => Claim(speaker, firstSpeaks));

        var owner = isFirsts ? Client : OtherClient;
        Assert.All([first, second], site => Assert.Equal(owner, site.Bench.Core.Neighbours.Find(s_address)!.Client));
        var (session, told) = Assert.Single(speaker.Said.Concat(heard), s => s.Message is NeighbourNoted { Refused.Count: > 0 });
        Assert.Equal((isFirsts ? 2UL : 1UL, isFirsts ? OtherClient : Client, s_address), (session, ((NeighbourNoted)told).Client, Assert.Single(((NeighbourNoted)told).Refused)));
    }

    private static void Claim(PlayedSite site, bool isFirst)
    {
        var node = isFirst ? 1UL : 2UL;
        var client = isFirst ? Client : OtherClient;
        site.Say(node, new NeighbourHere
        {
            Id = site.Bench.NextId(), Client = client, Epoch = site.Bench.Store.Load(client).Record!.Epoch, Addresses = [s_address], Peers = [new TransportEndpoint(Address(node), 4_747)], Key = node,
        });
    }
}
