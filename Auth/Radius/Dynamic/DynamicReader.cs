using System.Net;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Radius;

/// <summary>Reads what a Disconnect- or CoA-Request wants, whole or not at all (RFC 5176 section 3).</summary>
internal static class DynamicReader
{
    private const int MacLength = 17;

    public static ErrorCause Read(in RadiusPacket packet, DynamicAuthorisationSettings settings, out SessionSelector? selector, out SessionTerms? terms)
    {
        selector = null;
        terms = null;
        var selecting = new SessionSelector(null, null, null, null);
        var wanted = new RadiusAttributeWriter();
        foreach (var attribute in packet.Attributes)
        {
            var cause = attribute.Type switch
            {
                RadiusAttributeType.MessageAuthenticator or RadiusAttributeType.EventTimestamp or RadiusAttributeType.ProxyState => ErrorCause.None,
                RadiusAttributeType.NasIdentifier or RadiusAttributeType.NasIpAddress or RadiusAttributeType.NasIpv6Address => CheckNas(attribute, settings),
                RadiusAttributeType.UserName or RadiusAttributeType.CallingStationId or RadiusAttributeType.AcctSessionId or RadiusAttributeType.AcctMultiSessionId
                    or RadiusAttributeType.ChargeableUserIdentity => Select(attribute, ref selecting),
                RadiusAttributeType.ServiceType => ErrorCause.UnsupportedService,
                _ => Want(packet.Code, attribute, wanted),
            };
            if (cause != ErrorCause.None)
            {
                return cause;
            }
        }

        if (selecting is { User: null, Client: null, AccountingSession: null, ChargeableUser: null })
        {
            return ErrorCause.MissingAttribute;
        }

        if (packet.Code == RadiusCode.CoaRequest)
        {
            if (wanted.Octets.IsEmpty)
            {
                return ErrorCause.MissingAttribute;
            }

            if (!SessionTermsReader.TryRead(wanted.Octets, out terms, out _))
            {
                return ErrorCause.InvalidAttributeValue;
            }
        }

        selector = selecting;
        return ErrorCause.None;
    }

    private static ErrorCause CheckNas(in RadiusAttribute attribute, DynamicAuthorisationSettings settings)
    {
        var isOurs = attribute.Type == RadiusAttributeType.NasIdentifier
            ? attribute.TryGetText(out var name) && string.Equals(name, settings.NasIdentifier, StringComparison.Ordinal)
            : attribute.TryGetAddress(out var address) && address!.Equals(settings.NasAddress);
        return isOurs ? ErrorCause.None : ErrorCause.NasIdentificationMismatch;
    }

    private static ErrorCause Select(in RadiusAttribute attribute, ref SessionSelector selecting)
    {
        if (attribute.Type == RadiusAttributeType.ChargeableUserIdentity)
        {
            selecting = selecting with { ChargeableUser = attribute.Value.ToArray() };
            return ErrorCause.None;
        }

        if (!attribute.TryGetText(out var text) || text.Length == 0)
        {
            return ErrorCause.InvalidAttributeValue;
        }

        switch (attribute.Type)
        {
            case RadiusAttributeType.UserName:
                return Once(selecting.User, text, selecting with { User = text }, ref selecting);
            case RadiusAttributeType.CallingStationId:
                return text.Length == MacLength && MacAddress.TryParse(text, out var client)
                    ? Once(selecting.Client?.ToString(), client.ToString(), selecting with { Client = client }, ref selecting)
                    : ErrorCause.InvalidAttributeValue;
            default:
                return Once(selecting.AccountingSession, text, selecting with { AccountingSession = text }, ref selecting);
        }
    }

    /// <summary>What is said twice must be said the same.</summary>
    private static ErrorCause Once(string? before, string now, SessionSelector selected, ref SessionSelector selecting)
    {
        if (before is not null && !string.Equals(before, now, StringComparison.Ordinal))
        {
            return ErrorCause.InvalidRequest;
        }

        selecting = selected;
        return ErrorCause.None;
    }

    private static ErrorCause Want(RadiusCode code, in RadiusAttribute attribute, RadiusAttributeWriter wanted)
    {
        // A Disconnect-Request says which session and no more (RFC 5176 section 3); what is not understood is not passed over.
        if (code == RadiusCode.DisconnectRequest || !SessionTermsReader.IsTerm(attribute.Type))
        {
            return code == RadiusCode.DisconnectRequest && attribute.Type == RadiusAttributeType.ReplyMessage ? ErrorCause.None : ErrorCause.UnsupportedAttribute;
        }

        wanted.Add(attribute.Type, attribute.Value);
        return ErrorCause.None;
    }
}
