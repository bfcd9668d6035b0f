namespace Masquerade.Auth.Radius;

/// <summary>
/// Asks RADIUS servers, of one kind: authentication or accounting. Servers are asked in their order, those that are taken for dead last; each answer must come from the server's address, have the right Response
/// Authenticator and, where it is an answer to an Access-Request, the right Message-Authenticator, or it is dropped, counted, and waited on. Safe for many callers at once.
/// </summary>
public sealed class RadiusClient : IAsyncDisposable
{
    private readonly RadiusTimes _times;
    private readonly TimeProvider _time;
    private readonly RadiusServer[] _servers;

    /// <summary>A client; it opens its first port when it first asks.</summary>
    /// <param name="settings">Whom it asks.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="chance">Jitter, numbers from 0 to below 1; null for the system's.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public RadiusClient(RadiusClientSettings settings, TimeProvider? time = null, Func<double>? chance = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Times.Validate(nameof(settings));
        if (settings.Servers.Count is < 1 or > 16)
        {
            throw new ArgumentException("1 to 16 RADIUS servers", nameof(settings));
        }

        _times = settings.Times;
        _time = time ?? TimeProvider.System;
        _servers = [.. settings.Servers.Select(s => new RadiusServer(s, _times, _time, chance ?? Random.Shared.NextDouble))];
    }

    /// <summary>The servers with their counters, in the order of the settings.</summary>
    public IReadOnlyList<RadiusServer> Servers => _servers;

    /// <summary>Asks until somebody answers or it takes too long.</summary>
    /// <param name="code">Access-Request, Accounting-Request or Status-Server.</param>
    /// <param name="attributes">What is said; is not changed, and must not be while this runs.</param>
    /// <param name="only">The one server to ask, where a State binds the conversation to it (RFC 2865 section 5.24); null for whoever answers.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<RadiusReply> SendAsync(RadiusCode code, RadiusAttributeWriter attributes, RadiusServer? only = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        if (code is not (RadiusCode.AccessRequest or RadiusCode.AccountingRequest or RadiusCode.StatusServer))
        {
            throw new ArgumentOutOfRangeException(nameof(code), code, "is not a request of a client");
        }

        if (attributes.IsOverfull)
        {
            return new RadiusReply(RadiusOutcome.TooLarge);
        }

        var deadline = _time.GetTimestamp() + (long)(_times.Duration.TotalSeconds * _time.TimestampFrequency);
        RadiusServer[] order = only is null ? [.. _servers.Where(s => !s.IsDead), .. _servers.Where(s => s.IsDead)] : [only];
        var busy = false;
        for (var i = 0; i < order.Length; i++)
        {
            var reply = await order[i].AskAsync(code, attributes, i == order.Length - 1 ? _times.Count : _times.TriesBeforeNext, deadline, cancel);
            if (reply is { Outcome: RadiusOutcome.Answered })
            {
                return reply;
            }

            busy |= reply is not null;
        }

        return new RadiusReply(busy ? RadiusOutcome.Busy : RadiusOutcome.NoAnswer);
    }

    /// <summary>Stops; whoever waits hears that there is no answer.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.StopAsync();
        }
    }
}
