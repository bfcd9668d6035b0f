using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Control;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Control;

/// <summary>
/// All agents lose their coordinator at one moment. They come back each in its own time, so that what they then announce does not come all at once: pauses are between half and all
/// of what is configured. A busy machine may be late, never early.
/// </summary>
[Trait("Req", "A-16")]
public sealed class ReconnectTests : IAsyncDisposable
{
    private const int Agents = 16;

    /// <summary>A timer counts in whole milliseconds, and so does the clock here.</summary>
    private const int Rounding = 20;

    /// <summary>How late a busy machine may be.</summary>
    private const int Late = 2_000;

    private readonly CancellationTokenSource _stop = new(TimeSpan.FromSeconds(60));
    private readonly List<Task> _running = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running).WaitAsync(TimeSpan.FromSeconds(20));
        _stop.Dispose();
    }

    [Fact]
    public async Task Agents_come_back_to_a_coordinator_that_was_restarted_each_in_its_own_time()
    {
        const int Pause = 1_000;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var (ups, downs) = (new ConcurrentDictionary<int, long>(), new ConcurrentDictionary<int, long>());
        var welcomed = new ConcurrentDictionary<int, bool>();
        for (var i = 0; i < Agents; i++)
        {
            var agent = i;
            Run(new CoordinatorClient([To(listener)], (input, _) => Note(agent, input), TextWriter.Null) { FirstPause = TimeSpan.FromMilliseconds(Pause) });
        }

        // A process that stands still for a second sees all of them come at once, however they have drawn; not three times in a row.
        var delays = new List<long>();
        for (var round = 0; round < 3 && !IsSpread(delays); round++)
        {
            welcomed.Clear();
            var connections = new List<TcpClient>();
            while (connections.Count < Agents)
            {
                connections.Add(await listener.AcceptTcpClientAsync(_stop.Token));
                await connections[^1].GetStream().WriteAsync(ControlEnd.Frame(new Welcome { Id = 1, Coordinator = new NodeId("c1"), StoreIncarnation = 1, HeartbeatMilliseconds = 60_000 }));
            }

            await Wait.ForAsync(() => welcomed.Count == Agents, () => $"{welcomed.Count} are welcomed");
            ups.Clear();
            connections.ForEach(c => c.Dispose());

            // The backlog takes whoever comes.
            await Wait.ForAsync(() => ups.Count == Agents, () => $"{ups.Count} have come back");
            delays = [.. Enumerable.Range(0, Agents).Select(a => ups[a] - downs[a])];
            Assert.All(delays, d => Assert.InRange(d, (Pause / 2) - Rounding, Pause + Late));
        }

        // As equal as this they would be once in millions of runs.
        Assert.True(IsSpread(delays), $"all at once, or in step: {string.Join(", ", delays)}");

        static bool IsSpread(List<long> delays) => delays.Count > 0 && delays.Max() - delays.Min() > Pause * 0.15 && delays.Distinct().Count() > Agents / 4;

        ValueTask Note(int agent, AgentInput input)
        {
            switch (input)
            {
                case ControlUp:
                    ups[agent] = Environment.TickCount64;
                    break;
                case ControlDown:
                    downs[agent] = Environment.TickCount64;
                    break;
                case ControlReceived { Message: Welcome }:
                    welcomed[agent] = true;
                    break;
            }

            return ValueTask.CompletedTask;
        }
    }

    [Fact]
    public async Task While_nobody_is_there_pauses_double_up_to_the_longest()
    {
        const int First = 100;
        const int Longest = 300;
        using var nobody = new TcpListener(IPAddress.Loopback, 0);
        nobody.Start();
        var address = To(nobody);
        nobody.Stop();
        var logs = Enumerable.Range(0, Agents).Select(_ => new AttemptLog()).ToList();
        foreach (var log in logs)
        {
            Run(new CoordinatorClient([address], (_, _) => ValueTask.CompletedTask, log)
            {
                FirstPause = TimeSpan.FromMilliseconds(First),
                LongestPause = TimeSpan.FromMilliseconds(Longest),
            });
        }

        int[] pauses = [First, 2 * First, Longest, Longest, Longest, Longest, Longest];
        await Wait.ForAsync(() => logs.TrueForAll(l => l.At.Count > pauses.Length), () => "an agent has given up");
        foreach (var at in logs.Select(l => l.At.ToArray()))
        {
            for (var i = 0; i < pauses.Length; i++)
            {
                Assert.InRange(at[i + 1] - at[i], (pauses[i] / 2) - Rounding, pauses[i] + Late);
            }
        }

        // Without the longest pause the last one would be 3.2 s at least. And nobody is in step with another.
        var spans = logs.Select(l => l.At.ToArray()).Select(at => at[pauses.Length] - at[0]).ToList();
        Assert.True(spans.Min() < pauses.Sum() + Late, string.Join(", ", spans));
        Assert.True(spans.Max() - spans.Min() > Longest * 0.1, $"all at once: {string.Join(", ", spans)}");
    }

    private void Run(CoordinatorClient client) => _running.Add(Task.Run(() => client.RunAsync(_stop.Token)));

    private static CoordinatorAddress To(TcpListener listener) => new("127.0.0.1", (ushort)((IPEndPoint)listener.LocalEndpoint).Port);

    /// <summary>An agent's log has a line for each attempt that has failed.</summary>
    private sealed class AttemptLog : StringWriter
    {
        public ConcurrentQueue<long> At { get; } = new();

        public override Task WriteLineAsync(string? value)
        {
            At.Enqueue(Environment.TickCount64);
            return Task.CompletedTask;
        }
    }
}
