using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Masquerade.Auth.Radius;

/// <summary>A server as the client sees it: its lanes, its counters, and whether it is taken for dead.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "the client that made it stops it")]
public sealed class RadiusServer
{
    private readonly RadiusTimes _times;
    private readonly TimeProvider _time;
    private readonly Func<double> _chance;
    private readonly List<RadiusLane> _lanes = [];
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private long _lastAnswer;
    private bool _answered;
    private Task? _probe;

    internal RadiusServer(RadiusServerSettings settings, RadiusTimes times, TimeProvider time, Func<double> chance)
    {
        if (settings.MaximumLanes is < 1 or > 256)
        {
            throw new ArgumentException("a server has 1 to 256 lanes", nameof(settings));
        }

        (Settings, _times, _time, _chance) = (settings, times, time, chance);
    }

    /// <summary>Its settings.</summary>
    public RadiusServerSettings Settings { get; }

    /// <summary>What has been counted.</summary>
    public RadiusServerCounters Counters { get; } = new();

    /// <summary>Whether it has left a request unanswered and nothing has come from it since. It is asked only if all others are dead too.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Asks this server, with repetitions.</summary>
    /// <returns>The answer; an outcome without one; null if the server has not answered.</returns>
    internal async Task<RadiusReply?> AskAsync(RadiusCode code, RadiusAttributeWriter attributes, int tries, long deadline, CancellationToken cancel)
    {
        var began = _time.GetTimestamp();
        var probe = code == RadiusCode.StatusServer;
        Counters.Wait(probe ? 0 : 1);
        try
        {
            // A connection may have ended unnoticed while it was idle; then a fresh one is made.
            for (var again = true; ; again = false)
            {
                var request = new PendingRequest(code, new byte[RadiusAuthenticators.Length]);
                if (Reserve(request, out var isFresh) is not { } lane)
                {
                    Counters.Add(RadiusCount.Busy);
                    return new RadiusReply(RadiusOutcome.Busy);
                }

                try
                {
                    if (await AskAsync(lane, request, Encode(request, attributes), tries, deadline, cancel) is { } answer)
                    {
                        return new RadiusReply(this, answer, request.Authenticator);
                    }
                }
                finally
                {
                    lane.Release(request);
                }

                if (!again || isFresh || !lane.HasEnded)
                {
                    break;
                }
            }

            if (!probe)
            {
                SuspectSince(began);
            }

            return null;
        }
        finally
        {
            Counters.Wait(probe ? 0 : -1);
        }
    }

    internal async Task StopAsync()
    {
        await _stop.CancelAsync();
        Task? probe;
        RadiusLane[] lanes;
        lock (_gate)
        {
            (probe, lanes) = (_probe, [.. _lanes]);
            _lanes.Clear();
        }

        if (probe is not null)
        {
            await probe;
        }

        foreach (var lane in lanes)
        {
            await lane.DisposeAsync();
        }

        _stop.Dispose();
    }

    private async Task<RadiusPacket?> AskAsync(RadiusLane lane, PendingRequest request, byte[] packet, int tries, long deadline, CancellationToken cancel)
    {
        TimeSpan? pause = null;
        for (var sent = 0; sent < (lane.Repeats ? tries : 1); sent++)
        {
            Counters.Add(sent > 0 ? RadiusCount.Retransmissions : request.Code == RadiusCode.StatusServer ? RadiusCount.Probes : RadiusCount.Requests);
            var at = _time.GetTimestamp();
            pause = _times.Next(pause, _chance);
            var patience = Least(lane.Repeats ? pause.Value : _times.Initial * 3, _time.GetElapsedTime(at, deadline));
            if (patience <= TimeSpan.Zero)
            {
                break;
            }

            using var limit = new CancellationTokenSource(patience, _time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, limit.Token);
            try
            {
                if (!await lane.SendAsync(packet, both.Token) || await request.Answer.WaitAsync(both.Token) is not { } answer)
                {
                    break;
                }

                Answered(at, answer.Code);
                return answer;
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                Counters.Add(RadiusCount.Timeouts);
            }
        }

        return null;
    }

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private byte[] Encode(PendingRequest request, RadiusAttributeWriter attributes)
    {
        if (request.Code == RadiusCode.AccountingRequest)
        {
            var computed = RadiusEncoder.ComputedRequest(request.Code, request.Identifier, attributes, Settings.Secret, withMessageAuthenticator: false);
            computed.AsSpan(4, RadiusAuthenticators.Length).CopyTo(request.Authenticator);
            return computed;
        }

        RandomNumberGenerator.Fill(request.Authenticator);
        return RadiusEncoder.Request(request.Code, request.Identifier, request.Authenticator, attributes, Settings.Secret);
    }

    private RadiusLane? Reserve(PendingRequest request, out bool isFresh)
    {
        isFresh = false;
        lock (_gate)
        {
            if (_stop.IsCancellationRequested)
            {
                return null;
            }

            for (var i = _lanes.Count - 1; i >= 0; i--)
            {
                if (_lanes[i].HasEnded)
                {
                    _ = _lanes[i].DisposeAsync().AsTask();
                    _lanes.RemoveAt(i);
                }
            }

            foreach (var lane in _lanes)
            {
                if (lane.TryReserve(request))
                {
                    return lane;
                }
            }

            if (_lanes.Count == Settings.MaximumLanes)
            {
                return null;
            }

            RadiusLane fresh;
            try
            {
                fresh = Settings.Tls is null ? new UdpLane(Settings, Counters) : new TlsLane(Settings, Counters, _times.Initial * 3, _time);
            }
            catch (SocketException)
            {
                // No descriptor or port is free, or the source address is not ours just now.
                return null;
            }

            isFresh = true;
            _lanes.Add(fresh);
            _ = fresh.TryReserve(request);
            fresh.Start();
            return fresh;
        }
    }

    private void Answered(long since, RadiusCode code)
    {
        lock (_gate)
        {
            (_lastAnswer, _answered, IsDead) = (_time.GetTimestamp(), true, false);
        }

        Counters.Took(_time.GetElapsedTime(since));
        Counters.Add(code switch
        {
            RadiusCode.AccessAccept => RadiusCount.AccessAccepts,
            RadiusCode.AccessReject => RadiusCount.AccessRejects,
            RadiusCode.AccessChallenge => RadiusCount.AccessChallenges,
            _ => RadiusCount.Responses,
        });
    }

    /// <summary>A request has stayed without answer. If others have had theirs meanwhile, the server is not dead, only this one was not to its liking.</summary>
    private void SuspectSince(long began)
    {
        lock (_gate)
        {
            if (IsDead || (_answered && _lastAnswer >= began) || _stop.IsCancellationRequested)
            {
                return;
            }

            IsDead = true;
            Counters.Add(RadiusCount.Deaths);
            if (_probe is null or { IsCompleted: true })
            {
                _probe = Task.Run(ProbeAsync);
            }
        }
    }

    private async Task ProbeAsync()
    {
        var nothing = new RadiusAttributeWriter();
        try
        {
            while (true)
            {
                await Task.Delay(RadiusTimes.Jitter(Settings.KnowsStatusServer ? _times.ProbeEvery : _times.DeadFor, _chance), _time, _stop.Token);
                if (!IsDead)
                {
                    return;
                }

                if (!Settings.KnowsStatusServer)
                {
                    lock (_gate)
                    {
                        IsDead = false;
                        return;
                    }
                }

                await AskAsync(RadiusCode.StatusServer, nothing, tries: 1, long.MaxValue, _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The client is stopped.
        }
    }
}
