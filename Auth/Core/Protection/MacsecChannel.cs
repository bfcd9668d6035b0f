using System.Buffers.Binary;
using Masquerade.Auth.Keys;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Protection;

/// <summary>
/// Protects the frames of one link in software: IEEE 802.1AE-2018, GCM-AES-128, encrypted, with the sender's identifier written out. Two peers only, one client and one access point.
/// </summary>
/// <remarks>
/// <para>
/// Both ends send under the same key. GCM breaks when an initial vector comes twice under one key. Here it is SCI ‖ packet number: the two ends have different SCIs (the client's MAC address
/// and port 1, the access point's and its port; a key for two equal ones is refused), and each end gives every packet number out once: the counter is a part of the association, only grows,
/// and stops behind 2^32 - 1 (<see cref="ProtectionDrop.PacketNumbersExhausted"/>). A key that a link has had is never installed again, so no counter begins anew under it.
/// </para>
/// <para>
/// Key numbers (AN) let a new key follow the old one without loss: it is first received under, then sent under, and the old one is received under for a short time more.
/// Nothing on the path of frames allocates; a forged frame costs an exception inside the runtime, about three times a good one.
/// </para>
/// </remarks>
public sealed class MacsecChannel : ILinkProtection
{
    /// <summary>How many octets longer a frame gets: tag 8, identifier 8, check value 16.</summary>
    public const int FrameOverhead = SecTag.Overhead;

    private const int KeyNumbers = 4;

    private readonly MacsecConfig _config;
    private readonly SecureAssociation?[] _associations = new SecureAssociation?[KeyNumbers];
    private readonly UsedKeys _used = new();
    private SecureAssociation? _transmit;
    private SecureAssociation? _newest;
    private Instant _oldGoAt = Instant.Never;

    /// <summary>A channel without a key: it drops everything.</summary>
    /// <exception cref="ArgumentException">A value of the configuration is out of its range.</exception>
    public MacsecChannel(MacsecConfig? config = null)
    {
        _config = config ?? new MacsecConfig();
        if (!_config.IsValid)
        {
            throw new ArgumentException("out of range", nameof(config));
        }
    }

    /// <summary>What became of frames.</summary>
    public ProtectionCounters Counters { get; } = new();

    /// <inheritdoc/>
    public int Overhead => FrameOverhead;

    /// <inheritdoc/>
    public bool IsProtecting => _transmit is not null;

    /// <inheritdoc/>
    public bool WantsNewKey => _transmit is { } used && (used.NextTransmit >= _config.NewKeyFrom || used.Window.Next >= _config.NewKeyFrom);

    /// <inheritdoc/>
    public Instant NextDeadline => _oldGoAt;

    /// <summary>How many frames can still be sent under the key in use.</summary>
    public long PacketNumbersLeft => _transmit is { } used ? (long)(uint.MaxValue + 1UL - used.NextTransmit) : 0;

    /// <inheritdoc/>
    public KeyInstall Install(ReadOnlySpan<byte> key, in LinkAssociation association)
    {
        if (!SecretBytes.IsKey(key, LinkKeys.KeyLength))
        {
            return KeyInstall.NotAKey;
        }

        if (association.KeyNumber >= KeyNumbers)
        {
            return KeyInstall.BadNumber;
        }

        var present = _associations[association.KeyNumber];
        if (_used.Contains(key))
        {
            return present is not null && present == _newest && present.Association == association ? KeyInstall.AlreadyInstalled : KeyInstall.UsedBefore;
        }

        if (!association.Transmit.IsValid || !association.Receive.IsValid || association.Transmit == association.Receive)
        {
            return KeyInstall.BadSender;
        }

        if (association.FirstTransmit == 0 || association.FirstReceive == 0)
        {
            return KeyInstall.BadPacketNumber;
        }

        if (present is not null && present == _transmit)
        {
            // An access point that has forgotten everything cannot know which number this end uses.
            _transmit = null;
        }

        present?.Dispose();
        _newest = new SecureAssociation(key, association, _config.ReplayWindow);
        _associations[association.KeyNumber] = _newest;
        _used.Add(key);

        // The other end may send under the key before until it has heard that this one is in use: the time for that begins when this one is seen.
        _oldGoAt = Instant.Never;
        return KeyInstall.Installed;
    }

