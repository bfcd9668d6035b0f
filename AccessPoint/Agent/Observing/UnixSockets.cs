using System.Net.Sockets;

namespace Masquerade.AccessPoint.Agent.Observing;

/// <summary>Unix sockets that only this user may use.</summary>
internal static class UnixSockets
{
    /// <summary>Listens at a path; a socket that an earlier agent left behind is replaced.</summary>
    public static Socket Listen(string path)
    {
        File.Delete(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            socket.Listen(8);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
