using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>What keys are bound to: session and client, 22 octets.</summary>
internal static class KeyContext
{
    public const int MacLength = 6;

    public const int Length = SessionId.Length + MacLength;

    /// <summary>Writes session ‖ client.</summary>
    public static void Write(Span<byte> destination, SessionId session, MacAddress client)
    {
        session.WriteTo(destination);
        client.WriteTo(destination[SessionId.Length..]);
    }
}
