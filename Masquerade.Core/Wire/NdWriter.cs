using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>
/// Builds a Neighbour Discovery message (RFC 4861 section 4) in the caller's buffer, IPv6 header and checksum included: one of the four beginnings, then options, then
/// <see cref="Finish"/>. The buffer must have room: 40 octets, the message, 8 per option and 32 per prefix. All addresses are IPv6.
/// </summary>
public ref struct NdWriter
{
    private readonly Span<byte> _packet;
    private readonly IpAddress _source;
    private readonly IpAddress _destination;
    private int _end;

    private NdWriter(Span<byte> packet, byte type, int length, IpAddress source, IpAddress destination)
    {
        _packet = packet;
        _source = source;
        _destination = destination;
        _end = Ipv6Header.Length + length;
        Message[..length].Clear();
        Message[0] = type;
    }

    private readonly Span<byte> Message => _packet[Ipv6Header.Length..];

    /// <summary>Begins a router solicitation (section 4.1).</summary>
    public static NdWriter RouterSolicitation(Span<byte> packet, IpAddress source, IpAddress destination) =>
        new(packet, Icmpv6Type.RouterSolicitation, NdMessage.RouterSolicitationLength, source, destination);

    /// <summary>Begins a router advertisement (section 4.2) that leaves configuration and neighbour timers to the hosts.</summary>
    /// <param name="packet">The buffer.</param>
    /// <param name="source">A link-local address.</param>
    /// <param name="destination">The asker, or all nodes.</param>
    /// <param name="hopLimit">For ordinary packets of hosts; 0 does not say.</param>
    /// <param name="lifetime">Seconds that the sender is a default router; 0 is not at all.</param>
    public static NdWriter RouterAdvertisement(Span<byte> packet, IpAddress source, IpAddress destination, byte hopLimit, ushort lifetime)
    {
        var writer = new NdWriter(packet, Icmpv6Type.RouterAdvertisement, NdMessage.RouterAdvertisementLength, source, destination);
        writer.Message[4] = hopLimit;
        BinaryPrimitives.WriteUInt16BigEndian(writer.Message[6..], lifetime);
        return writer;
    }

    /// <summary>Begins a neighbour solicitation (section 4.3).</summary>
    public static NdWriter NeighbourSolicitation(Span<byte> packet, IpAddress source, IpAddress destination, IpAddress target)
    {
        var writer = new NdWriter(packet, Icmpv6Type.NeighbourSolicitation, NdMessage.NeighbourLength, source, destination);
        target.WriteTo(writer.Message[8..]);
        return writer;
    }

    /// <summary>Begins a neighbour advertisement (section 4.4).</summary>
    public static NdWriter NeighbourAdvertisement(Span<byte> packet, IpAddress source, IpAddress destination, IpAddress target, NdFlags flags)
    {
        var writer = new NdWriter(packet, Icmpv6Type.NeighbourAdvertisement, NdMessage.NeighbourLength, source, destination);
        writer.Message[4] = (byte)flags;
        target.WriteTo(writer.Message[8..]);
        return writer;
    }

    /// <summary>Adds a link-layer address.</summary>
    /// <param name="type"><see cref="NdOptionType.SourceLinkLayer"/> or <see cref="NdOptionType.TargetLinkLayer"/>.</param>
    /// <param name="mac">The address.</param>
    public void AddLinkLayer(byte type, MacAddress mac) => mac.WriteTo(Add(type, 8)[2..]);

    /// <summary>Adds the link's MTU, in octets.</summary>
    public void AddMtu(uint mtu) => BinaryPrimitives.WriteUInt32BigEndian(Add(NdOptionType.Mtu, 8)[4..], mtu);

    /// <summary>Adds a prefix.</summary>
    public void AddPrefix(in NdPrefix prefix)
    {
        var option = Add(NdOptionType.Prefix, 32);
        option[2] = prefix.Length;
        option[3] = (byte)prefix.Flags;
        BinaryPrimitives.WriteUInt32BigEndian(option[4..], prefix.ValidLifetime);
        BinaryPrimitives.WriteUInt32BigEndian(option[8..], prefix.PreferredLifetime);
        prefix.Address.WriteTo(option[16..]);
    }

    /// <summary>Writes IPv6 header and checksum, and returns the length of the packet in octets.</summary>
    public readonly int Finish()
    {
        var message = _packet[Ipv6Header.Length.._end];
        Ipv6Header.Write(_packet, message.Length, IpProtocolNumber.Icmpv6, _source, _destination, NdMessage.HopLimit);
        message.Slice(IcmpHeader.ChecksumOffset, 2).Clear();
        var sum = InternetChecksum.Sum(message, InternetChecksum.PseudoHeaderSum(_source, _destination, IpProtocolNumber.Icmpv6, message.Length));
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpHeader.ChecksumOffset..], InternetChecksum.Finish(sum));
        return _end;
    }

    private Span<byte> Add(byte type, int length)
    {
        var option = _packet.Slice(_end, length);
        option.Clear();
        option[0] = type;
        option[1] = (byte)(length / 8);
        _end += length;
        return option;
    }
}
