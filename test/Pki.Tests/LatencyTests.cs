using System.Diagnostics;
using System.Net.Sockets;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Pki.Channel;
using Xunit.Abstractions;

namespace Masquerade.Pki.Tests;

/// <summary>A roam waits for one round trip to the coordinator: TLS must not be felt in it.</summary>
[Trait("Req", "A-10")]
public sealed class LatencyTests(ITestOutputHelper output) : SiteTests
{
    [Fact]
    public async Task A_round_trip_over_TLS_takes_hardly_longer_than_over_plain_text()
    {
        const int Rounds = 400;
        await using var secured = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        await using var open = await RunningCoordinator.StartAsync(files: null);
        var store = CredentialStore.Open(Site.Issue(Site.AgentCalled("ap1")), Site.AgentCalled("ap1"), TimeSpan.FromDays(1), TimeProvider.System, out _)!;
        using var socket = new TcpClient { NoDelay = true };
        await socket.ConnectAsync(open.Address);
        await using var plain = new ControlEnd(socket.GetStream());
        await using var tls = await Dialled.ConnectAsync(secured.Address, store);
        ControlEnd[] both = [plain, tls];
        List<double>[] times = [[], []];
        foreach (var end in both)
        {
            var own = IpAddress.FromV4(0x0A01_010A);
            await end.SendAsync(new Hello { Id = 1, Node = new NodeId("ap1"), Incarnation = 1, PeerEndpoint = new TransportEndpoint(own, 4_747), Addresses = [own] });
            await end.ReadAsync<Welcome>();
        }

        // In turns, so that whatever else the machine does happens to both.
        for (var i = 0; i < Rounds * 2; i++)
        {
            for (var k = 0; k < both.Length; k++)
            {
                var began = Stopwatch.GetTimestamp();
                await both[k].SendAsync(new Heartbeat { Id = (ulong)(i + 10) });
                await both[k].ReadAsync<Ack>();
                if (i >= Rounds)
                {
                    times[k].Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
                }
            }
        }

        var medians = times.Select(t => t.Order().ElementAt(t.Count / 2)).ToArray();
        output.WriteLine($"median round trip: plain text {medians[0]:F0} µs, TLS 1.3 {medians[1]:F0} µs");
        Assert.True(medians[1] < medians[0] + 1_000, $"plain text {medians[0]:F0} µs, TLS {medians[1]:F0} µs");
    }
}
