using System.Runtime.InteropServices;

namespace Masquerade.Client.Link;

/// <summary>Reads the kernel's messages about interfaces (rtnetlink(7)). All octets are taken as they come: what is no message ends the reading.</summary>
internal static class LinkChanges
{
    private const int Header = 16;
    private const int InterfaceInfo = 16;
    private const ushort NewLink = 16;
    private const ushort DeleteLink = 17;
    private const uint UpAndRunning = (uint)Linux.Up | (ushort)Linux.Running | Linux.LowerUp;

    /// <summary>What the next message says of an interface: true for up with a carrier, false for not, null for nothing. False is returned when there are no more.</summary>
    /// <param name="messages">The messages; the first is taken off.</param>
    /// <param name="index">The interface.</param>
    /// <param name="isUp">What it says.</param>
    public static bool TryTake(ref ReadOnlySpan<byte> messages, int index, out bool? isUp)
    {
        isUp = null;
        if (messages.Length < Header)
        {
            return false;
        }

        var length = MemoryMarshal.Read<uint>(messages);
        if (length < Header || length > messages.Length)
        {
            return false;
        }

        var type = MemoryMarshal.Read<ushort>(messages[4..]);
        var body = messages[Header..(int)length];
        messages = messages[Math.Min(messages.Length, (int)((length + 3) & ~3u))..];
        if (type is NewLink or DeleteLink && body.Length >= InterfaceInfo && MemoryMarshal.Read<int>(body[4..]) == index)
        {
            var flags = MemoryMarshal.Read<uint>(body[8..]);
            isUp = type == NewLink && (flags & UpAndRunning) == UpAndRunning;
        }

        return true;
    }
}
