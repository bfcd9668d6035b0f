using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// Reads a message's fields one after the other. The first thing that is wrong is remembered and everything after it reads as empty, so that message code need not
/// look at every field; <see cref="TryFinish"/> tells.
/// </summary>
internal ref struct FieldReader
{
    private MessagePackReader _reader;
    private int _left;
    private int _read;
    private int _connections;
    private bool _failed;

    public FieldReader(MessagePackReader reader, int fields)
    {
        _reader = reader;
        _left = fields;
    }

    /// <summary>Where it went wrong, for the error text.</summary>
    public readonly string Where => _failed ? $" (field {_read})" : string.Empty;

    /// <summary>Passes over fields of a later version; false if anything was wrong or is left over.</summary>
    public bool TryFinish()
    {
        for (; !_failed && _left > 0; _left--)
        {
            _failed = !_reader.TrySkip();
        }

        return !_failed && _reader.End;
    }

    public ulong UInt64() => Next() && Check(_reader.TryReadUInt64(out var value)) ? value : 0;

    /// <summary>Milliseconds since 1970.</summary>
    public long Time() => Next() ? ReadTime() : 0;

    public uint UInt32() => Next() && Check(_reader.TryReadUInt32(out var value)) ? value : 0;

    public bool Boolean() => Next() && Check(_reader.TryReadBoolean(out var value)) && value;

    public Epoch Epoch() => new(UInt64());

    /// <summary>A text of at most so many UTF-16 characters; none of them takes more than three octets.</summary>
    public string Text(int maxLength) => Next() ? ReadText(maxLength) : string.Empty;

    public AckStatus AckStatus() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.AckStatus.Refused)) ? (AckStatus)value : default;

    public AttachStatus AttachStatus() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.AttachStatus.Established)) ? (AttachStatus)value : default;

    public FamRole FamRole() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.FamRole.Reserve)) ? (FamRole)value : default;

    public FamChoice FamChoice() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.FamChoice.Duplicate)) ? (FamChoice)value : default;

    public LeaseAction LeaseAction() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.LeaseAction.Inform)) ? (LeaseAction)value : default;

    public EapOutcome EapOutcome() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.EapOutcome.Unavailable)) ? (EapOutcome)value : default;

    public SessionProof SessionProof() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.SessionProof.Over)) ? (SessionProof)value : default;

    public RoamingKeyOutcome RoamingKeyOutcome() => Next() && Check(_reader.TryReadUInt32(out var value, (uint)Control.RoamingKeyOutcome.Refused)) ? (RoamingKeyOutcome)value : default;

    public Octets Octets(int atLeast, int atMost) => Next() ? ReadOctets(atLeast, atMost) : Control.Octets.Empty;

    public UserSession? UserSession() => Next() && !_reader.TryReadNil() ? ReadUserSession() : null;

    public TransportProtocol Protocol() => Next() ? ReadProtocol() : default;

    public MacAddress Mac() => Next() && Check(_reader.TryReadBytes(out var bytes) && bytes.Length == 6) ? MacAddress.FromBytes(bytes) : default;

    /// <summary>A node's name; "none" is an error.</summary>
    public NodeId Node() => Next() ? RequireNode() : default;

    public NodeId OptionalNode() => Next() ? ReadNode() : default;

    /// <summary>An endpoint; "none" is an error.</summary>
    public TransportEndpoint Endpoint() => Next() ? RequireEndpoint() : default;

    public TransportEndpoint OptionalEndpoint() => Next() ? ReadEndpoint() : default;

    public IpAddress OptionalAddress() => Next() && !_reader.TryReadNil() ? ReadAddress() : default;

    public IpAddress Address() => Next() ? ReadAddress() : default;

    public MappingId Mapping() => Next() ? ReadMapping() : default;

    public MappingRecord? Record() => Next() && !_reader.TryReadNil() ? ReadRecord() : null;

    public IReadOnlyList<IpAddress> Addresses()
    {
        var list = List<IpAddress>(ControlLimits.MaxAddresses, out var count);
        while (!_failed && list.Count < count)
        {
            list.Add(ReadAddress());
        }

        return list;
    }

    public IReadOnlyList<TransportEndpoint> Endpoints()
    {
        var list = List<TransportEndpoint>(ControlLimits.MaxAddresses, out var count);
        while (!_failed && list.Count < count)
        {
            list.Add(RequireEndpoint());
        }

        return list;
    }

    public IReadOnlyList<IpPrefix> Prefixes()
    {
        var list = List<IpPrefix>(ControlLimits.MaxAddresses, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(2);
            list.Add(ReadPrefix());
            Close(inner);
        }

        return list;
    }

    public IReadOnlyList<AddressLoad> Loads()
    {
        var list = List<AddressLoad>(ControlLimits.MaxAddresses, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(2);
            list.Add(new AddressLoad(ReadAddress(), Check(_reader.TryReadUInt32(out var mappings)) ? mappings : 0));
            Close(inner);
        }

        return list;
    }

    public IReadOnlyList<AddressOwner> Owners()
    {
        var list = List<AddressOwner>(ControlLimits.MaxAddresses, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(4);
            var (address, epoch) = (ReadAddress(), Check(_reader.TryReadUInt64(out var number)) ? number : 0);
            list.Add(new AddressOwner(address, new Epoch(epoch), RequireNode(), Check(_reader.TryReadBoolean(out var settled)) && settled));
            Close(inner);
        }

        return list;
    }

    public IReadOnlyList<MappingId> Mappings()
    {
        var list = List<MappingId>(ControlLimits.MaxBareMappings, out var count);
        while (!_failed && list.Count < count)
        {
            list.Add(ReadMapping());
        }

        return list;
    }

    public IReadOnlyList<FamOffer> Offers()
    {
        var list = List<FamOffer>(ControlLimits.MaxOffers, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(2);
            list.Add(new FamOffer(ReadProtocol(), RequireEndpoint()));
            Close(inner);
        }

        return list;
    }

    public IReadOnlyList<Attachment> Attachments()
    {
        var list = List<Attachment>(ControlLimits.MaxAttachments, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(2);
            list.Add(new Attachment(ReadMapping(), RequireEndpoint()));
            Close(inner);
        }

        return list;
    }

    public IReadOnlyList<FamRoute> Routes()
    {
        var list = List<FamRoute>(ControlLimits.MaxRoutes, out var count);
        while (!_failed && list.Count < count)
        {
            var inner = Open(5);
            list.Add(new FamRoute(ReadMapping(), RequireNode(), ReadEndpoint(), ReadEndpoint()) { Further = ReadEndpoints(ControlLimits.MaxFurtherFams) });
            Close(inner);
        }

        return list;
    }

    /// <summary>Endpoints, at most so many; "none" is an error.</summary>
    public IReadOnlyList<TransportEndpoint> Endpoints(int atMost) => Next() ? ReadEndpoints(atMost) : [];

    private TransportEndpoint[] ReadEndpoints(int atMost)
    {
        if (!Check(_reader.TryReadArrayHeader(out var count) && count <= atMost) || count == 0)
        {
            return [];
        }

        var list = new TransportEndpoint[count];
        for (var i = 0; i < count && !_failed; i++)
        {
            list[i] = RequireEndpoint();
        }

        return list;
    }

    public IReadOnlyList<MappingRecord> Records()
    {
        var list = List<MappingRecord>(ControlLimits.MaxMappingsPerMessage, out var count);
        while (!_failed && list.Count < count)
        {
            if (ReadRecord() is { } record)
            {
                list.Add(record);
            }
        }

        return list;
    }

    private MappingRecord? ReadRecord()
    {
        var inner = Open(7);
        var mapping = ReadMapping();
        var client = RequireEndpoint();
        var ham = RequireNode();
        var anchorEpoch = Check(_reader.TryReadUInt64(out var epoch)) ? epoch : 0;
        var revision = Check(_reader.TryReadUInt32(out var number)) ? number : 0;
        var fam = ReadEndpoint();
        var connections = new List<ConnectionRecord>();
        if (Check(_reader.TryReadArrayHeader(out var count) && count <= ControlLimits.MaxConnectionsPerMapping
            && (_connections += count) <= ControlLimits.MaxConnectionsPerMessage))
        {
            while (!_failed && connections.Count < count)
            {
                var element = Open(3);
                var server = RequireEndpoint();
                var state = Check(_reader.TryReadUInt32(out var stateNumber, (uint)ConnectionState.Reset)) ? (ConnectionState)stateNumber : default;
                var idle = Check(_reader.TryReadUInt32(out var milliseconds)) ? milliseconds : 0;
                var note = element > 0 ? ReadNote() : null;
                connections.Add(new ConnectionRecord(server, state, idle) { Note = note });
                Close(element - 1);
            }
        }

        var terms = inner > 0 ? ReadTerms() : null;
        var opened = inner > 1 ? ReadTime() : 0;
        Close(inner - 2);
        return _failed ? null : new MappingRecord
        {
            Mapping = mapping,
            ClientEndpoint = client,
            Ham = ham,
            AnchorEpoch = new Epoch(anchorEpoch),
            Revision = revision,
            FamEndpoint = fam,
            Connections = connections,
            Explicit = terms,
            Opened = opened,
        };
    }

    private Octets ReadOctets(int atLeast, int atMost) =>
        !_failed && Check(_reader.TryReadBytes(out var bytes) && bytes.Length >= atLeast && bytes.Length <= atMost) ? new Octets(bytes) : Control.Octets.Empty;

    private string ReadText(int maxLength) => !_failed && Check(_reader.TryReadString(maxLength * 3, out var value) && value.Length <= maxLength) ? value : string.Empty;

    private UserSession? ReadUserSession()
    {
        var inner = Open(9);
        var session = new UserSession
        {
            Session = ReadOctets(Control.UserSession.IdLength, Control.UserSession.IdLength),
            User = ReadText(ControlLimits.MaxReasonLength),
            Key = ReadOctets(0, Control.UserSession.KeyLength),
            Policy = ReadOctets(Control.UserSession.PolicyLength, Control.UserSession.PolicyLength),
            SecondsLeft = Check(_reader.TryReadUInt32(out var left)) ? left : 0,
            IdleSeconds = Check(_reader.TryReadUInt32(out var idle)) ? idle : 0,
            IsTrusted = Check(_reader.TryReadBoolean(out var trusted)) && trusted,
            Segment = ReadText(ControlLimits.MaxReasonLength),
            IsProtected = Check(_reader.TryReadBoolean(out var isProtected)) && isProtected,
        };
        Check(session.Key.Length is 0 or Control.UserSession.KeyLength);
        Close(inner);
        return _failed ? null : session;
    }

    private long ReadTime() => !_failed && Check(_reader.TryReadUInt64(out var time) && time <= long.MaxValue) ? (long)time : 0;

    private HelperNote? ReadNote()
    {
        if (_failed || _reader.TryReadNil() || !Check(_reader.TryReadBytes(out var octets) && octets.Length <= HelperNote.MaxLength))
        {
            return null;
        }

        // It takes the room of some connections.
        var note = new HelperNote(octets);
        return Check((_connections += note.Weight) <= ControlLimits.MaxConnectionsPerMessage) ? note : null;
    }

    private ExplicitTerms? ReadTerms()
    {
        if (_failed || _reader.TryReadNil())
        {
            return null;
        }

        var inner = Open(5);
        var nonce = Check(_reader.TryReadBytes(out var bytes) && bytes.Length == 12)
            ? new MappingNonce(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]))
            : default;
        var lifetime = Check(_reader.TryReadUInt32(out var milliseconds)) ? milliseconds : 0;
        var age = Check(_reader.TryReadUInt64(out var number)) ? number : 0;
        var flags = Check(_reader.TryReadUInt32(out var bits, 7)) ? bits : 0;
        var filters = new List<RemoteFilter>();
        if (Check(_reader.TryReadArrayHeader(out var count) && count <= ExplicitTerms.MaxFilters && (_connections += count) <= ControlLimits.MaxConnectionsPerMessage))
        {
            while (!_failed && filters.Count < count)
            {
                var element = Open(3);
                filters.Add(new RemoteFilter(ReadPrefix(), Check(_reader.TryReadUInt32(out var port, ushort.MaxValue)) ? (ushort)port : (ushort)0));
                Close(element);
            }
        }

        Close(inner);
        return new ExplicitTerms
        {
            Nonce = nonce, LifetimeMilliseconds = lifetime, AgeMilliseconds = age, Published = (flags & 1) != 0, OutboundOnly = (flags & 2) != 0, Expected = (flags & 4) != 0, Filters = filters,
        };
    }

    private IpPrefix ReadPrefix()
    {
        if (!Check(_reader.TryReadBytes(out var bytes) && bytes.Length is 4 or 16))
        {
            return default;
        }

        // Unlike an address, a prefix may be all zero; bits behind its length may not be set.
        var address = IpAddress.FromBytes(bytes);
        var most = bytes.Length * 8;
        return Check(_reader.TryReadUInt32(out var length, (uint)most) && address.IsIPv4 == (bytes.Length == 4)
            && new IpPrefix(address, (int)length).Address == address) ? new IpPrefix(address, (int)length) : default;
    }

    private MappingId ReadMapping()
    {
        var more = Open(2);
        var mapping = new MappingId(ReadProtocol(), RequireEndpoint());
        if (more > 0)
        {
            mapping = mapping with { Server = ReadEndpoint() };
            Check(!mapping.IsOfServer || (mapping.Protocol != TransportProtocol.Icmp && mapping.Server.Address.IsIPv4 == mapping.Masquerade.Address.IsIPv4));
        }

        Close(more - 1);
        return mapping;
    }

    private TransportProtocol ReadProtocol() =>
        Check(_reader.TryReadUInt32(out var value) && value is (uint)TransportProtocol.Icmp or (uint)TransportProtocol.Tcp or (uint)TransportProtocol.Udp)
            ? (TransportProtocol)value
            : default;

    private NodeId ReadNode()
    {
        if (_failed || _reader.TryReadNil())
        {
            return NodeId.None;
        }

        return Check(_reader.TryReadString(NodeId.MaxLength, out var name) && NodeId.IsValid(name)) ? new NodeId(name) : NodeId.None;
    }

    private NodeId RequireNode()
    {
        var node = ReadNode();
        return Check(!node.IsNone) ? node : NodeId.None;
    }

    private TransportEndpoint RequireEndpoint()
    {
        var endpoint = ReadEndpoint();
        return Check(!endpoint.IsNone) ? endpoint : TransportEndpoint.None;
    }

    private TransportEndpoint ReadEndpoint()
    {
        if (_failed || _reader.TryReadNil())
        {
            return TransportEndpoint.None;
        }

        var inner = Open(2);
        var address = ReadAddress();
        var port = Check(_reader.TryReadUInt32(out var value, ushort.MaxValue)) ? value : 0;
        Close(inner);
        return new TransportEndpoint(address, (ushort)port);
    }

    private IpAddress ReadAddress()
    {
        if (!Check(_reader.TryReadBytes(out var bytes) && bytes.Length is 4 or 16))
        {
            return IpAddress.None;
        }

        // An IPv4 address has one form only, and "no address" is nil.
        var address = IpAddress.FromBytes(bytes);
        return Check(!address.IsNone && address.IsIPv4 == (bytes.Length == 4)) ? address : IpAddress.None;
    }

    private List<T> List<T>(int maximum, out int count)
    {
        count = 0;
        return Next() && Check(_reader.TryReadArrayHeader(out count) && count <= maximum) ? new List<T>(Math.Min(count, 256)) : [];
    }

    /// <summary>Enters an inner array; returns how many elements of a later version are at its end.</summary>
    private int Open(int expected) => Check(_reader.TryReadArrayHeader(out var count) && count >= expected) ? count - expected : 0;

    private void Close(int extra)
    {
        for (; extra > 0 && !_failed; extra--)
        {
            Check(_reader.TrySkip());
        }
    }

    private bool Next()
    {
        _read++;
        if (!_failed && _left > 0)
        {
            _left--;
            return true;
        }

        _failed = true;
        return false;
    }

    private bool Check(bool ok)
    {
        _failed |= !ok;
        return !_failed;
    }
}
