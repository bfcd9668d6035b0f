using System.Buffers.Binary;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>The outer VLAN tag (IEEE 802.1Q clause 9.3), which the kernel takes out of every frame and tells beside it.</summary>
internal static unsafe class VlanTag
{
    /// <summary>Octets of a tag.</summary>
    public const int Length = 4;

    private const int MacAddresses = 12;
    private const ushort DefaultTpid = 0x8100;

    /// <summary>Puts the tag back if there was one: the frame then begins earlier, where there has to be room. The result is by how many octets.</summary>
    /// <param name="frame">Where the frame begins.</param>
    /// <param name="status">What the kernel says of the frame.</param>
    /// <param name="tpid">The tag's EtherType, if the status says that it is valid.</param>
    /// <param name="tci">The tag's control information, if the status says that it is valid.</param>
    public static int PutBack(ref byte* frame, uint status, ushort tpid, ushort tci)
    {
        if ((status & Libc.TP_STATUS_VLAN_VALID) == 0)
        {
            return 0;
        }

        frame -= Length;
        new Span<byte>(frame + Length, MacAddresses).CopyTo(new Span<byte>(frame, MacAddresses));
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(frame + MacAddresses, 2), (status & Libc.TP_STATUS_VLAN_TPID_VALID) != 0 ? tpid : DefaultTpid);
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(frame + MacAddresses + 2, 2), tci);
        return Length;
    }
}
