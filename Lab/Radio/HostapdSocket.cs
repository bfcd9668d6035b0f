using System.Net.Sockets;
using System.Text;

namespace Masquerade.Lab.Radio;

/// <summary>
/// Speaks hostapd's control interface for one simulated radio: a Unix datagram socket on which a program attaches itself and then hears
/// of stations that come and go, in the words of a real hostapd.
/// </summary>
internal sealed class HostapdSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly List<UnixDomainSocketEndPoint> _listeners = [];
    private readonly List<string> _stations = [];
    private readonly Thread _thread;
    private volatile bool _stopping;

    /// <summary>Binds the socket and serves requests on a thread of its own.</summary>
    /// <param name="path">Path of the socket file, e.g. <c>…/ap1/hostapd/cl0</c>.</param>
    public HostapdSocket(string path)
    {
        Path = path;
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        _thread = new Thread(Serve) { IsBackground = true, Name = "hostapd" };
        _thread.Start();
    }

    /// <summary>Path of the socket file.</summary>
    public string Path { get; }

    /// <summary>How many programs are attached.</summary>
    public int Listeners
    {
        get
        {
            lock (_listeners)
            {
                return _listeners.Count;
            }
        }
    }

    /// <summary>A station associated.</summary>
    public void Connected(string mac)
    {
        lock (_listeners)
        {
            _stations.Remove(mac);
            _stations.Add(mac);
            Tell($"<3>AP-STA-CONNECTED {mac}");
        }
    }

    /// <summary>A station is gone.</summary>
    public void Disconnected(string mac)
    {
        lock (_listeners)
        {
            _stations.Remove(mac);
            Tell($"<3>AP-STA-DISCONNECTED {mac}");
        }
    }

    /// <summary>Begins anew, as after a loss of power: no station, and nobody listens.</summary>
    public void Reset()
    {
        lock (_listeners)
        {
            _stations.Clear();
            _listeners.Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _socket.Dispose();
        _thread.Join(1000);
    }

    private void Tell(string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        for (var i = _listeners.Count - 1; i >= 0; i--)
        {
            try
            {
                _socket.SendTo(bytes, _listeners[i]);
            }
            catch (SocketException)
            {
                // The program has gone without DETACH; hostapd forgets such monitors too.
                _listeners.RemoveAt(i);
            }
        }
    }

    private void Serve()
    {
        var buffer = new byte[512];
        while (!_stopping)
        {
            try
            {
                System.Net.EndPoint from = new UnixDomainSocketEndPoint("/");
                var length = _socket.ReceiveFrom(buffer, ref from);
                var listener = (UnixDomainSocketEndPoint)from;
                var answer = Answer(Encoding.ASCII.GetString(buffer, 0, length), listener);
                _socket.SendTo(Encoding.ASCII.GetBytes(answer), listener);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (_stopping)
                {
                    return;
                }
            }
        }
    }

    private string Answer(string request, UnixDomainSocketEndPoint from)
    {
        lock (_listeners)
        {
            switch (request.TrimEnd())
            {
                case "PING":
                    return "PONG\n";
                case "ATTACH":
                    if (!_listeners.Exists(l => string.Equals(l.ToString(), from.ToString(), StringComparison.Ordinal)))
                    {
                        _listeners.Add(from);
                    }

                    return "OK\n";
                case "DETACH":
                    _listeners.RemoveAll(l => string.Equals(l.ToString(), from.ToString(), StringComparison.Ordinal));
                    return "OK\n";
                case "STA-FIRST":
                    return _stations.Count > 0 ? _stations[0] + "\nflags=[AUTH][ASSOC][AUTHORIZED]\n" : string.Empty;
                case var next when next.StartsWith("STA-NEXT ", StringComparison.Ordinal):
                    var at = _stations.IndexOf(next["STA-NEXT ".Length..].Trim());
                    return at >= 0 && at + 1 < _stations.Count ? _stations[at + 1] + "\nflags=[AUTH][ASSOC][AUTHORIZED]\n" : string.Empty;
                default:
                    return "UNKNOWN COMMAND\n";
            }
        }
    }
}
