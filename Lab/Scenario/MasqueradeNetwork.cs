using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// The product: an agent at every access point, and one coordinator, or two over a Redis, each a process of its own in its namespace, with certificates
/// made for the occasion. Each can be killed and started anew.
/// </summary>
internal sealed class MasqueradeNetwork : INetworkUnderTest
{
    public const int FirstApiPort = 4751;
    private const int SpreadAttempts = 40;
    private static readonly string[] s_names = ["north", "south"];
    private readonly List<ProgramUnderTest> _programs = [];
    private readonly HashSet<string> _started = new(StringComparer.Ordinal);
    private readonly ProgramUnderTest?[] _agents = new ProgramUnderTest?[LabTopology.AccessPointCount];
    private readonly ProgramUnderTest?[] _coordinators;
    private ProgramUnderTest? _central;
    private readonly LabTopology _topology;
    private readonly SimulatedRadio _radio;
    private readonly DemoOptions _options;
    private readonly SiteFiles _files;
    private readonly RedisServer? _redis;
    private readonly RouteHook? _routes;

    public MasqueradeNetwork(LabTopology topology, SimulatedRadio radio, DemoOptions options, CancellationToken cancel)
    {
        (_topology, _radio, _options) = (topology, radio, options);
        _coordinators = new ProgramUnderTest?[options.Redis ? 2 : 1];
        try
        {
            _files = new SiteFiles(topology, options);
            _routes = options.RouteCommand ? new RouteHook(topology) : null;
            if (options.Redis)
            {
                _redis = new RedisServer(topology.Coordinator, new IPEndPoint(IPAddress.Loopback, LabPorts.Redis), [], Path.Combine(topology.ScratchDirectory, "redis"));
            }

            for (var i = 0; i < _coordinators.Length; i++)
            {
                _files.WriteCoordinator(s_names[i], Listen(i), FirstApiPort + i, _redis?.EndPoint);
                StartCoordinator(i);
            }

            for (var i = 0; i < _coordinators.Length; i++)
            {
                WaitForCoordinator(i, cancel);
            }

            for (var k = 0; k < options.Agents; k++)
            {
                _files.WriteAgent(k, Enumerable.Range(0, _coordinators.Length).Select(Listen), options.Hostapd is { } hostapd ? hostapd(k) : options.Events ? radio.ControlSocket(k) : null, _routes?.Write(k) ?? options.AddressCommand?.Invoke(k));
                StartAgent(k);
            }

            if (options.Central)
            {
                // Its client interface has no clients.
                Tool.IpBatch(topology.Coordinator.Name, "link add cl0 type veth peer name cl0-none", "link set cl0 up", "link set cl0-none up");
                _files.WriteCentral(Enumerable.Range(0, _coordinators.Length).Select(Listen));
                StartCentral();
            }

            WaitForAgents(cancel);
            Spread(cancel);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string? Failure => _programs.Select(p => p.Failure).Append(_redis?.Failure).FirstOrDefault(f => f is not null);

    public SiteSummary Site => new(
        _redis is null ? "memory" : "redis",
        [.. Enumerable.Range(0, _coordinators.Length).Select(i => new CoordinatorSummary(s_names[i], Listen(i).ToString(),
            [.. Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => CoordinatorOf(k) == i).Select(k => k + 1)]))]);

    /// <summary>How many coordinators there are, dead ones included.</summary>
    public int CoordinatorCount => _coordinators.Length;

    /// <summary>Whether coordinators share a store.</summary>
    public bool HasRedis => _redis is not null;

    /// <summary>Which access point has had which address until now.</summary>
    public AddressOwners Owners => _routes?.Read() ?? new AddressOwners();

    /// <summary>How many mappings the store has of a client, as the first coordinator that answers says; -1 if none does.</summary>
    public int MappingsOf(int client) => Enumerable.Range(0, _coordinators.Length).Where(i => _coordinators[i] is not null)
        .Select(i =>
        {
            using var reader = new CoordinatorReader(_topology.Coordinator, FirstApiPort + i);
            return reader.MappingsOf(client);
        })
        .FirstOrDefault(count => count >= 0, -1);

    /// <summary>A coordinator's name.</summary>
    public static string NameOf(int coordinator) => s_names[coordinator];

    /// <summary>A coordinator is gone from one moment to the next (SIGKILL).</summary>
    public void KillCoordinator(int coordinator) => Kill(ref _coordinators[coordinator]);

    /// <summary>Starts a coordinator that has been killed anew.</summary>
    public void RestartCoordinator(int coordinator, CancellationToken cancel)
    {
        StartCoordinator(coordinator);
        WaitForCoordinator(coordinator, cancel);
    }

    /// <summary>Redis is gone from one moment to the next (SIGKILL), with all that it had.</summary>
    public void KillRedis() => _redis?.Kill();

    /// <summary>Starts Redis anew, empty.</summary>
    public void RestartRedis() => _redis?.Start();

    /// <summary>The agent of an access point is gone from one moment to the next (SIGKILL).</summary>
    public void Kill(int accessPoint) => Kill(ref _agents[accessPoint]);

    /// <summary>Starts an access point's agent, which has been killed, anew.</summary>
    public void Restart(int accessPoint, CancellationToken cancel)
    {
        StartAgent(accessPoint);
        WaitForAgents(cancel);
    }

    /// <summary>The central node is gone from one moment to the next (SIGKILL).</summary>
    public void KillCentral() => Kill(ref _central);

    /// <summary>Starts the central node.</summary>
    public void StartCentral() => _central = StartProgram(_topology.Coordinator, "central", ProgramLocator.Agent(), _files.CentralConfig);

    /// <summary>Has an access point's agent end in order (SIGTERM), and waits for that.</summary>
    public void Stop(int accessPoint)
    {
        if (_agents[accessPoint] is { } agent)
        {
            _programs.Remove(agent);
            agent.Dispose();
            _agents[accessPoint] = null;
        }
    }

    /// <summary>An access point loses its power: uplink, radio and agent are gone, and nothing of it says goodbye.</summary>
    public void PowerOff(int accessPoint)
    {
        // Links first: a kernel whose process dies would tell the coordinator.
        _radio.PowerOff(accessPoint);
        _topology.CutUplink(accessPoint);
        Kill(accessPoint);
    }

    /// <summary>An access point's power is back.</summary>
    public void PowerOn(int accessPoint, CancellationToken cancel)
    {
        _topology.RestoreUplink(accessPoint);
        _radio.PowerOn(accessPoint);
        Restart(accessPoint, cancel);
    }

    /// <summary>The file of an access point's log of mappings.</summary>
    public string MappingLogOf(int accessPoint) => SiteFiles.MappingLogOf(_files.ConfigOf(accessPoint));

    /// <summary>How an access point's agent says it is doing.</summary>
    public JsonElement Status(int accessPoint) => AgentReader.Status(StatusOf(accessPoint));

    /// <summary>The coordinator that an access point's agent is connected to, as its kernel has it; -1 if to none.</summary>
    public int CoordinatorOf(int accessPoint)
    {
        // A socket for both families shows addresses of IPv4 as mapped ones.
        var sockets = Tool.Run("ip", ["netns", "exec", _topology.AccessPoints[accessPoint].Name, "ss", "-Htn", "state", "established"])
            .Replace("[::ffff:", string.Empty, StringComparison.Ordinal).Replace("]", string.Empty, StringComparison.Ordinal);
        var words = sockets.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        return Array.FindIndex([.. Enumerable.Range(0, _coordinators.Length)], i => words.Contains(Listen(i).ToString(), StringComparer.Ordinal));
    }

    public void Dispose()
    {
        _programs.ForEach(p => p.RequestStop());
        _programs.ForEach(p => p.Dispose());
        _redis?.Dispose();
    }

    private string StatusOf(int accessPoint) => SiteFiles.StatusOf(_files.ConfigOf(accessPoint));

    private static IPEndPoint Listen(int coordinator) => new(LabTopology.CoordinatorAddresses[coordinator], LabPorts.Coordinator);

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

    private void Kill(ref ProgramUnderTest? program)
    {
        if (program is not null)
        {
            _programs.Remove(program);
            program.KillAtOnce();
            program.Dispose();
            program = null;
        }
    }

    private ProgramUnderTest StartProgram(NetNamespace where, string name, string assembly, string configuration)
    {
        var program = new ProgramUnderTest(where, name, assembly, ["--config", configuration], _options.LogDirectory, again: !_started.Add(name), isEmulated: _options.IsEmulated);
        _programs.Add(program);
        return program;
    }

    private void StartCoordinator(int index) =>
        _coordinators[index] = StartProgram(_topology.Coordinator, s_names[index], ProgramLocator.Coordinator(), _files.ConfigOf(s_names[index]));

    private void WaitForCoordinator(int index, CancellationToken cancel) =>
        WaitFor(() => _topology.Coordinator.Invoke(() => Answers(Listen(index))), $"coordinator {s_names[index]} does not listen", cancel);

    private void StartAgent(int accessPoint) =>
        _agents[accessPoint] = StartProgram(_topology.AccessPoints[accessPoint], $"ap{accessPoint + 1}", ProgramLocator.Agent(), _files.ConfigOf(accessPoint));

    private void WaitForAgents(CancellationToken cancel)
    {
        if (_options.Events && _options.Hostapd is null)
        {
            WaitFor(() => Enumerable.Range(0, LabTopology.AccessPointCount).All(k => _agents[k] is null || _radio.Listeners(k) > 0), "an agent does not listen to its radio", cancel);
        }

        WaitFor(() => Enumerable.Range(0, LabTopology.AccessPointCount).All(k => _agents[k] is null || AgentReader.Serves(StatusOf(k))), "an agent has been welcomed by no coordinator", cancel);
    }

    /// <summary>
    /// Agents begin with any coordinator; three of them may well choose the same. That would show less, so agents are started anew until every coordinator has one.
    /// </summary>
    private void Spread(CancellationToken cancel)
    {
        for (var attempt = 0; _coordinators.Length > 1 && Enumerable.Range(0, LabTopology.AccessPointCount).Select(CoordinatorOf).Distinct().Count() < _coordinators.Length; attempt++)
        {
            if (attempt == SpreadAttempts)
            {
                throw new LabException("the agents do not spread over the coordinators");
            }

            var agent = _agents[0]!;
            _programs.Remove(agent);
            agent.Dispose();
            _agents[0] = null;
            Restart(0, cancel);
        }
    }

    private void WaitFor(Func<bool> condition, string otherwise, CancellationToken cancel)
    {
        var patience = _options.IsEmulated ? 240 : 15;
        var deadline = LabClock.Now + LabClock.Milliseconds(1_000 * patience);
        while (!condition())
        {
            cancel.ThrowIfCancellationRequested();
            if (Failure is { } failure)
            {
                throw new LabException(failure);
            }

            if (LabClock.Now > deadline)
            {
                throw new LabException($"{otherwise} (waited {patience} s)");
            }

            Thread.Sleep(20);
        }
    }
}
