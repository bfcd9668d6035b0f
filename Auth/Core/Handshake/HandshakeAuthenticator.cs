using System.Security.Cryptography;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// The access point's side of the 4-way handshake (IEEE 802.11-2020 12.7.6) with one client: proves that the client has the session's key, makes link keys and puts them to use. Again for
/// new keys, without harm to the link. Sans-I/O; frames begin with the EAPOL header.
/// </summary>
/// <remarks>
/// It answers only what it can check: a wrong MIC changes nothing, and what an attacker sends costs it one key derivation while a handshake is under way and none otherwise.
/// The new key is received under once message 2 has proved the client, and sent under once message 4 has come, so that no frame is lost.
/// </remarks>
public sealed class HandshakeAuthenticator : IDisposable
{
    private const uint FirstPacketNumber = 1;
    private const int KeyNumbers = 4;

    private readonly AccessPointKey _key;
    private readonly Sci _own;
    private readonly HandshakeConfig _config;
    private readonly FillRandom _random;
    private readonly ILinkProtection? _link;
    private readonly byte[] _nonce = new byte[LinkKeys.NonceLength];
    private LinkKeys? _pending;
    private LinkCiphers _pendingCipher;
    private byte _keyNumber = KeyNumbers - 1;
    private byte _keyInUse = KeyNumbers;
    private ulong _counter;
    private ulong _oldestValid;
    private int _tries;

    /// <summary>A handshake that has not begun.</summary>
    /// <param name="key">The access point's key for the client and session; stays the caller's, and must stay there.</param>
    /// <param name="own">The access point as a sender: the MAC address that the client knows it by, and a port.</param>
    /// <param name="config">Times, tries, ciphers.</param>
    /// <param name="random">Where nonces come from.</param>
    /// <param name="link">Who protects the link; may be null if only <see cref="LinkCiphers.ProofOnly"/> is offered. Stays the caller's.</param>
    /// <param name="before">Who made the keys that the link has, for another session: its key numbers and replay counter are gone on from. Null: the link has none.</param>
    /// <exception cref="ArgumentException">The configuration is out of range, or there is no link for what is offered.</exception>
    public HandshakeAuthenticator(AccessPointKey key, Sci own, HandshakeConfig config, FillRandom random, ILinkProtection? link, HandshakeAuthenticator? before = null)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(random);
        if (!config.IsValid || !own.IsValid || own.Address == key.Client || (link is null && config.Ciphers != LinkCiphers.ProofOnly))
        {
            throw new ArgumentException("out of range", nameof(config));
        }

