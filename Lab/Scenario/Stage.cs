using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>Where a story is played: the network, its radio, its programs and c1's connections, with the moves that stories are made of.</summary>
internal sealed class Stage : IDisposable
{
    private static readonly TimeSpan s_tablePeriod = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_warmUpDwell = TimeSpan.FromMilliseconds(150);
    private readonly List<LabConnection> _connections = [];
    private readonly List<RoamRecord> _walk = [];
    private readonly List<long> _incidents = [];
    private UdpFlow _mainFlow = null!;
    private int _nextPort = LabPorts.FirstServer;
    private int _measured;
    private int _prepared;
    private int _probes;

    /// <param name="options">How the run is to be.</param>
    /// <param name="observer">Who follows it.</param>
    /// <param name="cancel">Ends the preparation.</param>
    /// <param name="users">Puts into the network what users need and says who they are; null: everybody may use it.</param>
    public Stage(DemoOptions options, IDemoObserver observer, CancellationToken cancel, Func<LabTopology, LabUsers>? users = null)
    {
        Observer = observer;
        Topology = new LabTopology(options.Clients, options.Offload);
        try
        {
            Options = options = users is null ? options : options with { Users = users(Topology) };
            Radio = new SimulatedRadio(Topology, options.Events);
            cancel.ThrowIfCancellationRequested();
            Network = options.Network switch
            {
                NetworkKind.KernelNat => new KernelNat(Topology),
                NetworkKind.Ideal => new IdealAnchor(Topology),
                _ => new MasqueradeNetwork(Topology, Radio, options, cancel),
            };
        }
        catch
        {
            Radio?.Dispose();
            Topology.Dispose();
            throw;
        }
    }

    public DemoOptions Options { get; }

    public IDemoObserver Observer { get; }

    public LabTopology Topology { get; }

    public SimulatedRadio Radio { get; }

    public INetworkUnderTest Network { get; }

    public IReadOnlyList<LabConnection> Connections => _connections;

    /// <summary>c1's roams so far; those that an access point's death forced are not among them.</summary>
    public IReadOnlyList<RoamRecord> Walk => _walk;

    /// <summary>When the traffic started.</summary>
    public long Start { get; private set; }

    /// <summary>For how long traffic may run at most.</summary>
    public TimeSpan Longest => TimeSpan.FromSeconds(20) + ((Options.Dwell + Options.SwitchTime) * (Options.Roams + 2))
        + (ChaosStory.LongestKill * (Options.Chaos?.Kills ?? 0));

    public void Dispose()
    {
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        Network.Dispose();
        Radio.Dispose();
        Topology.Dispose();
    }

    /// <summary>Places the clients. c1 tries every access point once, so that the walk starts only when all of them work (and programs have been loaded and compiled).</summary>
    public void Prepare(CancellationToken cancel)
    {
        for (var client = Options.Clients - 1; client > 0; client--)
        {
            _ = Move(client, client % LabTopology.AccessPointCount);
            WaitReachable(client, cancel);
        }

        for (var accessPoint = LabTopology.AccessPointCount - 1; accessPoint >= 0; accessPoint--)
        {
            _ = Move(0, accessPoint);
            WaitReachable(0, cancel);
        }

        WarmUp(cancel);
        _prepared = Radio.History.Count;
    }

    /// <summary>Time is counted from now on.</summary>
    public void Begin() => Start = LabClock.Now;

    /// <summary>Starts the traffic of all clients.</summary>
    public void StartTraffic()
    {
        Begin();
        foreach (var family in Options.Families)
        {
            var datagrams = Add(new UdpFlow(Topology, 0, NextServer(family), RateOf(family), Longest));
            _mainFlow = family == Options.Families[0] ? datagrams : _mainFlow;
            Add(new EchoFlow(Topology, 0, NextServer(family), TimeSpan.FromMilliseconds(50), Longest));
            Add(new PingPong(Topology, "interactive", 0, NextServer(family), 64, TimeSpan.FromMilliseconds(20)));
        }

        Add(new BulkTransfer(Topology, 0, NextServer(Options.Families[0]), download: true, Options.Rate));
        Add(new BulkTransfer(Topology, 0, NextServer(Options.Families[^1]), download: false, Options.Rate));
        for (var client = 1; client < Options.Clients; client++)
        {
            Add(new UdpFlow(Topology, client, NextServer(), 100, Longest));
            Add(new PingPong(Topology, "interactive", client, NextServer(), 4096, TimeSpan.FromMilliseconds(20)));
        }
    }

