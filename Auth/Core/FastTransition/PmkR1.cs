using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>PMK-R1: the pairwise master key of a client at one access point, of which the fast transition makes the link's keys (IEEE 802.11-2020 12.7.1.6.4). It opens nothing at another one.</summary>
public sealed class PmkR1 : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int Length = 32;

    /// <summary>Octets of its name.</summary>
    public const int NameLength = 16;

    private readonly SecretBytes _key;

    private PmkR1(ReadOnlySpan<byte> key, MacAddress holder, MacAddress client)
    {
        _key = new SecretBytes(key);
        (Holder, Client) = (holder, client);
    }

    /// <summary>R1KH-ID of the access point that it is for.</summary>
    public MacAddress Holder { get; }

    /// <summary>The client (S1KH-ID).</summary>
    public MacAddress Client { get; }

    /// <summary>The octets.</summary>
    internal ReadOnlySpan<byte> Bytes => _key.Span;

    /// <summary>Takes a key that came over the control connection. The caller zeroes its copy.</summary>
    /// <param name="bytes">32 octets, not all zero.</param>
    /// <param name="holder">R1KH-ID; not none.</param>
    /// <param name="client">The client; not none, no group address.</param>
    /// <param name="key">The key, owned by the caller; null if refused.</param>
    public static bool TryFrom(ReadOnlySpan<byte> bytes, MacAddress holder, MacAddress client, [NotNullWhen(true)] out PmkR1? key)
    {
        key = SecretBytes.IsKey(bytes, Length) && !holder.IsNone && !client.IsNone && !client.IsGroup ? Own(bytes, holder, client) : null;
        return key is not null;
    }

    /// <summary>PMKR1Name = the first 128 bits of SHA-256("FT-R1N" ‖ PMKR0Name ‖ R1KH-ID ‖ S1KH-ID). Not secret.</summary>
    /// <param name="pmkR0Name">PMKR0Name, 16 octets.</param>
    /// <param name="holder">R1KH-ID.</param>
    /// <param name="client">The client.</param>
    /// <param name="name">16 octets.</param>
    public static void WriteName(ReadOnlySpan<byte> pmkR0Name, MacAddress holder, MacAddress client, Span<byte> name)
    {
        Span<byte> input = stackalloc byte[6 + PmkR0.NameLength + (2 * KeyContext.MacLength)];
        "FT-R1N"u8.CopyTo(input);
        pmkR0Name[..PmkR0.NameLength].CopyTo(input[6..]);
        holder.WriteTo(input[(6 + PmkR0.NameLength)..]);
        client.WriteTo(input[(6 + PmkR0.NameLength + KeyContext.MacLength)..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, hash);
        hash[..NameLength].CopyTo(name);
    }

    /// <summary>Copies the key to where it goes over the control connection. Whoever calls this zeroes the copy.</summary>
    /// <param name="destination">At least 32 octets.</param>
    public void CopyTo(Span<byte> destination) => _key.Span.CopyTo(destination);

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _key.Dispose();

    /// <summary>Whose key it is; never the key.</summary>
    public override string ToString() => $"PMK-R1 of {Holder} for {Client}";

    internal static PmkR1 Own(ReadOnlySpan<byte> bytes, MacAddress holder, MacAddress client) => new(bytes, holder, client);
}
