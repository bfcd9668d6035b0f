namespace Masquerade.Auth.Eapol;

/// <summary>
/// Reads the entries of key data that is in the clear (IEEE 802.11-2020 clause 12.7.2), one after another. Padding (0xDD and zeros, for AES key wrap) ends it.
/// </summary>
public ref struct KeyDataReader
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>A reader at the first entry.</summary>
    public KeyDataReader(ReadOnlySpan<byte> keyData)
    {
        _rest = keyData;
        IsMalformed = false;
    }

    /// <summary>Whether an entry is longer than what is there, or padding is not zero. Then nothing of this key data is to be used.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Reads the next entry; false at the end and at a fault.</summary>
    public bool TryRead(out KeyDataElement element)
    {
        element = default;
        if (_rest.IsEmpty)
        {
            return false;
        }

        // A KDE has at least organisation and type, so a length of 0 behind 0xDD can only be padding, and so can 0xDD alone.
        if (_rest[0] == KeyDataElement.KdeId && (_rest.Length == 1 || _rest[1] == 0))
        {
            IsMalformed = _rest[1..].ContainsAnyExcept((byte)0);
            _rest = default;
            return false;
        }

        if (_rest.Length < 2 || _rest[1] > _rest.Length - 2)
        {
            IsMalformed = true;
            _rest = default;
            return false;
        }

        var end = 2 + _rest[1];
        element = new KeyDataElement(_rest[0], _rest[2..end]);
        _rest = _rest[end..];
        return true;
    }

    /// <summary>Looks for the only KDE of its kind; false if there is none, if there are two, or if the key data is malformed anywhere.</summary>
    public static bool TryFind(ReadOnlySpan<byte> keyData, uint oui, byte dataType, out ReadOnlySpan<byte> data)
    {
        data = default;
        var found = 0;
        var reader = new KeyDataReader(keyData);
        while (reader.TryRead(out var element))
        {
            if (element.Is(oui, dataType))
            {
                found++;
                data = element.Data;
            }
        }

        if (found == 1 && !reader.IsMalformed)
        {
            return true;
        }

        data = default;
        return false;
    }
}
