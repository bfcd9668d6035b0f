using System.Globalization;
using System.Net;

namespace Masquerade.Lab.Net;

/// <summary>
/// The network of the demonstration, in namespaces of this machine:
/// <code>
/// c1, c2 ── air (one bridge per access point = who hears whom) ── ap1, ap2, ap3 ── rt ── srv
///                                                                                  └── coo
/// </code>
/// Each access point's uplink is a subnet of its own, and a link of its own unless they are to share one. The router forwards plainly: no address translation, no source filter.
/// </summary>
public sealed class LabTopology : IDisposable
{
    /// <summary>How many access points there are.</summary>
    public const int AccessPointCount = 3;

    private static int s_runs;
    private readonly List<NetNamespace> _namespaces = [];
    private bool _disposed;

    /// <summary>Creates all namespaces and links. On failure everything made so far is deleted again.</summary>
    /// <param name="clients">How many clients, 1 to 9.</param>
    /// <param name="offload">Whether hosts may hand over unfinished checksums and TCP super-packets, as kernels do by default.</param>
    /// <param name="sharedUplink">Whether the uplinks are one link, with the subnets of all access points on it.</param>
    public LabTopology(int clients, bool offload, bool sharedUplink = false)
    {
        SharedUplink = sharedUplink;
        if (Libc.EffectiveUserId() != 0)
        {
            throw new LabException("network namespaces need root");
        }

        RemoveLeftovers();
        RunId = string.Create(CultureInfo.InvariantCulture, $"mq{Environment.ProcessId}x{Interlocked.Increment(ref s_runs)}");
        ScratchDirectory = Path.Combine(Path.GetTempPath(), "masq-lab-" + RunId);
        Directory.CreateDirectory(ScratchDirectory);
        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
        try
        {
            Air = Add("air");
            Router = Add("rt");
            Server = Add("srv");
            Coordinator = Add("coo");
            AccessPoints = [.. Enumerable.Range(1, AccessPointCount).Select(k => Add($"ap{k}"))];
            Clients = [.. Enumerable.Range(1, clients).Select(n => Add($"c{n}"))];
            Build(offload);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The prefix of all namespace names of this run; contains the owner's process id.</summary>
    public string RunId { get; }

    /// <summary>A directory of this run for sockets, configurations and logs; deleted at the end.</summary>
    public string ScratchDirectory { get; }

    /// <summary>Whether the access points' uplinks are one link.</summary>
    public bool SharedUplink { get; }

    /// <summary>The radio: one bridge per access point.</summary>
    public NetNamespace Air { get; }

    /// <summary>The router between uplinks, server and coordinator.</summary>
    public NetNamespace Router { get; }

    /// <summary>The correspondent.</summary>
    public NetNamespace Server { get; }

    /// <summary>Where coordinators, and the store that they share, run.</summary>
    public NetNamespace Coordinator { get; }

    /// <summary>The access points; the first is AP1.</summary>
    public IReadOnlyList<NetNamespace> AccessPoints { get; }

    /// <summary>The clients; the first is c1.</summary>
    public IReadOnlyList<NetNamespace> Clients { get; }

    /// <summary>The server's IPv4 address.</summary>
    public static IPAddress ServerAddress { get; } = IPAddress.Parse("10.1.100.2");

    /// <summary>The server's IPv6 address.</summary>
    public static IPAddress ServerAddress6 { get; } = IPAddress.Parse("fd00:10:1:100::2");

    /// <summary>The number of the subnet that coordinators are in.</summary>
    internal const int CoordinatorSubnet = 200;

    /// <summary>The addresses of the machine where coordinators run; each coordinator has one.</summary>
    public static IReadOnlyList<IPAddress> CoordinatorAddresses { get; } = [IPAddress.Parse("10.1.200.2"), IPAddress.Parse("10.1.200.3")];

    /// <summary>The gateway address that every access point shows its clients.</summary>
    public static IPAddress GatewayAddress { get; } = IPAddress.Parse("192.168.77.1");

    /// <summary>The gateway MAC address that every access point shows its clients.</summary>
    public const string GatewayMac = "02:6d:71:00:00:01";

    /// <summary>MAC address of an access point's uplink (0 is AP1).</summary>
    public static string UplinkMac(int accessPoint) => string.Create(CultureInfo.InvariantCulture, $"02:6d:71:00:02:{accessPoint + 1:x2}");

    /// <summary>MAC address of client <paramref name="client"/> (0 is c1).</summary>
    public static string ClientMac(int client) => string.Create(CultureInfo.InvariantCulture, $"02:6d:71:0c:00:{client + 1:x2}");

    /// <summary>IPv4 address of client <paramref name="client"/> (0 is c1).</summary>
    public static IPAddress ClientAddress(int client) => IPAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"192.168.77.{101 + client}"));

