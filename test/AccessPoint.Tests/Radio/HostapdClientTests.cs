using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.AccessPoint.Users;
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

    /// <summary>hostapd opens the port of a station that it remembers before the new link has proved a key; whose key that is it tells when it is asked.</summary>
    [Fact, Trait("Req", "A-23")]
    public async Task Whose_key_a_link_has_proved_is_asked_for_and_told_when_it_changes()
    {
        using var server = new FakeHostapd(ServerPath, "02:00:00:00:00:01") { State = "flags=[AUTH][ASSOC]\n" };
        var running = Start(asksWhose: true);
        server.NextAsked("STA-NEXT");

        server.State = Open(7, "alice");
        server.Tell("<3>AP-STA-CONNECTED 02:00:00:00:00:02");
        Assert.Equal(new StationChanged(Two, true), Hear());
        server.State = Open(11, "alice");
        server.Tell("<3>EAPOL-4WAY-HS-COMPLETED 02:00:00:00:00:02");
        Assert.Equal(new StationChanged(Two, true, "alice"), Hear());

        // New keys are nothing new; another user is.
        server.Tell("<3>EAPOL-4WAY-HS-COMPLETED 02:00:00:00:00:02");
        server.NextAsked("STA 02");
        server.NextAsked("STA 02");
        server.NextAsked("STA 02");
        server.State = Open(11, "eve");
        server.Tell("<3>EAPOL-4WAY-HS-COMPLETED 02:00:00:00:00:02");
        Assert.Equal(new StationChanged(Two, true, "eve"), Hear());

        // One that hostapd does not let through is not there.
        server.Tell("<3>AP-STA-DISCONNECTED 02:00:00:00:00:02");
        Assert.Equal(new StationChanged(Two, false), Hear());
        server.State = Open(11, "alice").Replace("[AUTHORIZED]", "", StringComparison.Ordinal);
        server.Tell("<3>AP-STA-CONNECTED 02:00:00:00:00:02");
        server.Tell("<3>AP-STA-DISCONNECTED 02:00:00:00:00:01");
        Assert.Equal(new StationChanged(One, false), Hear());
        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact, Trait("Req", "A-27")]
    public async Task A_link_that_is_good_for_nothing_is_ended_and_the_key_behind_it_forgotten()
    {
        using var server = new FakeHostapd(ServerPath, "02:00:00:00:00:02");
        var commands = new HostapdCommands(ServerPath, Path.Combine(_folder, "own-c"), TextWriter.Null);
        var running = Task.Run(() => commands.RunAsync(_stop.Token));
        commands.Note(new ClientShutOut(Two, "bob", "link lost"));
        commands.Note(new LinkUnwanted(Two, "denied"));
        Assert.Equal("PMKSA_FLUSH", server.NextAsked(""));
        Assert.Equal("DEAUTHENTICATE 02:00:00:00:00:02", server.NextAsked(""));
        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Empty(Directory.GetFiles(_folder, "own*"));
    }

    [Fact, Trait("Req", "A-23")]
    public async Task A_station_that_leaves_while_stations_are_counted_takes_no_other_with_it()
    {
        using var server = new FakeHostapd(ServerPath, "02:00:00:00:00:01") { LeavesOnce = "STA-NEXT 02:00:00:00:00:01", Next = "02:00:00:00:00:02" };
        var running = Start();
        Assert.Equal(new StationChanged(One, true), Hear());
        Assert.Equal(new StationChanged(Two, true), Hear());
        await _stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(5));
    }

    private static string Open(int state, string user) =>
        $"flags=[AUTH][ASSOC][AUTHORIZED]\nhostapdWPAPTKState={state}\ndot1xAuthPaeState=5\ndot1xAuthSessionUserName={user}\nlast_eap_type_as=25 (PEAP)\n";

    private Task Start(bool asksWhose = false)
    {
        var client = new HostapdClient(
            ServerPath, Path.Combine(_folder, "own"), (input, _) =>
            {
                _heard.Add(input, CancellationToken.None);
                return ValueTask.CompletedTask;
            },
            TextWriter.Null)
        {
            AsksWhose = asksWhose,
            AnswerTimeout = TimeSpan.FromMilliseconds(asksWhose ? 5_000 : 200),
            PingInterval = TimeSpan.FromMilliseconds(100),
        };
        return Task.Run(() => client.RunAsync(_stop.Token));
    }

    private AgentInput Hear() => _heard.TryTake(out var input, TimeSpan.FromSeconds(10)) ? input : throw new TimeoutException("nothing was told");

    private sealed class FakeHostapd : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        private readonly ManualResetEventSlim _pinged = new();
        private readonly BlockingCollection<string> _asked = [];
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

        /// <summary>What stands behind a station's address when it is asked for.</summary>
        public string State { get; set; } = "flags=[AUTH][ASSOC][AUTHORIZED]\n";

        /// <summary>A question about a station that has just left.</summary>
        public string? LeavesOnce { get; set; }

        /// <summary>The station behind the first one.</summary>
        public string? Next { get; init; }

        /// <summary>The next request of a kind.</summary>
        public string NextAsked(string beginning)
        {
            while (_asked.TryTake(out var request, TimeSpan.FromSeconds(10)))
            {
                if (request.StartsWith(beginning, StringComparison.Ordinal))
                {
                    return request;
                }
            }

            throw new TimeoutException($"nobody asked {beginning}");
        }

        private string Describe(string station) => station + "\n" + State;

        public void Tell(string text) => _socket.SendTo(Encoding.ASCII.GetBytes(text), _listener!);

        public bool WaitForPing() => _pinged.Wait(TimeSpan.FromSeconds(10));

        public void Dispose()
        {
            _stopping = true;
            _thread.Join();
            _asked.Dispose();
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

                    if (request == "ATTACH")
                    {
                        _listener = from;
                    }

                    if (request == LeavesOnce)
                    {
                        LeavesOnce = null;
                        _socket.SendTo("FAIL\n"u8, from);
                        continue;
                    }

                    // Behind the last station there is nothing, not even a failure.
                    var answer = request switch { "STA-NEXT 02:00:00:00:00:01" when Next is { } next => Describe(next), _ when request.StartsWith("STA-NEXT", StringComparison.Ordinal) => string.Empty, "PING" => "PONG\n", "ATTACH" => "OK\n", "STA-FIRST" => Describe(_station), "STA 02:00:00:00:00:02" => Describe("02:00:00:00:00:02"), "PMKSA_FLUSH" or "DEAUTHENTICATE 02:00:00:00:00:02" => "OK\n", _ => "FAIL\n" };
                    _asked.Add(request);
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
