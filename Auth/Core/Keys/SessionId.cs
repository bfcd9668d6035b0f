using System.Buffers.Binary;
using System.Globalization;

namespace Masquerade.Auth.Keys;

/// <summary>Names one authentication of one client: 16 random octets, drawn by the key holder when it is told the MSK. It is no secret.</summary>
/// <param name="High">The first eight octets, most significant first.</param>
/// <param name="Low">The last eight.</param>
public readonly record struct SessionId(ulong High, ulong Low)
{
    /// <summary>Octets of it.</summary>
    public const int Length = 16;

    /// <summary>All zero: no session.</summary>
    public static readonly SessionId None;

    /// <summary>Whether this is no session.</summary>
    public bool IsNone => (High | Low) == 0;

    /// <summary>Draws a new one.</summary>
    public static SessionId Draw(FillRandom random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Span<byte> bytes = stackalloc byte[Length];
        random(bytes);
        return FromBytes(bytes);
    }

    /// <summary>Reads 16 octets.</summary>
    public static SessionId FromBytes(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));

    /// <summary>Writes 16 octets.</summary>
    public void WriteTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
    }

    /// <summary>32 hexadecimal digits.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{High:x16}{Low:x16}");
}
