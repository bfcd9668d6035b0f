using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>
/// How long to wait for a response (RFC 3748 section 4.3, which takes RFC 6298's estimate with a longest time of its own): smoothed round trip and its variation, doubled
/// with every repetition; what was sent twice measures nothing (Karn).
/// </summary>
internal struct RetransmissionTimer
{
    private long _smoothed;
    private long _variation;
    private Instant _sent;
    private bool _isMeasured;

    /// <summary>A request was sent.</summary>
    public void Sent(Instant now, bool isRepetition)
    {
        _sent = now;
        _isMeasured = !isRepetition;
    }

    /// <summary>Its response came.</summary>
    public void Answered(Instant now)
    {
        if (!_isMeasured)
        {
            return;
        }

        _isMeasured = false;
        var sample = Math.Max(1, now.Nanoseconds - _sent.Nanoseconds);
        if (_smoothed == 0)
        {
            _smoothed = sample;
            _variation = sample / 2;
            return;
        }

        _variation += (Math.Abs(_smoothed - sample) - _variation) / 4;
        _smoothed += (sample - _smoothed) / 8;
    }

    /// <summary>The time to wait after this many repetitions.</summary>
    public readonly TimeSpan Wait(AuthenticatorConfig config, int repetitions)
    {
        var wait = _smoothed == 0 ? config.RetransmitInitial : new TimeSpan((_smoothed + (4 * _variation)) / 100);
        wait = wait < config.RetransmitMin ? config.RetransmitMin : wait;
        for (var i = 0; i < repetitions && wait < config.RetransmitMax; i++)
        {
            wait *= 2;
        }

        return wait < config.RetransmitMax ? wait : config.RetransmitMax;
    }
}
