using System.Text;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Keys;

namespace Masquerade.Auth.Peer;

/// <summary>
/// The EAP peer state machine (RFC 4137 section 4) with one method: takes EAP packets of an authenticator, answers them, and says when it is over. One conversation after another; sans-I/O.
/// </summary>
/// <remarks>
/// EAP is not protected. So a request that came before is answered as before and looked at no further, Success and Failure count only with the identifier of the last response and where the
/// method allows them, and a Success that came too early is a failure. What really proves that both sides agree is the key.
/// </remarks>
public sealed class EapPeer : IDisposable
{
    private const int ResponseRoom = EapPacket.ExpandedHeaderLength + 16;

    private readonly EapPeerConfig _config;
    private readonly Func<ITlsEngine> _tls;
    private readonly FillRandom _random;
    private readonly byte[] _response;
    private TlsMethod? _method;
    private SecretBytes? _msk;
    private int _length;
    private int _lastIdentifier = -1;
    private int _lastLength;
    private ulong _lastSum;
    private int _rounds;
    private bool _declined;
    private bool _ended;

    /// <summary>A peer that waits for a first request.</summary>
    /// <param name="config">Who and how.</param>
    /// <param name="tls">Makes a TLS client for a conversation.</param>
    /// <param name="random">Where challenges come from.</param>
    /// <exception cref="ArgumentException">The configuration is out of range.</exception>
    public EapPeer(EapPeerConfig config, Func<ITlsEngine> tls, FillRandom random)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(tls);
        ArgumentNullException.ThrowIfNull(random);
        if (!config.IsValid)
        {
            throw new ArgumentException("out of range", nameof(config));
        }

