using System.Text;

namespace Masquerade.Auth.Radius;

/// <summary>Text of attributes: UTF-8 without NUL (RFC 2865 section 5).</summary>
internal static class RadiusText
{
    internal static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads it; refuses what is no UTF-8 and what has control characters, which would break lines of logs and rules.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> value, out string text)
    {
        text = string.Empty;
        if (!System.Text.Unicode.Utf8.IsValid(value))
        {
            return false;
        }

        foreach (var octet in value)
        {
            if (octet < 0x20 || octet == 0x7F)
            {
                return false;
            }
        }

        text = Encoding.UTF8.GetString(value);
        return true;
    }
}
