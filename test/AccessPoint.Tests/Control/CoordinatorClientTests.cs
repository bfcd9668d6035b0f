using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Control;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Control;

/// <summary>The coordinator client against a listener on loopback.</summary>
public sealed class CoordinatorClientTests : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly BlockingCollection<AgentInput> _inputs = [];
    private readonly CancellationTokenSource _stop = new();

    public CoordinatorClientTests() => _listener.Start();

    public void Dispose()
    {
        _listener.Dispose();
        _inputs.Dispose();
        _stop.Dispose();
    }

    [Fact, Trait("Req", "A-16")]
    public async Task It_speaks_comes_back_after_a_loss_and_says_goodbye()
    {
        // The first address answers nobody: the second is tried.
        using var nobody = new TcpListener(IPAddress.Loopback, 0);
        nobody.Start();
        var dead = (ushort)((IPEndPoint)nobody.LocalEndpoint).Port;
        nobody.Stop();
        var client = Create(dead, Port);
        var running = Task.Run(() => client.RunAsync(_stop.Token));
        using (var first = await AcceptAsync())
        {
            Assert.IsType<ControlUp>(Take());
            client.Send(new Heartbeat { Id = 5 });
            Assert.Equal(5UL, Assert.IsType<Heartbeat>(await ReadAsync(first)).Id);
            await first.GetStream().WriteAsync(ControlEnd.Frame(new Ack { Id = 5, Status = AckStatus.Ok }));
            Assert.Equal(5UL, Assert.IsType<Ack>(Assert.IsType<ControlReceived>(Take()).Message).Id);
        }

        Assert.IsType<ControlDown>(Take());
        using var second = await AcceptAsync();
        Assert.IsType<ControlUp>(Take());
        await _stop.CancelAsync();
        Assert.IsType<Goodbye>(await ReadAsync(second));
        await running.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.IsType<ControlDown>(Take());
    }

    [Theory]
    [InlineData("FFFFFFFF")]
    [InlineData("00000000")]
    [InlineData("00000003C1C1C1")]
    public async Task Octets_that_are_no_message_end_the_connection_and_nothing_else(string octets)
    {
        var client = Create(Port);
        var running = Task.Run(() => client.RunAsync(_stop.Token));
        using (var first = await AcceptAsync())
        {
            Assert.IsType<ControlUp>(Take());
            await first.GetStream().WriteAsync(Convert.FromHexString(octets));
            Assert.IsType<ControlDown>(Take());
        }

        using var second = await AcceptAsync();
        Assert.IsType<ControlUp>(Take());
        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    /// <summary>What the coordinator would have to refuse is not sent, but counted and logged with the reason; what comes behind it goes.</summary>
    [Fact]
    public async Task A_message_beyond_the_limits_is_counted_and_logged_and_harms_no_other()
    {
        using var log = new SharedText();
        var client = Create(log, Port);
        var running = Task.Run(() => client.RunAsync(_stop.Token));
        using var peer = await AcceptAsync();
        Assert.IsType<ControlUp>(Take());
        client.Send(new ReleaseMappings { Id = 4, Client = default, Mappings = new MappingId[ControlLimits.MaxBareMappings + 1] });
        client.Send(new Heartbeat { Id = 5 });
        Assert.Equal(5UL, Assert.IsType<Heartbeat>(await ReadAsync(peer)).Id);
        Assert.Equal(1, client.Unsent);
        Assert.Contains($"ReleaseMappings 4 was not sent: {ControlLimits.MaxBareMappings + 1} mappings, at most {ControlLimits.MaxBareMappings} are allowed", log.ToString(), StringComparison.Ordinal);
        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact, Trait("Req", "A-16")]
    public async Task Agents_spread_over_the_coordinators()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var chosen = new int[2];
        for (var i = 0; i < 40; i++)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var running = Create(Port, (ushort)((IPEndPoint)other.LocalEndpoint).Port).RunAsync(stop.Token);
            Assert.IsType<ControlUp>(Take());
            chosen[_listener.Pending() ? 0 : 1]++;
            using var accepted = _listener.Pending() ? await AcceptAsync() : await other.AcceptTcpClientAsync(_stop.Token);
            await stop.CancelAsync();
            await running.WaitAsync(TimeSpan.FromSeconds(10));
            Assert.IsType<ControlDown>(Take());
        }

        Assert.All(chosen, c => Assert.InRange(c, 1, 39));
    }

    private ushort Port => (ushort)((IPEndPoint)_listener.LocalEndpoint).Port;

    private CoordinatorClient Create(params ushort[] ports) => Create(TextWriter.Null, ports);

    private CoordinatorClient Create(TextWriter log, params ushort[] ports) => new(
        [.. ports.Select(p => new CoordinatorAddress("127.0.0.1", p))],
        (input, _) =>
        {
            _inputs.Add(input, CancellationToken.None);
            return ValueTask.CompletedTask;
        },
        log)
    {
        FirstPause = TimeSpan.FromMilliseconds(10),
    };

    private static async Task<ControlMessage?> ReadAsync(TcpClient peer)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        return await new ControlEnd(peer.GetStream()).NextAsync(limit.Token);
    }

    private async Task<TcpClient> AcceptAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        return await _listener.AcceptTcpClientAsync(limit.Token);
    }

    private AgentInput Take() => _inputs.TryTake(out var input, TimeSpan.FromSeconds(10)) ? input : throw new TimeoutException("nothing came");
}
