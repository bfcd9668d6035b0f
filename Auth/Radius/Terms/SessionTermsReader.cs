using System.Buffers.Binary;

namespace Masquerade.Auth.Radius;

/// <summary>Reads <see cref="SessionTerms"/>. One attribute that has a wrong form refuses them all: what is understood in part would let more pass than the server wants.</summary>
public static class SessionTermsReader
{
    private const uint Vlan = 13;
    private const uint Ieee802 = 6;
    private const int MaximumTag = 0x1F;

    /// <summary>Whether an attribute is about a session's terms.</summary>
    public static bool IsTerm(RadiusAttributeType type) => type is RadiusAttributeType.UserName or RadiusAttributeType.Class or RadiusAttributeType.ChargeableUserIdentity or RadiusAttributeType.SessionTimeout
        or RadiusAttributeType.TerminationAction or RadiusAttributeType.IdleTimeout or RadiusAttributeType.AcctInterimInterval or RadiusAttributeType.FilterId or RadiusAttributeType.NasFilterRule
        or RadiusAttributeType.TunnelType or RadiusAttributeType.TunnelMediumType or RadiusAttributeType.TunnelPrivateGroupId or RadiusAttributeType.ReplyMessage;

    /// <summary>Reads them from a packet.</summary>
    /// <param name="packet">An Access-Accept or CoA-Request whose authenticators have been checked.</param>
    /// <param name="terms">The terms.</param>
    /// <param name="wrong">The first attribute whose value cannot be.</param>
    public static bool TryRead(in RadiusPacket packet, out SessionTerms terms, out RadiusAttributeType wrong)
    {
        var kept = new RadiusAttributeWriter();
        foreach (var attribute in packet.Attributes)
        {
            if (IsTerm(attribute.Type))
            {
                kept.Add(attribute.Type, attribute.Value);
            }
        }

        return TryRead(kept.Octets, out terms, out wrong);
    }

    /// <summary>Reads them from attributes that were kept (<see cref="SessionTerms.Octets"/>).</summary>
    public static bool TryRead(ReadOnlySpan<byte> attributes, out SessionTerms terms, out RadiusAttributeType wrong)
    {
        terms = SessionTerms.None;
        wrong = RadiusAttributeType.None;
        var framed = new byte[RadiusPacket.HeaderLength + attributes.Length];
        BinaryPrimitives.WriteUInt16BigEndian(framed.AsSpan(2), (ushort)Math.Min(framed.Length, ushort.MaxValue));
        attributes.CopyTo(framed.AsSpan(RadiusPacket.HeaderLength));
        if (!RadiusPacket.TryParse(framed, out var packet, out _))
        {
            return false;
        }

        var reading = new Reading(new SessionTerms(attributes.ToArray()));
        foreach (var attribute in packet.Attributes)
        {
            if (!reading.Take(attribute))
            {
                wrong = attribute.Type;
                return false;
            }
        }

        terms = reading.End(packet.Concatenate(RadiusAttributeType.NasFilterRule) ?? []);
        return true;
    }

    /// <summary>What a session may do after a change (RFC 5176 section 3): what the change speaks of is as it says, the rest stays as it was.</summary>
    /// <param name="before">What it may do now.</param>
    /// <param name="change">What a CoA-Request says.</param>
    /// <param name="terms">Both together.</param>
    /// <returns>False: they are too much for one session; nothing has changed.</returns>
    public static bool TryChange(SessionTerms before, SessionTerms change, out SessionTerms terms)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(change);
        var spokenOf = new HashSet<RadiusAttributeType>();
        foreach (var type in TypesIn(change.Octets.Span))
        {
            spokenOf.UnionWith(TogetherWith(type));
        }

        var both = new byte[before.Octets.Length + change.Octets.Length];
        var length = 0;
        for (var rest = before.Octets.Span; rest.Length >= 2; rest = rest[rest[1]..])
        {
            if (!spokenOf.Contains((RadiusAttributeType)rest[0]))
            {
                rest[..rest[1]].CopyTo(both.AsSpan(length));
                length += rest[1];
            }
        }

