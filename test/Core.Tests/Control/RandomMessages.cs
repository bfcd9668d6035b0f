using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Tests.Control;

/// <summary>
/// Random contents for every message, found by reflection: a message or field that is added to the contract and forgotten in the codec fails the round trip without
/// anybody having to think of it here.
/// </summary>
internal sealed class RandomMessages(ulong seed)
{
    /// <summary>Where "none" is a value; everywhere else a decoder refuses it.</summary>
    private static readonly HashSet<string> MayBeNone =
    [
        "Hello.PeerEndpoint", "ArriveReply.PreviousFam", "FamChange.PreviousFam", "FamChange.PreviousFamPeer", "AnchorReply.Masquerade", "MappingRecord.FamEndpoint",
        "AttachReply.Mapping", "Attach.At", "AnchorRequest.At", "AnchorRequest.Server", "LookupReply.Mapping", "MappingRecord.Explicit", "LeaseRequest.Address", "LeaseReply.Address",
        "EapToClient.Session", "UserSessionReply.Session", "UserSessionChange.Now",
    ];

    private readonly SeededRandom _random = new(seed);

    /// <summary>Every message type of the contract.</summary>
    public static IReadOnlyList<Type> Types { get; } =
        [.. typeof(ControlMessage).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(ControlMessage)) && !t.IsAbstract).OrderBy(t => t.Name, StringComparer.Ordinal)];

    /// <summary>How many elements lists have at most.</summary>
    public int MaxList { get; init; } = 4;

    public ControlMessage Next() => Next(Types[_random.NextInt(Types.Count)]);

    public ControlMessage Next(Type type) => (ControlMessage)Fill(type);

    /// <summary>All that a value says, as text, so that records with lists in them can be compared.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        IEnumerable list => $"[{string.Join(", ", list.Cast<object?>().Select(Describe))}]",
        ControlMessage or MappingRecord or ExplicitTerms or ConnectionRecord or FamOffer or Attachment or FamRoute or AddressOwner or AddressLoad or UserSession =>
            $"{value.GetType().Name}{{{string.Join(", ", value.GetType().GetProperties().Select(p => $"{p.Name}={Describe(p.GetValue(value))}"))}}}",
        Octets octets => Convert.ToHexString(octets.Span),
        HelperNote note => Convert.ToHexString(note.Octets),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    /// <summary>Octets have lengths of their own.</summary>
    private int LengthOf(string property) => property switch
    {
        "UserSession.Session" or "UserSessionChange.Session" or "UserSessionUsed.Session" => UserSession.IdLength,
        "UserSessionQuery.Known" or "UserSessionReply.Ended" => _random.Chance(0.5) ? 0 : UserSession.IdLength,
        "UserSession.Key" => _random.Chance(0.5) ? 0 : UserSession.KeyLength,
        "UserSessionUsed.Policy" => _random.Chance(0.5) ? 0 : UserSession.PolicyLength,
        "RoamingKeyQuery.Name" => RoamingKeyQuery.NameLength,
        "RoamingKeyReply.Key" => _random.Chance(0.5) ? 0 : RoamingKeyQuery.KeyLength,
        "UserSession.Policy" or "PolicyQuery.Policy" or "PolicyReply.Policy" => UserSession.PolicyLength,
        _ => _random.NextInt(200),
    };

    private Octets Octets(int length)
    {
        var octets = new byte[length];
        for (var i = 0; i < length; i++)
        {
            octets[i] = (byte)_random.NextInt(256);
        }

        return new Octets(octets);
    }

    private object Fill(Type type)
    {
        var made = RuntimeHelpers.GetUninitializedObject(type);
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            var none = MayBeNone.Contains($"{type.Name}.{property.Name}") && _random.Chance(0.3);
            property.SetValue(made, none ? Nothing(property.PropertyType) : property.PropertyType == typeof(Octets) ? Octets(LengthOf($"{type.Name}.{property.Name}")) : Value(property.PropertyType));
        }

        return made;
    }

    private static object? Nothing(Type type) => type.IsValueType ? Activator.CreateInstance(type) : null;

    private object Value(Type type)
    {
        if (type == typeof(ulong))
        {
            return Number();
        }

        if (type == typeof(long))
        {
            return (long)(Number() >> 1);
        }

        if (type == typeof(uint))
        {
            return (uint)Number();
        }

        if (type == typeof(bool))
        {
            return _random.Chance(0.5);
        }

        if (type == typeof(string))
        {
            return Text();
        }

        if (type == typeof(Epoch))
        {
            return new Epoch(Number());
        }

        if (type == typeof(NodeId))
        {
            return Node();
        }

        if (type == typeof(MacAddress))
        {
            return new MacAddress(_random.NextUInt64() >> 16);
        }

        if (type == typeof(IpAddress))
        {
            return Address();
        }

        if (type == typeof(TransportEndpoint))
        {
            return Endpoint();
        }

        if (type == typeof(MappingId))
        {
            return Mapping();
        }

        if (type == typeof(FamOffer))
        {
            return new FamOffer(Protocol(), Endpoint());
        }

        if (type == typeof(Attachment))
        {
            return new Attachment(Mapping(), Endpoint());
        }

        if (type == typeof(FamRoute))
        {
            return new FamRoute(Mapping(), Node(), _random.Chance(0.3) ? default : Endpoint(), _random.Chance(0.3) ? default : Endpoint())
            {
                Further = [.. Enumerable.Range(0, _random.NextInt(ControlLimits.MaxFurtherFams + 1)).Select(_ => Endpoint())],
            };
        }

        if (type == typeof(IpPrefix))
        {
            var address = _random.Chance(0.1) ? default : Address();
            return new IpPrefix(address, _random.NextInt(address.IsIPv4 ? 33 : 65));
        }

        if (type == typeof(AddressOwner))
        {
            return new AddressOwner(Address(), new Epoch(Number()), Node(), _random.Chance(0.5));
        }

        if (type == typeof(AddressLoad))
        {
            return new AddressLoad(Address(), (uint)Number());
        }

        if (type == typeof(ConnectionRecord))
        {
            var note = new byte[_random.NextInt(100)];
            for (var i = 0; i < note.Length; i++)
            {
                note[i] = (byte)_random.NextInt(256);
            }

            return new ConnectionRecord(Endpoint(), (ConnectionState)_random.NextInt(7), (uint)Number()) { Note = _random.Chance(0.8) ? null : new HelperNote(note) };
        }

        if (type == typeof(MappingRecord) || type == typeof(ExplicitTerms) || type == typeof(UserSession))
        {
            return Fill(type);
        }

        if (type == typeof(MappingNonce))
        {
            return new MappingNonce(Number(), (uint)Number());
        }

        if (type == typeof(RemoteFilter))
        {
            return new RemoteFilter((IpPrefix)Value(typeof(IpPrefix)), (ushort)Number());
        }

        if (type.IsEnum)
        {
            var values = Enum.GetValuesAsUnderlyingType(type);
            return Enum.ToObject(type, values.GetValue(_random.NextInt(values.Length))!);
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
        {
            var element = type.GetGenericArguments()[0];
            var list = Array.CreateInstance(element, _random.NextInt(MaxList + 1));
            for (var i = 0; i < list.Length; i++)
            {
                list.SetValue(Value(element), i);
            }

            return list;
        }

        throw new NotSupportedException($"no random values for {type}: teach {nameof(RandomMessages)} about it");
    }

    /// <summary>Every width of a number is as likely as every other.</summary>
    private ulong Number() => _random.NextUInt64() >> _random.NextInt(64);

    private string Text()
    {
        string[] pieces = ["a", "Z", " ", "0", "é", "€", "😀", "\n", "\0"];
        return string.Concat(Enumerable.Range(0, _random.NextInt(ControlLimits.MaxDomainLength / 2)).Select(_ => pieces[_random.NextInt(pieces.Length)]));
    }

    private NodeId Node()
    {
        const string Allowed = "ABCXYZabcxyz0189._-";
        return new NodeId(string.Concat(Enumerable.Range(0, 1 + _random.NextInt(NodeId.MaxLength)).Select(_ => Allowed[_random.NextInt(Allowed.Length)])));
    }

    private IpAddress Address() => _random.Chance(0.5)
        ? IpAddress.FromV4((uint)_random.NextUInt64())
        : new IpAddress(0x2001_0DB8_0000_0000 | (_random.NextUInt64() >> 32), _random.NextUInt64());

    private TransportEndpoint Endpoint() => new(Address(), (ushort)Number());

    private TransportProtocol Protocol() => _random.NextInt(3) switch
    {
        0 => TransportProtocol.Icmp,
        1 => TransportProtocol.Tcp,
        _ => TransportProtocol.Udp,
    };

    private MappingId Mapping()
    {
        var mapping = new MappingId(Protocol(), Endpoint());
        var server = _random.Chance(0.3) ? Endpoint() : default;
        return mapping.Protocol != TransportProtocol.Icmp && server.Address.IsIPv4 == mapping.Masquerade.Address.IsIPv4 ? mapping with { Server = server } : mapping;
    }
}
