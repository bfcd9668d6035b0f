using System.Security.Cryptography;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;

namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// Passes EAP between supplicants and RADIUS servers (RFC 3579) and keeps what comes of it (decision 28): it is told the MSK, makes the session key of it and forgets it. Safe for many callers at once.
/// </summary>
public sealed class KeyHolder : IAsyncDisposable
{
    private readonly KeyHolderSettings _settings;
    private readonly RadiusClient _radius;
    private readonly TimeProvider _time;
    private readonly ExchangeTable _table;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private int _waiting;

    /// <summary>A key holder.</summary>
    /// <param name="settings">Its limits.</param>
    /// <param name="radius">Asks the servers; remains the caller's.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public KeyHolder(KeyHolderSettings settings, RadiusClient radius, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate(nameof(settings));
        (_settings, _radius, _time) = (settings, radius, time ?? TimeProvider.System);
        _table = new ExchangeTable(settings.MaximumExchanges, settings.ExchangeTimeout, settings.AnswerHold, _time);
    }

    /// <summary>What has been counted.</summary>
    public KeyHolderCounters Counters { get; } = new();

    /// <summary>Exchanges that are remembered now.</summary>
    public int Exchanges
    {
        get
        {
            lock (_gate)
            {
                return _table.Count;
            }
        }
    }

    /// <summary>Passes a supplicant's word on and gives back what is to be said to it. The same message may come again, while the answer is on its way or after it: it is given the same answer.</summary>
    /// <param name="request">The word.</param>
    /// <param name="cancel">Gives up waiting; the question goes on, for whoever asks again.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task<KeyHolderAnswer> ExchangeAsync(KeyHolderRequest request, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!EapMessage.TryRead(request.Eap, out var code, out var eap) || code != EapMessage.Response || request.Node.IsNone || request.Client.IsNone || request.Client.IsGroup)
        {
            return Task.FromResult(Refuse(KeyHolderCount.BadEap));
        }

        lock (_gate)
        {
            Expire();
            if (Place(request, eap, out var exchange) is { } refused)
            {
                return Task.FromResult(Refuse(refused));
            }

            if (exchange!.Answer is null || !exchange.Last.Span.SequenceEqual(eap.Span))
            {
                exchange.Last = eap.ToArray();
                _waiting++;
                exchange.Answer = Task.Run(() => AskAsync(exchange, request, exchange.Last));
            }
            else
            {
                Counters.Add(KeyHolderCount.Repeated);
            }

            return exchange.Answer.WaitAsync(cancel);
        }
    }

    /// <summary>Uses the key of a grant, which the holder zeroes when it forgets the exchange, on whatever thread that happens: not while it is used here.</summary>
    /// <param name="grant">The grant.</param>
    /// <param name="use">Is given the key; must be short. Not called if there is none.</param>
    /// <returns>False: the key has been zeroed already, and the client has to begin anew.</returns>
    public bool TryUseKey(SessionGrant grant, Action<SessionKey> use)
    {
        ArgumentNullException.ThrowIfNull(grant);
        ArgumentNullException.ThrowIfNull(use);
        lock (_gate)
        {
            if (grant is { IsDisposed: false, Key: { } key })
            {
                use(key);
            }

            return !grant.IsDisposed;
        }
    }

    /// <summary>Forgets exchanges whose time is over, and zeroes their keys. Happens by itself with every word that comes; a shell calls it from time to time besides.</summary>
    public void Sweep()
    {
        lock (_gate)
        {
            Expire();
        }
    }

    /// <summary>Forgets everything; who waits hears that there is no server.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        List<Task> running = [];
        lock (_gate)
        {
            while (_table.Any() is { } exchange)
            {
                if (exchange.Answer is { } answer)
                {
                    running.Add(answer);
                }

                Forget(exchange);
            }
        }

        await Task.WhenAll(running);
        _stop.Dispose();
    }

    /// <summary>Finds the exchange or makes one; says why not.</summary>
    private KeyHolderCount? Place(KeyHolderRequest request, ReadOnlyMemory<byte> eap, out Exchange? exchange)
    {
        var name = new ExchangeName(request.Node, request.Client, request.Exchange);
        exchange = _table.Find(name);
        if (exchange is not null)
        {
            if (exchange.Last.Span.SequenceEqual(eap.Span))
            {
                return null;
            }

            if (exchange.Stage == ExchangeState.Ended)
            {
                return KeyHolderCount.UnknownExchange;
            }

            if (exchange.Answer is { IsCompleted: false })
            {
                return KeyHolderCount.Overlapping;
            }

            if (++exchange.Rounds > _settings.MaximumRounds)
            {
                Forget(exchange);
                return KeyHolderCount.TooManyRounds;
            }

            if (_waiting >= _settings.MaximumWaiting)
            {
                return KeyHolderCount.Busy;
            }

            _table.Move(exchange, ExchangeState.Known);
            return null;
        }

        var identity = request.Identity;
        if (identity is null && !EapMessage.TryReadIdentity(eap.Span, out identity))
        {
            return KeyHolderCount.UnknownExchange;
        }

        if (_waiting >= _settings.MaximumWaiting / 4 * 3)
        {
            return KeyHolderCount.Busy;
        }

        if (!_table.HasRoom(out var displaced))
        {
            if (displaced is null)
            {
                return KeyHolderCount.TableFull;
            }

            Counters.Add(KeyHolderCount.Displaced);
            Forget(displaced);
        }

        exchange = new Exchange(name, identity, SessionId.Draw(RandomNumberGenerator.Fill)) { Rounds = 1 };
        _table.Add(exchange);
        Counters.Add(KeyHolderCount.Exchanges);
        return null;
    }

    private async Task<KeyHolderAnswer> AskAsync(Exchange exchange, KeyHolderRequest request, ReadOnlyMemory<byte> eap)
    {
        var answer = KeyHolderAnswer.Unavailable(KeyHolderCount.NoServer);
        try
        {
            var reply = await _radius.SendAsync(RadiusCode.AccessRequest, Attributes(exchange, request, eap), exchange.Server, _stop.Token);
            answer = Read(reply, exchange, request, eap);
        }
        catch (OperationCanceledException)
        {
            // The key holder is stopped.
        }
        finally
        {
            Counters.Add(answer.Reason);
            answer = Settle(exchange, answer);
        }

        return answer;
    }

    private KeyHolderAnswer Settle(Exchange exchange, KeyHolderAnswer answer)
    {
        lock (_gate)
        {
            _waiting--;
            if (!ReferenceEquals(_table.Find(exchange.Name), exchange))
            {
                // It was displaced or the holder is stopped: nobody will keep the key.
                answer.Grant?.Dispose();
                return KeyHolderAnswer.Unavailable(KeyHolderCount.UnknownExchange);
            }

            switch (answer.Outcome)
            {
                case EapOutcome.Continue:
                    _table.Move(exchange, exchange.Stage);
                    break;
                case EapOutcome.Unavailable:
                    // The conversation cannot go on with another server; the client begins anew.
                    _table.Remove(exchange);
                    break;
                default:
                    _table.Move(exchange, ExchangeState.Ended);
                    break;
            }
        }

        return answer;
    }

    private RadiusAttributeWriter Attributes(Exchange exchange, KeyHolderRequest request, ReadOnlyMemory<byte> eap)
    {
        var attributes = new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, exchange.Identity);
        _settings.Nas.Write(attributes, request.Node, request.Ssid, request.Client, _time.GetUtcNow());
        attributes.Add(RadiusAttributeType.FramedMtu, _settings.Nas.FramedMtu).Add(RadiusAttributeType.ServiceType, 2u).Add(RadiusAttributeType.AcctSessionId, exchange.Session.ToString());

        // RFC 4372 section 2.1: an empty one, written as a NUL, asks for it.
        attributes.Add(RadiusAttributeType.ChargeableUserIdentity, [0]).AddLong(RadiusAttributeType.EapMessage, eap.Span);
        return exchange.State is null ? attributes : attributes.Add(RadiusAttributeType.State, exchange.State);
    }

    private KeyHolderAnswer Read(RadiusReply reply, Exchange exchange, KeyHolderRequest request, ReadOnlyMemory<byte> eap)
    {
        switch (reply.Outcome)
        {
            case RadiusOutcome.Answered:
                break;
            case RadiusOutcome.TooLarge:
                return KeyHolderAnswer.Unavailable(KeyHolderCount.BadEap);
            case RadiusOutcome.Busy:
                return KeyHolderAnswer.Unavailable(KeyHolderCount.Busy);
            default:
                return KeyHolderAnswer.Unavailable(KeyHolderCount.NoServer);
        }

        switch (reply.Packet.Code)
        {
            case RadiusCode.AccessAccept:
                return AcceptReader.Read(reply, exchange, eap, request.IsKeyed, _time.GetUtcNow());
            case RadiusCode.AccessChallenge:
                return ReadChallenge(reply, exchange);
            default:
                // Whatever EAP comes along, the answer is no (RFC 3579 section 2.6.3).
                var failure = reply.Packet.Concatenate(RadiusAttributeType.EapMessage);
                var isFailure = EapMessage.TryRead(failure, out var code, out var message) && code == EapMessage.Failure;
                return new KeyHolderAnswer(EapOutcome.Reject, isFailure ? message : EapMessage.FailureTo(eap.Span), KeyHolderCount.Rejects);
        }
    }

    private static KeyHolderAnswer ReadChallenge(RadiusReply reply, Exchange exchange)
    {
        var packet = reply.Packet;
        if (!EapMessage.TryRead(packet.Concatenate(RadiusAttributeType.EapMessage), out var code, out var message) || code != EapMessage.Request)
        {
            return KeyHolderAnswer.Unavailable(KeyHolderCount.BadChallenge);
        }

        exchange.State = packet.TryGet(RadiusAttributeType.State, out var state) ? state.Value.ToArray() : null;
        exchange.Server = reply.Server;
        TimeSpan? patience = packet.TryGet(RadiusAttributeType.SessionTimeout, out var timeout) && timeout.TryGetNumber(out var seconds) ? TimeSpan.FromSeconds(seconds) : null;
        return new KeyHolderAnswer(EapOutcome.Continue, message, KeyHolderCount.Challenges, Patience: patience);
    }

    private KeyHolderAnswer Refuse(KeyHolderCount reason)
    {
        Counters.Add(reason);
        return KeyHolderAnswer.Unavailable(reason);
    }

    private void Expire()
    {
        while (_table.NextExpired() is { } exchange)
        {
            if (exchange.Stage != ExchangeState.Ended)
            {
                Counters.Add(KeyHolderCount.TimedOut);
            }

            Forget(exchange);
        }
    }

    private void Forget(Exchange exchange)
    {
        _table.Remove(exchange);
        if (exchange.Answer is { IsCompletedSuccessfully: true } answer)
        {
            answer.Result.Grant?.Dispose();
        }
    }
}
