using System.Buffers.Binary;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Tests.Devices;

/// <summary>A frame as a test keeps it.</summary>
internal sealed record Seen(byte[] Frame, OffloadInfo Offload);

/// <summary>What the device tests share.</summary>
internal static class DeviceTesting
{
    /// <summary>A frame with the EtherType for local experiments (IEEE 802: 88b5), a number, and a pattern.</summary>
    public static byte[] Frame(int length, int number)
    {
        var frame = new byte[length];
        Convert.FromHexString("0200000000bb0200000000aa88b5").CopyTo(frame, 0);
        for (var i = 14; i < length; i++)
        {
            frame[i] = (byte)((i * 7) + number);
        }

        if (length >= 18)
        {
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(14), number);
        }

        return frame;
    }

    /// <summary>Receives until there are this many frames or two seconds are over.</summary>
    public static List<Seen> ReceiveAll(IPacketDevice device, int expected)
    {
        var seen = new List<Seen>();
        using var poller = new Poller();
        poller.Add(device.PollHandle);
        var limit = MonotonicClock.Now + TimeSpan.FromSeconds(2);
        while (seen.Count < expected && MonotonicClock.Now < limit && !device.EndOfInput)
        {
            if (device.Receive((Span<byte> frame, in OffloadInfo offload) => seen.Add(new Seen(frame.ToArray(), offload)), 32) == 0)
            {
                poller.Wait(MonotonicClock.Now, limit);
            }
        }

        return seen;
    }
}
