using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.AccessPoint.Tests.Devices;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;

namespace Masquerade.AccessPoint.Tests.FastPath;

/// <summary>A node on its own between a client's and a server's link, each in a namespace, with the kernel's fast path attached; the test is the agent's data thread.</summary>
internal sealed class PassingSite : IDisposable
{
    public static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    private readonly NetNamespace _left = new("gen");
    private readonly NetNamespace _middle = new("ap");
    private readonly NetNamespace _right = new("srv");
    private readonly Poller _poller = new();
    private readonly Dictionary<string, AfPacketDevice> _devices = [];
    private bool _seen;

    public PassingSite(FastPathHook hook, int maxConnections = 64)
    {
        try
        {
            _left.Connect("eth0", _middle, "cl0");
            _right.Connect("eth0", _middle, "up0");
            foreach (var end in (NetNamespace[])[_left, _right])
            {
                // A veth takes frames from XDP only where its other end is ready for them.
                end.Exec("ethtool", "-K", "eth0", "gro", hook == FastPathHook.Xdp ? "on" : "off");
            }

            Open(_left, "eth0", "gen");
            Open(_right, "eth0", "srv");
            Open(_middle, "cl0", "cl0");
            Open(_middle, "up0", "up0");
            _poller.Add(_devices["cl0"].PollHandle);
            _poller.Add(_devices["up0"].PollHandle);
            var model = new AccessPointModel
            {
                Node = new NodeId("ap1"),
                Incarnation = 1,
                Standalone = true,
                Fam = new FamConfig { Standalone = true, MaxConnections = 1_024, MaxMappings = 1_024, MaxClients = 16 },
                Uplink = new UplinkModel
                {
                    Mac = _devices["up0"].HardwareAddress,
                    Addresses = [IpAddress.Parse("10.1.1.10"), IpAddress.Parse("fd00:10:1:1::10")],
                    OnLink = [IpPrefix.Parse("10.1.1.0/24"), IpPrefix.Parse("fd00:10:1:1::/64")],
                    GatewayV4 = IpAddress.Parse("10.1.1.1"),
                    GatewayV6 = IpAddress.Parse("fd00:10:1:1::1"),
                    StaticNeighbours = new Dictionary<IpAddress, MacAddress>
                    {
                        [IpAddress.Parse("10.1.1.1")] = _devices["srv"].HardwareAddress, [IpAddress.Parse("fd00:10:1:1::1")] = _devices["srv"].HardwareAddress,
                    },
                },
                Clients = new ClientSideModel
                {
                    GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fd00:77::1"), IpAddress.Parse("fe80::1")],
                    Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
                },
            };
            Kernel = _middle.Run(() => new KernelFastPath(
                new FastPathConfig { MaxConnections = maxConnections, Uplink = hook, Clients = hook }, model, _devices["up0"], _devices["cl0"]));
            Node = new AccessPointNode(model with { FastPath = Kernel }, 1, new Sink(_devices["up0"], _devices["cl0"]));
            Node.OnAssociated(Client, MonotonicClock.Now);
            Step();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public KernelFastPath Kernel { get; }

    public AccessPointNode Node { get; }

    public MacAddress UplinkMac => _devices["up0"].HardwareAddress;

    public MacAddress RouterMac => _devices["srv"].HardwareAddress;

    /// <summary>Sends a frame as the client or, from the router, as a server; tells what came out at the other end and whether the agent had it. Null: nothing came.</summary>
    public (Seen? Out, bool ByAgent) Send(byte[] frame, bool fromClient, OffloadInfo offload = default)
    {
        var (from, to) = fromClient ? (_devices["gen"], _devices["srv"]) : (_devices["srv"], _devices["gen"]);
        _seen = false;
        Assert.True(from.Transmit(frame, offload));
        from.Flush();
        var found = new List<Seen>();
        for (var until = MonotonicClock.Now + TimeSpan.FromMilliseconds(500); found.Count == 0 && MonotonicClock.Now < until;)
        {
            Step();
            to.Receive((Span<byte> received, in OffloadInfo state) => Keep(found, received, state, frame), 16);
            if (_seen && found.Count == 0 && MonotonicClock.Now > until - TimeSpan.FromMilliseconds(400))
            {
                // The agent has had it, and has sent nothing on.
                break;
            }
        }

        // A round in which nothing waits: then the kernel is told of what is new.
        var byAgent = _seen;
        Step();
        return (found.FirstOrDefault(), byAgent);
    }

    /// <summary>A round of the data thread.</summary>
    public void Step()
    {
        var now = MonotonicClock.Now;
        Node.Advance(now);
        var looked = MonotonicClock.Now;
        var taken = _devices["cl0"].Receive((Span<byte> frame, in OffloadInfo offload) => { _seen = true; Node.OnClientFrame(frame, offload, now); }, 64);
        taken += _devices["up0"].Receive((Span<byte> frame, in OffloadInfo offload) => { _seen = true; Node.OnUplinkFrame(frame, offload, now); }, 64);
        _devices["up0"].Flush();
        _devices["cl0"].Flush();
        Kernel.Commit(taken == 0 ? looked : Instant.Never);
    }

    public string Exec(params string[] command) => _middle.Exec(command);

    /// <summary>The agent ends in order.</summary>
    public void End() => _middle.Run(() =>
    {
        Kernel.Dispose();
        return 0;
    });

    public void Dispose()
    {
        if (Kernel is not null)
        {
            End();
        }

        foreach (var device in _devices.Values)
        {
            device.Dispose();
        }

        _poller.Dispose();
        _left.Dispose();
        _middle.Dispose();
        _right.Dispose();
    }

    /// <summary>Keeps what is of the same kind as what was sent: the node's own announcements are not.</summary>
    private static void Keep(List<Seen> found, ReadOnlySpan<byte> received, in OffloadInfo state, ReadOnlySpan<byte> sent)
    {
        if (received.Length >= sent.Length && received[12..14].SequenceEqual(sent[12..14]) && !(received[0] is 0x33 or 0x01 or 0xFF))
        {
            found.Add(new Seen(received.ToArray(), state));
        }
    }

    private void Open(NetNamespace where, string name, string key) => _devices[key] = where.Run(() => new AfPacketDevice(name));

    private sealed class Sink(AfPacketDevice uplink, AfPacketDevice clients) : INodeOutput
    {
        public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Assert.True(uplink.Transmit(frame, offload));

        public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Assert.True(clients.Transmit(frame, offload));

        public void SendControl(ControlMessage message)
        {
        }

        public void SendKeyFrame(ReadOnlySpan<byte> frame)
        {
        }

        public void Report(EngineEvent engineEvent)
        {
        }
    }
}
