namespace Masquerade.Auth.Radius;

/// <summary>A change that has passed all checks and is to be made.</summary>
public sealed class DynamicRequest
{
    internal DynamicRequest(DynamicKey key, in RadiusPacket packet, RadiusSecret secret, SessionSelector selector, SessionTerms? terms) =>
        (Key, Packet, Secret, Selector, Terms) = (key, packet, secret, selector, terms);

    /// <summary>Which session.</summary>
    public SessionSelector Selector { get; }

    /// <summary>What it may do from now on; null: it is to be ended. Only what the request says changes; User-Name and Chargeable-User-Identity select and are not among them.</summary>
    public SessionTerms? Terms { get; }

    internal DynamicKey Key { get; }

    internal RadiusPacket Packet { get; }

    internal RadiusSecret Secret { get; }
}

/// <summary>What a request is remembered by: its authenticator is a digest of all that it says and of the secret.</summary>
internal readonly record struct DynamicKey(System.Net.IPAddress Server, UInt128 Authenticator);
