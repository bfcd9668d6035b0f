using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Dhcp;

/// <summary>
/// A view of a DHCPv4 message (RFC 2131 section 2) over the caller's buffer: the fields and the options behind the magic cookie. Options that continue in the fields
/// <c>file</c> and <c>sname</c> (RFC 2132 section 9.3) travel along unread.
/// </summary>
internal readonly ref struct DhcpMessage
{
    /// <summary>Octets in front of the magic cookie.</summary>
    public const int FixedLength = 236;

    /// <summary>Octets in front of the options.</summary>
    public const int OptionsOffset = FixedLength + 4;

    /// <summary>The least that a message takes on the wire: BOOTP's length (RFC 1542 section 2.1).</summary>
    public const int LeastLength = 300;

    /// <summary>From client to server.</summary>
    public const byte Request = 1;

    /// <summary>From server to client.</summary>
    public const byte Reply = 2;

    /// <summary>The first four octets behind the fields (RFC 2131 section 3).</summary>
    public const uint MagicCookie = 0x6382_5363;

    /// <summary>In <see cref="Flags"/>: the client takes only broadcasts.</summary>
    public const ushort BroadcastFlag = 0x8000;

    private const byte Ethernet = 1;
    private const int MacLength = 6;

    private readonly ReadOnlySpan<byte> _message;

    private DhcpMessage(ReadOnlySpan<byte> message, DhcpMessageType type)
    {
        _message = message;
        Type = type;
    }

    /// <summary>What the message is; of those that clients and servers say, RFC 2131.</summary>
    public DhcpMessageType Type { get; }

    /// <summary><see cref="Request"/> or <see cref="Reply"/>.</summary>
    public byte Operation => _message[0];

    /// <summary>Relay agents that it has come by.</summary>
    public byte Hops => _message[3];

    /// <summary>The number by which a client knows what is answered.</summary>
    public uint TransactionId => BinaryPrimitives.ReadUInt32BigEndian(_message[4..]);

    /// <summary>The flags.</summary>
    public ushort Flags => BinaryPrimitives.ReadUInt16BigEndian(_message[10..]);

    /// <summary>ciaddr: what the client has, and answers ARP for. 0.0.0.0 if nothing.</summary>
    public IpAddress ClientAddress => AddressAt(12);

    /// <summary>yiaddr: what the server gives.</summary>
    public IpAddress YourAddress => AddressAt(16);

    /// <summary>giaddr: the first relay agent.</summary>
    public IpAddress RelayAddress => AddressAt(24);

    /// <summary>chaddr: the client.</summary>
    public MacAddress Client => MacAddress.FromBytes(_message[28..]);

    /// <summary>The fields in front of the magic cookie.</summary>
    public ReadOnlySpan<byte> Fields => _message[..FixedLength];

    /// <summary>Everything behind the magic cookie.</summary>
    public ReadOnlySpan<byte> Options => _message[OptionsOffset..];

    /// <summary>No address: in a field of the message, 0.0.0.0.</summary>
    public static IpAddress NoAddress => IpAddress.FromV4(0);

    /// <summary>Makes a view. False if it is cut off, not of an Ethernet station, or no message of DHCP; options are well-formed if it is true.</summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, out DhcpMessage message)
    {
        message = default;
        if (datagram.Length < OptionsOffset || datagram[0] is not (Request or Reply) || datagram[1] != Ethernet || datagram[2] != MacLength
            || BinaryPrimitives.ReadUInt32BigEndian(datagram[FixedLength..]) != MagicCookie)
        {
            return false;
        }

        DhcpMessageType? type = null;
        var options = new DhcpOptions(datagram[OptionsOffset..]);
        while (options.TryNext(out var code, out var value))
        {
            if (code != DhcpOption.MessageType)
            {
                continue;
            }

            if (type is not null || value.Length != 1 || value[0] is < (byte)DhcpMessageType.Discover or > (byte)DhcpMessageType.Inform)
            {
                return false;
            }

            type = (DhcpMessageType)value[0];
        }

        if (options.IsMalformed || type is null)
        {
            return false;
        }

        message = new DhcpMessage(datagram, type.Value);
        return true;
    }

    /// <summary>The value of an option, the first if it is there more than once.</summary>
    public bool TryGetOption(byte code, out ReadOnlySpan<byte> value)
    {
        var options = new DhcpOptions(Options);
        while (options.TryNext(out var found, out value))
        {
            if (found == code)
            {
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>The address in an option; none if it is not there or is no address.</summary>
    public IpAddress AddressIn(byte code) => TryGetOption(code, out var value) && value.Length == 4 ? IpAddress.FromBytes(value) : IpAddress.None;

    private IpAddress AddressAt(int offset) => IpAddress.FromBytes(_message.Slice(offset, 4));
}

/// <summary>Goes through options one by one (RFC 2132 section 2), up to the end mark, or the end of the message where there is none.</summary>
internal ref struct DhcpOptions(ReadOnlySpan<byte> options)
{
    private readonly ReadOnlySpan<byte> _options = options;
    private int _next;

    /// <summary>An option reaches beyond the end.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>The next option; false if there is none.</summary>
    public bool TryNext(out byte code, out ReadOnlySpan<byte> value)
    {
        code = DhcpOption.End;
        value = default;
        while (_next < _options.Length && _options[_next] == DhcpOption.Pad)
        {
            _next++;
        }

        if (_next >= _options.Length || _options[_next] == DhcpOption.End)
        {
            return false;
        }

        if (_next + 2 > _options.Length || _next + 2 + _options[_next + 1] > _options.Length)
        {
            IsMalformed = true;
            _next = _options.Length;
            return false;
        }

        code = _options[_next];
        value = _options.Slice(_next + 2, _options[_next + 1]);
        _next += 2 + value.Length;
        return true;
    }
}