        _key = key;
        _own = own;
        _config = config;
        _random = random;
        _link = link;
        if (before is not null)
        {
            (_keyNumber, _keyInUse, _counter) = (before._keyNumber, before._keyInUse, before._counter);
        }
    }

    /// <summary>Where it is.</summary>
    public HandshakeState State { get; private set; }

    /// <summary>Why it has ended.</summary>
    public HandshakeFailure Failure { get; private set; }

    /// <summary>Whether the client has proved itself and nothing has gone wrong since; stays true while new keys are made.</summary>
    public bool IsProven { get; private set; }

    /// <summary>How the link is protected, once the client is proven.</summary>
    public LinkCiphers Cipher { get; private set; }

    /// <summary>Whether it is time to call <see cref="Start"/> for new keys: packet numbers run low.</summary>
    public bool WantsNewKeys => State == HandshakeState.Established && Cipher == LinkCiphers.GcmAes128 && _link!.WantsNewKey;

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    /// <summary>What was dropped.</summary>
    public HandshakeCounters Counters { get; } = new();

    /// <summary>Begins, or makes new keys. While a handshake is under way it does nothing, so that whoever asks for one cannot keep it from ending.</summary>
    /// <param name="now">The time.</param>
    /// <param name="message">At least <see cref="HandshakeFrame.MaxLength"/> octets.</param>
    /// <returns>Octets of message 1, to be sent to the client; 0 if there is nothing to send.</returns>
    public int Start(Instant now, Span<byte> message)
    {
        if (State is HandshakeState.Opening or HandshakeState.Proving)
        {
            return 0;
        }

        _random(_nonce);
        State = HandshakeState.Opening;
        Failure = HandshakeFailure.None;
        _tries = 0;
        _oldestValid = _counter + 1;
        return Send(now, message);
    }

    /// <summary>Takes an EAPOL-Key frame of the client.</summary>
    /// <param name="pdu">The frame from the EAPOL header on; padding may follow.</param>
    /// <param name="now">The time.</param>
    /// <param name="answer">At least <see cref="HandshakeFrame.MaxLength"/> octets.</param>
    /// <param name="drop">Why it was dropped.</param>
    /// <returns>Octets to be sent; 0 if there is nothing to send.</returns>
    public int Receive(ReadOnlySpan<byte> pdu, Instant now, Span<byte> answer, out HandshakeDrop drop)
    {
        drop = HandshakeFrame.TryParse(pdu, out var frame);
        var length = drop == HandshakeDrop.None ? Take(frame, now, answer, out drop) : 0;
        if (drop != HandshakeDrop.None)
        {
            Counters.Count(drop);
        }

        return length;
    }

    /// <summary>Does what is due: sends again, gives up, or begins to make new keys.</summary>
    /// <param name="now">The time.</param>
    /// <param name="message">At least <see cref="HandshakeFrame.MaxLength"/> octets.</param>
    /// <returns>Octets to be sent; 0 if there is nothing to send.</returns>
    public int Advance(Instant now, Span<byte> message)
    {
        if (now < NextDeadline)
        {
            return 0;
        }

        NextDeadline = Instant.Never;
        switch (State)
        {
            case HandshakeState.Established:
                return Start(now, message);
            case HandshakeState.Opening or HandshakeState.Proving when _tries < _config.Tries:
                return Send(now, message);
            case HandshakeState.Opening or HandshakeState.Proving:
                Fail(HandshakeFailure.Timeout);
                return 0;
            default:
                return 0;
        }
    }

    /// <summary>Ends it and zeroes what is left of keys. The link keeps the key that it has.</summary>
    public void Dispose()
    {
        _pending?.Dispose();
        _pending = null;
        NextDeadline = Instant.Never;
        State = HandshakeState.Failed;
    }

    private int Take(EapolKeyFrame frame, Instant now, Span<byte> answer, out HandshakeDrop drop)
    {
        var isMessage2 = State == HandshakeState.Opening && (frame.Information | KeyInformation.Secure) == (HandshakeFrame.Message2 | KeyInformation.Secure);
        var isMessage4 = State == HandshakeState.Proving && frame.Information == HandshakeFrame.Message4;
        if (!isMessage2 && !isMessage4)
        {
            drop = HandshakeDrop.Unexpected;
            return 0;
        }

        // The answer to any of the copies that were sent will do: which one got through nobody knows.
        if (frame.ReplayCounter < _oldestValid || frame.ReplayCounter > _counter)
        {
            drop = HandshakeDrop.StaleCounter;
            return 0;
        }

        if (isMessage2)
        {
            drop = TakeMessage2(frame);
            return drop == HandshakeDrop.None ? Send(now, answer) : 0;
        }

        drop = TakeMessage4(frame, now);
        return 0;
    }

    private HandshakeDrop TakeMessage2(EapolKeyFrame frame)
    {
        if (!LinkKeys.TryDerive(_key, _own.Address, _key.Client, _nonce, frame.Nonce, out var keys))
        {
            return HandshakeDrop.BadMic;
        }

        if (!HandshakeFrame.IsAuthentic(frame, keys))
        {
            keys.Dispose();
            return HandshakeDrop.BadMic;
        }

        if (!HandshakeKde.TryReadChoice(frame.KeyData, out var choice))
        {
            keys.Dispose();
            return HandshakeDrop.BadKeyData;
        }

        if (!CipherChoice.IsOneOf(choice, Offer))
        {
            keys.Dispose();
            Fail(HandshakeFailure.NoCommonCipher);
            return HandshakeDrop.Contradiction;
        }

        if (choice == LinkCiphers.GcmAes128 && !TryInstall(keys))
        {
            keys.Dispose();
            Fail(HandshakeFailure.KeyRefused);
            return HandshakeDrop.Contradiction;
        }

        _pending = keys;
        _pendingCipher = choice;
        _oldestValid = _counter + 1;
        _tries = 0;
        State = HandshakeState.Proving;
        return HandshakeDrop.None;
    }

    private bool TryInstall(LinkKeys keys)
    {
        // Not the number that is sent under: a key that takes another one's place loses what is under way.
        _keyNumber = Next(_keyNumber);
        if (_keyNumber == _keyInUse)
        {
            _keyNumber = Next(_keyNumber);
        }

        var association = new LinkAssociation(_own, new Sci(_key.Client, Sci.ClientPort), _keyNumber, FirstPacketNumber, FirstPacketNumber);
        return _link!.Install(keys.Tk, association) is KeyInstall.Installed or KeyInstall.AlreadyInstalled;
    }

    private static byte Next(byte number) => (byte)((number + 1) % KeyNumbers);

    private HandshakeDrop TakeMessage4(EapolKeyFrame frame, Instant now)
    {
        if (!HandshakeFrame.IsAuthentic(frame, _pending!))
        {
            return HandshakeDrop.BadMic;
        }

        // What it was made for is done; the key of the link is with the link.
        _pending!.Dispose();
        _pending = null;
        if (_pendingCipher == LinkCiphers.GcmAes128)
        {
            if (!_link!.StartTransmit(_keyNumber))
            {
                Fail(HandshakeFailure.KeyRefused);
                return HandshakeDrop.Contradiction;
            }

            _keyInUse = _keyNumber;
        }

        Cipher = _pendingCipher;
        IsProven = true;
        State = HandshakeState.Established;
        NextDeadline = _config.NewKeysAfter == TimeSpan.Zero ? Instant.Never : now + _config.NewKeysAfter;
        return HandshakeDrop.None;
    }

    // Keys that follow others protect the link in the same way.
    private LinkCiphers Offer => IsProven ? Cipher : _config.Ciphers;

    private int Send(Instant now, Span<byte> message)
    {
        _counter++;
        _tries++;
        NextDeadline = now + (_tries == 1 ? _config.FirstWait : _config.NextWait);
        return State == HandshakeState.Opening ? WriteMessage1(message) : WriteMessage3(message);
    }

    private int WriteMessage1(Span<byte> message)
    {
        Span<byte> buffer = stackalloc byte[HandshakeFrame.MaxLength];
        var data = new KeyDataWriter(buffer);
        _ = HandshakeKde.TryAddIdentity(ref data, _key.Node, _key.Session, Offer);
        return HandshakeFrame.Write(message, new EapolKeyFields
        {
            Information = HandshakeFrame.Message1,
            DescriptorVersion = HandshakeFrame.DescriptorVersion,
            KeyLength = LinkKeys.KeyLength,
            ReplayCounter = _counter,
            Nonce = _nonce,
            KeyData = data.Written,
        }, null);
    }

    private int WriteMessage3(Span<byte> message)
    {
        Span<byte> buffer = stackalloc byte[HandshakeFrame.MaxLength];
        var data = new KeyDataWriter(buffer);
        _ = HandshakeKde.TryAddIdentity(ref data, _key.Node, _key.Session, Offer) && HandshakeKde.TryAddChoice(ref data, _pendingCipher);
        if (_pendingCipher == LinkCiphers.GcmAes128)
        {
            _ = HandshakeKde.TryAddMacsec(ref data, _own, _keyNumber, FirstPacketNumber);
        }

        _ = data.TryPadForKeyWrap();
        Span<byte> wrapped = stackalloc byte[data.Length + AesKeyWrap.Overhead];
        AesKeyWrap.Wrap(_pending!.Kek, data.Written, wrapped);
        return HandshakeFrame.Write(message, new EapolKeyFields
        {
            Information = HandshakeFrame.Message3,
            DescriptorVersion = HandshakeFrame.DescriptorVersion,
            KeyLength = LinkKeys.KeyLength,
            ReplayCounter = _counter,
            Nonce = _nonce,
            KeyData = wrapped,
        }, _pending);
    }

    private void Fail(HandshakeFailure failure)
    {
        _pending?.Dispose();
        _pending = null;
        CryptographicOperations.ZeroMemory(_nonce);
        State = HandshakeState.Failed;
        Failure = failure;
        IsProven = false;
        Cipher = LinkCiphers.None;
        NextDeadline = Instant.Never;
    }
}
