using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>
/// Listens to hostapd's control interface: a program attaches itself and is told of stations that come and go. hostapd forgets its listeners when it restarts, so a ping that stays unanswered
/// means: attach again, and ask which stations are there.
/// </summary>
internal sealed class HostapdClient(string serverPath, string ownPath, Func<AgentInput, CancellationToken, ValueTask> post, TextWriter log)
{
    private const int MaxStations = 4_096;

    /// <summary>How often stations are counted from the beginning because one has left under way.</summary>
    private const int MaxLeaving = 8;

    /// <summary>Events that come while an answer is awaited. With more of them it is asked anew which stations there are.</summary>
    private const int MaxWaiting = 1_024;

    private readonly Dictionary<MacAddress, string?> _stations = [];
    private readonly Queue<(HostapdWord Word, MacAddress Station)> _waiting = new();
    private bool _hasMissed;

    /// <summary>How long an answer may take, and the time between two attempts to attach.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The time between two pings.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether hostapd is asked whose key a link has proved.</summary>
    public bool AsksWhose { get; init; }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        var complained = false;
        try
        {
            while (true)
            {
                try
                {
                    await ListenAsync(cancel).ConfigureAwait(false);
                }
                catch (Exception e) when (e is SocketException or IOException or TimeoutException && !cancel.IsCancellationRequested)
                {
                    if (!complained)
                    {
                        await log.WriteLineAsync($"hostapd at {serverPath}: {e.Message}; trying again").ConfigureAwait(false);
                        complained = true;
                    }
                }

                await Task.Delay(AnswerTimeout, cancel).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        using var hostapd = await HostapdConnection.OpenAsync(serverPath, ownPath, cancel).ConfigureAwait(false);
        _waiting.Clear();
        if (!await hostapd.AskForAsync("ATTACH", "OK", AnswerTimeout, Hear, cancel).ConfigureAwait(false))
        {
            throw new IOException("ATTACH was refused");
        }

        await log.WriteLineAsync($"hostapd at {serverPath}: attached").ConfigureAwait(false);
        _hasMissed = true;
        while (true)
        {
            if (_hasMissed)
            {
                _hasMissed = false;
                await CompareStationsAsync(hostapd, cancel).ConfigureAwait(false);
            }

            while (_waiting.TryDequeue(out var happened))
            {
                await OnEventAsync(hostapd, happened.Word, happened.Station, cancel).ConfigureAwait(false);
            }

            var said = await hostapd.ReceiveAsync(PingInterval, cancel).ConfigureAwait(false);
            if (said is { } text)
            {
                Hear(text.Span);
            }
            else if (!await hostapd.AskForAsync("PING", "PONG", AnswerTimeout, Hear, cancel).ConfigureAwait(false))
            {
                throw new IOException("PING was not answered");
            }
        }
    }

    /// <summary>Stations may have come and gone while nobody listened.</summary>
    private async Task CompareStationsAsync(HostapdConnection hostapd, CancellationToken cancel)
    {
        var present = new Dictionary<MacAddress, string?>();
        var seen = new HashSet<MacAddress>();
        var request = "STA-FIRST";
        for (var left = MaxLeaving; seen.Count < MaxStations;)
        {
            var answer = await hostapd.AskAsync(request, AnswerTimeout, Hear, cancel).ConfigureAwait(false);
            if (!HostapdWords.TryParseStation(answer.Span, out var station))
            {
                if (!HostapdWords.IsFailure(answer.Span) || seen.Count == 0 || left-- == 0)
                {
                    break;
                }

                // The station of the question has just left; behind it there are others.
                request = "STA-FIRST";
                present.Clear();
                seen.Clear();
                continue;
            }

            if (!seen.Add(station.Mac))
            {
                break;
            }

            if (station.IsOpen)
            {
                present[station.Mac] = AsksWhose ? station.User : null;
            }

            request = $"STA-NEXT {station.Mac}";
        }

        foreach (var gone in _stations.Keys.Except(present.Keys).ToArray())
        {
            await GoneAsync(gone, cancel).ConfigureAwait(false);
        }

        foreach (var (mac, user) in present)
        {
            if (!_stations.TryGetValue(mac, out var known) || !string.Equals(known, user, StringComparison.Ordinal))
            {
                await ComeAsync(mac, user, cancel).ConfigureAwait(false);
            }
        }
    }

    private void Hear(ReadOnlySpan<byte> said)
    {
        if (!HostapdWords.TryParseEvent(said, out var word, out var station))
        {
            return;
        }

        if (_waiting.Count < MaxWaiting)
        {
            _waiting.Enqueue((word, station));
        }
        else
        {
            _hasMissed = true;
        }
    }

    private async Task OnEventAsync(HostapdConnection hostapd, HostapdWord word, MacAddress mac, CancellationToken cancel)
    {
        switch (word)
        {
            case HostapdWord.Disconnected:
                await GoneAsync(mac, cancel).ConfigureAwait(false);
                break;
            case HostapdWord.Connected when !AsksWhose:
                await ComeAsync(mac, null, cancel).ConfigureAwait(false);
                break;
            case HostapdWord.Connected:
                if (await LookAsync(hostapd, mac, cancel).ConfigureAwait(false) is { IsOpen: true, User: var user })
                {
                    await ComeAsync(mac, user, cancel).ConfigureAwait(false);
                }

                break;
            case HostapdWord.Proved when AsksWhose && _stations.TryGetValue(mac, out var known):
                // Of a station that hostapd remembered the key is proved after its port is open. New keys for the same user are nothing new.
                if (await LookAsync(hostapd, mac, cancel).ConfigureAwait(false) is { IsOpen: true, User: var whose } && !string.Equals(whose, known, StringComparison.Ordinal))
                {
                    await ComeAsync(mac, whose, cancel).ConfigureAwait(false);
                }

                break;
        }
    }

    private async Task<HostapdStation?> LookAsync(HostapdConnection hostapd, MacAddress mac, CancellationToken cancel) =>
        HostapdWords.TryParseStation((await hostapd.AskAsync($"STA {mac}", AnswerTimeout, Hear, cancel).ConfigureAwait(false)).Span, out var station) && station.Mac == mac ? station : null;

    private ValueTask ComeAsync(MacAddress mac, string? user, CancellationToken cancel)
    {
        if (_stations.Count < MaxStations || _stations.ContainsKey(mac))
        {
            _stations[mac] = user;
        }

        return post(new StationChanged(mac, true, user), cancel);
    }

    private ValueTask GoneAsync(MacAddress mac, CancellationToken cancel)
    {
        _stations.Remove(mac);
        return post(new StationChanged(mac, false), cancel);
    }
}
