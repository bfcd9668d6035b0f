using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;

namespace Masquerade.Namespaces.Tests;

/// <summary>Two access points hear one client, real kernels at both ends.</summary>
[Trait("Req", "A-13")]
public sealed class SharedRadioTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>The client does not move: whoever of the two is its FAM dies, and the other one goes on at once. What was opened there goes on when its address has been taken over.</summary>
    [Theory]
    [InlineData("newest")]
    [InlineData("roundRobin")]
    [InlineData("duplicate")]
    public void A_client_that_two_access_points_hear_goes_on_with_one_of_them(string fams)
    {
        using var site = new LabSite(topology =>
        {
            topology.ShareAir(0, 1);
            return new DemoOptions
            {
                RouteCommand = true,
                Fam = new Dictionary<string, string>(StringComparer.Ordinal) { ["links"] = "\"shared\"" },
                Roaming = new Dictionary<string, string>(StringComparer.Ordinal) { ["fams"] = $"\"{fams}\"" },
            };
        });
        site.Move(0, 2);
        PingPong[] flows = [site.Open("IPv4", 0, ipv6: false), site.Open("IPv6", 0, ipv6: true)];
        var download = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6: false), download: true, 8));

        site.Move(0, 0);
        site.Radio!.HearAlso(0, 1);
        var (first, also) = (-1, -1);
        site.WaitFor(() => Where(site) is { Also: >= 0 and <= 1, First: >= 0 and <= 1 } found && ((first, also) = found).first != found.Also, "the coordinator does not learn that both hear the client");
        site.Progress("heard by two", Patience);
        site.Open("opened while two hear it", 0, ipv6: false);

        site.Network!.Kill(first);
        site.WaitFor(() => Where(site).First == also, "the other access point does not become the FAM");
        site.Progress("after its FAM died", Patience);
        site.Open("opened afterwards", 0, ipv6: true);
        Assert.All(flows, f => Assert.Equal(2, LabTopology.AccessPointOf(f.SeenByServer!.Address)));
        Assert.True(download.Bytes > 0);
        site.Finish();
    }

    /// <summary>The client's FAM and the access point that hears it too, 0 is AP1; -1 for none.</summary>
    private static (int First, int Also) Where(LabSite site)
    {
        var client = site.Ask("/v1/clients").GetProperty("items").EnumerateArray().FirstOrDefault(c => c.GetProperty("client").ValueEquals(LabTopology.ClientMac(0)));
        if (client.ValueKind != JsonValueKind.Object)
        {
            return (-1, -1);
        }

        return (Number(client.GetProperty("at")), client.GetProperty("also").EnumerateArray().Select(Number).DefaultIfEmpty(-1).First());
    }

    private static int Number(JsonElement name) => name.ValueKind == JsonValueKind.String && name.GetString() is ['a', 'p', var digit] ? digit - '1' : -1;
}
