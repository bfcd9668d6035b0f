namespace Masquerade.Auth.Radius;

/// <summary>A source port (or a connection) and the 256 identifiers that it has. Checks what comes in, and hands it to who waits for it.</summary>
internal abstract class RadiusLane(RadiusServerSettings settings, RadiusServerCounters counters) : IAsyncDisposable
{
    private readonly PendingRequest?[] _pending = new PendingRequest?[256];
    private readonly Lock _gate = new();
    private int _next = Random.Shared.Next(256);
    private int _count;
    private bool _ended;

    protected RadiusServerSettings Settings { get; } = settings;

    protected RadiusServerCounters Counters { get; } = counters;

    /// <summary>Whether a repetition makes sense; RFC 6613 section 2.6.1 forbids it on a connection.</summary>
    public abstract bool Repeats { get; }

    public bool HasEnded
    {
        get
        {
            lock (_gate)
            {
                return _ended;
            }
        }
    }

    /// <summary>Takes an identifier, the one that has been free for longest, so that an answer to the one who had it before finds nobody for long.</summary>
    public bool TryReserve(PendingRequest request)
    {
        lock (_gate)
        {
            if (_ended || _count == _pending.Length)
            {
                return false;
            }

            while (_pending[_next] is not null)
            {
                _next = (_next + 1) & 0xFF;
            }

            _pending[_next] = request;
            request.Identifier = (byte)_next;
            _next = (_next + 1) & 0xFF;
            _count++;
            return true;
        }
    }

    public void Release(PendingRequest request)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_pending[request.Identifier], request))
            {
                _pending[request.Identifier] = null;
                _count--;
            }
        }
    }

    /// <summary>Begins, after the first identifier has been taken: a connection may be refused at once, and whoever opened the lane must hear of it.</summary>
    public virtual void Start()
    {
    }

    /// <summary>Sends a packet; false if that is not possible at present.</summary>
    public abstract Task<bool> SendAsync(ReadOnlyMemory<byte> packet, CancellationToken cancel);

    public abstract ValueTask DisposeAsync();

    /// <summary>Checks what has come from the server and hands it over. What is not right is dropped and counted, and who waits goes on waiting: the right answer may still come.</summary>
    protected void Deliver(ReadOnlyMemory<byte> datagram)
    {
        if (Check(datagram, out var packet, out var request) is { } drop)
        {
            Counters.Add(drop);
            return;
        }

        Release(request!);
        request!.Complete(packet);
    }

    /// <summary>Nothing can come any more: whoever waits is told.</summary>
    protected void End()
    {
        lock (_gate)
        {
            _ended = true;
            foreach (var request in _pending)
            {
                request?.Complete(null);
            }

            Array.Clear(_pending);
            _count = 0;
        }
    }

    private static bool Fits(RadiusCode answer, RadiusCode request) => request switch
    {
        RadiusCode.AccessRequest => answer is RadiusCode.AccessAccept or RadiusCode.AccessReject or RadiusCode.AccessChallenge,
        RadiusCode.AccountingRequest => answer == RadiusCode.AccountingResponse,
        RadiusCode.StatusServer => answer is RadiusCode.AccessAccept or RadiusCode.AccountingResponse,
        _ => false,
    };

    private RadiusCount? Check(ReadOnlyMemory<byte> datagram, out RadiusPacket packet, out PendingRequest? request)
    {
        request = null;
        if (!RadiusPacket.TryParse(datagram, out packet, out _))
        {
            return RadiusCount.MalformedResponses;
        }

        if (packet.Code is not (RadiusCode.AccessAccept or RadiusCode.AccessReject or RadiusCode.AccessChallenge or RadiusCode.AccountingResponse))
        {
            return RadiusCount.UnknownTypes;
        }

        lock (_gate)
        {
            request = _pending[packet.Identifier];
        }

        if (request is null || !Fits(packet.Code, request.Code))
        {
            return RadiusCount.PacketsDropped;
        }

        if (!RadiusAuthenticators.IsAuthentic(packet, request.Authenticator, Settings.Secret))
        {
            return RadiusCount.BadAuthenticators;
        }

        if (packet.HasMessageAuthenticator)
        {
            return RadiusAuthenticators.HasRightMessageAuthenticator(packet, request.Authenticator, Settings.Secret) ? null : RadiusCount.BadAuthenticators;
        }

        // RFC 2866 knows none for accounting. An answer to Status-Server has none (RFC 5997 section 6), and says nothing but that somebody is there.
        return request.Code == RadiusCode.AccessRequest ? RadiusCount.MissingMessageAuthenticators : null;
    }
}
