using System.Security.Cryptography;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>What goes through the proxy as it is, what is sealed anew for the other side, and what does not go through.</summary>
internal static class ProxyAttributes
{
    private const byte MsChapMppeKeys = 12;

    /// <summary>The request for the server: everything but Message-Authenticator, which is made anew.</summary>
    public static RadiusAttributeWriter ForServer(in RadiusPacket request)
    {
        var attributes = new RadiusAttributeWriter();
        foreach (var attribute in request.Attributes)
        {
            if (attribute.Type != RadiusAttributeType.MessageAuthenticator)
            {
                attributes.Add(attribute.Type, attribute.Value);
            }
        }

        return attributes;
    }

    /// <summary>The answer for the access point: keys are sealed with its own secret; what else is sealed with the server's is left out.</summary>
    public static RadiusAttributeWriter ForClient(RadiusReply reply, in RadiusPacket request, RadiusSecret secret)
    {
        var attributes = new RadiusAttributeWriter();
        foreach (var attribute in reply.Packet.Attributes)
        {
            if (attribute.Type is not (RadiusAttributeType.MessageAuthenticator or RadiusAttributeType.TunnelPassword) && !HasKeys(attribute))
            {
                attributes.Add(attribute.Type, attribute.Value);
            }
        }

        if (reply.Packet.Code == RadiusCode.AccessAccept && reply.TryReadMsk(out var msk, out _))
        {
            MsMppeKeys.Write(attributes, msk, request.Authenticator, secret);
            CryptographicOperations.ZeroMemory(msk);
        }

        return attributes;
    }

    /// <summary>A refusal in place of an accept; proxies before us find their way back by Proxy-State.</summary>
    public static RadiusAttributeWriter Refusal(in RadiusPacket request, ReadOnlySpan<byte> failure) =>
        new RadiusAttributeWriter().AddLong(RadiusAttributeType.EapMessage, failure).Copy(request, RadiusAttributeType.ProxyState);

    /// <summary>The client's MAC address in Calling-Station-Id, in one of the forms that access points use: with dashes or colons, or twelve digits.</summary>
    public static bool TryReadClient(in RadiusPacket request, out MacAddress client)
    {
        client = MacAddress.None;
        if (!request.TryGet(RadiusAttributeType.CallingStationId, out var attribute) || !attribute.TryGetText(out var text))
        {
            return false;
        }

        if (text.Length == 12)
        {
            text = string.Join('-', Enumerable.Range(0, 6).Select(i => text.Substring(i * 2, 2)));
        }

        return MacAddress.TryParse(text, out client) && !client.IsNone && !client.IsGroup;
    }

    private static bool HasKeys(in RadiusAttribute attribute)
    {
        if (!attribute.TryGetVendor(out var vendor, out var content) || vendor != MsMppeKeys.Vendor)
        {
            return false;
        }

        while (content.Length >= 2 && content[1] >= 2 && content[1] <= content.Length)
        {
            if (content[0] is MsMppeKeys.SendKey or MsMppeKeys.RecvKey or MsChapMppeKeys)
            {
                return true;
            }

            content = content[content[1]..];
        }

        return false;
    }
}
