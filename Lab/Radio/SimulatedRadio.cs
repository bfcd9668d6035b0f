using Masquerade.Lab.Net;

namespace Masquerade.Lab.Radio;

/// <summary>
/// Decides which access point hears which client. A client's link is a port that is put into the bridge of one access point, or into none.
/// With events it tells the access points as hostapd would; silent, they have to find out by the client's first frame.
/// </summary>
public sealed class SimulatedRadio : IDisposable
{
    private readonly LinkControl _links;
    private readonly uint[] _clientPorts;
    private readonly uint[] _bridges;
    private readonly uint[] _antennas;
    private readonly (long Begin, long End)?[] _off = new (long, long)?[LabTopology.AccessPointCount];
    private readonly int[] _where;
    private readonly HostapdSocket[] _hostapd;
    private readonly List<RoamRecord> _history = [];
    private readonly bool _events;

    /// <summary>Takes control of the air; all clients are out of reach at first.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="events">Whether association events are told.</param>
    public SimulatedRadio(LabTopology topology, bool events)
    {
        ArgumentNullException.ThrowIfNull(topology);
        _events = events;
        _where = [.. topology.Clients.Select(_ => -1)];
        (_links, _clientPorts, _bridges, _antennas) = topology.Air.Invoke(() => (
            new LinkControl(),
            Enumerable.Range(1, topology.Clients.Count).Select(n => Index($"c{n}")).ToArray(),
            Enumerable.Range(1, LabTopology.AccessPointCount).Select(k => Index($"br{k}")).ToArray(),
            Enumerable.Range(1, LabTopology.AccessPointCount).Select(k => Index($"a{k}")).ToArray()));
        _hostapd = [.. Enumerable.Range(1, LabTopology.AccessPointCount).Select(k => new HostapdSocket(Path.Combine(topology.ScratchDirectory, $"ap{k}", "hostapd", "cl0")))];
    }

    /// <summary>All switches so far, in order.</summary>
    public IReadOnlyList<RoamRecord> History
    {
        get
        {
            lock (_history)
            {
                return [.. _history];
            }
        }
    }

    /// <summary>Whether association events are told.</summary>
    public bool TellsEvents => _events;

    /// <summary>Path of the control socket of an access point's radio (0 is AP1).</summary>
    public string ControlSocket(int accessPoint) => _hostapd[accessPoint].Path;

    /// <summary>Where the client is; -1 is nowhere.</summary>
    public int Where(int client) => Volatile.Read(ref _where[client]);

    /// <summary>How many programs listen to an access point's radio.</summary>
    public int Listeners(int accessPoint) => _hostapd[accessPoint].Listeners;

    /// <summary>
    /// An access point's radio falls silent, as when its power fails (0 is AP1). Nobody is told: its clients stay where they are, deaf and mute, until they are moved, and
    /// their link counts as dead from now on.
    /// </summary>
    public void PowerOff(int accessPoint)
    {
        var begin = LabClock.Now;
        _links.SetForwarding(_antennas[accessPoint], forwarding: false);
        _off[accessPoint] = (begin, LabClock.Now);
        _hostapd[accessPoint].Reset();
    }

    /// <summary>The radio is back; it knows no client.</summary>
    public void PowerOn(int accessPoint)
    {
        _links.SetForwarding(_antennas[accessPoint], forwarding: true);
        _off[accessPoint] = null;
    }

    /// <summary>An access point (0 is AP1) that shares the air of the one where a client is says that it hears the client too.</summary>
    public void HearAlso(int client, int accessPoint)
    {
        if (_events)
        {
            _hostapd[accessPoint].Connected(LabTopology.ClientMac(client));
        }
    }

    /// <summary>Moves a client, with its link dead for <paramref name="switchTime"/>. Returns when the new link is up. Call it on a thread that may sleep.</summary>
    /// <remarks>From an access point whose power failed it goes without a farewell; its link was dead since then.</remarks>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="to">The access point, 0 is AP1; -1 for none.</param>
    /// <param name="switchTime">How long its link is dead.</param>
    /// <param name="whileDead">Called while the link is dead.</param>
    public RoamRecord Move(int client, int to, TimeSpan switchTime, Action? whileDead = null)
    {
        var from = _where[client];
        var port = _clientPorts[client];
        var mac = LabTopology.ClientMac(client);
        var downBegin = LabClock.Now;
        if (from >= 0)
        {
            _links.SetForwarding(port, forwarding: false);
        }

        var downEnd = LabClock.Now;
        var lost = from >= 0 ? _off[from] : null;
        Volatile.Write(ref _where[client], -1);
        if (_events && from >= 0 && lost is null)
        {
            _hostapd[from].Disconnected(mac);
        }

        whileDead?.Invoke();
        if (from >= 0)
        {
            _links.SetMaster(port, 0);
            LabClock.SleepUntil(downEnd + (switchTime.Ticks * 100));
        }

        var upBegin = LabClock.Now;
        if (to >= 0)
        {
            _links.SetMaster(port, _bridges[to]);
        }

        var upEnd = LabClock.Now;
        Volatile.Write(ref _where[client], to);
        if (_events && to >= 0)
        {
            _hostapd[to].Connected(mac);
        }

        var record = new RoamRecord(client, from, to, lost?.Begin ?? downBegin, lost?.End ?? downEnd, upBegin, upEnd);
        lock (_history)
        {
            _history.Add(record);
        }

        return record;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var socket in _hostapd)
        {
            socket.Dispose();
        }

        _links.Dispose();
    }

    private static uint Index(string name)
    {
        var index = Libc.InterfaceIndex(name);
        return index != 0 ? index : throw new LabException($"no interface {name} in the air");
    }
}
