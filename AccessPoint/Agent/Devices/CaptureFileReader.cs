using System.Buffers.Binary;
using System.Globalization;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// Reads a classic capture file (IETF draft-ietf-opsawg-pcap): either byte order, microseconds or nanoseconds, Ethernet. It is one record ahead,
/// so that the next timestamp is known. Whatever is wrong with the file is a <see cref="DeviceException"/> that says where.
/// </summary>
internal sealed class CaptureFileReader : IDisposable
{
    /// <summary>Longer records than this do not occur (libpcap's own limit for Ethernet); the number bounds what a hostile file makes us allocate.</summary>
    public const int MaxRecord = 262_144;

    private const int FileHeader = 24;
    private const int RecordHeader = 16;
    private const int Ethernet = 1;
    private const uint Microseconds = 0xA1B2C3D4;
    private const uint Nanoseconds = 0xA1B23C4D;
    private const uint NextGeneration = 0x0A0D0D0A;

    private readonly string _path;
    private readonly FileStream _file;
    private readonly byte[] _frame = new byte[MaxRecord];
    private readonly byte[] _header = new byte[FileHeader];
    private readonly bool _bigEndian;
    private readonly bool _nanoseconds;
    private int _frameLength;
    private long _record;
    private DeviceException? _failure;

    public CaptureFileReader(string path)
    {
        _path = path;
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DeviceException($"{path}: cannot open the capture file: {e.Message}", e);
        }

        try
        {
            var got = Fill(_header);
            var magic = got >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(_header) : 0;
            (_bigEndian, _nanoseconds) = magic switch
            {
                Microseconds => (false, false),
                Nanoseconds => (false, true),
                _ when BinaryPrimitives.ReverseEndianness(magic) == Microseconds => (true, false),
                _ when BinaryPrimitives.ReverseEndianness(magic) == Nanoseconds => (true, true),
                NextGeneration => throw new DeviceException($"{path}: this is a pcapng file; convert it (editcap -F pcap)"),
                _ => throw new DeviceException($"{path}: not a capture file"),
            };
            if (got < FileHeader)
            {
                throw new DeviceException($"{path}: the file header is cut off");
            }

            // The upper bits of this field are about the frame check sequence: bit 26 says that its length is known, 4 bits in units of 16.
            var network = Read32(20);
            if ((network & 0xFFFF) != Ethernet)
            {
                throw new DeviceException(string.Create(CultureInfo.InvariantCulture, $"{path}: link type {network & 0xFFFF}; only Ethernet (1) is understood"));
            }

            FrameCheckLength = (network & 0x0400_0000) != 0 ? (int)(network >> 28) * 2 : 0;
            ReadAhead();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The time of the record that is next; null at the end or where the file is broken. In nanoseconds since 1970; never goes back.</summary>
    public Instant? NextTimestamp { get; private set; }

    /// <summary>Whether the last record has been taken.</summary>
    public bool AtEnd => NextTimestamp is null && _failure is null;

    private int FrameCheckLength { get; }

    /// <summary>Takes the next frame into a buffer of at least <see cref="MaxRecord"/> octets; returns its length, -1 at the end.</summary>
    public int Take(Span<byte> frame)
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        if (NextTimestamp is null)
        {
            return -1;
        }

        var length = _frameLength;
        _frame.AsSpan(0, length).CopyTo(frame);
        ReadAhead();
        return length;
    }

    public void Dispose() => _file.Dispose();

    private void ReadAhead()
    {
        var last = NextTimestamp ?? Instant.Zero;
        NextTimestamp = null;
        var offset = _file.Position;
        _record++;
        try
        {
            var got = Fill(_header.AsSpan(0, RecordHeader));
            if (got == 0)
            {
                return;
            }

            var (seconds, fraction, captured, original) = (Read32(0), Read32(4), Read32(8), Read32(12));
            var problem = got < RecordHeader ? "its header is cut off" : FindContradiction(fraction, captured, original);
            if (problem is null && Fill(_frame.AsSpan(0, (int)captured)) < captured)
            {
                problem = "it is cut off by the end of the file";
            }

            if (problem is not null)
            {
                // Not thrown here: the records before this one are still to be taken.
                _failure = new DeviceException(string.Create(CultureInfo.InvariantCulture, $"{_path}: record {_record} at octet {offset}: {problem}"));
                return;
            }

            // The frame check sequence is at the end of the frame on the wire; a snapped record may have lost a part of it.
            _frameLength = (int)Math.Min(captured, Math.Max((long)original - FrameCheckLength, 0));
            NextTimestamp = Instant.Max(last, new Instant((seconds * 1_000_000_000L) + (_nanoseconds ? fraction : fraction * 1000L)));
        }
        catch (IOException e)
        {
            _failure = new DeviceException($"{_path}: {e.Message}", e);
        }
    }

    private string? FindContradiction(uint fraction, uint captured, uint original)
    {
        if (fraction >= (_nanoseconds ? 1_000_000_000u : 1_000_000u))
        {
            return $"its time has a fraction of {fraction}, more than a second";
        }

        if (captured > MaxRecord)
        {
            return $"it claims {captured} octets";
        }

        return captured > original ? $"it claims more octets captured ({captured}) than there were ({original})" : null;
    }

    private int Fill(Span<byte> buffer) => _file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);

    private uint Read32(int at) =>
        _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(_header.AsSpan(at)) : BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(at));
}
