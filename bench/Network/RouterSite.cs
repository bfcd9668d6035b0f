using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Bench.Network;

/// <summary>What an access point of <see cref="RouterSite"/> is.</summary>
internal enum RouterKind
{
    /// <summary>The agent alone: every packet comes to it.</summary>
    Agent,

    /// <summary>The agent, and the kernel's fast path at tc.</summary>
    Tc,

    /// <summary>The agent, and the kernel's fast path at XDP.</summary>
    Xdp,

    /// <summary>The kernel with nftables' masquerade.</summary>
    Kernel,
}

/// <summary>
/// A client side, an access point and a server, joined by two links, in namespaces of this run: <c>gen ── ap ── snk</c>. The access point is the product's agent on its own, or the kernel with nftables' masquerade.
/// </summary>
internal sealed class RouterSite : IDisposable
{
    public const string ServerAddress = "10.1.1.1";
    public const ushort SinkPort = 7_000;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static int s_sites;
    private readonly List<NetNamespace> _namespaces = [];
    private readonly string _folder;
    private readonly RouterKind _kind;
    private Process? _agent;

    /// <summary>Builds it and waits until a datagram comes through and back.</summary>
    /// <param name="kind">What the access point is.</param>
    /// <param name="core">The core that it works on.</param>
    /// <param name="steers">Whether what the kernel does is done there as well, whoever sent the frame.</param>
    /// <param name="connections">How many connections may pass in the kernel.</param>
    public RouterSite(RouterKind kind, int core, bool steers = true, int connections = 65_536)
    {
        _kind = kind;
        _folder = Directory.CreateTempSubdirectory("masq-bench-").FullName;
        try
        {
            LabTopology.RemoveLeftovers();
            var run = string.Create(CultureInfo.InvariantCulture, $"mq{Environment.ProcessId}x9{Interlocked.Increment(ref s_sites)}");
            (Clients, AccessPoint, Server) = (Add($"{run}-gen"), Add($"{run}-ap"), Add($"{run}-snk"));
            Build();
            if (kind == RouterKind.Kernel)
            {
                KernelNat.Translate(AccessPoint);

                // Not a limit that a benchmark is about; it is one for the whole machine, and only a namespace of the first kind may raise it.
                _ = Tool.TryRun("sysctl", ["-q", "-w", "net.netfilter.nf_conntrack_max=262144"]);
            }
            else
            {
                StartAgent(core, connections);
            }

            if (steers && kind is (RouterKind.Kernel or RouterKind.Tc))
            {
                SteerTo(core);
            }

            if (kind == RouterKind.Xdp || !steers)
            {
                // A veth takes frames from XDP only where its other end is ready for them.
                Tool.Run("ip", ["netns", "exec", Clients.Name, "ethtool", "-K", "eth0", "gro", "on"]);
                Tool.Run("ip", ["netns", "exec", Server.Name, "ethtool", "-K", "eth0", "gro", "on"]);
                Tool.Run("ip", ["netns", "exec", AccessPoint.Name, "sh", "-c", "ethtool -K cl0 gro on; ethtool -K up0 gro on"]);
            }

            WaitReachable();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name => _kind switch { RouterKind.Agent => "agent", RouterKind.Tc => "agent, fast path at tc", RouterKind.Xdp => "agent, fast path at XDP", _ => "kernel (nftables)" };

    /// <summary>What is to be said besides about a lane through it.</summary>
    public string How => _kind == RouterKind.Tc ? ", fast path at tc" : string.Empty;

    public NetNamespace Clients { get; }

    public NetNamespace AccessPoint { get; }

    public NetNamespace Server { get; }

    /// <summary>Processor seconds of the agent; 0 for the kernel.</summary>
    public double AgentSeconds => _agent is null ? 0 : Machine.CpuSeconds(_agent.Id);

    /// <summary>How many datagrams to the sink's port have reached the server's machine, where a rule counts and drops them.</summary>
    public long Delivered()
    {
        using var answer = JsonDocument.Parse(Tool.Run("ip", ["netns", "exec", Server.Name, "nft", "-j", "list", "counter", "inet", "sink", "arrived"]));
        return answer.RootElement.GetProperty("nftables").EnumerateArray().First(e => e.TryGetProperty("counter", out _)).GetProperty("counter").GetProperty("packets").GetInt64();
    }

    /// <summary>Switches the super-packets of the two ends on or off.</summary>
    public void SetOffload(bool isOn)
    {
        foreach (var end in (NetNamespace[])[Clients, Server])
        {
            var state = isOn ? "on" : "off";
            Tool.Run("ip", ["netns", "exec", end.Name, "ethtool", "-K", "eth0", "tx", state, "tso", state, "gso", state, "gro", state]);
        }
    }

    public void Dispose()
    {
        if (_agent is { } agent)
        {
            agent.Kill();
            agent.WaitForExit(5_000);
            agent.Dispose();
        }

        _namespaces.ForEach(n => NetNamespace.Delete(n.Name));
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>So many that a million connections find ports.</summary>
    private static string Addresses => string.Join(", ", Enumerable.Range(10, 16).Select(i => string.Create(CultureInfo.InvariantCulture, $"\"10.1.1.{i}\"")));

    private string Hook => _kind == RouterKind.Xdp ? "xdp" : "tc";

    private NetNamespace Add(string name)
    {
        var item = new NetNamespace(name);
        _namespaces.Add(item);
        return item;
    }

    private void Build()
    {
        AccessPoint.Sysctl("net.ipv4.ip_forward=0", "net.ipv4.conf.all.arp_ignore=1", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1");
        Tool.IpBatch(
            AccessPoint.Name,
            $"link add cl0 type veth peer name eth0 netns {Clients.Name}",
            $"link add up0 type veth peer name eth0 netns {Server.Name}",
            "link set cl0 up",
            "link set up0 up",
            "addr add 10.1.1.2/24 dev up0",
            $"route add default via {ServerAddress}");
        Tool.IpBatch(
            Clients.Name,
            $"link set eth0 address {LabTopology.ClientMac(0)}",
            $"addr add {LabTopology.ClientAddress(0)}/24 dev eth0",
            "link set eth0 up",
            $"route add default via {LabTopology.GatewayAddress}");
        Tool.IpBatch(Server.Name, $"addr add {ServerAddress}/24 dev eth0", "link set eth0 up");
        Tool.Run("ip", ["netns", "exec", Server.Name, "nft", "-f", "-"], $$"""
            table inet sink {
                counter arrived { }
                chain in {
                    type filter hook prerouting priority raw;
                    udp dport {{SinkPort}} counter name arrived drop
                }
            }

            """);
    }

    /// <summary>What arrives is worked on where the agent would work; otherwise a veth's frames are forwarded by whoever sent them, on the sender's core.</summary>
    private void SteerTo(int core)
    {
        if (Environment.ProcessorCount > 1)
        {
            var cores = (1 << core).ToString("x", CultureInfo.InvariantCulture);
            Tool.Run("ip", ["netns", "exec", AccessPoint.Name, "sh", "-c", $"for i in cl0 up0; do echo {cores} > /sys/class/net/$i/queues/rx-0/rps_cpus; done"]);
        }
    }

    private void StartAgent(int core, int connections)
    {
        var path = Path.Combine(_folder, "agent.json");
        File.WriteAllText(path, $$"""
            {
              "node": "bench",
              "coordinator": "none",
              "uplink": { "interface": "up0", "addresses": [{{Addresses}}], "onLink": "10.1.1.0/24", "gateways": "{{ServerAddress}}" },
              "client": { "interface": "cl0", "gatewayMac": "{{LabTopology.GatewayMac}}", "gatewayAddresses": "{{LabTopology.GatewayAddress}}", "prefixes": "192.168.77.0/24" },
              "fastPath": { "enabled": {{(_kind == RouterKind.Agent ? "false" : "true")}}, "uplink": "{{Hook}}", "clients": "{{Hook}}", "maxConnections": {{connections}} },
              "fam": { "udpMappingsPerClient": 0, "connectionRatePerClient": 0, "maxConnections": 2097152, "maxMappings": 2097152 },
              "ham": { "maxMappings": 2097152 }
            }

            """);
        var start = new ProcessStartInfo("nice") { UseShellExecute = false };
        foreach (var argument in (string[])["-n", "-10", .. Machine.On(core, "ip", "netns", "exec", AccessPoint.Name, "dotnet", ProgramLocator.Agent(), "--config", path)])
        {
            start.ArgumentList.Add(argument);
        }

        // As docs/operations.md has it.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        _agent = Process.Start(start) ?? throw new BenchException("the agent did not start");
        _agent.OutputDataReceived += static (_, _) => { };
        _agent.ErrorDataReceived += static (_, _) => { };
        _agent.BeginOutputReadLine();
        _agent.BeginErrorReadLine();
    }

    private void WaitReachable()
    {
        using var server = Server.Invoke(() => Bound(new IPEndPoint(IPAddress.Parse(ServerAddress), 7_999)));
        using var client = Clients.Invoke(() => Bound(new IPEndPoint(IPAddress.Any, 0)));
        client.Connect(new IPEndPoint(IPAddress.Parse(ServerAddress), 7_999));
        (server.ReceiveTimeout, client.ReceiveTimeout) = (100, 100);
        var buffer = new byte[64];
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < s_patience;)
        {
            if (_agent is { HasExited: true } ended)
            {
                throw new BenchException($"the agent ended with {ended.ExitCode}");
            }

            try
            {
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                client.Send("there"u8);
                var length = server.ReceiveFrom(buffer, ref from);
                server.SendTo(buffer.AsSpan(0, length), from);
                if (client.Receive(buffer) == length)
                {
                    return;
                }
            }
            catch (SocketException)
            {
                // Not yet.
                Thread.Sleep(20);
            }
        }

        throw new BenchException($"{Name}: no datagram came through and back for {s_patience.TotalSeconds:0} s");
    }

    /// <summary>A socket for datagrams; of the calling thread's namespace.</summary>
    public static Socket Bound(IPEndPoint at)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(at);
        return socket;
    }
}
