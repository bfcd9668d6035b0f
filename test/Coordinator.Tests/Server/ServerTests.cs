using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Server;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Masquerade.Coordinator.Tests.Server;

/// <summary>The server over real sockets on the loopback interface.</summary>
#pragma warning disable CA1001 // xunit disposes it through IAsyncLifetime.
public sealed class ServerTests : IAsyncLifetime
{
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromSeconds(60));
    private readonly SharedText _log = new();
    private readonly string _status = Path.Combine(Path.GetTempPath(), $"masq-{Environment.ProcessId}-{Guid.NewGuid():N}"[..24] + ".sock");
    private readonly IPEndPoint _listen = Loopback.FreeEndPoint();
    private Task<int> _server = Task.FromResult(0);

    public async Task InitializeAsync()
    {
        var config = ServerConfig.Read(Encoding.UTF8.GetBytes($$"""{ "listen": "{{_listen}}", "name": "north", "statusSocket": "{{_status}}", "api": { "listen": "none" } }"""), out var mistakes);
        Assert.Empty(mistakes);
        _server = Task.Run(() => CoordinatorServer.RunAsync(config!, new LineLog(_log), _stop.Token));
        for (var i = 0; i < 500 && !_server.IsCompleted; i++)
        {
            try
            {
                using var probe = await ControlEnd.ConnectAsync(_listen, patience: 10);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(20);
            }
        }

        Assert.Fail($"the server does not come up: {_log}");
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        Assert.Equal(0, await _server.WaitAsync(TimeSpan.FromSeconds(10)));
        _stop.Dispose();
        await _log.DisposeAsync();
    }

    [Fact]
    public async Task A_move_over_real_connections()
    {
        using var first = await GreetedAsync(1);
        using var second = await GreetedAsync(2);
        await first.SendAsync(new Arrive { Id = 2, Client = Client });
        var before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - 60_000;
        var epoch = (await first.ReadAsync<ArriveReply>()).Epoch;
        Assert.InRange(epoch.Value, (ulong)before, (ulong)before + 120_000);
        await first.SendAsync(new Announce { Id = 3, Client = Client, Epoch = epoch, Mappings = [Mapping(1, 5_000, epoch.Value)] });
        Assert.Equal(AckStatus.Ok, (await first.ReadAsync<Ack>()).Status);
        await second.SendAsync(new Arrive { Id = 2, Client = Client, Offers = [new FamOffer(TransportProtocol.Udp, At(2, 6_000))] });
        Assert.Equal(At(2, 6_000), Assert.Single((await second.ReadAsync<ArriveReply>()).Mappings).FamEndpoint);
        Assert.Equal(Ap2, (await first.ReadAsync<FamChange>()).NewFam);
        await first.SendAsync(new HandOver { Id = 4, Client = Client, Epoch = epoch });
        Assert.True((await second.ReadAsync<ArrivalUpdate>()).Complete);
    }

    [Theory]
    [InlineData("00000000")]
    [InlineData("7fffffff")]
    [InlineData("00000003c1c1c1")]
    [InlineData("47455420")]
    public async Task Garbage_ends_that_connection_with_a_reason_and_nothing_else(string hex)
    {
        using var good = await GreetedAsync(1);
        using var bad = await ControlEnd.ConnectAsync(_listen, patience: 10);
        await bad.SendAsync(Convert.FromHexString(hex));
        Assert.NotEmpty((await bad.ReadAsync<Goodbye>()).Reason);
        Assert.True(await bad.IsClosedAsync());
        await good.SendAsync(new Heartbeat { Id = 9 });
        Assert.Equal(9UL, (await good.ReadAsync<Ack>()).Id);
        Assert.Contains("ended", _log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_does_not_begin_with_hello_is_closed()
    {
        using var agent = await ControlEnd.ConnectAsync(_listen, patience: 10);
        await agent.SendAsync(new Heartbeat { Id = 1 });
        Assert.Contains("Hello", (await agent.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
        Assert.True(await agent.IsClosedAsync());
    }

    [Fact]
    public async Task An_agent_that_comes_back_finds_its_pushes()
    {
        using var second = await GreetedAsync(2);
        using (var first = await GreetedAsync(1))
        {
            await first.SendAsync(new Arrive { Id = 2, Client = Client });
            await first.ReadAsync<ArriveReply>();
            await first.SendAsync(new Announce { Id = 3, Client = Client, Epoch = new Epoch(1), Mappings = [Mapping(1, 5_000, 1)] });
            await first.ReadAsync<Ack>();
        }

        await second.SendAsync(new Arrive { Id = 2, Client = Client, Offers = [new FamOffer(TransportProtocol.Udp, At(2, 6_000))] });
        await second.ReadAsync<ArriveReply>();
        using var again = await GreetedAsync(1);
        Assert.Equal(At(2, 6_000), Assert.Single((await again.ReadAsync<FamChange>()).Routes).NewFamEndpoint);
    }

    /// <summary>The very octets of a request that was answered long ago, on the same connection and on the node's next one.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public async Task An_arrival_that_is_replayed_does_not_fetch_the_client_back()
    {
        using var second = await GreetedAsync(2);
        var recorded = ControlEnd.Frame(new Arrive { Id = 2, Client = Client });
        Epoch epoch;
        using (var first = await GreetedAsync(1))
        {
            await first.SendAsync(recorded);
            Assert.Equal(AckStatus.Ok, (await first.ReadAsync<ArriveReply>()).Status);
            await second.SendAsync(new Arrive { Id = 2, Client = Client });
            epoch = (await second.ReadAsync<ArriveReply>()).Epoch;
            await first.SendAsync(recorded);
            var late = await first.ReadAsync<ArriveReply>();
            Assert.Equal((AckStatus.StaleEpoch, epoch), (late.Status, late.Epoch));
        }

        using var again = await GreetedAsync(1);
        await again.SendAsync(recorded);
        Assert.Equal(AckStatus.StaleEpoch, (await again.ReadAsync<ArriveReply>()).Status);

        // Where it was all the time, it still is: its FAM's word counts.
        await second.SendAsync(new Announce { Id = 3, Client = Client, Epoch = epoch, Mappings = [Mapping(2, 5_000, epoch.Value)] });
        Assert.Equal(AckStatus.Ok, (await second.ReadAsync<Ack>()).Status);
        Assert.Equal("ap2", await FamOfTheClientAsync());
    }

    /// <summary>Octets of a frame that never ends are no sign of life.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public async Task Who_sends_a_frame_octet_by_octet_is_let_go_and_disturbs_nobody()
    {
        using var good = await GreetedAsync(1);
        using var slow = await GreetedAsync(2);
        await slow.SendAsync(new byte[] { 0, 1, 0, 0 });
        var gone = slow.ReadAsync<Goodbye>();
        for (var id = 10UL; !gone.IsCompleted; id++)
        {
            try
            {
                await slow.SendAsync(new byte[1]);
            }
            catch (IOException)
            {
                // Its connection has just been closed.
            }

            await good.SendAsync(new Heartbeat { Id = id });
            Assert.Equal(id, (await good.ReadAsync<Ack>()).Id);
            await Task.Delay(50);
        }

        Assert.Equal("no heartbeat", (await gone).Reason);
        Assert.True(await slow.IsClosedAsync());

        // It may come again.
        using var better = await GreetedAsync(2);
    }

    [Fact]
    [Trait("Req", "A-28")]
    public async Task The_status_socket_tells_where_each_client_is()
    {
        using var first = await GreetedAsync(1);
        await first.SendAsync(new Arrive { Id = 2, Client = Client });
        await first.ReadAsync<ArriveReply>();
        Assert.Equal("ap1", await FamOfTheClientAsync());
    }

    [Fact]
    public async Task A_stop_says_goodbye()
    {
        using var agent = await GreetedAsync(1);
        await _stop.CancelAsync();
        Assert.Contains("stops", (await agent.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
        Assert.True(await agent.IsClosedAsync());
    }

    /// <summary>Where the state document has the only client.</summary>
    private async Task<string?> FamOfTheClientAsync()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_status));
        using var document = await JsonDocument.ParseAsync(new NetworkStream(socket));
        var client = Assert.Single(document.RootElement.GetProperty("clients").EnumerateArray());
        Assert.Equal(Client.ToString(), client.GetProperty("client").GetString());
        return client.GetProperty("fam").GetString();
    }

    private async Task<ControlEnd> GreetedAsync(ulong node)
    {
        var agent = await ControlEnd.ConnectAsync(_listen, patience: 10);
        await agent.SendAsync(new Hello { Id = 1, Node = Name(node), Incarnation = node, PeerEndpoint = At(node, 4_747), Addresses = [Address(node)] });
        Assert.Equal("north", (await agent.ReadAsync<Welcome>()).Coordinator.Name);
        return agent;
    }
}
