using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Capture;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>One walk: builds the network, starts the programs or the kernel's NAT, lets c1 walk with all its traffic, and judges what happened.</summary>
public sealed class DemoScenario : IDisposable
{
    private static readonly TimeSpan s_tablePeriod = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_warmUpDwell = TimeSpan.FromMilliseconds(150);
    private readonly DemoOptions _options;
    private readonly IDemoObserver _observer;
    private readonly LabTopology _topology;
    private readonly SimulatedRadio _radio;
    private readonly INetworkUnderTest _network;
    private readonly List<LabConnection> _connections = [];
    private readonly List<RoamRecord> _walk = [];
    private UdpFlow _mainFlow = null!;
    private int _nextPort = LabPorts.FirstServer;
    private long _start;
    private int _measured;
    private int _prepared;
    private int _probes;
    private SiteSummary? _site;

    private DemoScenario(DemoOptions options, IDemoObserver observer, CancellationToken cancel)
    {
        _options = options;
        _observer = observer;
        _topology = new LabTopology(options.Clients, options.Offload);
        try
        {
            _radio = new SimulatedRadio(_topology, options.Events);
            cancel.ThrowIfCancellationRequested();
            _network = options.Network switch
            {
                NetworkKind.KernelNat => new KernelNat(_topology),
                NetworkKind.Ideal => new IdealAnchor(_topology),
                _ => new MasqueradeNetwork(_topology, _radio, options, cancel),
            };
        }
        catch
        {
            _radio?.Dispose();
            _topology.Dispose();
            throw;
        }
    }

    /// <summary>Runs one walk to its verdict. Whatever happens, nothing of it is left on the machine.</summary>
    /// <exception cref="LabException">The laboratory could not be set up, or the network never came up.</exception>
    /// <exception cref="OperationCanceledException">The walk was cancelled.</exception>
    public static DemoResult Run(DemoOptions options, IDemoObserver observer, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(observer);
        using var scenario = new DemoScenario(options, observer, cancel);
        return scenario.Run(cancel);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        _network.Dispose();
        _radio.Dispose();
        _topology.Dispose();
    }

    private DemoResult Run(CancellationToken cancel)
    {
        Prepare(cancel);
        _site = _network.Site;
        if (_site is { Coordinators.Count: > 1 })
        {
            _observer.Note(_site.ToString());
        }

        using var captures = new CapturePoints(_topology);
        _start = LabClock.Now;
        StartTraffic();
        Stay(_options.Dwell, cancel);
        for (var i = 0; i < _options.Roams; i++)
        {
            var roam = Move(0, (_radio.Where(0) + 1) % LabTopology.AccessPointCount);
            _walk.Add(roam);
            _observer.Roamed(roam, Seconds(roam.DownBegin));

            // Every other new connection comes in the very first moment at the new access point, the others in peace.
            if (i % 2 == 1)
            {
                Stay(TimeSpan.FromMilliseconds(300), cancel);
            }

            OpenNew(roam.To);
            Stay(_options.Dwell - (i % 2 == 1 ? TimeSpan.FromMilliseconds(300) : TimeSpan.Zero), cancel);
        }

        var end = LabClock.Now;
        MeasureRoams(end, final: true);
        _connections.ForEach(c => c.Stop());
        var deadline = LabClock.Now + LabClock.Milliseconds(3000);
        Parallel.ForEach(_connections, new ParallelOptions { MaxDegreeOfParallelism = 64 }, c => c.Complete(deadline));
        ReportTable();
        captures.Stop();
        _observer.Note($"judging {captures.Log.Count} captured frames");
        if (_options.LogDirectory is { } directory)
        {
            Directory.CreateDirectory(directory);
            File.WriteAllLines(Path.Combine(directory, "roams.log"), RoamAnatomy.Describe(captures.Log, _walk));
        }

        var failure = _network.Failure;
        return Judge(captures, end, failure);
    }

    /// <summary>Places the clients. c1 tries every access point once, so that the walk starts only when all of them work (and programs have been loaded and compiled).</summary>
    private void Prepare(CancellationToken cancel)
    {
        for (var client = _options.Clients - 1; client > 0; client--)
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
        _prepared = _radio.History.Count;
    }

