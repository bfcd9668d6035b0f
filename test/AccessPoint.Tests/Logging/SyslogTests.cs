using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>Lines of the log of mappings as syslog messages, taken by sockets as daemons have them.</summary>
public sealed class SyslogTests : IDisposable
{
    private static readonly NodeId s_node = new("ap1");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-syslog-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact, Trait("Req", "N-12")]
    public void A_message_for_another_machine_has_the_form_of_RFC_5424()
    {
        var at = DateTimeOffset.Parse("2026-05-04T21:15:03.0421Z", CultureInfo.InvariantCulture);
        Assert.Equal("<134>1 2026-05-04T21:15:03.042Z host masq-agent 77 mapping - {\"a\":1}", Text(SyslogMessage.Of(SyslogTransport.Udp, 16, "host", 77, at, "{\"a\":1}\n"u8)));
        Assert.Equal("<30>1 2026-05-04T21:15:03.042Z - masq-agent 77 mapping - {}", Text(SyslogMessage.Of(SyslogTransport.Udp, 3, " \n", 77, at, "{}"u8)));

        // Octet counting: RFC 6587 section 3.4.1.
        Assert.Equal("63 <134>1 2026-05-04T21:15:03.042Z host masq-agent 77 mapping - {}", Text(SyslogMessage.Of(SyslogTransport.Tcp, 16, "host", 77, at, "{}"u8)));

        // As syslog(3) has it on the local socket: RFC 3164 section 4.1.2, the day padded with a space.
        Assert.Matches(@"^<134>May  [45] \d\d:15:03 masq-agent\[77\]: \{\}$", Text(SyslogMessage.Of(SyslogTransport.Unix, 16, "host", 77, at, "{}"u8)));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task The_daemon_of_the_machine_gets_them_and_may_be_restarted()
    {
        var path = Path.Combine(_folder.FullName, "log");
        var daemon = Daemon(path);
        await using var sender = Sender(new SyslogTarget(SyslogTransport.Unix, path, 0));
        sender.Offer("{\"n\":1}\n"u8.ToArray());
        Assert.Matches(@"^<134>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d masq-agent\[\d+\]: \{""n"":1\}$", await ReceiveAsync(daemon));

        daemon.Dispose();
        File.Delete(path);
        sender.Offer("{\"n\":2}\n"u8.ToArray());
        sender.Offer("{\"n\":3}\n"u8.ToArray());
        using var another = Daemon(path);
        Assert.EndsWith("{\"n\":2}", await ReceiveAsync(another), StringComparison.Ordinal);
        Assert.EndsWith("{\"n\":3}", await ReceiveAsync(another), StringComparison.Ordinal);
        Assert.Equal(0, sender.Lost);
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_receiver_elsewhere_gets_datagrams()
    {
        using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        receiver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var sender = Sender(new SyslogTarget(SyslogTransport.Udp, "127.0.0.1", (ushort)((IPEndPoint)receiver.LocalEndPoint!).Port));
        sender.Offer("{\"n\":1}\n"u8.ToArray());
        Assert.Matches(@"^<134>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ masq-agent \d+ mapping - \{""n"":1\}$", await ReceiveAsync(receiver));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task By_TCP_messages_are_counted_out_and_the_connection_is_made_again()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        await using var sender = Sender(new SyslogTarget(SyslogTransport.Tcp, "127.0.0.1", (ushort)((IPEndPoint)listener.LocalEndPoint!).Port));
        sender.Offer("{\"n\":1}\n"u8.ToArray());
        using (var connection = await listener.AcceptAsync())
        {
            var message = await ReceiveAsync(connection);
            var (count, rest) = (message[..message.IndexOf(' ', StringComparison.Ordinal)], message[(message.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
            Assert.Equal(rest.Length, int.Parse(count, CultureInfo.InvariantCulture));
            Assert.EndsWith("mapping - {\"n\":1}", rest, StringComparison.Ordinal);
            connection.LingerState = new LingerOption(true, 0);
        }

        // The first one or two after a break may go with it.
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var offering = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                sender.Offer("{\"n\":2}\n"u8.ToArray());
                await Task.Delay(50);
            }
        });
        using (var connection = await listener.AcceptAsync(stop.Token))
        {
            Assert.Contains("mapping - {\"n\":2}", await ReceiveAsync(connection), StringComparison.Ordinal);
        }

        await stop.CancelAsync();
        await offering;
    }

    [Fact, Trait("Req", "N-12")]
    public async Task What_finds_no_room_while_nobody_receives_is_counted_and_told()
    {
        var path = Path.Combine(_folder.FullName, "log");
        await using var sender = new SyslogSender(
            new SyslogTarget(SyslogTransport.Unix, path, 0), 16, count => LogLine.OfLost(s_node, count, "syslog", 1_777_929_303_000), TimeProvider.System, capacity: 10, again: TimeSpan.FromMilliseconds(20));
        for (var i = 0; i < 30; i++)
        {
            sender.Offer(Encoding.ASCII.GetBytes($"{{\"n\":{i}}}\n"));
        }

        Assert.Equal(20, sender.Lost);
        using var daemon = Daemon(path);
        var received = new List<string>();
        for (var i = 0; i < 11; i++)
        {
            received.Add(await ReceiveAsync(daemon));
        }

        Assert.EndsWith("{\"n\":0}", received[0], StringComparison.Ordinal);
        Assert.EndsWith("{\"record\":\"lost\",\"ham\":\"ap1\",\"count\":20,\"where\":\"syslog\",\"time\":\"2026-05-04T21:15:03.000Z\"}", received[1], StringComparison.Ordinal);
        Assert.EndsWith("{\"n\":9}", received[10], StringComparison.Ordinal);
    }

    private static SyslogSender Sender(SyslogTarget target) =>
        new(target, 16, count => LogLine.OfLost(s_node, count, "syslog", 1), TimeProvider.System, again: TimeSpan.FromMilliseconds(20));

    private static Socket Daemon(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var buffer = new byte[4_096];
        return Text(buffer.AsSpan(0, await socket.ReceiveAsync(buffer, limit.Token)));
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
