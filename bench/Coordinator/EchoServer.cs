using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Masquerade.Bench.Coordinator;

/// <summary>
/// What answers the bare round trips: a process of its own that sends back what it is sent, by UDP and by TCP, with nothing between the system calls. It prints its two ports and
/// ends when its input does, so it never outlives who started it.
/// </summary>
internal static class EchoServer
{
    public static int Serve()
    {
        using var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        tcp.Listen(64);
        Background(() => EchoDatagrams(udp));
        Background(() =>
        {
            while (true)
            {
                var connection = tcp.Accept();
                Background(() => EchoStream(connection));
            }
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{((IPEndPoint)tcp.LocalEndPoint!).Port} {((IPEndPoint)udp.LocalEndPoint!).Port}"));
        while (Console.In.ReadLine() is not null)
        {
        }

        return 0;
    }

    private static void EchoDatagrams(Socket udp)
    {
        var buffer = new byte[2_048];
        var from = new SocketAddress(AddressFamily.InterNetwork);
        while (true)
        {
            var length = udp.ReceiveFrom(buffer, SocketFlags.None, from);
            udp.SendTo(buffer.AsSpan(0, length), SocketFlags.None, from);
        }
    }

    private static void EchoStream(Socket connection)
    {
        connection.NoDelay = true;
        var buffer = new byte[256 * 1024];
        while (true)
        {
            var length = connection.Receive(buffer);
            if (length == 0)
            {
                connection.Dispose();
                return;
            }

            for (var sent = 0; sent < length;)
            {
                sent += connection.Send(buffer.AsSpan(sent, length - sent));
            }
        }
    }

    private static void Background(Action action) => new Thread(() =>
    {
        try
        {
            action();
        }
        catch (SocketException)
        {
            // The other end has gone.
        }
    }) { IsBackground = true }.Start();
}
