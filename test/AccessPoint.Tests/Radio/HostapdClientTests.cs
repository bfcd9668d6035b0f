using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Radio;

/// <summary>The client of hostapd's control interface against a datagram socket that speaks like hostapd.</summary>
public sealed class HostapdClientTests : IDisposable
{
    private static readonly MacAddress One = MacAddress.Parse("02:00:00:00:00:01");
    private static readonly MacAddress Two = MacAddress.Parse("02:00:00:00:00:02");

    private readonly string _folder = Directory.CreateTempSubdirectory("masq-hostapd").FullName;
    private readonly BlockingCollection<AgentInput> _heard = [];
    private readonly CancellationTokenSource _stop = new();

    private string ServerPath => Path.Combine(_folder, "cl0");

    public void Dispose()
    {
        _stop.Dispose();
        _heard.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact, Trait("Req", "A-12")]
    public async Task Stations_that_come_go_or_are_there_already_are_told_also_after_a_restart_of_hostapd()
    {
        var running = Start();
        using (var server = new FakeHostapd(ServerPath, "02:00:00:00:00:01"))
        {
            Assert.Equal(new StationChanged(One, true), Hear());
            server.Tell("<3>AP-STA-CONNECTED 02:00:00:00:00:02 auth_alg=open");
            Assert.Equal(new StationChanged(Two, true), Hear());
            server.Tell("<3>CTRL-EVENT-EAP-STARTED 02:00:00:00:00:02");
            server.Tell("<3>AP-STA-DISCONNECTED zz:00:00:00:00:02");
            server.Tell("<");
            server.Tell("<3>AP-STA-DISCONNECTED 02:00:00:00:00:02");
            Assert.Equal(new StationChanged(Two, false), Hear());
        }

        // hostapd restarts: its listeners are forgotten, station 1 has gone meanwhile and 2 has come.
        File.Delete(ServerPath);
        using (var server = new FakeHostapd(ServerPath, "02:00:00:00:00:02"))
        {
            Assert.Equal(new StationChanged(One, false), Hear());
            Assert.Equal(new StationChanged(Two, true), Hear());
            Assert.True(server.WaitForPing(), "no keepalive came");
        }

        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Empty(Directory.GetFiles(_folder, "own*"));
    }

    private Task Start()
    {
        var client = new HostapdClient(
            ServerPath, Path.Combine(_folder, "own"), (input, _) =>
            {
                _heard.Add(input, CancellationToken.None);
                return ValueTask.CompletedTask;
            },
            TextWriter.Null)
        {
            AnswerTimeout = TimeSpan.FromMilliseconds(200),
            PingInterval = TimeSpan.FromMilliseconds(100),
        };
        return Task.Run(() => client.RunAsync(_stop.Token));
    }

    private AgentInput Hear() => _heard.TryTake(out var input, TimeSpan.FromSeconds(10)) ? input : throw new TimeoutException("nothing was told");

    private sealed class FakeHostapd : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        private readonly ManualResetEventSlim _pinged = new();
        private readonly string _station;
        private readonly Thread _thread;
        private EndPoint? _listener;

        public FakeHostapd(string path, string station)
        {
            _station = station;
            _socket.Bind(new UnixDomainSocketEndPoint(path));
            _socket.ReceiveTimeout = 50;
            _thread = new Thread(Serve);
            _thread.Start();
        }

        private volatile bool _stopping;

        public void Tell(string text) => _socket.SendTo(Encoding.ASCII.GetBytes(text), _listener!);

        public bool WaitForPing() => _pinged.Wait(TimeSpan.FromSeconds(10));

        public void Dispose()
        {
            _stopping = true;
            _thread.Join();
            _socket.Dispose();
            _pinged.Dispose();
        }

        private void Serve()
        {
            var buffer = new byte[512];
            while (!_stopping)
            {
                try
                {
                    EndPoint from = new UnixDomainSocketEndPoint("/");
                    var length = _socket.ReceiveFrom(buffer, ref from);
                    var request = Encoding.ASCII.GetString(buffer, 0, length);
                    if (request == "PING")
                    {
                        _pinged.Set();
                    }

                    _listener = from;
                    var answer = request switch { "PING" => "PONG\n", "ATTACH" => "OK\n", "STA-FIRST" => _station + "\nflags=[AUTH][ASSOC]\n", _ => "FAIL\n" };
                    _socket.SendTo(Encoding.ASCII.GetBytes(answer), from);
                }
                catch (SocketException)
                {
                    // A timeout: look whether to stop.
                }
            }
        }
    }
}
