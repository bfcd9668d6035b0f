using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Pcp;

/// <summary>A request as it stands in the datagram (RFC 6887 sections 7.1, 11.1, 12.1 and 13). Whoever sent it is not trusted: what is wrong with it is a result code.</summary>
internal ref struct PcpRequest
{
    private readonly ReadOnlySpan<byte> _message;

    private PcpRequest(ReadOnlySpan<byte> message) => _message = message;

    /// <summary>What is asked for.</summary>
    public PcpOpcode Opcode { get; private set; }

    /// <summary>For how long, in seconds.</summary>
    public readonly uint Lifetime => BinaryPrimitives.ReadUInt32BigEndian(_message[4..]);

    /// <summary>The client's address by its own word.</summary>
    public readonly IpAddress Client => IpAddress.FromBytes(_message.Slice(8, 16));

    /// <summary>MAP and PEER: the client's nonce.</summary>
    public readonly MappingNonce Nonce => new(BinaryPrimitives.ReadUInt64BigEndian(_message[24..]), BinaryPrimitives.ReadUInt32BigEndian(_message[32..]));

    /// <summary>MAP and PEER: the IP protocol; 0 is all of them.</summary>
    public readonly byte Protocol => _message[36];

    /// <summary>MAP and PEER: the client's port; 0 is all of them.</summary>
    public readonly ushort InternalPort => BinaryPrimitives.ReadUInt16BigEndian(_message[40..]);

    /// <summary>MAP and PEER: the masquerade endpoint that would suit the client. No address, and no port, are those of nobody.</summary>
    public readonly TransportEndpoint Suggested
    {
        get
        {
            var address = IpAddress.FromBytes(_message.Slice(44, 16));
            return new TransportEndpoint(address.IsIPv4 && address.V4 == 0 ? IpAddress.None : address, BinaryPrimitives.ReadUInt16BigEndian(_message[42..]));
        }
    }

    /// <summary>PEER: the server.</summary>
    public readonly TransportEndpoint Server => new(IpAddress.FromBytes(_message.Slice(64, 16)), BinaryPrimitives.ReadUInt16BigEndian(_message[60..]));

    /// <summary>MAP: no other endpoint than the suggested one will do.</summary>
    public bool PreferFailure { get; private set; }

    /// <summary>MAP: whom it lets in; null if it does not say.</summary>
    public List<RemoteFilter>? Filters { get; private set; }

    /// <summary>MAP: what has been said before of whom it lets in does not count any more.</summary>
    public bool ClearsFilters { get; private set; }

    /// <summary>Reads a request of the version that is spoken here.</summary>
    /// <param name="message">The datagram's payload, at least two octets.</param>
    /// <param name="request">What it says; nothing of it may be looked at unless the result is <see cref="PcpResult.Success"/>.</param>
    public static PcpResult TryParse(ReadOnlySpan<byte> message, out PcpRequest request)
    {
        request = new PcpRequest(message);
        if (message.Length < PcpProtocol.HeaderLength || message.Length > PcpProtocol.MaxLength || message.Length % 4 != 0)
        {
            return PcpResult.MalformedRequest;
        }

        request.Opcode = (PcpOpcode)(message[1] & ~PcpProtocol.ResponseBit);
        var fixedLength = request.FixedLength;
        if (fixedLength < 0)
        {
            return PcpResult.UnsupportedOpcode;
        }

        return message.Length < fixedLength ? PcpResult.MalformedRequest : request.ReadOptions(message[fixedLength..]);
    }

    /// <summary>Octets up to the first option.</summary>
    private readonly int FixedLength => Opcode switch
    {
        PcpOpcode.Announce => PcpProtocol.HeaderLength,
        PcpOpcode.Map => PcpProtocol.HeaderLength + PcpProtocol.MapLength,
        PcpOpcode.Peer => PcpProtocol.HeaderLength + PcpProtocol.PeerLength,
        _ => -1,
    };

    /// <summary>
    /// Writes the answer to a request that was granted: what was asked for with what has come of it, and the options that were looked at (section 8.2). Returns its length.
    /// </summary>
    /// <param name="answer">Room for a message.</param>
    /// <param name="masquerade">The masquerade endpoint.</param>
    public readonly int WriteBody(Span<byte> answer, TransportEndpoint masquerade)
    {
        var length = FixedLength;
        _message[PcpProtocol.HeaderLength..length].CopyTo(answer[PcpProtocol.HeaderLength..]);
        if (Opcode is PcpOpcode.Map or PcpOpcode.Peer)
        {
            answer.Slice(37, 3).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(answer[42..], masquerade.Port);
            WriteAddress(answer[44..], masquerade.Address);
        }

        for (var options = _message[length..]; options.Length >= PcpProtocol.OptionHeader;)
        {
            var size = PcpProtocol.OptionHeader + Padded(BinaryPrimitives.ReadUInt16BigEndian(options[2..]));
            if ((PcpOption)options[0] is PcpOption.PreferFailure or PcpOption.Filter)
            {
                options[..size].CopyTo(answer[length..]);
                length += size;
            }

            options = options[size..];
        }

        return length;
    }

    /// <summary>An address in 16 octets, IPv4 mapped (section 5).</summary>
    public static void WriteAddress(Span<byte> destination, IpAddress address)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, address.High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], address.Low);
    }

    private static int Padded(int length) => (length + 3) & ~3;

    private PcpResult ReadOptions(ReadOnlySpan<byte> options)
    {
        while (options.Length > 0)
        {
            // All lengths are multiples of four, so a header that has begun is there.
            var length = BinaryPrimitives.ReadUInt16BigEndian(options[2..]);
            var size = PcpProtocol.OptionHeader + Padded(length);
            if (size > options.Length)
            {
                return PcpResult.MalformedOption;
            }

            var result = ReadOption(options[0], options.Slice(PcpProtocol.OptionHeader, length));
            if (result != PcpResult.Success)
            {
                return result;
            }

            options = options[size..];
        }

        return PcpResult.Success;
    }

    /// <summary>THIRD_PARTY is not for clients of an access point: it counts as not known, as section 13.1 has it for who has not allowed it.</summary>
    private PcpResult ReadOption(byte code, ReadOnlySpan<byte> data)
    {
        switch ((PcpOption)code)
        {
            case PcpOption.PreferFailure when Opcode == PcpOpcode.Map:
                var isRepeated = PreferFailure;
                PreferFailure = true;
                return isRepeated || data.Length != 0 ? PcpResult.MalformedOption : PcpResult.Success;
            case PcpOption.Filter when Opcode == PcpOpcode.Map:
                return ReadFilter(data);
            default:
                return code < PcpProtocol.FirstOptional ? PcpResult.UnsupportedOption : PcpResult.Success;
        }
    }

    private PcpResult ReadFilter(ReadOnlySpan<byte> data)
    {
        if (data.Length != 20)
        {
            return PcpResult.MalformedOption;
        }

        Filters ??= [];
        int length = data[1];
        if (length == 0)
        {
            // Section 13.3: nobody is left out.
            Filters.Clear();
            ClearsFilters = true;
            return PcpResult.Success;
        }

        var address = IpAddress.FromBytes(data.Slice(4, 16));
        var before = address.IsIPv4 ? 96 : 0;
        if (length > 128 || length < before || address.IsIPv4 != Client.IsIPv4)
        {
            return PcpResult.MalformedOption;
        }

        if (Filters.Count == ExplicitTerms.MaxFilters)
        {
            return PcpResult.ExcessiveRemotePeers;
        }

        Filters.Add(new RemoteFilter(new IpPrefix(address, length - before), BinaryPrimitives.ReadUInt16BigEndian(data[2..])));
        return PcpResult.Success;
    }
}