    /// <summary>
    /// Walks c1 a few laps with traffic that is not judged. An access point is in service for months; the first roams of its life, when the
    /// runtime still compiles the code that handles them, are not what the demonstration is about.
    /// </summary>
    private void WarmUp(CancellationToken cancel)
    {
        var server = _options.IPv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress;
        using var datagrams = new UdpFlow(_topology, 0, new IPEndPoint(server, LabPorts.FirstWarmUp), _options.DatagramRate, TimeSpan.FromSeconds(60));
        using var conversation = new PingPong(_topology, "warm-up", 0, new IPEndPoint(server, LabPorts.FirstWarmUp + 1), 8192, TimeSpan.FromMilliseconds(5));
        datagrams.Start();
        conversation.Start();
        for (var i = 0; i < _options.WarmUpRoams; i++)
        {
            cancel.WaitHandle.WaitOne(s_warmUpDwell);
            cancel.ThrowIfCancellationRequested();
            _ = Move(0, (_radio.Where(0) + 1) % LabTopology.AccessPointCount);
        }

        if (_radio.Where(0) != 0)
        {
            cancel.WaitHandle.WaitOne(s_warmUpDwell);
            _ = Move(0, 0);
        }

        cancel.WaitHandle.WaitOne(s_warmUpDwell);
        datagrams.Stop();
        conversation.Stop();
        var deadline = LabClock.Now + LabClock.Milliseconds(1000);
        conversation.Complete(deadline);
        datagrams.Complete(deadline);
    }

    private RoamRecord Move(int client, int to)
    {
        // On a thread of its own, because moving wants real-time priority, which must not stay with this one.
        RoamRecord? record = null;
        var thread = new Thread(() =>
        {
            LabClock.MakeThreadPrompt();
            record = _radio.Move(client, to, _options.SwitchTime, () => _network.ClientMoves(client, to));
        })
        { IsBackground = true, Name = "radio" };
        thread.Start();
        thread.Join();
        return record ?? throw new LabException("the radio failed");
    }

    private double Seconds(long at) => (at - _start) / 1e9;

    private IPEndPoint NextServer() => new(_options.IPv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress, _nextPort++);

    private T Add<T>(T connection)
        where T : LabConnection
    {
        _connections.Add(connection);
        connection.Start();
        return connection;
    }

    private void StartTraffic()
    {
        var longest = TimeSpan.FromSeconds(20) + (_options.Dwell + _options.SwitchTime) * (_options.Roams + 2);
        _mainFlow = Add(new UdpFlow(_topology, 0, NextServer(), _options.DatagramRate, longest));
        Add(new EchoFlow(_topology, 0, NextServer(), TimeSpan.FromMilliseconds(50), longest));
        Add(new BulkTransfer(_topology, 0, NextServer(), download: true, _options.Rate));
        Add(new BulkTransfer(_topology, 0, NextServer(), download: false, _options.Rate));
        Add(new PingPong(_topology, "interactive", 0, NextServer(), 64, TimeSpan.FromMilliseconds(20)));
        for (var client = 1; client < _options.Clients; client++)
        {
            Add(new UdpFlow(_topology, client, NextServer(), 100, longest));
            Add(new PingPong(_topology, "interactive", client, NextServer(), 4096, TimeSpan.FromMilliseconds(20)));
        }
    }

    private void OpenNew(int accessPoint) =>
        Add(new PingPong(_topology, $"opened at AP{accessPoint + 1}", 0, NextServer(), 8192, TimeSpan.FromMilliseconds(100)));

    private void Stay(TimeSpan time, CancellationToken cancel)
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

    private void ReportTable()
    {
        var rows = _connections.Select(c => new ConnectionRow(c, c.SeenByServer is { } seen ? LabTopology.AccessPointOf(seen.Address) + 1 : 0, _radio.Where(c.Client) + 1)).ToArray();
        _observer.Table(rows, Seconds(LabClock.Now));
    }