    /// <summary>c1 opens another TCP connection where it is.</summary>
    public void OpenNew() =>
        Add(new PingPong(Topology, $"opened at AP{Radio.Where(0) + 1}", 0, NextServer(), 8192, TimeSpan.FromMilliseconds(100)));

    /// <summary>c1 opens many slow connections where it is.</summary>
    /// <param name="members">How many.</param>
    /// <param name="interval">How long each waits between two messages.</param>
    public void OpenCrowd(int members, TimeSpan interval)
    {
        foreach (var member in Crowd.Make(Topology, 0, [.. Enumerable.Range(0, members).Select(_ => NextServer())], interval, Longest))
        {
            Add(member);
        }
    }

    /// <summary>c1 walks to another access point.</summary>
    public void Roam(int to)
    {
        var roam = Move(0, to);
        _walk.Add(roam);
        Observer.Roamed(roam, Seconds(roam.DownBegin));
    }

    /// <summary>Something else than a roam makes connections stand still from now on: no roam before is responsible for it.</summary>
    public void Blame(long incident) => _incidents.Add(incident);

    /// <summary>Moves a client without counting it as a roam.</summary>
    public RoamRecord Move(int client, int to)
    {
        // On a thread of its own, because moving wants real-time priority, which must not stay with this one.
        RoamRecord? record = null;
        var thread = new Thread(() =>
        {
            LabClock.MakeThreadPrompt();
            record = Radio.Move(client, to, Options.SwitchTime, () => Network.ClientMoves(client, to));
        })
        { IsBackground = true, Name = "radio" };
        thread.Start();
        thread.Join();
        return record ?? throw new LabException("the radio failed");
    }

