using System.Net;
using System.Net.Sockets;

namespace Masquerade.Testing;

/// <summary>The loopback interface of the machine that tests run on.</summary>
public static class Loopback
{
    /// <summary>An address and a TCP port that is free now.</summary>
    public static IPEndPoint FreeEndPoint()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)probe.LocalEndPoint!;
    }
}
