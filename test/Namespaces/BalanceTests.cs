using System.Net;
using Masquerade.Lab;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>An access point has too much to do and gives one of its addresses to another one while connections that are anchored there are in use.</summary>
[Trait("Req", "A-15")]
public sealed class BalanceTests(ITestOutputHelper output)
{
    private static readonly IPAddress Movable = IPAddress.Parse("10.1.1.11");

    [Fact]
    public void Connections_live_through_a_move_of_their_address_because_of_load()
    {
        using var site = LabSite.WithTakeover(sharedLink: true, new DemoOptions
        {
            Ports = new Dictionary<string, string>(StringComparer.Ordinal) { ["pooling"] = "\"arbitrary\"" },
            Balance = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["enabled"] = "true", ["busyMappings"] = "6", ["calmMappings"] = "1", ["afterMilliseconds"] = "1000", ["intervalMilliseconds"] = "2000",
                ["addressIntervalMilliseconds"] = "600000",
            },
        });
        site.Move(0, 0);

        // Addresses take turns, so of two connections that are opened one after the other each has its own.
        var flows = new List<LabConnection>();
        for (var i = 0; i < 2; i++)
        {
            var datagrams = site.Add(new UdpFlow(site.Topology, 0, site.Server(ipv6: false), 50, TimeSpan.FromMinutes(5)));
            site.WaitFor(() => datagrams.SeenByServer is not null && datagrams.Down.Received > 5, "datagrams do not pass");
            flows.Add(datagrams);
        }

        for (var i = 0; i < 2; i++)
        {
            flows.Add(site.Open($"IPv4 {i}", 0, ipv6: false));
        }

        // The rest is there to be too much.
        for (var i = 0; i < 4; i++)
        {
            site.Open($"IPv6 {i}", 0, ipv6: true);
        }

        var anchored = flows.Where(f => Movable.Equals(f.SeenByServer!.Address)).ToArray();
        Assert.Equal(["TCP", "UDP"], anchored.Select(f => f.Protocol).Order(StringComparer.Ordinal));
        var since = LabClock.Now;
        site.WaitFor(() => site.OwnerOf(Movable) is 1 or 2, "no address moves", TimeSpan.FromSeconds(60));
        site.Progress("with another owner of the address", TimeSpan.FromSeconds(15));
        output.WriteLine($"longest silence while the address moves: {string.Join(", ", anchored.Select(f => $"{f.Protocol} {f.LongestSilence(since, LabClock.Now) / 1e6:F0} ms"))}");
        var ap1 = site.Ask("/v1/aps").GetProperty("items")[0];
        var away = Assert.Single(ap1.GetProperty("elsewhere").EnumerateArray());
        Assert.Equal((Movable.ToString(), true, false), (away.GetProperty("address").GetString(), away.GetProperty("byLoad").GetBoolean(), ap1.GetProperty("draining").GetBoolean()));

        // A walk goes on as if nothing had been, to where the address is as well.
        var owner = site.OwnerOf(Movable);
        site.Move(0, owner);
        site.Progress("at the new owner", TimeSpan.FromSeconds(15));
        site.Move(0, 3 - owner);
        site.Progress("at the third access point", TimeSpan.FromSeconds(15));
        Assert.Equal(owner, site.OwnerOf(Movable));
        site.Finish();
    }
}
