namespace Masquerade.SimWorld.World;

/// <summary>The parts of a TCP header that an end sets and reads.</summary>
internal readonly record struct Segment(byte Flags, uint Sequence, uint Acknowledgement);

/// <summary>
/// One end of a TCP connection as far as a middlebox can tell: handshake, numbered data in order, cumulative acknowledgements, go-back-N retransmission with a doubling timeout,
/// and both halves of the close (RFC 9293 section 3). Data are messages of <see cref="Flow.PayloadLength"/> octets, numbered from 1.
/// </summary>
internal sealed class TcpEnd(SimNetwork network, uint initial, Action<Segment, uint> emit, Action<uint> deliver)
{
    private const uint Window = 16;
    private static readonly TimeSpan FirstTimeout = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan MaxTimeout = TimeSpan.FromMilliseconds(1_200);

    // In units of sequence: 0 is the SYN, message n begins at 1 + (n - 1) * length, the FIN is behind the last message.
    private uint _unacknowledged;
    private uint _next;
    private uint _highest;
    private uint _received;
    private uint _written;
    private uint _theirs;
    private bool _timing;
    private TimeSpan _timeout = FirstTimeout;
    private Core.Time.Instant _progress;

    /// <summary>The handshake is done, seen from this end.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>This end has said that it will send no more.</summary>
    public bool IsClosing { get; private set; }

    /// <summary>Both ends have closed and know it.</summary>
    public bool IsFinished => PeerClosed && IsClosing && _unacknowledged == End + 1;

    public bool PeerClosed { get; private set; }

    /// <summary>The connection was reset; nothing is sent or taken any more.</summary>
    public bool IsReset { get; private set; }

    private uint End => 1 + (_written * Flow.PayloadLength);

    /// <summary>The client's first step.</summary>
    public void Connect() => Transmit();

    public void Write()
    {
        if (!IsClosing && !IsReset && _written - ((Math.Max(_unacknowledged, 1) - 1) / Flow.PayloadLength) < 4 * Window)
        {
            _written++;
            Transmit();
        }
    }

    public void Close()
    {
        IsClosing = true;
        Transmit();
    }

    /// <summary>Says nothing any more, like a host that is switched off.</summary>
    public void GiveUp() => IsReset = true;

    /// <summary>Ends it at once, and says so if it has begun.</summary>
    public void Abort()
    {
        if (!IsReset && IsOpen)
        {
            emit(new Segment(WireFormat.Rst | WireFormat.Ack, initial + _next, _theirs), 0);
        }

        IsReset = true;
    }

    /// <summary>While the handshake lasts: whether the segment acknowledges this end's SYN.</summary>
    public bool IsAcceptable(Segment segment) => segment.Acknowledgement - initial is > 0 and var acknowledged && acknowledged <= _highest;

    /// <summary>A segment has come, with a message of this number or 0.</summary>
    public void Take(Segment segment, uint message)
    {
        if (IsReset)
        {
            return;
        }

        if ((segment.Flags & WireFormat.Rst) != 0)
        {
            // Only one that is exactly in order counts (RFC 9293 section 3.10.7.4).
            IsReset = segment.Sequence == _theirs;
            return;
        }

        var isSyn = (segment.Flags & WireFormat.Syn) != 0;
        if (isSyn && _received == 0)
        {
            _theirs = segment.Sequence + 1;
            _received = 1;
        }

        if (_received == 0)
        {
            return;
        }

        if ((segment.Flags & WireFormat.Ack) != 0)
        {
            var acknowledged = segment.Acknowledgement - initial;
            if (acknowledged > _unacknowledged && acknowledged <= _highest)
            {
                _unacknowledged = acknowledged;
                _next = Math.Max(_next, acknowledged);
                _timeout = FirstTimeout;
                _progress = network.Now;
                IsOpen = true;
            }
        }

        var isFin = (segment.Flags & WireFormat.Fin) != 0;
        if (message != 0 && segment.Sequence == _theirs)
        {
            _theirs += Flow.PayloadLength;
            deliver(message);
        }

        if (isFin && segment.Sequence == _theirs && !PeerClosed)
        {
            _theirs++;
            PeerClosed = true;
        }

        if (isSyn || isFin || message != 0)
        {
            // The answer to a SYN is a SYN of one's own, until that is acknowledged.
            if (_unacknowledged == 0)
            {
                _next = 0;
            }
            else
            {
                emit(new Segment(WireFormat.Ack, initial + _next, _theirs), 0);
            }
        }

        Transmit();
    }

    public override string ToString() =>
        $"{(IsReset ? "reset" : IsFinished ? "finished" : IsClosing ? "closing" : IsOpen ? "open" : "opening")} {_unacknowledged}/{_next}/{_highest} of {End}{(PeerClosed ? ", peer closed" : "")}";

    private void Transmit()
    {
        if (IsReset)
        {
            return;
        }

        if (_next == 0)
        {
            emit(new Segment((byte)(_received == 0 ? WireFormat.Syn : WireFormat.Syn | WireFormat.Ack), initial, _theirs), 0);
            Advance(1);
        }

        while (_unacknowledged > 0 && _next < End && _next - _unacknowledged < Window * Flow.PayloadLength)
        {
            emit(new Segment(WireFormat.Ack, initial + _next, _theirs), 1 + ((_next - 1) / Flow.PayloadLength));
            Advance(Flow.PayloadLength);
        }

        if (_unacknowledged > 0 && IsClosing && _next == End)
        {
            emit(new Segment(WireFormat.Fin | WireFormat.Ack, initial + _next, _theirs), 0);
            Advance(1);
        }
    }

    private void Advance(uint units)
    {
        if (_next == _unacknowledged)
        {
            _progress = network.Now;
        }

        _next += units;
        _highest = Math.Max(_highest, _next);
        Time(_timeout);
    }

    private void Time(TimeSpan after)
    {
        if (_timing)
        {
            return;
        }

        _timing = true;
        network.At(after, () =>
        {
            _timing = false;
            if (IsReset || _unacknowledged == _highest)
            {
                return;
            }

            if (network.Now < _progress + _timeout)
            {
                Time(_progress + _timeout - network.Now);
                return;
            }

            _timeout = TimeSpan.FromTicks(Math.Min(_timeout.Ticks * 2, MaxTimeout.Ticks));
            _progress = network.Now;
            _next = _unacknowledged;
            Transmit();
        });
    }
}