    // A roam's gap is told a second after it, when it is certainly over or certainly bad; the final figures are computed afresh at the end.
    private void MeasureRoams(long now, bool final)
    {
        while (_measured < _walk.Count && (final || now - _walk[_measured].UpEnd > LabClock.Milliseconds(1000)))
        {
            _observer.RoamMeasured(_measured + 1, GapOf(_measured, now));
            _measured++;
        }
    }

    private RoamGap GapOf(int index, long end)
    {
        var roam = _walk[index];
        var until = index + 1 < _walk.Count ? _walk[index + 1].DownBegin : end;
        return new RoamGap(roam.From + 1, roam.To + 1, Seconds(roam.DownBegin), LabClock.ToMilliseconds(roam.SwitchTime),
            DatagramAccounting.LongestSilence(_mainFlow.Down, roam, until), DatagramAccounting.LongestSilence(_mainFlow.Up, roam, until));
    }

    private void WaitReachable(int client, CancellationToken cancel)
    {
        var deadline = LabClock.Now + LabClock.Milliseconds(15_000);
        var server = new IPEndPoint(_options.IPv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress, LabPorts.FirstProbe + _probes++);
        using var probe = new EchoFlow(_topology, client, server, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(30));
        probe.Start();
        while (probe.Log.Received == 0)
        {
            cancel.ThrowIfCancellationRequested();
            if (_network.Failure is { } failure)
            {
                throw new LabException(failure);
            }

            if (LabClock.Now > deadline)
            {
                throw new LabException($"c{client + 1} cannot reach the server through AP{_radio.Where(client) + 1} (no answer to ping for 15 s)");
            }

            Thread.Sleep(20);
        }
    }

    private DemoResult Judge(CapturePoints captures, long end, string? failure)
    {
        // The walk's own history starts where each client was when the traffic started.
        var history = _radio.History;
        var starts = Enumerable.Range(0, _options.Clients).Select(c => history.Take(_prepared).Last(r => r.Client == c) with { From = -1 });
        var links = new LinkHistory(starts.Concat(history.Skip(_prepared)), _options.Clients);
        var clientOfFlow = _connections.ToDictionary(c => (ushort)c.Server.Port, c => c.Client);
        var accounting = new DatagramAccounting(captures.Log, links, clientOfFlow);
        var datagrams = _connections.OfType<UdpFlow>().Select(accounting.Judge).ToArray();
        var tcp = _connections.OfType<TcpConnection>().ToArray();
        var echoes = _connections.OfType<EchoFlow>().ToArray();
        var result = new DemoResult
        {
            Roams = _walk.Count,
            TcpConnections = tcp.Length,
            TcpResets = tcp.Count(c => c.Health == ConnectionHealth.Reset),
            TcpCorrupted = tcp.Count(c => c.Health == ConnectionHealth.Corrupted),
            TcpStalled = tcp.Count(c => c.Health is ConnectionHealth.Stalled or ConnectionHealth.Opening),
            Udp = new DatagramSummary(datagrams.Sum(d => d.Sent), datagrams.Sum(d => d.Unsent), datagrams.Sum(d => d.Lost),
                datagrams.Sum(d => d.Duplicated), datagrams.Sum(d => d.Reordered), datagrams.Sum(d => d.Corrupted)),
            Losses = accounting.LastSeen(_start),
            PingSent = echoes.Sum(e => e.Log.Sent),
            PingLost = echoes.Sum(accounting.LostEchoes),
            Gaps = [.. Enumerable.Range(0, _walk.Count).Select(i => GapOf(i, end))],
            Path = new PathJudge(captures.Log, links, clientOfFlow).Judge(),
            CaptureDrops = captures.Dropped,
            Connections = [.. _connections.Select(c => new ConnectionOutcome(c.Name, c.Protocol, $"c{c.Client + 1}", c.Server.ToString(),
                c.SeenByServer?.ToString() ?? string.Empty, c.Health.ToString(), c.Bytes, c.Failure))],
            Site = _site,
            Duration = TimeSpan.FromTicks((end - _start) / 100),
        };
        return result with { Verdict = DemoVerdict.Judge(result, failure) };
    }
}
