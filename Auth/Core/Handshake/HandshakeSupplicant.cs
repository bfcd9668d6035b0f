using System.Security.Cryptography;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// The client's side of the 4-way handshake (IEEE 802.11-2020 12.7.6) with one access point, from when the client turns to it until it turns to another. Sans-I/O; frames begin with the
/// EAPOL header.
/// </summary>
/// <remarks>
/// Message 1 has no MIC, so it changes nothing: it is answered, with one nonce of the client's until a message 3 has been right, and keys are made anew from what message 3 itself says.
/// A flood of forged ones costs answers and no more; keys in use stay. A message 3 that was taken is taken again only with a higher replay counter, which is the access point's own
/// repetition; then message 4 goes out again and the link, which has the key, is left alone (KRACK). An access point that has lost all it knew makes new keys with the same client.
/// </remarks>
public sealed class HandshakeSupplicant : IDisposable
{
    private readonly SupplicantKeys _keys;
    private readonly MacAddress _accessPoint;
    private readonly HandshakeConfig _config;
    private readonly FillRandom _random;
    private readonly ILinkProtection? _link;
    private readonly HandshakeCandidates _candidates = new();
    private readonly byte[] _nonce = new byte[LinkKeys.NonceLength];
    private readonly byte[] _nonceInUse = new byte[LinkKeys.NonceLength];
    private LinkKeys? _inUse;
    private ulong _counter;

    /// <summary>A client that waits for message 1.</summary>
    /// <param name="keys">What the client has of its session; stays the caller's.</param>
    /// <param name="accessPoint">The access point's MAC address (AA).</param>
    /// <param name="config">Ciphers and times.</param>
    /// <param name="random">Where nonces come from.</param>
    /// <param name="link">Who protects the link; may be null if only <see cref="LinkCiphers.ProofOnly"/> is taken. Stays the caller's.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="ArgumentException">The configuration is out of range, or there is no link for what may be agreed.</exception>
    public HandshakeSupplicant(SupplicantKeys keys, MacAddress accessPoint, HandshakeConfig config, FillRandom random, ILinkProtection? link, Instant now)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(random);
        if (!config.IsValid || accessPoint.IsNone || accessPoint.IsGroup || accessPoint == keys.Client || (link is null && config.Ciphers != LinkCiphers.ProofOnly))
        {
            throw new ArgumentException("out of range", nameof(config));
        }

