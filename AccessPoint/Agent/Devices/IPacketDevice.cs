using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// Takes one received frame.
/// </summary>
/// <param name="frame">The whole Ethernet frame without frame check sequence, VLAN tags included. It is valid during the call and may be rewritten in place.</param>
/// <param name="offload">What hardware (or the other end of a veth) left undone.</param>
public delegate void FrameHandler(Span<byte> frame, in OffloadInfo offload);

/// <summary>
/// A way to receive and transmit Ethernet frames in batches. One thread uses a device; only <see cref="Statistics"/> may be read by others.
/// No member that works on frames allocates or blocks.
/// </summary>
public interface IPacketDevice : IDisposable
{
    /// <summary>The name for people: that of the interface or of the file.</summary>
    string Name { get; }

    /// <summary>The interface's own address; <see cref="MacAddress.None"/> if it has none.</summary>
    MacAddress HardwareAddress { get; }

    /// <summary>The largest IP packet, in octets, that the link takes in one frame (a GSO packet's segments count, not the whole).</summary>
    int Mtu { get; }

    /// <summary>Hands up to <paramref name="budget"/> waiting frames to <paramref name="handler"/> and returns how many; 0 if none waits.</summary>
    /// <exception cref="DeviceException">The device (or the file) cannot be read any further.</exception>
    int Receive(FrameHandler handler, int budget);

    /// <summary>
    /// Copies a frame into the transmit ring; it leaves with the next <see cref="Flush"/> at the latest. False: the ring is full, and the caller
    /// counts the drop. A frame that can never be sent (too short, too long, offload fields that contradict it) is dropped here, counts as
    /// <see cref="DeviceStatistics.TransmitErrors"/>, and the answer is true.
    /// </summary>
    bool Transmit(ReadOnlySpan<byte> frame, in OffloadInfo offload);

    /// <summary>Gives everything transmitted so far to the kernel: one system call per batch. Does nothing if nothing waits.</summary>
    void Flush();

    /// <summary>The file descriptor to poll for input; -1 if there is none, so that the device has to be asked.</summary>
    int PollHandle { get; }

    /// <summary>True once an input that ends (a capture file) has been read to its end; never true for a live device.</summary>
    bool EndOfInput { get; }

    /// <summary>The counters since the device was opened. May be read from any thread; values may be a moment old.</summary>
    DeviceStatistics Statistics { get; }
}