    /// <summary>Lets time pass, and tells what happens meanwhile.</summary>
    public void Stay(TimeSpan time, CancellationToken cancel)
    {
        var until = LabClock.Now + (time.Ticks * 100);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            MeasureRoams(LabClock.Now, final: false);
            ReportTable();
            var left = TimeSpan.FromTicks((until - LabClock.Now) / 100);
            if (left <= TimeSpan.Zero)
            {
                return;
            }

            cancel.WaitHandle.WaitOne(left < s_tablePeriod ? left : s_tablePeriod);
        }
    }

    /// <summary>Ends all connections in order, as far as they can be.</summary>
    public void Finish(long end)
    {
        MeasureRoams(end, final: true);
        _connections.ForEach(c => c.Stop());
        var deadline = LabClock.Now + LabClock.Milliseconds(3000);
        Parallel.ForEach(_connections, new ParallelOptions { MaxDegreeOfParallelism = 64 }, c => c.Complete(deadline));
        ReportTable();
    }

    /// <summary>Seconds since the traffic started.</summary>
    public double Seconds(long at) => (at - Start) / 1e9;

    /// <summary>The silence around one of c1's roams.</summary>
    public RoamGap GapOf(int index, long end)
    {
        var roam = _walk[index];
        var until = _incidents.Where(i => i > roam.UpEnd).Append(index + 1 < _walk.Count ? _walk[index + 1].DownBegin : end).Min();
        return new RoamGap(roam.From + 1, roam.To + 1, Seconds(roam.DownBegin), LabClock.ToMilliseconds(roam.SwitchTime),
            DatagramAccounting.LongestSilence(_mainFlow.Down, roam, until), DatagramAccounting.LongestSilence(_mainFlow.Up, roam, until));
    }

    /// <summary>Where clients were since the traffic started.</summary>
    public LinkHistory Links()
    {
        // The walk's own history starts where each client was when the traffic started.
        var history = Radio.History;
        var starts = Enumerable.Range(0, Options.Clients).Select(c => history.Take(_prepared).Last(r => r.Client == c) with { From = -1 });
        return new LinkHistory(starts.Concat(history.Skip(_prepared)), Options.Clients);
    }

    /// <summary>
    /// Walks c1 a few laps with traffic that is not judged. An access point is in service for months; the first roams of its life, when the
    /// runtime still compiles the code that handles them, are not what the demonstration is about.
    /// </summary>
    private void WarmUp(CancellationToken cancel)
    {
        var traffic = new List<LabConnection>();
        try
        {
            foreach (var family in Options.Families)
            {
                traffic.Add(new UdpFlow(Topology, 0, new IPEndPoint(ServerOf(family), LabPorts.FirstWarmUp + traffic.Count), RateOf(family), TimeSpan.FromSeconds(60)));
                traffic.Add(new PingPong(Topology, "warm-up", 0, new IPEndPoint(ServerOf(family), LabPorts.FirstWarmUp + traffic.Count), 8192, TimeSpan.FromMilliseconds(5)));
            }

            traffic.ForEach(c => c.Start());
            WalkWarm(cancel);
            traffic.ForEach(c => c.Stop());
            var deadline = LabClock.Now + LabClock.Milliseconds(1000);
            traffic.ForEach(c => c.Complete(deadline));
        }
        finally
        {
            traffic.ForEach(c => c.Dispose());
        }
    }

    private void WalkWarm(CancellationToken cancel)
    {
        for (var i = 0; i < Options.WarmUpRoams; i++)
        {
            cancel.WaitHandle.WaitOne(s_warmUpDwell);
            cancel.ThrowIfCancellationRequested();
            _ = Move(0, (Radio.Where(0) + 1) % LabTopology.AccessPointCount);
        }

        if (Radio.Where(0) != 0)
        {
            cancel.WaitHandle.WaitOne(s_warmUpDwell);
            _ = Move(0, 0);
        }

        cancel.WaitHandle.WaitOne(s_warmUpDwell);
    }

    /// <summary>Gaps are measured by the datagrams of the first family, which are many; those of another one show that none is lost.</summary>
    private int RateOf(AddressFamily family) => family == Options.Families[0] ? Options.DatagramRate : Math.Max(1, Options.DatagramRate / 10);

    private static IPAddress ServerOf(AddressFamily family) => family == AddressFamily.InterNetworkV6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress;

    /// <summary>A server's endpoint that no other connection has.</summary>
    public IPEndPoint NextServer(AddressFamily family) => new(ServerOf(family), _nextPort++);

    /// <summary>A server's endpoint of each family in turn.</summary>
    private IPEndPoint NextServer() => NextServer(Options.Families[_nextPort % Options.Families.Count]);

    /// <summary>Starts a connection that is watched from now on.</summary>
    public T Add<T>(T connection)
        where T : LabConnection
    {
        _connections.Add(connection);
        connection.Start();
        return connection;
    }

    private void ReportTable()
    {
        var owners = Network.Owners;
        var now = LabClock.Now;
        var rows = _connections.Where(c => !c.IsInCrowd)
            .Select(c => new ConnectionRow(c, c.SeenByServer is { } seen ? owners.At(seen.Address, now) + 1 : 0, Radio.Where(c.Client) + 1)).ToArray();
        Observer.Table(rows, Seconds(now));
        var crowd = _connections.Where(c => c.IsInCrowd).ToArray();
        if (crowd.Length > 0)
        {
            Observer.Crowd(crowd.Count(c => now - c.LastProgress < LabClock.Milliseconds(1000)), crowd.Length, Seconds(now));
        }
    }

    // A roam's gap is told a second after it, when it is certainly over or certainly bad; the final figures are computed afresh at the end.
    private void MeasureRoams(long now, bool final)
    {
        while (_measured < _walk.Count && (final || now - _walk[_measured].UpEnd > LabClock.Milliseconds(1000)))
        {
            Observer.RoamMeasured(_measured + 1, GapOf(_measured, now));
            _measured++;
        }
    }

    private void WaitReachable(int client, CancellationToken cancel)
    {
        foreach (var family in Options.Families)
        {
            WaitReachable(client, family, cancel);
        }
    }

    private void WaitReachable(int client, AddressFamily family, CancellationToken cancel)
    {
        var deadline = LabClock.Now + LabClock.Milliseconds(15_000);
        var server = new IPEndPoint(ServerOf(family), LabPorts.FirstProbe + _probes++);
        using var probe = new EchoFlow(Topology, client, server, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(30));
        probe.Start();
        while (probe.Log.Received == 0)
        {
            cancel.ThrowIfCancellationRequested();
            if (Network.Failure is { } failure)
            {
                throw new LabException(failure);
            }

            if (LabClock.Now > deadline)
            {
                throw new LabException($"c{client + 1} cannot reach the server through AP{Radio.Where(client) + 1} (no answer to ping for 15 s)");
            }

            Thread.Sleep(20);
        }
    }
}