        _config = config;
        _tls = tls;
        _random = random;
        _response = new byte[ResponseRoom + Math.Max(EapPeerConfig.MaxIdentity, config.FragmentSize)];
    }

    /// <summary>Who and how.</summary>
    public EapPeerConfig Config => _config;

    /// <summary>The packet to be sent after <see cref="EapPeerVerdict.Respond"/>; good until the next call.</summary>
    public ReadOnlySpan<byte> Response => _response.AsSpan(0, _length);

    /// <summary>Why it has failed.</summary>
    public EapPeerFailure Failure { get; private set; }

    /// <summary>More about that, for people.</summary>
    public string Detail { get; private set; } = string.Empty;

    /// <summary>Why the last packet was dropped.</summary>
    public EapPeerDrop LastDrop { get; private set; }

    /// <summary>Whether a method is under way.</summary>
    public bool IsInMethod => _method is not null && !_ended;

    /// <summary>Whether the last conversation went on from an earlier TLS session.</summary>
    public bool IsResumed { get; private set; }

    /// <summary>What was answered and dropped.</summary>
    public EapPeerCounters Counters { get; } = new();

    /// <summary>Begins anew: another conversation.</summary>
    public void Restart()
    {
        _method?.Dispose();
        _method = null;
        _msk?.Dispose();
        _msk = null;
        _length = 0;
        _lastIdentifier = -1;
        _rounds = 0;
        _declined = false;
        _ended = false;
        IsResumed = false;
        Failure = EapPeerFailure.None;
        Detail = string.Empty;
    }

    /// <summary>Takes an EAP packet.</summary>
    public EapPeerVerdict Receive(ReadOnlySpan<byte> octets)
    {
        LastDrop = EapPeerDrop.None;
        if (!EapPacket.TryParse(octets, out var packet))
        {
            return Drop(EapPeerDrop.Malformed);
        }

        return packet.Code switch
        {
            EapCode.Request => TakeRequest(packet),
            EapCode.Success or EapCode.Failure => TakeResult(packet),
            _ => Drop(EapPeerDrop.NotForPeers),
        };
    }

    /// <summary>Takes the MSK after <see cref="EapPeerVerdict.Succeeded"/>, once.</summary>
    /// <param name="msk">64 octets; the caller zeroes them.</param>
    public bool TryTakeMsk(Span<byte> msk)
    {
        if (_msk is not { } key)
        {
            return false;
        }

        key.Span.CopyTo(msk);
        key.Dispose();
        _msk = null;
        return true;
    }

    /// <summary>Gives up.</summary>
    /// <param name="failure">Why.</param>
    public void Abandon(EapPeerFailure failure) => _ = End(failure);

    /// <inheritdoc/>
    public void Dispose() => Restart();

    private EapPeerVerdict TakeRequest(EapPacket packet)
    {
        var sum = Sum(packet.Octets);
        if (packet.Identifier == _lastIdentifier && packet.Octets.Length == _lastLength && sum == _lastSum)
        {
            Counters.CountRepeated();
            return EapPeerVerdict.Respond;
        }

        // The identifier of a request that was answered belongs to that one (RFC 4137 section 4.3, reqId == lastId); with other octets it is none of this conversation.
        if (packet.Identifier == _lastIdentifier)
        {
            return Drop(EapPeerDrop.NotFitting);
        }

        if (_ended)
        {
            return Drop(EapPeerDrop.AfterEnd);
        }

        if (_rounds >= _config.MaxRounds)
        {
            return Drop(EapPeerDrop.TooManyRounds);
        }

        var drop = Answer(packet);
        if (drop != EapPeerDrop.None)
        {
            return Drop(drop);
        }

        (_lastIdentifier, _lastLength, _lastSum) = (packet.Identifier, packet.Octets.Length, sum);
        _rounds++;
        Counters.CountRequest();
        return EapPeerVerdict.Respond;
    }

    private EapPeerDrop Answer(EapPacket request)
    {
        switch (request.Type)
        {
            case EapType.Identity when _method is not null:
                return EapPeerDrop.IdentityInMethod;
            case EapType.Identity:
                Write(request.Identifier, EapType.Identity, Encoding.UTF8.GetBytes(_config.Identity));
                return EapPeerDrop.None;
            case EapType.Notification when _method?.State != PeerMethodState.Done:
                Write(request.Identifier, EapType.Notification, []);
                return EapPeerDrop.None;
            case EapType.None or EapType.Nak:
                return EapPeerDrop.Malformed;
        }

        if (request.Type != _config.Method)
        {
            return _method is null ? Decline(request) : EapPeerDrop.OtherMethod;
        }

        // A method is chosen by its first good packet, not by any that has its number.
        var method = _method ?? new TlsMethod(_config, _tls(), _random);
        Span<byte> data = _response.AsSpan(EapPacket.HeaderLength + 1);
        var drop = method.Take(request.TypeData, data, out var written);
        if (drop != EapPeerDrop.None)
        {
            if (_method is null)
            {
                method.Dispose();
            }

            return drop;
        }

        _method = method;
        Write(request.Identifier, _config.Method, data[..written]);
        return EapPeerDrop.None;
    }

    // RFC 3748 sections 5.3.1 and 5.3.2: to a request of the expanded form the answer has it, too.
    private EapPeerDrop Decline(EapPacket request)
    {
        _declined = true;
        if (request.Type != EapType.Expanded)
        {
            _ = EapPacket.TryWriteNak(_response, request.Identifier, [(byte)_config.Method], out _length);
            return EapPeerDrop.None;
        }

        ReadOnlySpan<byte> nak =
        [
            (byte)EapCode.Response, request.Identifier, 0, 20, (byte)EapType.Expanded, 0, 0, 0, 0, 0, 0, (byte)EapType.Nak, (byte)EapType.Expanded, 0, 0, 0, 0, 0, 0, (byte)_config.Method,
        ];
        nak.CopyTo(_response);
        _length = nak.Length;
        return EapPeerDrop.None;
    }

    private EapPeerVerdict TakeResult(EapPacket packet)
    {
        if (_ended)
        {
            return Drop(EapPeerDrop.AfterEnd);
        }

        var (state, decision) = (_method?.State ?? PeerMethodState.MayContinue, _method?.Decision ?? PeerDecision.Fail);
        if (packet.Identifier != _lastIdentifier)
        {
            return Drop(EapPeerDrop.NotFitting);
        }

        if (packet.Code == EapCode.Success && decision != PeerDecision.Fail && _method!.TakeMsk() is { } msk)
        {
            _msk = msk;
            _ended = true;
            IsResumed = _method.IsResumed;
            _method.Conclude(true);
            return EapPeerVerdict.Succeeded;
        }

        // Beyond RFC 4137: a Failure ends a method that must go on, too, because servers refuse a client's certificate without a word of TLS (FreeRADIUS 3.2).
        if (packet.Code == EapCode.Success ? state == PeerMethodState.Continue : decision == PeerDecision.UnconditionalSuccess)
        {
            return Drop(EapPeerDrop.NotFitting);
        }

        return End(packet.Code == EapCode.Success ? EapPeerFailure.TooEarly : _method is null && _declined ? EapPeerFailure.NoCommonMethod : EapPeerFailure.Rejected);
    }

    private EapPeerVerdict End(EapPeerFailure failure)
    {
        if (_ended)
        {
            return EapPeerVerdict.Failed;
        }

        // What the method has seen says more than that the server said no.
        Failure = _method is { Failure: not EapPeerFailure.None } method ? method.Failure : failure;
        Detail = _method?.Detail ?? string.Empty;
        _ended = true;
        _method?.Conclude(false);
        _method?.Dispose();
        return EapPeerVerdict.Failed;
    }

    private EapPeerVerdict Drop(EapPeerDrop reason)
    {
        LastDrop = reason;
        Counters.Count(reason);
        return EapPeerVerdict.Dropped;
    }

    private void Write(byte identifier, EapType type, ReadOnlySpan<byte> data) =>
        _ = EapPacket.TryWrite(_response, EapCode.Response, identifier, type, data, out _length);

    // Tells a repetition from another request with the same identifier; nothing depends on it but which answer goes out.
    private static ulong Sum(ReadOnlySpan<byte> octets)
    {
        var sum = 14_695_981_039_346_656_037;
        foreach (var octet in octets)
        {
            sum = (sum ^ octet) * 1_099_511_628_211;
        }

        return sum;
    }
}
