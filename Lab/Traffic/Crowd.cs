using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>Makes very many slow connections of one client: nine of ten are TCP conversations, the tenth a flow of datagrams.</summary>
public static class Crowd
{
    /// <summary>Messages per second of all members together: as much as leaves the machine to the programs under test.</summary>
    public const int MessagesPerSecond = 1_500;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(50);

    /// <summary>How long each member of a crowd waits between two messages.</summary>
    public static TimeSpan Interval(int members)
    {
        var even = TimeSpan.FromSeconds((double)members / MessagesPerSecond);
        return even > s_shortest ? even : s_shortest;
    }

    /// <summary>Makes some members; their sockets are made in two visits to the namespaces.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="servers">The server's endpoint of each.</param>
    /// <param name="interval">How long each waits between two messages.</param>
    /// <param name="longest">For how long they may run.</param>
    public static IReadOnlyList<LabConnection> Make(LabTopology topology, int client, IReadOnlyList<IPEndPoint> servers, TimeSpan interval, TimeSpan longest)
    {
        ArgumentNullException.ThrowIfNull(topology);
        ArgumentNullException.ThrowIfNull(servers);
        var listening = topology.Server.Invoke(() => servers.Select((s, i) =>
        {
            var socket = Socket(s, i);
            socket.Bind(s);
            if (socket.SocketType == SocketType.Stream)
            {
                socket.Listen(4);
            }

            return socket;
        }).ToArray());
        var speaking = topology.Clients[client].Invoke(() => servers.Select((s, i) =>
        {
            var socket = Socket(s, i);
            if (socket.SocketType == SocketType.Dgram)
            {
                socket.Connect(s);
            }

            return socket;
        }).ToArray());
        return [.. servers.Select((s, i) => (LabConnection)(IsDatagram(i)
            ? new CrowdDatagrams(client, s, listening[i], speaking[i], interval, longest)
            : new CrowdConversation(client, s, listening[i], speaking[i], interval)))];
    }

    private static bool IsDatagram(int member) => member % 10 == 9;

    private static Socket Socket(IPEndPoint server, int member) => IsDatagram(member)
        ? new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
        : new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
}
