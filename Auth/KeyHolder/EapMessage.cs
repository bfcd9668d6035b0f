using System.Buffers.Binary;
using System.Text;

namespace Masquerade.Auth.KeyHolder;

/// <summary>The little of EAP (RFC 3748 section 4) that whoever passes it through must look at.</summary>
internal static class EapMessage
{
    public const byte Request = 1;
    public const byte Response = 2;
    public const byte Success = 3;
    public const byte Failure = 4;
    private const byte Identity = 1;
    private const int Header = 4;

    /// <summary>Looks at its head; what is behind its length is padding of the link and is cut off.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> octets, out byte code, out ReadOnlyMemory<byte> message)
    {
        code = 0;
        message = default;
        if (octets.Length < Header)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(octets.Span[2..]);
        code = octets.Span[0];
        if (length > octets.Length || (code is Success or Failure ? length != Header : code is not (Request or Response) || length < Header + 1))
        {
            return false;
        }

        message = octets[..length];
        return true;
    }

    /// <summary>Who a Response/Identity says it is: UTF-8 (RFC 7542), 1 to 253 octets without control characters.</summary>
    public static bool TryReadIdentity(ReadOnlySpan<byte> message, out string identity)
    {
        identity = string.Empty;
        var name = message.Length > Header + 1 && message[0] == Response && message[Header] == Identity ? message[(Header + 1)..] : default;
        if (name.Length is 0 or > 253 || !System.Text.Unicode.Utf8.IsValid(name))
        {
            return false;
        }

        identity = Encoding.UTF8.GetString(name);
        return !identity.AsSpan().ContainsAnyInRange('\0', '\u001F');
    }

    /// <summary>A Failure to a response.</summary>
    public static byte[] FailureTo(ReadOnlySpan<byte> response) => [Failure, response[1], 0, Header];
}