    /// <summary>IPv6 address of client <paramref name="client"/> (0 is c1).</summary>
    public static IPAddress ClientAddress6(int client) => IPAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"fd00:77::{101 + client}"));

    /// <summary>The access point (0 is AP1) whose uplink subnet holds the address, or -1.</summary>
    public static int AccessPointOf(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        _ = address.TryWriteBytes(bytes, out var length);
        var subnet = length == 4
            ? (bytes[0] == 10 && bytes[1] == 1 ? bytes[2] : 0)
            : (bytes[0] == 0xfd && bytes[1] == 0 && bytes[3] == 0x10 && bytes[5] == 1 && bytes[6] == 0 ? bytes[7] : 0);
        return subnet is >= 1 and <= AccessPointCount ? subnet - 1 : -1;
    }

    /// <summary>
    /// From now on two access points (0 is AP1) hear the same clients, as two do that are on one channel of one radio network: what is said to one is heard at both, and a client at either
    /// hears both. Their bridges become one hub, for the two have one MAC address towards clients.
    /// </summary>
    public void ShareAir(int first, int second)
    {
        Tool.IpBatch(
            Air.Name,
            "link add hub1 type veth peer name hub2",
            $"link set hub1 master br{first + 1}",
            $"link set hub2 master br{second + 1}",
            "link set hub1 up",
            "link set hub2 up");
        foreach (var port in (string[])["hub1", "hub2", $"a{first + 1}", $"a{second + 1}"])
        {
            Tool.Run("bridge", ["-n", Air.Name, "link", "set", "dev", port, "learning", "off", "flood", "on"]);
        }
    }

    /// <summary>Removes namespaces and scratch directories of runs whose process no longer lives; those of living ones are left alone.</summary>
    public static void RemoveLeftovers()
    {
        foreach (var name in NetNamespace.List())
        {
            if (OwnerIsDead(name, "mq"))
            {
                NetNamespace.Delete(name);
            }
        }

        foreach (var path in Directory.EnumerateDirectories(Path.GetTempPath(), "masq-lab-mq*"))
        {
            if (OwnerIsDead(Path.GetFileName(path), "masq-lab-mq"))
            {
                TryDeleteDirectory(path);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_namespaces)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
            foreach (var item in _namespaces)
            {
                NetNamespace.Delete(item.Name);
            }

            TryDeleteDirectory(ScratchDirectory);
        }
    }

    /// <summary>An access point's uplink loses its signal, as when its power fails (0 is AP1). Where links are shared, the others keep theirs.</summary>
    internal void CutUplink(int accessPoint) => Tool.IpBatch(AccessPoints[accessPoint].Name, "link set up0 down");

    /// <summary>The uplink is there again, with the addresses that the access point's kernel has.</summary>
    internal void RestoreUplink(int accessPoint) => Tool.IpBatch(AccessPoints[accessPoint].Name, UplinkCommands(accessPoint + 1));

    private static bool OwnerIsDead(string name, string prefix)
    {
        if (!name.StartsWith(prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var digits = name[prefix.Length..].TakeWhile(char.IsAsciiDigit).Count();
        return digits > 0 && name.Length > prefix.Length + digits && name[prefix.Length + digits] == 'x'
            && int.TryParse(name.AsSpan(prefix.Length, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            && !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}"));
    }

    private static void TryDeleteDirectory(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (IOException)
        {
            // A scratch directory that cannot be removed is litter in /tmp, not a reason to fail; the next run tries again.
        }
    }

    private void OnProcessExit(object? sender, EventArgs e) => Dispose();

    private NetNamespace Add(string suffix)
    {
        lock (_namespaces)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var item = new NetNamespace($"{RunId}-{suffix}");
            _namespaces.Add(item);
            return item;
        }
    }

    private void Build(bool offload)
    {
        // IPv6 addresses are used at once: duplicate address detection would delay each by a second, for addresses that we hand out ourselves.
        foreach (var item in _namespaces)
        {
            item.Sysctl("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.rp_filter=0");
        }

        Air.Sysctl("net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1");
        Router.Sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
        if (SharedUplink)
        {
            // Packets between access points leave by the interface by which they came; the router need not tell anybody of a shorter way.
            Router.Sysctl("net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0");
            Tool.IpBatch(Router.Name, "link add ubr type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set ubr up");
        }

        BuildHost(Server, "s0", 100);
        BuildHost(Coordinator, "k0", CoordinatorSubnet);
        Tool.IpBatch(Coordinator.Name, [.. CoordinatorAddresses.Skip(1).Select(a => $"addr add {a}/24 dev eth0")]);
        for (var k = 1; k <= AccessPointCount; k++)
        {
            BuildAccessPoint(k);
        }

        for (var n = 1; n <= Clients.Count; n++)
        {
            BuildClient(n);
        }

        if (!offload)
        {
            foreach (var host in Clients.Append(Server))
            {
                Tool.Run("ip", ["netns", "exec", host.Name, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
            }
        }
    }

    private void BuildHost(NetNamespace host, string routerPort, int subnet)
    {
        Tool.IpBatch(Router.Name,
            $"link add {routerPort} type veth peer name eth0 netns {host.Name}",
            $"addr add 10.1.{subnet}.1/24 dev {routerPort}",
            $"addr add fd00:10:1:{subnet}::1/64 dev {routerPort} nodad",
            $"link set {routerPort} up");
        Tool.IpBatch(host.Name,
            $"addr add 10.1.{subnet}.2/24 dev eth0",
            $"addr add fd00:10:1:{subnet}::2/64 dev eth0 nodad",
            "link set eth0 up",
            $"route add default via 10.1.{subnet}.1",
            $"route add default via fd00:10:1:{subnet}::1");
    }

    private void BuildAccessPoint(int k)
    {
        var ap = AccessPoints[k - 1];

        // The agent owns the client side and the masquerade addresses; the kernel must neither answer there nor route.
        ap.Sysctl("net.ipv4.ip_forward=0", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.default.arp_ignore=1");
        var port = SharedUplink ? "ubr" : $"u{k}";
        Tool.IpBatch(Router.Name,
            $"link add u{k} type veth peer name up0 netns {ap.Name}",
            SharedUplink ? $"link set u{k} master ubr" : $"link set u{k} mtu 1500",
            $"addr add 10.1.{k}.1/24 dev {port}",
            $"addr add fd00:10:1:{k}::1/64 dev {port} nodad",
            $"link set u{k} up");
        Tool.IpBatch(ap.Name, [$"link set up0 address {UplinkMac(k - 1)}", .. UplinkCommands(k)]);
        Tool.IpBatch(Air.Name,
            $"link add br{k} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 group_fwd_mask 8",
            $"link set br{k} up",
            $"link add a{k} type veth peer name cl0 netns {ap.Name}",
            $"link set a{k} master br{k}",
            $"link set a{k} up");
        ap.Sysctl("net.ipv6.conf.cl0.disable_ipv6=1");
        Tool.IpBatch(ap.Name, $"link set cl0 address 02:6d:71:00:01:{k:x2}", "link set cl0 up");
    }

    private static string[] UplinkCommands(int k) =>
    [
        "link set up0 up",
        $"addr replace 10.1.{k}.2/24 dev up0",
        $"addr replace fd00:10:1:{k}::2/64 dev up0 nodad",
        $"route replace default via 10.1.{k}.1",
        $"route replace default via fd00:10:1:{k}::1",
    ];

    private void BuildClient(int n)
    {
        var client = Clients[n - 1];
        client.Sysctl("net.ipv4.ping_group_range=0 2147483647");
        Tool.IpBatch(Air.Name, $"link add c{n} type veth peer name eth0 netns {client.Name}", $"link set c{n} up");
        Tool.IpBatch(client.Name,
            $"link set eth0 address {ClientMac(n - 1)}",
            $"addr add {ClientAddress(n - 1)}/24 dev eth0",
            $"addr add {ClientAddress6(n - 1)}/64 dev eth0 nodad",
            "link set eth0 up",
            $"route add default via {GatewayAddress}",
            "route add default via fe80::1 dev eth0");
    }
}
