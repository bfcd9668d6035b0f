using System.Buffers.Binary;
using System.Globalization;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Protection;

/// <summary>
/// Secure Channel Identifier: who sends under a key (IEEE 802.1AE-2018 clause 9.9). It is the first two thirds of the initial vector, so no two senders under one key may have the same.
/// </summary>
/// <param name="Address">The sender's MAC address.</param>
/// <param name="Port">The sender's port; 1 at a client.</param>
public readonly record struct Sci(MacAddress Address, ushort Port)
{
    /// <summary>Octets of it.</summary>
    public const int Length = 8;

    /// <summary>The port of every client.</summary>
    public const ushort ClientPort = 1;

    /// <summary>Whether a sender may have it: an address of its own, and a port.</summary>
    public bool IsValid => !Address.IsNone && !Address.IsGroup && Port != 0;

    /// <summary>Reads eight octets.</summary>
    public static Sci FromBytes(ReadOnlySpan<byte> bytes) => new(MacAddress.FromBytes(bytes), BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]));

    /// <summary>Writes eight octets.</summary>
    public void WriteTo(Span<byte> destination)
    {
        Address.WriteTo(destination);
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], Port);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{Port}");
}
