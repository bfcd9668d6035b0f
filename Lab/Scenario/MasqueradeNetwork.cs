using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Core.Flow;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Pki;
using Masquerade.Pki.Authority;

namespace Masquerade.Lab.Scenario;

/// <summary>The product: one coordinator, and an agent at every access point, each a process of its own in its namespace, with certificates made for the occasion.</summary>
internal sealed class MasqueradeNetwork : INetworkUnderTest
{
    private readonly List<ProgramUnderTest> _programs = [];

    public MasqueradeNetwork(LabTopology topology, SimulatedRadio radio, DemoOptions options, CancellationToken cancel)
    {
        try
        {
            var listen = new IPEndPoint(LabTopology.CoordinatorAddress, LabPorts.Coordinator);
            var pki = new PkiDirectory(Path.Combine(topology.ScratchDirectory, "pki"), TimeProvider.System);
            pki.Initialise("demo", days: 90);
            var identity = new SiteIdentity(SiteRole.Coordinator, new NodeId("coordinator"));
            pki.Issue(identity, [], [listen.Address], days: 60);
            var coordinatorConfig = Path.Combine(topology.ScratchDirectory, "coordinator.json");
            File.WriteAllBytes(coordinatorConfig, Json(json =>
            {
                json.WriteString("listen", listen.ToString());
                Tls(json, pki, identity);
            }));
            _programs.Add(new ProgramUnderTest(topology.Coordinator, "coordinator", ProgramLocator.Coordinator(), ["--config", coordinatorConfig], options.LogDirectory));
            WaitFor(() => topology.Coordinator.Invoke(() => Answers(listen)), "the coordinator does not listen", cancel);
            for (var k = 0; k < LabTopology.AccessPointCount; k++)
            {
                var config = Path.Combine(topology.ScratchDirectory, $"ap{k + 1}", "agent.json");
                File.WriteAllBytes(config, Configuration(k, listen, pki, options.Events ? radio.ControlSocket(k) : null));
                _programs.Add(new ProgramUnderTest(topology.AccessPoints[k], $"ap{k + 1}", ProgramLocator.Agent(), ["--config", config], options.LogDirectory));
            }

            if (options.Events)
            {
                WaitFor(() => Enumerable.Range(0, LabTopology.AccessPointCount).All(k => radio.Listeners(k) > 0), "an agent does not listen to its radio", cancel);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string? Failure => _programs.Select(p => p.Failure).FirstOrDefault(f => f is not null);

    public void Dispose()
    {
        _programs.ForEach(p => p.RequestStop());
        _programs.ForEach(p => p.Dispose());
    }

    /// <summary>The agent's configuration file: everything as in <c>docs/operations.md</c>, two masquerade addresses of IPv4 and one of IPv6.</summary>
    private static byte[] Configuration(int accessPoint, IPEndPoint coordinator, PkiDirectory pki, string? hostapd)
    {
        var subnet = (accessPoint + 1).ToString(CultureInfo.InvariantCulture);
        var identity = new SiteIdentity(SiteRole.Agent, new NodeId("ap" + subnet));
        pki.Issue(identity, [], [], days: 60);
        return Json(json =>
        {
            json.WriteString("node", identity.Name.Name);
            Strings(json, "coordinator", coordinator.ToString());
            Tls(json, pki, identity);
            json.WriteStartObject("uplink");
            json.WriteString("interface", "up0");
            Strings(json, "addresses", $"10.1.{subnet}.10", $"10.1.{subnet}.11", $"fd00:10:1:{subnet}::10");
            Strings(json, "onLink", $"10.1.{subnet}.0/24", $"fd00:10:1:{subnet}::/64");
            Strings(json, "gateways", $"10.1.{subnet}.1", $"fd00:10:1:{subnet}::1");
            json.WriteEndObject();
            json.WriteStartObject("client");
            json.WriteString("interface", "cl0");
            json.WriteString("gatewayMac", LabTopology.GatewayMac);
            Strings(json, "gatewayAddresses", LabTopology.GatewayAddress.ToString(), "fe80::1");
            Strings(json, "prefixes", "192.168.77.0/24", "fd00:77::/64");
            json.WriteEndObject();
            if (hostapd is not null)
            {
                json.WriteString("hostapd", hostapd);
            }
        });
    }

    private static void Tls(Utf8JsonWriter json, PkiDirectory pki, SiteIdentity identity)
    {
        json.WriteStartObject("tls");
        json.WriteString("ca", pki.BundlePath);
        json.WriteString("crl", pki.ListPath);
        json.WriteString("certificate", Path.Combine(pki.FolderOf(identity), PkiDirectory.CertificateName));
        json.WriteString("key", Path.Combine(pki.FolderOf(identity), PkiDirectory.KeyName));
        json.WriteEndObject();
    }

    private static byte[] Json(Action<Utf8JsonWriter> members)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void Strings(Utf8JsonWriter json, string name, params string[] values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private static bool Answers(IPEndPoint endpoint)
    {
        using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(endpoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private void WaitFor(Func<bool> condition, string otherwise, CancellationToken cancel)
    {
        var deadline = LabClock.Now + LabClock.Milliseconds(15_000);
        while (!condition())
        {
            cancel.ThrowIfCancellationRequested();
            if (Failure is { } failure)
            {
                throw new LabException(failure);
            }

            if (LabClock.Now > deadline)
            {
                throw new LabException(otherwise + " (waited 15 s)");
            }

            Thread.Sleep(20);
        }
    }
}