        _keys = keys;
        _accessPoint = accessPoint;
        _config = config;
        _random = random;
        _link = link;
        State = HandshakeState.Opening;
        NextDeadline = now + config.GiveUpAfter;
        _random(_nonce);
    }

    /// <summary>Where it is; once established it stays so while new keys are made.</summary>
    public HandshakeState State { get; private set; }

    /// <summary>Why it has ended.</summary>
    public HandshakeFailure Failure { get; private set; }

    /// <summary>The access point that has proved itself.</summary>
    public NodeId Node { get; private set; }

    /// <summary>How the link is protected, once it is established.</summary>
    public LinkCiphers Cipher { get; private set; }

    /// <summary>How often keys were agreed on: 1 after the first handshake.</summary>
    public int Rounds { get; private set; }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public Instant NextDeadline { get; private set; }

    /// <summary>What was dropped.</summary>
    public HandshakeCounters Counters { get; } = new();

    /// <summary>Takes an EAPOL-Key frame of the access point.</summary>
    /// <param name="pdu">The frame from the EAPOL header on; padding may follow.</param>
    /// <param name="answer">At least <see cref="HandshakeFrame.MaxLength"/> octets.</param>
    /// <param name="drop">Why it was dropped.</param>
    /// <returns>Octets to be sent to the access point; 0 if there is nothing to send. The frame is never protected.</returns>
    public int Receive(ReadOnlySpan<byte> pdu, Span<byte> answer, out HandshakeDrop drop)
    {
        var length = 0;
        drop = HandshakeFrame.TryParse(pdu, out var frame);
        if (drop == HandshakeDrop.None)
        {
            length = Take(frame, answer, out drop);
        }

        if (drop != HandshakeDrop.None)
        {
            Counters.Count(drop);
        }

        return length;
    }

    /// <summary>Gives up if the first keys have not come in time.</summary>
    public void Advance(Instant now)
    {
        if (now >= NextDeadline)
        {
            Fail(HandshakeFailure.Timeout);
        }
    }

    /// <summary>Ends it and zeroes its keys. The link keeps the key that it has.</summary>
    public void Dispose()
    {
        _candidates.Dispose();
        _inUse?.Dispose();
        _inUse = null;
        NextDeadline = Instant.Never;
        State = HandshakeState.Failed;
    }

    private int Take(EapolKeyFrame frame, Span<byte> answer, out HandshakeDrop drop)
    {
        var isMessage1 = (frame.Information & ~KeyInformation.Secure) == HandshakeFrame.Message1;
        if (State == HandshakeState.Failed || (!isMessage1 && frame.Information != HandshakeFrame.Message3))
        {
            drop = HandshakeDrop.Unexpected;
            return 0;
        }

        return isMessage1 ? TakeMessage1(frame, answer, out drop) : TakeMessage3(frame, answer, out drop);
    }

    private int TakeMessage1(EapolKeyFrame frame, Span<byte> answer, out HandshakeDrop drop)
    {
        if (!HandshakeKde.TryReadIdentity(frame.KeyData, out var node, out var session, out var offer))
        {
            drop = HandshakeDrop.BadKeyData;
            return 0;
        }

        var choice = CipherChoice.Best(_config.Ciphers, offer);
        if (choice == LinkCiphers.None || choice < Cipher)
        {
            drop = HandshakeDrop.NoCommonCipher;
            return 0;
        }

        if (!_candidates.TryGet(_keys, node, session, out var key))
        {
            drop = HandshakeDrop.UnknownSession;
            return 0;
        }

        if (!LinkKeys.TryDerive(key, _accessPoint, _keys.Client, frame.Nonce, _nonce, out var keys))
        {
            drop = HandshakeDrop.BadKeyData;
            return 0;
        }

        using (keys)
        {
            Span<byte> buffer = stackalloc byte[HandshakeFrame.MaxLength];
            var data = new KeyDataWriter(buffer);
            _ = HandshakeKde.TryAddChoice(ref data, choice);
            State = State == HandshakeState.Opening ? HandshakeState.Proving : State;
            drop = HandshakeDrop.None;
            return WriteAnswer(answer, HandshakeFrame.Message2, frame.ReplayCounter, _nonce, data.Written, keys);
        }
    }

    private int TakeMessage3(EapolKeyFrame frame, Span<byte> answer, out HandshakeDrop drop)
    {
        if (_inUse is { } used && frame.Nonce.SequenceEqual(_nonceInUse))
        {
            return TakeRepeated(frame, used, answer, out drop);
        }

        drop = HandshakeDrop.BadMic;
        for (var i = 0; i < _candidates.Count; i++)
        {
            var candidate = _candidates[i];
            if (!LinkKeys.TryDerive(candidate, _accessPoint, _keys.Client, frame.Nonce, _nonce, out var keys))
            {
                continue;
            }

            if (!HandshakeFrame.IsAuthentic(frame, keys))
            {
                keys.Dispose();
                continue;
            }

            drop = TakeAgreement(frame, candidate, keys);
            if (drop != HandshakeDrop.None)
            {
                keys.Dispose();
                return 0;
            }

            var length = WriteAnswer(answer, HandshakeFrame.Message4, frame.ReplayCounter, default, default, keys);
            Establish(frame, candidate, keys);
            return length;
        }

        return 0;
    }

    // Message 4 was lost. It goes out again; nothing is installed. Only for keys in use does the counter matter: what is taken for new keys is fresh by the client's own nonce,
    // and an access point that has forgotten everything counts from the beginning.
    private int TakeRepeated(EapolKeyFrame frame, LinkKeys used, Span<byte> answer, out HandshakeDrop drop)
    {
        if (frame.ReplayCounter <= _counter)
        {
            drop = HandshakeDrop.StaleCounter;
            return 0;
        }

        if (!HandshakeFrame.IsAuthentic(frame, used))
        {
            drop = HandshakeDrop.BadMic;
            return 0;
        }

        _counter = frame.ReplayCounter;
        drop = HandshakeDrop.None;
        return WriteAnswer(answer, HandshakeFrame.Message4, frame.ReplayCounter, default, default, used);
    }

    // Reads what was agreed on, checks that it is what both sides would choose, and installs the key.
    private HandshakeDrop TakeAgreement(EapolKeyFrame frame, AccessPointKey candidate, LinkKeys keys)
    {
        var wrapped = frame.KeyData;
        Span<byte> buffer = stackalloc byte[HandshakeFrame.MaxReceived];
        var data = buffer[..Math.Max(0, wrapped.Length - AesKeyWrap.Overhead)];
        if (!AesKeyWrap.TryUnwrap(keys.Kek, wrapped, data) ||
            !HandshakeKde.TryReadIdentity(data, out var node, out var session, out var offer) || !HandshakeKde.TryReadChoice(data, out var choice))
        {
            return HandshakeDrop.BadKeyData;
        }

        if (node != candidate.Node || session != candidate.Session)
        {
            return Fail(HandshakeFailure.Downgraded);
        }

        // The offer in message 1 could be forged, this one cannot: the choice must be the best of it.
        if (choice == LinkCiphers.None || choice != CipherChoice.Best(_config.Ciphers, offer) || choice < Cipher)
        {
            return Fail(HandshakeFailure.Downgraded);
        }

        if (choice == LinkCiphers.GcmAes128)
        {
            if (!HandshakeKde.TryReadMacsec(data, out var sender, out var keyNumber, out var first) || sender.Address != _accessPoint)
            {
                return HandshakeDrop.BadKeyData;
            }

            var association = new LinkAssociation(new Sci(_keys.Client, Sci.ClientPort), sender, keyNumber, 1, first);
            if (_link!.Install(keys.Tk, association) is not (KeyInstall.Installed or KeyInstall.AlreadyInstalled) || !_link.StartTransmit(keyNumber))
            {
                return Fail(HandshakeFailure.KeyRefused);
            }
        }

        Cipher = choice;
        return HandshakeDrop.None;
    }

    private void Establish(EapolKeyFrame frame, AccessPointKey candidate, LinkKeys keys)
    {
        _inUse?.Dispose();
        _inUse = keys;
        frame.Nonce.CopyTo(_nonceInUse);
        _counter = frame.ReplayCounter;
        _keys.Confirm(candidate.Session);
        Node = candidate.Node;
        Rounds++;
        State = HandshakeState.Established;
        NextDeadline = Instant.Never;
        _random(_nonce);
        _candidates.Dispose();
    }

    private static int WriteAnswer(Span<byte> answer, KeyInformation information, ulong counter, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> keyData, LinkKeys keys) =>
        HandshakeFrame.Write(answer, new EapolKeyFields
        {
            Information = information,
            DescriptorVersion = HandshakeFrame.DescriptorVersion,
            ReplayCounter = counter,
            Nonce = nonce,
            KeyData = keyData,
        }, keys);

    private HandshakeDrop Fail(HandshakeFailure failure)
    {
        _candidates.Dispose();
        _inUse?.Dispose();
        _inUse = null;
        CryptographicOperations.ZeroMemory(_nonce);
        State = HandshakeState.Failed;
        Failure = failure;
        Cipher = LinkCiphers.None;
        NextDeadline = Instant.Never;
        return HandshakeDrop.Contradiction;
    }
}
