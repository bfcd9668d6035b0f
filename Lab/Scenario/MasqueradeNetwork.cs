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
    private readonly ProgramUnderTest[] _agents = new ProgramUnderTest[LabTopology.AccessPointCount];
    private readonly LabTopology _topology;
    private readonly SimulatedRadio _radio;
    private readonly DemoOptions _options;

    public MasqueradeNetwork(LabTopology topology, SimulatedRadio radio, DemoOptions options, CancellationToken cancel)
    {
        (_topology, _radio, _options) = (topology, radio, options);
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
                File.WriteAllBytes(ConfigOf(k), Configuration(k, listen, pki));
                StartAgent(k);
            }

            WaitForAgents(cancel);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string? Failure => _programs.Select(p => p.Failure).FirstOrDefault(f => f is not null);

    /// <summary>Where an access point's agent is told what to do.</summary>
    public string ConfigOf(int accessPoint) => Path.Combine(_topology.ScratchDirectory, $"ap{accessPoint + 1}", "agent.json");

    /// <summary>The agent of an access point is gone from one moment to the next (SIGKILL).</summary>
    public void Kill(int accessPoint)
    {
        var agent = _agents[accessPoint];
        _programs.Remove(agent);
        agent.KillAtOnce();
        agent.Dispose();
    }

    /// <summary>Starts an access point's agent, which has been killed, anew.</summary>
    public void Restart(int accessPoint, CancellationToken cancel)
    {
        StartAgent(accessPoint);
        WaitForAgents(cancel);
    }

    private void StartAgent(int accessPoint)
    {
        var agent = new ProgramUnderTest(
            _topology.AccessPoints[accessPoint], $"ap{accessPoint + 1}", ProgramLocator.Agent(), ["--config", ConfigOf(accessPoint)], _options.LogDirectory);
        _agents[accessPoint] = agent;
        _programs.Add(agent);
    }

    private void WaitForAgents(CancellationToken cancel)
    {
        if (_options.Events)
        {
            WaitFor(() => Enumerable.Range(0, LabTopology.AccessPointCount).All(k => _radio.Listeners(k) > 0), "an agent does not listen to its radio", cancel);
        }
    }

    public void Dispose()
    {
        _programs.ForEach(p => p.RequestStop());
        _programs.ForEach(p => p.Dispose());
    }

    /// <summary>The agent's configuration file: everything as in <c>docs/operations.md</c>, two masquerade addresses of IPv4 and one of IPv6.</summary>
    private byte[] Configuration(int accessPoint, IPEndPoint coordinator, PkiDirectory pki)
    {
        var subnet = (accessPoint + 1).ToString(CultureInfo.InvariantCulture);
        var hostapd = _options.Events ? _radio.ControlSocket(accessPoint) : null;
        var onLink = Enumerable.Range(1, LabTopology.AccessPointCount).Where(k => _topology.SharedUplink || k == accessPoint + 1).ToArray();
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
            Strings(json, "onLink", [.. onLink.Select(k => $"10.1.{k}.0/24"), .. onLink.Select(k => $"fd00:10:1:{k}::/64")]);
            Strings(json, "gateways", $"10.1.{subnet}.1", $"fd00:10:1:{subnet}::1");
            if (_options.AddressCommand is { } command)
            {
                json.WriteString("addressCommand", command(accessPoint));
            }

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
