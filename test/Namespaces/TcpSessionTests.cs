using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Wire;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>TCP sessions between real kernels, followed by real agents, where the client stays and where it walks in the middle.</summary>
[Trait("Req", "N-03")]
public sealed class TcpSessionTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Walking = TimeSpan.FromSeconds(5);

    /// <summary>65,536 RSTs in the server's name, one in each 65,536 numbers, while the client talks, walks, and talks on.</summary>
    [Theory, InlineData(false), InlineData(true)]
    [Trait("Req", "N-11")]
    [Trait("Rfc", "7857 section 2.2")]
    public void Guessed_RSTs_end_no_connection_at_rest_or_in_a_roam(bool ipv6)
    {
        using var site = Site();
        var flow = site.Open("attacked", 0, ipv6);
        using var forger = new RawTcp(site.Topology.Server, flow.Server, flow.SeenByServer!);
        var attack = new Thread(() =>
        {
            for (uint i = 0; i < 65_536; i++)
            {
                forger.Send(TcpFlags.Rst, i << 16);
                if (i % 256 == 0)
                {
                    Thread.Sleep(10);
                }
            }
        })
        { IsBackground = true };
        attack.Start();
        site.WaitFor(() => Unbelieved(site, 0) > 1_000, "the RSTs do not come to AP1");
        site.Progress("under attack", Walking);
        site.Move(0, 1);
        site.Progress("after a walk under attack", Walking);
        attack.Join();
        site.Progress("after the attack", Walking);
        output.WriteLine($"RSTs that moved nothing: {Unbelieved(site, 0)} at AP1, {Unbelieved(site, 1)} at AP2");
        Assert.True(Unbelieved(site, 1) > 1_000, $"only {Unbelieved(site, 1)} RSTs came to AP2");
        site.WaitFor(() => StateOf(site, 1, flow.Server) is "Established", "the connection is not open at AP2");
        site.Finish();
    }

    /// <summary>The server's SYN comes first and is refused without a word; the client's own, six seconds not being over, makes one connection of both. In between the client walks, or not.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [Trait("Rfc", "5382 REQ-2a")]
    [Trait("Rfc", "5382 REQ-4")]
    [Trait("Rfc", "5382 REQ-1")]
    public void Both_ends_may_open_at_once(bool ipv6, bool roam)
    {
        using var site = Site();
        var (server, opener) = (site.Server(ipv6), site.Server(ipv6));
        using var listener = In(site.Topology.Server, () => Bound(server));
        listener.Listen();

        // What the client's port looks like to servers shows a first connection from it.
        using var first = In(site.Topology.Clients[0], () => Bound(new IPEndPoint(ipv6 ? LabTopology.ClientAddress6(0) : LabTopology.ClientAddress(0), 40_404)));
        first.Connect(server);
        using var accepted = listener.Accept();
        using var serverEnd = In(site.Topology.Server, () => Bound(opener));
        var connecting = Connect(serverEnd, (IPEndPoint)accepted.RemoteEndPoint!, out _);
        Thread.Sleep(500);
        Assert.True(connecting.IsAlive);
        if (roam)
        {
            site.Move(0, 1);
        }

        using var clientEnd = In(site.Topology.Clients[0], () => Bound((IPEndPoint)first.LocalEndPoint!));
        clientEnd.Connect(opener);
        Assert.True(connecting.Join(3 * Walking), "the server's end is not connected");
        Assert.Equal(accepted.RemoteEndPoint, serverEnd.RemoteEndPoint);
        Exchange(clientEnd, serverEnd);
        Exchange(serverEnd, clientEnd);
        Exchange(first, accepted);
    }

    /// <summary>Nobody opens the other half: the kernel that sent the SYN is told, after six seconds and not before, by whoever serves the client then.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [Trait("Req", "N-02")]
    [Trait("Rfc", "5382 REQ-4")]
    public void A_SYN_that_nobody_asked_for_is_refused_after_six_seconds(bool ipv6, bool roam)
    {
        using var site = Site();
        var flow = site.Open("asked for", 0, ipv6);
        using var stranger = In(site.Topology.Server, () => Bound(site.Server(ipv6)));
        var clock = Stopwatch.StartNew();
        var connecting = Connect(stranger, flow.SeenByServer!, out var failure);
        if (roam)
        {
            Thread.Sleep(300);
            site.Move(0, 1);
        }

        Assert.True(connecting.Join(TimeSpan.FromSeconds(30)), "it is not told");
        output.WriteLine($"told after {clock.Elapsed.TotalSeconds:F1} s");
        Assert.Equal(SocketError.ConnectionRefused, failure[0]);
        Assert.InRange(clock.Elapsed.TotalSeconds, 6, 25);
        site.Progress("all the while", Walking);
        site.Finish();
    }

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "7857 section 2.1")]
    [Trait("Rfc", "5382 REQ-5")]
    public void Half_open_and_closed_connections_are_forgotten_by_their_own_timers(bool roam)
    {
        using var site = Site(("tcpOpeningTimeoutMilliseconds", "3000"), ("tcpClosingTimeoutMilliseconds", "6000"));
        var flow = site.Open("closed soon", 0, ipv6: false);
        var open = site.Open("left open", 0, ipv6: false);

        // Nobody has this address; the router says so, which ends nothing (RFC 5382 REQ-10).
        var nowhere = new IPEndPoint(IPAddress.Parse("10.1.100.77"), 9);
        using var opener = new RawTcp(site.Topology.Clients[0], new IPEndPoint(LabTopology.ClientAddress(0), 40_000), nowhere);
        flow.Stop();
        flow.Complete(Lab.LabClock.Now + Lab.LabClock.Milliseconds(4_000));
        var clock = Stopwatch.StartNew();
        opener.Send(TcpFlags.Syn, 1);
        site.WaitFor(() => StateOf(site, 0, nowhere) is "Opening", "the SYN is not seen");
        if (roam)
        {
            site.Move(0, 1);
        }

        // The new access point has the last word of the old one when it knows that the connection is closed.
        var at = roam ? 1 : 0;
        site.WaitFor(() => StateOf(site, at, flow.Server) is "Closing", "the closed connection is not known to be closed");
        site.WaitFor(() => StateOf(site, at, nowhere) is null, "the half-open connection is not forgotten");
        var opening = clock.Elapsed.TotalSeconds;
        Assert.NotNull(StateOf(site, at, flow.Server));
        site.WaitFor(() => StateOf(site, at, flow.Server) is null, "the closed connection is not forgotten");
        output.WriteLine($"half open: {opening:F1} s, closed: {clock.Elapsed.TotalSeconds:F1} s");
        Assert.InRange(opening, 2.9, 6);
        Assert.InRange(clock.Elapsed.TotalSeconds, 5.5, 12);
        Assert.Equal("Established", StateOf(site, at, open.Server));
        site.WaitFor(() => site.Status(0).GetProperty("mappingCount").GetInt32() == 1, "the HAM keeps what has ended");
        site.Progress("all the while", Walking, open);
    }

    internal static LabSite Site(params (string Key, string Value)[] fam)
    {
        var site = new LabSite(_ => new DemoOptions { Fam = fam.ToDictionary(f => f.Key, f => f.Value, StringComparer.Ordinal) });
        site.Move(0, 0);
        return site;
    }

    internal static Socket In(NetNamespace space, Func<Socket> make) => space.Invoke(make);

    private static Socket Bound(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 5_000 };
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        socket.Bind(local);
        return socket;
    }

    private static long Unbelieved(LabSite site, int accessPoint) => site.Status(accessPoint).GetProperty("unbelievedResets").GetInt64();

    /// <summary>Connects beside the test; the failure, if it is one, is there when the thread has ended.</summary>
    private static Thread Connect(Socket socket, IPEndPoint to, out SocketError[] failure)
    {
        var error = failure = [SocketError.Success];
        var thread = new Thread(() =>
        {
            try
            {
                socket.Connect(to);
            }
            catch (SocketException e)
            {
                error[0] = e.SocketErrorCode;
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static void Exchange(Socket from, Socket to)
    {
        byte[] sent = [1, 2, 3, 4, 5], received = new byte[5];
        from.Send(sent);
        for (var at = 0; at < received.Length;)
        {
            at += to.Receive(received.AsSpan(at));
        }

        Assert.Equal(sent, received);
    }

    /// <summary>How far an access point takes a TCP connection to a server for; null if it has none.</summary>
    private static string? StateOf(LabSite site, int accessPoint, IPEndPoint server) => site.Status(accessPoint).GetProperty("connections").EnumerateArray()
        .Where(c => c.GetProperty("protocol").ValueEquals("Tcp") && IPEndPoint.Parse(c.GetProperty("server").GetString()!).Equals(server))
        .Select(c => c.GetProperty("state").GetString())
        .SingleOrDefault();
}
