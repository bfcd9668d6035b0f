using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Masquerade.Auth.Peer;

/// <summary>Puts the fragments of a TLS message together (RFC 5216 sections 2.1.5 and 3.1). What a server says of the length is believed only as a bound: memory grows with what comes.</summary>
internal sealed class TlsReassembly(int maxMessage)
{
    public const byte HasLength = 0x80;
    public const byte More = 0x40;
    public const byte Start = 0x20;
    public const int LengthField = 4;

    private const int FirstRoom = 4_096;
    private byte[] _octets = [];
    private int _length;
    private int _expected = -1;

    /// <summary>Whether a message has begun and is not complete.</summary>
    public bool IsPartial => _expected >= 0;

    /// <summary>Takes the data of a packet, flags first. <paramref name="isWhole"/> says that <paramref name="message"/> is the message; it is good until the next call.</summary>
    /// <returns>Why the packet is dropped; then nothing has changed.</returns>
    public EapPeerDrop Take(ReadOnlySpan<byte> data, out bool isWhole, out ReadOnlySpan<byte> message)
    {
        isWhole = false;
        message = default;
        if (data.IsEmpty)
        {
            return EapPeerDrop.FragmentMalformed;
        }

        var flags = data[0];
        var payload = data[1..];
        var said = -1L;
        if ((flags & HasLength) != 0)
        {
            if (payload.Length < LengthField)
            {
                return EapPeerDrop.FragmentMalformed;
            }

            said = BinaryPrimitives.ReadUInt32BigEndian(payload);
            payload = payload[LengthField..];
            if (said > maxMessage)
            {
                return EapPeerDrop.FragmentTooLong;
            }
        }

        var more = (flags & More) != 0;
        if (IsPartial)
        {
            return said >= 0 && said != _expected ? EapPeerDrop.FragmentLength : TakeNext(payload, more, out isWhole, out message);
        }

        if (!more)
        {
            isWhole = said < 0 || said == payload.Length;
            message = isWhole ? payload : default;
            return isWhole ? payload.Length > maxMessage ? EapPeerDrop.FragmentTooLong : EapPeerDrop.None : EapPeerDrop.FragmentLength;
        }

        if (said < 0)
        {
            return EapPeerDrop.FragmentWithoutLength;
        }

        if (payload.IsEmpty || payload.Length >= said)
        {
            return payload.IsEmpty ? EapPeerDrop.FragmentEmpty : EapPeerDrop.FragmentLength;
        }

        _expected = (int)said;
        _length = 0;
        Append(payload);
        return EapPeerDrop.None;
    }

    /// <summary>Forgets what there is, and zeroes it.</summary>
    public void Clear()
    {
        CryptographicOperations.ZeroMemory(_octets);
        _length = 0;
        _expected = -1;
    }

    private EapPeerDrop TakeNext(ReadOnlySpan<byte> payload, bool more, out bool isWhole, out ReadOnlySpan<byte> message)
    {
        isWhole = false;
        message = default;
        if (payload.IsEmpty)
        {
            return EapPeerDrop.FragmentEmpty;
        }

        var length = _length + payload.Length;
        if (more ? length >= _expected : length != _expected)
        {
            return EapPeerDrop.FragmentLength;
        }

        Append(payload);
        if (!more)
        {
            isWhole = true;
            message = _octets.AsSpan(0, _length);
            _expected = -1;
        }

        return EapPeerDrop.None;
    }

    private void Append(ReadOnlySpan<byte> payload)
    {
        if (_length + payload.Length > _octets.Length)
        {
            Array.Resize(ref _octets, Math.Max(FirstRoom, Math.Max(_length + payload.Length, 2 * _octets.Length)));
        }

        payload.CopyTo(_octets.AsSpan(_length));
        _length += payload.Length;
    }
}
