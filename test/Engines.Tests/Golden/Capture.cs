using System.Buffers.Binary;

namespace Masquerade.Engines.Tests.Golden;

/// <summary>Reads and writes classic capture files of Ethernet frames, as scapy and tshark do.</summary>
internal static class Capture
{
    private const uint Magic = 0xA1B2C3D4;
    private const int FileHeader = 24;
    private const int RecordHeader = 16;

    public static List<byte[]> Read(string path)
    {
        var octets = File.ReadAllBytes(path);
        Assert.Equal(Magic, BinaryPrimitives.ReadUInt32LittleEndian(octets));
        var frames = new List<byte[]>();
        for (var at = FileHeader; at < octets.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(octets.AsSpan(at + 8));
            frames.Add(octets.AsSpan(at + RecordHeader, length).ToArray());
            at += RecordHeader + length;
        }

        return frames;
    }

    public static void Write(string path, IEnumerable<byte[]> frames)
    {
        using var file = File.Create(path);
        Span<byte> header = stackalloc byte[FileHeader];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], 0x40000);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], 1);
        file.Write(header);
        foreach (var frame in frames)
        {
            header[..RecordHeader].Clear();
            BinaryPrimitives.WriteInt32LittleEndian(header[8..], frame.Length);
            BinaryPrimitives.WriteInt32LittleEndian(header[12..], frame.Length);
            file.Write(header[..RecordHeader]);
            file.Write(frame);
        }
    }
}