    /// <inheritdoc/>
    public bool StartTransmit(byte keyNumber)
    {
        if (keyNumber >= KeyNumbers || _associations[keyNumber] is not { } association)
        {
            return false;
        }

        // Only forward: an older key has been given up for sending.
        if (association == _newest)
        {
            _transmit = association;
        }

        return association == _transmit;
    }

    /// <inheritdoc/>
    public ProtectionDrop Protect(ReadOnlySpan<byte> frame, Span<byte> output, out int written)
    {
        var result = TryProtect(frame, output);
        written = result == ProtectionDrop.None ? frame.Length + FrameOverhead : 0;
        Counters.CountProtected(result);
        return result;
    }

    /// <inheritdoc/>
    public ProtectionDrop Validate(ReadOnlySpan<byte> frame, Span<byte> output, Instant now, out int written)
    {
        if (now >= _oldGoAt)
        {
            Advance(now);
        }

        var result = TryValidate(frame, output, now, out written);
        Counters.CountValidated(result);
        return result;
    }

    /// <inheritdoc/>
    public void Advance(Instant now)
    {
        if (now < _oldGoAt)
        {
            return;
        }

        _oldGoAt = Instant.Never;
        for (var i = 0; i < KeyNumbers; i++)
        {
            if (_associations[i] is { } association && association != _newest && association != _transmit)
            {
                association.Dispose();
                _associations[i] = null;
            }
        }
    }

    /// <summary>Takes all keys away: everything is dropped from now on. What was used is remembered all the same.</summary>
    public void Dispose()
    {
        _transmit = null;
        _newest = null;
        _oldGoAt = Instant.Never;
        foreach (ref var association in _associations.AsSpan())
        {
            association?.Dispose();
            association = null;
        }
    }

    private ProtectionDrop TryProtect(ReadOnlySpan<byte> frame, Span<byte> output)
    {
        if (frame.Length < EthernetHeader.Length)
        {
            return ProtectionDrop.Truncated;
        }

        if (TypeOf(frame) == EtherType.Eapol)
        {
            return ProtectionDrop.Eapol;
        }

        if (output.Length < frame.Length + FrameOverhead)
        {
            return ProtectionDrop.NoRoom;
        }

        return _transmit?.Seal(frame, output) ?? ProtectionDrop.NoKey;
    }

    private ProtectionDrop TryValidate(ReadOnlySpan<byte> frame, Span<byte> output, Instant now, out int written)
    {
        written = 0;
        var result = SecTag.TryParse(frame, out var tag);
        if (result != ProtectionDrop.None)
        {
            return result;
        }

        if (_associations[tag.KeyNumber] is not { } association)
        {
            return _newest is null ? ProtectionDrop.NoKey : ProtectionDrop.UnknownKey;
        }

        if (tag.Sender != association.Association.Receive)
        {
            return ProtectionDrop.UnknownSender;
        }

        if (output.Length < SecTag.AddressLength + tag.DataLength)
        {
            return ProtectionDrop.NoRoom;
        }

        result = association.Open(frame, tag, output);
        if (result != ProtectionDrop.None)
        {
            return result;
        }

        if (association == _newest && _oldGoAt == Instant.Never && HasOld())
        {
            _oldGoAt = now + _config.OldKeyStays;
        }

        var length = SecTag.AddressLength + tag.DataLength;
        if (TypeOf(output) == EtherType.Eapol)
        {
            output[..length].Clear();
            return ProtectionDrop.Eapol;
        }

        written = length;
        return ProtectionDrop.None;
    }

    private static ushort TypeOf(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[SecTag.AddressLength..]);

    private bool HasOld()
    {
        foreach (var association in _associations)
        {
            if (association is not null && association != _newest && association != _transmit)
            {
                return true;
            }
        }

        return false;
    }
}
