using System.Buffers.Binary;

namespace Masquerade.Auth.Eapol;

/// <summary>Writes entries of key data into the caller's buffer (IEEE 802.11-2020 clause 12.7.2). What does not fit is refused and leaves what is there.</summary>
public ref struct KeyDataWriter
{
    private readonly Span<byte> _buffer;

    /// <summary>A writer at the beginning of the buffer.</summary>
    public KeyDataWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        Length = 0;
    }

    /// <summary>Octets written so far.</summary>
    public int Length { get; private set; }

    /// <summary>What was written so far.</summary>
    public readonly ReadOnlySpan<byte> Written => _buffer[..Length];

    /// <summary>Adds an element; its content is at most 255 octets.</summary>
    public bool TryAddElement(byte id, scoped ReadOnlySpan<byte> content)
    {
        if (content.Length > byte.MaxValue || _buffer.Length - Length < 2 + content.Length)
        {
            return false;
        }

        _buffer[Length] = id;
        _buffer[Length + 1] = (byte)content.Length;
        content.CopyTo(_buffer[(Length + 2)..]);
        Length += 2 + content.Length;
        return true;
    }

    /// <summary>Adds a KDE; its data is at most 251 octets.</summary>
    public bool TryAddKde(uint oui, byte dataType, scoped ReadOnlySpan<byte> data)
    {
        if (data.Length > byte.MaxValue - 4 || _buffer.Length - Length < 6 + data.Length)
        {
            return false;
        }

        _buffer[Length] = KeyDataElement.KdeId;
        _buffer[Length + 1] = (byte)(4 + data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(_buffer[(Length + 2)..], (oui << 8) | dataType);
        data.CopyTo(_buffer[(Length + 6)..]);
        Length += 6 + data.Length;
        return true;
    }

    /// <summary>Pads for AES key wrap (RFC 3394): to at least 16 octets and a multiple of 8, by 0xDD and zeros. Nothing is added if it fits already.</summary>
    public bool TryPadForKeyWrap()
    {
        var padded = Math.Max(16, (Length + 7) & ~7);
        if (padded == Length)
        {
            return true;
        }

        if (padded > _buffer.Length)
        {
            return false;
        }

        _buffer[Length..padded].Clear();
        _buffer[Length] = KeyDataElement.KdeId;
        Length = padded;
        return true;
    }
}
