using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// One end of a wire in memory: what one end transmits and flushes, the other receives, in order, offload fields included. Each end may have its
/// own thread. Memory is taken when a slot is first used for a longer frame than before, and kept.
/// </summary>
public sealed class InMemoryDevice : IPacketDevice
{
    private const int LongestFrame = 65_535 + EthernetHeader.Length + 4;

    private readonly Queue _in;
    private readonly Queue _out;
    private long _received;
    private long _transmitted;
    private long _transmitErrors;

    private InMemoryDevice(string name, MacAddress hardwareAddress, int mtu, Queue input, Queue output)
    {
        Name = name;
        HardwareAddress = hardwareAddress;
        Mtu = mtu;
        _in = input;
        _out = output;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public MacAddress HardwareAddress { get; }

    /// <inheritdoc/>
    public int Mtu { get; }

    /// <inheritdoc/>
    /// <remarks>Always -1: memory cannot be polled.</remarks>
    public int PollHandle => -1;

    /// <inheritdoc/>
    public bool EndOfInput => false;

    /// <inheritdoc/>
    public DeviceStatistics Statistics =>
        new(Volatile.Read(ref _received), Volatile.Read(ref _transmitted), 0, 0, Volatile.Read(ref _transmitErrors));

    /// <summary>Creates both ends of a wire.</summary>
    /// <param name="oneAddress">The hardware address of the first end.</param>
    /// <param name="twoAddress">The hardware address of the second end.</param>
    /// <param name="mtu">The MTU of both, in octets.</param>
    /// <param name="slots">How many frames wait at most in one direction, flushed or not.</param>
    public static (InMemoryDevice One, InMemoryDevice Two) CreatePair(MacAddress oneAddress, MacAddress twoAddress, int mtu = 1500, int slots = 256)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, 68);
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 1);
        var (forth, back) = (new Queue(slots), new Queue(slots));
        return (new InMemoryDevice("memory-1", oneAddress, mtu, back, forth), new InMemoryDevice("memory-2", twoAddress, mtu, forth, back));
    }

    /// <inheritdoc/>
    public int Receive(FrameHandler handler, int budget)
    {
        ArgumentNullException.ThrowIfNull(handler);
        var count = 0;
        while (count < budget && _in.TryPeek(out var frame, out var offload))
        {
            count++;
            _received++;
            try
            {
                handler(frame, offload);
            }
            finally
            {
                _in.Release();
            }
        }

        return count;
    }

    /// <inheritdoc/>
    public bool Transmit(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        var contradictory = offload.ChecksumPartial && offload.ChecksumStart + offload.ChecksumOffset + 2 > frame.Length;
        var tooLong = frame.Length > (offload.GsoType != 0 ? LongestFrame : Mtu + EthernetHeader.Length + 4);
        if (frame.Length < EthernetHeader.Length || tooLong || contradictory)
        {
            _transmitErrors++;
            return true;
        }

        if (!_out.TryPut(frame, offload))
        {
            return false;
        }

        _transmitted++;
        return true;
    }

    /// <inheritdoc/>
    public void Flush() => _out.Publish();

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>A ring for one writer and one reader; the positions only grow, so that full and empty differ.</summary>
    private sealed class Queue(int slots)
    {
        private readonly byte[][] _frames = CreateFrames(slots);
        private readonly int[] _lengths = new int[slots];
        private readonly OffloadInfo[] _offloads = new OffloadInfo[slots];
        private long _written;
        private long _published;
        private long _read;

        public bool TryPut(ReadOnlySpan<byte> frame, in OffloadInfo offload)
        {
            if (_written - Volatile.Read(ref _read) == _frames.Length)
            {
                return false;
            }

            var slot = (int)(_written % _frames.Length);
            if (_frames[slot].Length < frame.Length)
            {
                _frames[slot] = new byte[frame.Length];
            }

            frame.CopyTo(_frames[slot]);
            _lengths[slot] = frame.Length;
            _offloads[slot] = offload;
            _written++;
            return true;
        }

        public void Publish() => Volatile.Write(ref _published, _written);

        public bool TryPeek(out Span<byte> frame, out OffloadInfo offload)
        {
            if (Volatile.Read(ref _published) == _read)
            {
                frame = default;
                offload = default;
                return false;
            }

            var slot = (int)(_read % _frames.Length);
            frame = _frames[slot].AsSpan(0, _lengths[slot]);
            offload = _offloads[slot];
            return true;
        }

        public void Release() => Volatile.Write(ref _read, _read + 1);

        private static byte[][] CreateFrames(int count)
        {
            var frames = new byte[count][];
            Array.Fill(frames, []);
            return frames;
        }
    }
}
