using System.Text.Json;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// An access point that was not made for this: Debian's hostapd, as it comes, authenticates a client by itself and asks the coordinator by RADIUS (proxy mode). The agents, which have never spoken EAP with that client, let it in
/// where the link is up, and it walks.
/// </summary>
public sealed class HostapdTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-25")]
    public void A_user_whom_an_unmodified_hostapd_has_authenticated_is_let_in_and_walks_without_any_EAP()
    {
        var secret = Guid.NewGuid().ToString("n");
        var folder = Directory.CreateTempSubdirectory("masq-hostapd-");
        var wire = $"mqh{Environment.ProcessId}";
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "secret"), secret);
            using var site = new UserSite(output, users => users with
            {
                Coordinator = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["proxy"] = $$"""{ "listen": "127.0.0.1:1815", "clients": [{ "address": "127.0.0.1", "secretFile": "{{folder}}/secret", "node": "ap1" }] }""",
                },
                Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["trustLink"] = "true", ["askAgainMilliseconds"] = "500" },
            });

            // hostapd beside the coordinator, and on its wire the client's supplicant, with the client's MAC address.
            var client = new NetNamespace(wire);
            var coordinator = site.Lab.Topology.Coordinator;
            Tool.Run("ip", ["-n", coordinator.Name, "link", "add", "hap0", "type", "veth", "peer", "name", "eth0", "netns", wire]);
            Tool.Run("ip", ["-n", wire, "link", "set", "eth0", "address", LabTopology.ClientMac(0), "up"]);
            Tool.Run("ip", ["-n", coordinator.Name, "link", "set", "hap0", "up"]);
            var configuration = Path.Combine(folder.FullName, "hostapd.conf");
            File.WriteAllText(configuration, $"""
                interface=hap0
                driver=wired
                ieee8021x=1
                use_pae_group_addr=1
                own_ip_addr=127.0.0.1
                nas_identifier=somebody-elses
                auth_server_addr=127.0.0.1
                auth_server_port=1815
                auth_server_shared_secret={secret}

                """);
            using var hostapd = new Companion(coordinator, output.Lines(), "hostapd", configuration);
            site.Supplicate(client, 0, "alice");
            site.Lab.WaitFor(() => NameOf(site) is "alice", "the key holder does not learn who it is", TimeSpan.FromSeconds(30));

            // The client itself says nothing by EAP, here or there.
            site.Lab.Move(0, 0);
            var flow = site.Open(0, 22_301);
            Assert.Equal(("alice", "link", "ap1"), site.UserOf(0));
            site.Lab.Move(0, 1);
            site.Lab.WaitFor(() => site.UserOf(0) == ("alice", "link", "ap2"), $"alice does not get in at AP2: {site.UserOf(0)}", TimeSpan.FromSeconds(30));
            site.Lab.Progress("after a walk", TimeSpan.FromSeconds(20), flow);
            Assert.Contains("masq_radius_proxy_total{result=\"grants\"} 1", site.Lab.AskText("/metrics"), StringComparison.Ordinal);
        }
        finally
        {
            NetNamespace.Delete(wire);
            folder.Delete(recursive: true);
        }
    }

    private static string? NameOf(UserSite site)
    {
        var document = site.Lab.Ask($"/v1/clients/{LabTopology.ClientMac(0)}");
        return document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object ? user.GetProperty("name").GetString() : null;
    }
}
