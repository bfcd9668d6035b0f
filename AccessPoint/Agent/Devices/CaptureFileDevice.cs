using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// Receives from one capture file and transmits into another, so that an agent runs offline: the same files in give the same files out. Time is
/// the input's: the shell takes <see cref="NextTimestamp"/> for `now` before it receives one frame. Frames have no offload state; one transmitted
/// with an unfinished checksum or to be segmented is written as it is.
/// </summary>
public sealed class CaptureFileDevice : IPacketDevice
{

    private readonly byte[] _frame = new byte[CaptureFileReader.MaxRecord];
    private readonly CaptureFileReader? _input;
    private readonly CaptureFileWriter? _output;
    private bool _written;
    private long _received;
    private long _transmitted;
    private long _receiveErrors;
    private long _transmitErrors;

    /// <summary>Opens the files.</summary>
    /// <param name="input">The capture file to receive from; null: nothing is received, and the input is at its end.</param>
    /// <param name="output">The capture file to create or overwrite; null: transmitted frames are counted and forgotten.</param>
    /// <param name="hardwareAddress">The address that the interface would have.</param>
    /// <param name="mtu">The MTU that the interface would have, in octets. Only told; longer frames are written as they are.</param>
    /// <exception cref="DeviceException">A file cannot be opened, or the input is no capture file of Ethernet frames.</exception>
    public CaptureFileDevice(string? input, string? output, MacAddress hardwareAddress, int mtu = 1500)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mtu, 68);
        if (input is not null && output is not null && string.Equals(Path.GetFullPath(input), Path.GetFullPath(output), StringComparison.Ordinal))
        {
            throw new DeviceException($"{input}: is both the input and the output");
        }

        Name = input ?? output ?? "no file";
        HardwareAddress = hardwareAddress;
        Mtu = mtu;
        _input = input is null ? null : new CaptureFileReader(input);
        try
        {
            _output = output is null ? null : new CaptureFileWriter(output);
        }
        catch
        {
            _input?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public MacAddress HardwareAddress { get; }

    /// <inheritdoc/>
    public int Mtu { get; }

    /// <inheritdoc/>
    public int PollHandle => -1;

    /// <inheritdoc/>
    public bool EndOfInput => _input is null || _input.AtEnd;

    /// <summary>
    /// When the next frame to receive was captured, in nanoseconds since 1970; never earlier than the one before. Null if no frame is left, and where the
    /// file is broken: then <see cref="EndOfInput"/> is false and <see cref="Receive"/> throws.
    /// </summary>
    public Instant? NextTimestamp => _input?.NextTimestamp;

    /// <summary>
    /// The time written with transmitted frames. Receiving a frame sets it to that frame's; a shell that advances timers in between sets it itself.
    /// </summary>
    public Instant Now { get; set; }

    /// <inheritdoc/>
    public DeviceStatistics Statistics => new(
        Volatile.Read(ref _received), Volatile.Read(ref _transmitted), 0, Volatile.Read(ref _receiveErrors), Volatile.Read(ref _transmitErrors));

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The file is broken here; all frames before have been received.</exception>
    public int Receive(FrameHandler handler, int budget)
    {
        ArgumentNullException.ThrowIfNull(handler);
        var count = 0;
        while (count < budget && _input?.NextTimestamp is { } timestamp)
        {
            var length = _input.Take(_frame);
            Now = timestamp;
            count++;
            if (length < EthernetHeader.Length)
            {
                _receiveErrors++;
                continue;
            }

            _received++;
            handler(_frame.AsSpan(0, length), OffloadInfo.None);
        }

        if (count == 0 && budget > 0)
        {
            // At the end nothing happens; where the file is broken this throws, after the frames before have been handed out.
            _ = _input?.Take(_frame);
        }

        return count;
    }

    /// <inheritdoc/>
    public bool Transmit(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (frame.Length is < EthernetHeader.Length or > CaptureFileReader.MaxRecord)
        {
            _transmitErrors++;
            return true;
        }

        _output?.Write(frame, Now);
        _written = true;
        _transmitted++;
        return true;
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (_written)
        {
            _written = false;
            _output?.Flush();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _input?.Dispose();
        _output?.Dispose();
    }
}
