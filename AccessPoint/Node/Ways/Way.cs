using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Ways;

/// <summary>What is asked next about a way.</summary>
internal enum WayQuestion : byte
{
    /// <summary>To the other node, from this one's own address: are you there, and what is my cookie?</summary>
    Hello,

    /// <summary>With a few hops to live, from this node's own address: does that hop say so?</summary>
    Control,

    /// <summary>The same with the foreign source.</summary>
    Foreign,
}

/// <summary>One way, and the round of questions about it that is under way.</summary>
internal sealed class Way(bool toServers, IpAddress peer, IpAddress own, TimeSpan interval, SeededRandom random)
{
    /// <summary>Filters are where networks begin: most are within two hops of who is filtered.</summary>
    public const int Hops = 4;

    private const int Tries = 3;
    private static readonly TimeSpan s_helloInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_tryInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_leastPatience = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan s_mostPatience = TimeSpan.FromMilliseconds(400);

    private Step _step = Step.Resting;
    private int _tries;
    private int _silentHops;
    private bool _anyPassed;
    private bool _controlHeard;
    private bool _foreignHeard;
    private bool _reached;
    private bool _isSuspected;
    private ulong _helloToken;
    private ulong _controlToken;
    private ulong _foreignToken;
    private Instant _askedAt;
    private TimeSpan _patience = s_mostPatience;

    private enum Step : byte
    {
        Resting,
        Hello,
        Hop,
    }

    public bool ToServers { get; } = toServers;

    public IpAddress Peer { get; } = peer;

    /// <summary>The own address that packets of this way would be sent from.</summary>
    public IpAddress Own { get; } = own;

    /// <summary>A far address as packets of this way have it: where those to servers go, or whom those to a FAM are from.</summary>
    public IpAddress Sample { get; private set; }

    public WayState State { get; private set; }

    public ulong Cookie { get; set; }

    public bool HasCookie { get; set; }

    /// <summary>How far a question goes; 0: all the way.</summary>
    public int Hop { get; private set; }

    public Instant Next { get; private set; }

    public Instant LastUsed { get; private set; }

    /// <summary>A packet goes this way. What nobody has used for long is not asked about, until somebody does.</summary>
    public void Use(IpAddress sample, Instant now)
    {
        LastUsed = now;
        if (Next == Instant.Never || Sample.IsNone)
        {
            Next = now;
        }

        if (_step == Step.Resting)
        {
            Sample = sample;
        }
    }

    /// <summary>
    /// The questions that are due, at most two. False if there are none, or the round has ended. <paramref name="changed"/>: the state is another now.
    /// </summary>
    public bool TryAsk(Instant now, bool onlyHello, out (WayQuestion Question, ulong Token) first, out (WayQuestion Question, ulong Token) second, out bool changed)
    {
        (first, second, changed) = (default, default, false);
        if (_step == Step.Resting)
        {
            if (now - LastUsed > interval + interval)
            {
                Next = Instant.Never;
                return false;
            }

            (_step, _tries, _silentHops, _anyPassed, _reached) = (Step.Hello, 0, 0, false, false);
            _helloToken = random.NextUInt64();
        }

        if (_step == Step.Hello)
        {
            if (_tries >= Tries)
            {
                // Nobody is there who could put anything back.
                changed = Conclude(WayState.Unknown, now);
                return false;
            }

            (_askedAt, Next) = (now, now + s_helloInterval);
            _tries++;
            first = (WayQuestion.Hello, _helloToken);
            second = first;
            return true;
        }

        if (onlyHello)
        {
            changed = Conclude(WayState.Rewritten, now);
            return false;
        }

        if (_tries >= Tries)
        {
            changed = EndHop(now);
            return Next <= now && _step == Step.Hop && TryAsk(now, onlyHello, out first, out second, out _);
        }

        _tries++;
        Next = now + (_tries < Tries ? s_tryInterval : _patience);
        var asksControl = ToServers && !_controlHeard;
        first = _foreignHeard ? (WayQuestion.Control, _controlToken) : (WayQuestion.Foreign, _foreignToken);
        second = asksControl ? (WayQuestion.Control, _controlToken) : first;
        return true;
    }

    /// <summary>A question has been heard of. True if it was one of this way's.</summary>
    public bool OnProbed(ulong token, ulong cookie, Instant now)
    {
        if (_step == Step.Hello && token == _helloToken)
        {
            (Cookie, HasCookie) = (cookie, true);
            var patience = (now - _askedAt) * 4;
            _patience = patience < s_leastPatience ? s_leastPatience : patience > s_mostPatience ? s_mostPatience : patience;
            _step = Step.Hop;

            // Where only the last hop matters, the other node has just shown that it answers.
            BeginHop(ToServers ? 1 : 0, now);
            _controlHeard = !ToServers;
            return true;
        }

        if (_step != Step.Hop || token != _foreignToken)
        {
            return false;
        }

        _foreignHeard = true;
        HurryUp(now);
        return true;
    }

    /// <summary>An error about a question from this node's own address has come here. True if it was one of this way's.</summary>
    public bool OnControlHeard(ulong token, IpAddress by, Instant now)
    {
        if (_step != Step.Hop || token != _controlToken)
        {
            return false;
        }

        _controlHeard = true;
        _reached |= by == Sample;
        HurryUp(now);
        return true;
    }

    private void HurryUp(Instant now)
    {
        if (_foreignHeard && _controlHeard)
        {
            (_tries, Next) = (Tries, now);
        }
    }

    private void BeginHop(int hop, Instant now)
    {
        (Hop, _tries, _controlHeard, _foreignHeard) = (hop, 0, false, false);
        (_controlToken, _foreignToken) = (random.NextUInt64(), random.NextUInt64());
        Next = now;
    }

    private bool EndHop(Instant now)
    {
        if (_controlHeard && !_foreignHeard)
        {
            if (State == WayState.Direct && !_isSuspected)
            {
                // What has worked so far is asked about once more: three packets may have got lost.
                _isSuspected = true;
                BeginHop(ToServers ? Hop : 0, now);
                _controlHeard = !ToServers;
                return false;
            }

            return Conclude(WayState.Rewritten, now);
        }

        _anyPassed |= _foreignHeard;
        _silentHops = _foreignHeard ? 0 : _silentHops + 1;
        if (ToServers && !_reached && Hop < Hops && _silentHops < 2)
        {
            BeginHop(Hop + 1, now);
            return false;
        }

        return Conclude(_anyPassed ? WayState.Direct : WayState.Unknown, now);
    }

    /// <summary>Ends a round. A round that shows nothing leaves what is known as it is.</summary>
    private bool Conclude(WayState state, Instant now)
    {
        (_step, _isSuspected) = (Step.Resting, false);
        Next = now + (interval * (0.75 + (random.NextDouble() / 2)));
        if (state == WayState.Unknown || state == State)
        {
            return false;
        }

        State = state;
        return true;
    }
}