        change.Octets.Span.CopyTo(both.AsSpan(length));
        return TryRead(both.AsSpan(0, length + change.Octets.Length), out terms, out _);
    }

    private static List<RadiusAttributeType> TypesIn(ReadOnlySpan<byte> attributes)
    {
        var types = new List<RadiusAttributeType>();
        for (; attributes.Length >= 2; attributes = attributes[attributes[1]..])
        {
            types.Add((RadiusAttributeType)attributes[0]);
        }

        return types;
    }

    /// <summary>What goes when an attribute comes: a filter takes the place of the filter before, in whichever way that was said; a tunnel is three attributes.</summary>
    private static RadiusAttributeType[] TogetherWith(RadiusAttributeType type) => type switch
    {
        RadiusAttributeType.FilterId or RadiusAttributeType.NasFilterRule => [RadiusAttributeType.FilterId, RadiusAttributeType.NasFilterRule],
        RadiusAttributeType.TunnelType or RadiusAttributeType.TunnelMediumType or RadiusAttributeType.TunnelPrivateGroupId =>
            [RadiusAttributeType.TunnelType, RadiusAttributeType.TunnelMediumType, RadiusAttributeType.TunnelPrivateGroupId],
        _ => [type],
    };

    private sealed class Reading(SessionTerms terms)
    {
        private readonly List<byte[]> _class = [];
        private readonly List<string> _filters = [];
        private readonly List<string> _messages = [];
        private readonly (uint Type, uint Medium, string? Group)[] _tunnels = new (uint, uint, string?)[MaximumTag + 1];
        private string? _untagged;

        public bool Take(in RadiusAttribute attribute)
        {
            switch (attribute.Type)
            {
                case RadiusAttributeType.UserName:
                    terms.UserName = Text(attribute);
                    return !string.IsNullOrEmpty(terms.UserName);
                case RadiusAttributeType.Class:
                    _class.Add(attribute.Value.ToArray());
                    return _class.Count <= SessionTerms.MaximumList;
                case RadiusAttributeType.ChargeableUserIdentity:
                    terms.ChargeableUserIdentity = attribute.Value.ToArray();
                    return true;
                case RadiusAttributeType.FilterId:
                    return TakeFilter(Text(attribute) ?? string.Empty);
                case RadiusAttributeType.ReplyMessage:
                    // For people, and not worth a refusal.
                    _messages.Add(Text(attribute) ?? string.Empty);
                    return true;
                case RadiusAttributeType.TunnelType or RadiusAttributeType.TunnelMediumType or RadiusAttributeType.TunnelPrivateGroupId:
                    return TakeTunnel(attribute);
                default:
                    return !SessionTermsReader.IsTerm(attribute.Type) || attribute.Type == RadiusAttributeType.NasFilterRule || TakeNumber(attribute);
            }
        }

        public SessionTerms End(byte[] rules)
        {
            terms.Class = _class;
            terms.FilterIds = _filters;
            terms.FilterRules = rules;
            terms.ReplyMessage = _messages.Count == 0 ? null : string.Join(' ', _messages);

            // The lowest tag that is a VLAN (RFC 2868 section 3.1: 0 has no tag). A group without tag belongs to whichever tunnel there is.
            foreach (var (type, medium, group) in _tunnels)
            {
                if (type == Vlan && medium == Ieee802 && (group ?? _untagged) is { Length: > 0 } segment)
                {
                    terms.Segment = segment;
                    break;
                }
            }

            return terms;
        }

        private static string? Text(in RadiusAttribute attribute) => attribute.TryGetText(out var text) ? text : null;

        /// <summary>Servers that pass on what was said inside of a tunnel (PEAP, TTLS) may say the same twice.</summary>
        private bool TakeFilter(string name)
        {
            if (!_filters.Contains(name, StringComparer.Ordinal))
            {
                _filters.Add(name);
            }

            return _filters.Count <= SessionTerms.MaximumList && name.Length > 0;
        }

        private bool TakeNumber(in RadiusAttribute attribute)
        {
            if (!attribute.TryGetNumber(out var number))
            {
                return false;
            }

            var span = TimeSpan.FromSeconds(number);
            switch (attribute.Type)
            {
                case RadiusAttributeType.SessionTimeout:
                    terms.SessionTimeout = span;
                    return number != 0;
                case RadiusAttributeType.IdleTimeout:
                    terms.IdleTimeout = number == 0 ? null : span;
                    return true;
                case RadiusAttributeType.AcctInterimInterval:
                    terms.InterimInterval = number == 0 ? null : span < SessionTerms.LeastInterim ? SessionTerms.LeastInterim : span;
                    return true;
                default:
                    terms.Reauthenticates = number == 1;
                    return number <= 1;
            }
        }

        private bool TakeTunnel(in RadiusAttribute attribute)
        {
            if (attribute.Value.IsEmpty)
            {
                return false;
            }

            var first = attribute.Value[0];
            if (attribute.Type == RadiusAttributeType.TunnelPrivateGroupId)
            {
                // An octet above 0x1F is no tag but the first of the text (RFC 2868 section 3.6).
                var isTagged = first <= MaximumTag;
                if (!RadiusText.TryRead(attribute.Value[(isTagged ? 1 : 0)..], out var group) || group.Length == 0)
                {
                    return false;
                }

                if (isTagged)
                {
                    _tunnels[first].Group ??= group;
                }
                else
                {
                    _untagged ??= group;
                }

                return true;
            }

            if (first > MaximumTag || !attribute.TryGetNumber(out var number))
            {
                return false;
            }

            if (attribute.Type == RadiusAttributeType.TunnelType)
            {
                _tunnels[first].Type = number & 0xFF_FFFF;
            }
            else
            {
                _tunnels[first].Medium = number & 0xFF_FFFF;
            }

            return true;
        }
    }
}
