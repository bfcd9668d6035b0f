using System.Security.Cryptography;
using Masquerade.Auth.Filter;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>A policy document and what is in it. Does not change.</summary>
/// <param name="Text">As it was written.</param>
/// <param name="Book">What it says.</param>
internal sealed record PolicyFile(ReadOnlyMemory<byte> Text, PolicyBook Book)
{
    /// <summary>Where no policies are configured, whoever is known may do everything.</summary>
    public static readonly PolicyFile Everything = Of("""{ "policies": { "everything": ["allow both any"] }, "roles": { "guest": "everything" }, "default": "everything" }"""u8.ToArray());

    /// <summary>Names the text.</summary>
    public string Tag { get; } = Convert.ToHexStringLower(SHA256.HashData(Text.Span))[..16];

    private static PolicyFile Of(byte[] text) => new(text, PolicyDocument.Parse(text, out var mistakes) ?? throw new InvalidOperationException(string.Join("; ", mistakes)));
}
