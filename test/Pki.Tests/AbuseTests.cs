using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Control;
using Masquerade.Pki.Channel;
using Xunit.Abstractions;

namespace Masquerade.Pki.Tests;

/// <summary>Connections that are opened to waste the coordinator's time and memory.</summary>
[Trait("Req", "A-10")]
public sealed class AbuseTests(ITestOutputHelper output) : SiteTests
{
    [Fact]
    public async Task Thousands_of_half_open_connections_take_a_bounded_place_and_keep_nobody_out()
    {
        const int Flood = 3_000;
        await using var coordinator = await RunningCoordinator.StartAsync(
            Site.Issue(Site.CoordinatorCalled("c1")), adjust: t => t with { HandshakeTimeout = TimeSpan.FromSeconds(30) });
        await using var present = new RunningAgent(coordinator.Address, "ap1", Site.Issue(Site.AgentCalled("ap1")));
        await present.WelcomedAsync();
        var files = Site.Issue(Site.AgentCalled("ap2"));
        var sockets = new List<Socket>();
        var most = 0;
        try
        {
            // From a hundred addresses, every other one with half a greeting: a TLS record of which the rest never comes.
            byte[] half = [22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
            for (var i = 0; i < Flood; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                socket.Bind(new IPEndPoint(new IPAddress([127, 0, 1, (byte)(1 + (i % 100))]), 0));
                await socket.ConnectAsync(coordinator.Address);
                if (i % 2 == 0)
                {
                    try
                    {
                        await socket.SendAsync(half);
                    }
                    catch (SocketException)
                    {
                        // It has had its turn already.
                    }
                }

                if (i % 100 == 99)
                {
                    // Like any agent's, its heart beats meanwhile.
                    present.Send(new Heartbeat { Id = 1_000 + (ulong)i });
                }

                if (i % 500 == 499)
                {
                    most = Math.Max(most, (await coordinator.SecurityAsync()).GetProperty("handshakesInProgress").GetInt32());
                }
            }

            // In the midst of it a newcomer comes in, and who was there notices nothing.
            var watch = Stopwatch.StartNew();
            await using var newcomer = new RunningAgent(coordinator.Address, "ap2", files, number: 2);
            await newcomer.WelcomedAsync();
            output.WriteLine($"{Flood} half-open connections: a newcomer was welcomed after {watch.ElapsedMilliseconds} ms; at most {most} handshakes in progress");
            Assert.True(watch.ElapsedMilliseconds < 5_000, $"welcomed after {watch.ElapsedMilliseconds} ms");
            present.Send(new Heartbeat { Id = 5 });
            await Wait.ForAsync(() => present.Messages.OfType<Ack>().Any(a => a.Id == 5), () => "the agent that was there gets no answer");
            Assert.Equal(0, present.Downs);
            Assert.InRange(most, 1, 256);
            var security = await coordinator.SecurityAsync();
            Assert.True(security.GetProperty("refused").GetProperty("crowded").GetInt64() > Flood - 1_000, security.ToString());
            var lines = coordinator.Log.Split('\n').Count(l => l.Contains("refused (", StringComparison.Ordinal));
            Assert.True(lines < Flood / 4, $"{lines} lines were logged");
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    [Fact]
    public async Task Who_does_not_finish_its_handshake_is_let_go()
    {
        await using var coordinator = await RunningCoordinator.StartAsync(
            Site.Issue(Site.CoordinatorCalled("c1")), adjust: t => t with { HandshakeTimeout = TimeSpan.FromMilliseconds(300) });
        using var silent = new TcpClient();
        await silent.ConnectAsync(coordinator.Address);
        using var slow = new TcpClient();
        await slow.ConnectAsync(coordinator.Address);
        await slow.GetStream().WriteAsync(new byte[] { 22, 3, 1, 2 });
        await coordinator.LoggedAsync("nothing was said");
        await coordinator.LoggedAsync("the TLS handshake took too long");
        Assert.Equal(0, await silent.GetStream().ReadAsync(new byte[1]));
        var security = await coordinator.SecurityAsync();
        Assert.Equal(2, security.GetProperty("refused").GetProperty("timeout").GetInt64());
        Assert.Equal(0, security.GetProperty("handshakesInProgress").GetInt64());
    }

    [Fact]
    public async Task Nobody_may_send_more_than_a_Hello_before_it_has_introduced_itself()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var store = CredentialStore.Open(files, Site.AgentCalled("ap1"), TimeSpan.FromDays(1), TimeProvider.System, out _);
        await using var agent = await Dialled.ConnectAsync(coordinator.Address, store!);
        var prefix = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(prefix, ControlLimits.MaxFirstFrameBytes + 1);
        await agent.Stream.WriteAsync(prefix);
        Assert.Contains($"(1 to {ControlLimits.MaxFirstFrameBytes})", (await agent.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_certificate_does_not_open_connections_without_end()
    {
        var files = Site.Issue(Site.AgentCalled("ap1"));
        await using var coordinator = await RunningCoordinator.StartAsync(Site.Issue(Site.CoordinatorCalled("c1")));
        var store = CredentialStore.Open(files, Site.AgentCalled("ap1"), TimeSpan.FromDays(1), TimeProvider.System, out _)!;
        var open = new List<ControlEnd>();
        for (var i = 0; i < 8; i++)
        {
            open.Add(await Dialled.ConnectAsync(coordinator.Address, store));
        }

        await Wait.ForAsync(() => coordinator.SecurityAsync().Result.GetProperty("sessions").GetInt32() == 8, () => "not all are open");
        await using var ninth = await Dialled.ConnectAsync(coordinator.Address, store);
        Assert.Contains("too many connections", (await ninth.ReadAsync<Goodbye>()).Reason, StringComparison.Ordinal);
        foreach (var one in open)
        {
            await one.DisposeAsync();
        }
    }

    [Fact]
    public void The_gate_makes_room_from_those_who_take_most_of_it()
    {
        var time = new ManualTime();
        var gate = new HandshakeGate(most: 4, mostPerAddress: 3, grace: TimeSpan.FromMilliseconds(200), time);
        var (a, b, c) = (IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), IPAddress.Parse("192.0.2.3"));
        var first = gate.Enter(a, out _)!;
        var second = gate.Enter(a, out _)!;
        Assert.NotNull(gate.Enter(a, out _));

        // One more of the same address: not before the oldest has had its time, and never worth waiting for.
        Assert.Null(gate.Enter(a, out var mayWait));
        Assert.False(mayWait);
        var other = gate.Enter(b, out _)!;
        Assert.Null(gate.Enter(c, out mayWait));
        Assert.True(mayWait);
        time.Now += TimeSpan.FromMilliseconds(250);
        var third = gate.Enter(c, out _)!;
        Assert.True(first.IsEvicted);
        Assert.False(other.IsEvicted);
        Assert.False(second.IsEvicted);
        Assert.Equal(4, gate.Count);
        Assert.NotNull(gate.Enter(a, out _));
        Assert.True(second.IsEvicted);
        foreach (var ticket in new[] { first, second, third, other, other })
        {
            ticket.Dispose();
        }

        Assert.Equal(2, gate.Count);
    }

    [Fact]
    public void Of_addresses_with_as_many_the_one_that_waits_longest_makes_room()
    {
        var time = new ManualTime();
        var gate = new HandshakeGate(most: 50, mostPerAddress: 3, grace: TimeSpan.FromMilliseconds(200), time);
        var tickets = new Queue<HandshakeGate.Ticket>();
        for (var i = 0; i < 1_000; i++)
        {
            time.Now += TimeSpan.FromMilliseconds(5);
            tickets.Enqueue(gate.Enter(new IPAddress([192, 0, 2, (byte)(i % 100)]), out _)!);
            if (tickets.Count > 50)
            {
                Assert.True(tickets.Dequeue().IsEvicted, $"newcomer {i} has displaced another than the oldest");
            }
        }
    }

    [Fact]
    public void Addresses_of_one_IPv6_subscriber_count_as_one()
    {
        var gate = new HandshakeGate(100, 2, TimeSpan.FromSeconds(1), new ManualTime());
        Assert.NotNull(gate.Enter(IPAddress.Parse("2001:db8::1"), out _));
        Assert.NotNull(gate.Enter(IPAddress.Parse("2001:db8::ffff:1"), out _));
        Assert.Null(gate.Enter(IPAddress.Parse("2001:db8::2:3"), out _));
        Assert.NotNull(gate.Enter(IPAddress.Parse("2001:db8:0:1::1"), out _));
        Assert.NotNull(gate.Enter(IPAddress.Parse("192.0.2.1"), out _));
        Assert.NotNull(gate.Enter(IPAddress.Parse("::ffff:192.0.2.1"), out _));
        Assert.Null(gate.Enter(IPAddress.Parse("192.0.2.1"), out _));
    }

    private sealed class ManualTime : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
