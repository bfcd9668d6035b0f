using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>A client's key at this access point, the handshake that proves it, and what protects the client's frames. All of it ends with <see cref="Dispose"/>, which zeroes the keys.</summary>
internal sealed class ProtectedLink : IDisposable
{
    private readonly MacsecChannel _channel;
    private AccessPointKey _key;
    private HandshakeAuthenticator _handshake;

    private ProtectedLink(AccessPointKey key, UsersConfig config, Sci own, FillRandom random)
    {
        _key = key;
        _channel = new MacsecChannel(config.Macsec);
        _handshake = new HandshakeAuthenticator(key, own, config.ToHandshake(), random, _channel);
    }

    /// <summary>Whether both sides have keys: from then on nothing passes in the clear.</summary>
    public bool IsUp { get; private set; }

    /// <summary>Whether the client has proved the key of the session of now; a link that goes on with another session is up without it.</summary>
    public bool IsProven { get; private set; }

    /// <summary>Whether an answer of the client is awaited.</summary>
    public bool IsUnderWay => _handshake.State is HandshakeState.Opening or HandshakeState.Proving;

    /// <summary>Whether the client has ever shown that it has the key: then it is no ordinary supplicant.</summary>
    public bool IsAnswered { get; private set; }

    /// <summary>Why the handshake has failed.</summary>
    public HandshakeFailure Failure => _handshake.Failure;

    /// <summary>Whether new keys are due: packet numbers run low, or the client has not answered when they were due.</summary>
    public bool WantsNewKeys => _handshake.WantsNewKeys || (IsUp && _handshake.State == HandshakeState.Failed);

    /// <summary>How many octets longer a frame gets.</summary>
    public int Overhead => _channel.Overhead;

    /// <summary>Whether what comes protected can be read already: the client may send under a key before its last word has come.</summary>
    public bool HasKey => IsUp || _handshake.State == HandshakeState.Proving;

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public Instant NextDeadline => Instant.Min(_handshake.NextDeadline, _channel.NextDeadline);

    /// <summary>A link that has said nothing yet; null if the session has no key for it.</summary>
    /// <param name="session">The session, with the key of this access point.</param>
    /// <param name="client">The client.</param>
    /// <param name="config">The settings.</param>
    /// <param name="node">This access point.</param>
    /// <param name="gateway">What the client knows it by.</param>
    /// <param name="random">The system's generator.</param>
    public static ProtectedLink? TryMake(UserSession session, MacAddress client, UsersConfig config, NodeId node, MacAddress gateway, FillRandom random) =>
        KeyOf(session, client, node) is { } key ? new ProtectedLink(key, config, new Sci(gateway, 1), random) : null;

    /// <summary>Goes on with another session of the same user: its handshake is to come, and until then the keys that there are protect the link. False: the session has no key.</summary>
    public bool TryGoOn(UserSession session, MacAddress client, UsersConfig config, NodeId node, MacAddress gateway, FillRandom random)
    {
        if (KeyOf(session, client, node) is not { } key)
        {
            return false;
        }

        var next = new HandshakeAuthenticator(key, new Sci(gateway, 1), config.ToHandshake(), random, _channel, _handshake);
        _handshake.Dispose();
        _key.Dispose();
        (_handshake, _key) = (next, key);
        (IsProven, IsAnswered) = (false, false);
        return true;
    }

    /// <summary>Begins, or makes new keys; what is returned is to be sent.</summary>
    public int Start(Instant now, Span<byte> message) => _handshake.Start(now, message);

    /// <summary>Takes an EAPOL-Key frame; what is returned is to be sent.</summary>
    public int Receive(ReadOnlySpan<byte> pdu, Instant now, Span<byte> answer, out HandshakeDrop drop, out bool hasNewKeys)
    {
        var wasProving = _handshake.State == HandshakeState.Proving;
        var length = _handshake.Receive(pdu, now, answer, out drop);
        hasNewKeys = wasProving && _handshake.State == HandshakeState.Established;
        IsUp |= hasNewKeys;
        IsProven |= hasNewKeys;
        IsAnswered |= _handshake.State is HandshakeState.Proving or HandshakeState.Established;
        return length;
    }

    /// <summary>Does what is due; what is returned is to be sent.</summary>
    /// <param name="now">The time.</param>
    /// <param name="message">Where it is written.</param>
    /// <param name="hasFailed">Whether the client has not answered.</param>
    public int Advance(Instant now, Span<byte> message, out bool hasFailed)
    {
        var wasUnderWay = IsUnderWay;
        _channel.Advance(now);
        var length = _handshake.Advance(now, message);
        hasFailed = wasUnderWay && _handshake.State == HandshakeState.Failed;
        return length;
    }

    /// <summary>Protects a frame.</summary>
    public ProtectionDrop Protect(ReadOnlySpan<byte> frame, Span<byte> output, out int written) => _channel.Protect(frame, output, out written);

    /// <summary>Takes the protection off a frame.</summary>
    public ProtectionDrop Validate(ReadOnlySpan<byte> frame, Span<byte> output, Instant now, out int written) => _channel.Validate(frame, output, now, out written);

    public void Dispose()
    {
        (IsUp, IsProven) = (false, false);
        _handshake.Dispose();
        _channel.Dispose();
        _key.Dispose();
    }

    private static AccessPointKey? KeyOf(UserSession session, MacAddress client, NodeId node) =>
        session.Key.Length == AccessPointKey.Length && AccessPointKey.TryFrom(session.Key.Span, node, SessionId.FromBytes(session.Session.Span), client, out var key) ? key : null;
}
