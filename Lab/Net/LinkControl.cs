using System.Buffers.Binary;

namespace Masquerade.Lab.Net;

/// <summary>
/// Changes a bridge port by rtnetlink without starting a process: the simulated radio must switch within a fraction of a millisecond and know when it did.
/// </summary>
internal sealed unsafe class LinkControl : IDisposable
{
    private const ushort RtmNewLink = 16;
    private const ushort RtmSetLink = 19;
    private const ushort IflaMaster = 10;
    private const ushort IflaProtInfo = 12;
    private const ushort IflaBrPortState = 1;
    private const ushort NestedFlag = 0x8000;
    private const byte FamilyUnspecified = 0;
    private const byte FamilyBridge = 7;
    private readonly int _fd;
    private uint _sequence;

    /// <summary>Opens the socket; call this inside the namespace whose links are to be changed.</summary>
    public LinkControl()
    {
        _fd = Libc.Check(Libc.Socket(Libc.AfNetlink, Libc.SockRaw | Libc.SockCloseOnExec, 0), "socket(AF_NETLINK)");
    }

    /// <summary>Lets the port forward (state 3) or makes it deaf and mute at once (state 0, IEEE 802.1D "disabled").</summary>
    public void SetForwarding(uint port, bool forwarding)
    {
        Span<byte> body = stackalloc byte[12];
        Attribute(body, 12, IflaProtInfo | NestedFlag);
        Attribute(body[4..], 5, IflaBrPortState);
        body[8] = forwarding ? (byte)3 : (byte)0;
        Request(RtmSetLink, FamilyBridge, port, body);
    }

    /// <summary>Makes the interface a port of a bridge (which starts to forward at once), or of none for 0.</summary>
    public void SetMaster(uint port, uint bridge)
    {
        Span<byte> body = stackalloc byte[8];
        Attribute(body, 8, IflaMaster);
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], bridge);
        Request(RtmNewLink, FamilyUnspecified, port, body);
    }

    /// <inheritdoc/>
    public void Dispose() => _ = Libc.Close(_fd);

    private static void Attribute(Span<byte> at, ushort length, int type)
    {
        // Netlink is host byte order; all machines .NET supports on Linux but s390x are little-endian.
        BinaryPrimitives.WriteUInt16LittleEndian(at, length);
        BinaryPrimitives.WriteUInt16LittleEndian(at[2..], (ushort)type);
    }

    private void Request(ushort type, byte family, uint index, ReadOnlySpan<byte> attributes)
    {
        Span<byte> message = stackalloc byte[64];
        message.Clear();
        var length = 32 + attributes.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)length);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], 5); // NLM_F_REQUEST | NLM_F_ACK
        BinaryPrimitives.WriteUInt32LittleEndian(message[8..], ++_sequence);
        message[16] = family;
        BinaryPrimitives.WriteUInt32LittleEndian(message[20..], index);
        attributes.CopyTo(message[32..]);
        Span<byte> answer = stackalloc byte[512];
        fixed (byte* m = message, a = answer)
        {
            Libc.Check((int)Libc.Send(_fd, m, (nuint)length, 0), "netlink send");
            Libc.Check((int)Libc.Receive(_fd, a, (nuint)answer.Length, 0), "netlink recv");
        }

        var error = BinaryPrimitives.ReadInt32LittleEndian(answer[16..]);
        if (error != 0)
        {
            throw new LabException($"changing a link failed: errno {-error}");
        }
    }
}
