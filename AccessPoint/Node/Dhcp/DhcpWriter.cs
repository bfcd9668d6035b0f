using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Dhcp;

/// <summary>
/// Writes a DHCPv4 message into the caller's buffer: the fields of another message, changed where need be, then option by option. What does not fit is not written, and
/// <see cref="Finish"/> says so.
/// </summary>
internal ref struct DhcpWriter
{
    private readonly Span<byte> _buffer;
    private int _length;
    private bool _overflow;

    /// <summary>Starts with the fields of <paramref name="model"/>.</summary>
    public DhcpWriter(Span<byte> buffer, in DhcpMessage model)
    {
        _buffer = buffer;
        _overflow = buffer.Length < DhcpMessage.LeastLength;
        if (_overflow)
        {
            return;
        }

        model.Fields.CopyTo(buffer);
        BinaryPrimitives.WriteUInt32BigEndian(buffer[DhcpMessage.FixedLength..], DhcpMessage.MagicCookie);
        _length = DhcpMessage.OptionsOffset;
    }

    /// <summary>The fields in front of the magic cookie, to be changed; only while nothing has overflowed.</summary>
    public readonly Span<byte> Fields => _overflow ? default : _buffer[..DhcpMessage.FixedLength];

    /// <summary>Makes an answer of what was a request: only what identifies the client and its question stays (RFC 2131 table 3).</summary>
    public readonly void TurnIntoReply(IpAddress clientAddress, IpAddress yourAddress)
    {
        if (_overflow)
        {
            return;
        }

        _buffer[0] = DhcpMessage.Reply;
        _buffer[3] = 0;
        _buffer[8..10].Clear();
        clientAddress.WriteTo(_buffer[12..]);
        yourAddress.WriteTo(_buffer[16..]);
        _buffer[20..28].Clear();
        _buffer[44..DhcpMessage.FixedLength].Clear();
    }

    /// <summary>Notes one more relay agent (RFC 1542 section 4.1.1) and, in giaddr, where answers go.</summary>
    public readonly void Relay(byte hops, IpAddress relay)
    {
        if (!_overflow)
        {
            _buffer[3] = hops;
            relay.WriteTo(_buffer[24..]);
        }
    }

    public void Add(byte code, scoped ReadOnlySpan<byte> value)
    {
        // One octet stays for the end mark.
        if (_overflow || value.Length > byte.MaxValue || _length + 2 + value.Length + 1 > _buffer.Length)
        {
            _overflow = true;
            return;
        }

        _buffer[_length] = code;
        _buffer[_length + 1] = (byte)value.Length;
        value.CopyTo(_buffer[(_length + 2)..]);
        _length += 2 + value.Length;
    }

    public void Add(byte code, uint value)
    {
        Span<byte> octets = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(octets, value);
        Add(code, octets);
    }

    public void Add(byte code, IpAddress address)
    {
        Span<byte> octets = stackalloc byte[16];
        Add(code, octets[..address.WriteTo(octets)]);
    }

    /// <summary>Copies all options but one.</summary>
    public void AddAllBut(ReadOnlySpan<byte> options, byte except)
    {
        var all = new DhcpOptions(options);
        while (all.TryNext(out var code, out var value))
        {
            if (code != except)
            {
                Add(code, value);
            }
        }
    }

    /// <summary>Writes the end mark and pads to the least length. The message's length; 0 if it did not fit.</summary>
    public readonly int Finish()
    {
        if (_overflow)
        {
            return 0;
        }

        _buffer[_length] = DhcpOption.End;
        var length = Math.Max(_length + 1, DhcpMessage.LeastLength);
        _buffer[(_length + 1)..length].Clear();
        return length;
    }
}
