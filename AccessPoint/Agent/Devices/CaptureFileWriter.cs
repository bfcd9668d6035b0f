using System.Buffers.Binary;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>Writes a classic capture file: little-endian, nanoseconds, Ethernet.</summary>
internal sealed class CaptureFileWriter : IDisposable
{
    private readonly string _path;
    private readonly FileStream _file;
    private readonly byte[] _header = new byte[16];

    public CaptureFileWriter(string path)
    {
        _path = path;
        try
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DeviceException($"{path}: cannot create the capture file: {e.Message}", e);
        }

        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xA1B23C4D);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], CaptureFileReader.MaxRecord);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        _file.Write(header);
    }

    public void Write(ReadOnlySpan<byte> frame, Instant now)
    {
        var nanoseconds = Math.Max(now.Nanoseconds, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(_header, (uint)(nanoseconds / 1_000_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(4), (uint)(nanoseconds % 1_000_000_000));
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(8), frame.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(12), frame.Length);
        try
        {
            _file.Write(_header);
            _file.Write(frame);
        }
        catch (IOException e)
        {
            throw new DeviceException($"{_path}: {e.Message}", e);
        }
    }

    public void Flush()
    {
        try
        {
            _file.Flush();
        }
        catch (IOException e)
        {
            throw new DeviceException($"{_path}: {e.Message}", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
