using System.Buffers.Binary;
using System.Text;

namespace Masquerade.Api.Tests;

/// <summary>The fields of one protobuf message, by the published encoding: enough to read what a collector is sent.</summary>
internal sealed class ProtobufFields
{
    private readonly List<(int Number, byte[] Octets, ulong Value)> _fields = [];

    public ProtobufFields(ReadOnlySpan<byte> message)
    {
        while (!message.IsEmpty)
        {
            var tag = Varint(ref message);
            var octets = (tag & 7) switch
            {
                0 => BitConverter.GetBytes(Varint(ref message)),
                1 => Take(ref message, 8),
                2 => Take(ref message, (int)Varint(ref message)),
                5 => Take(ref message, 4),
                _ => throw new FormatException($"wire type {tag & 7}"),
            };
            _fields.Add(((int)(tag >> 3), octets, octets.Length == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(octets) : 0));
        }
    }

    public bool Has(int number) => _fields.Exists(f => f.Number == number);

    public IEnumerable<ProtobufFields> Messages(int number) => _fields.Where(f => f.Number == number).Select(f => new ProtobufFields(f.Octets));

    public ProtobufFields Message(int number) => Messages(number).Single();

    public string Text(int number) => Encoding.UTF8.GetString(_fields.Where(f => f.Number == number).Select(f => f.Octets).LastOrDefault() ?? []);

    public ulong Number(int number) => _fields.Where(f => f.Number == number).Select(f => f.Value).LastOrDefault();

    public double Double(int number) => BitConverter.UInt64BitsToDouble(Number(number));

    /// <summary>A repeated field of eight octets each, packed or not.</summary>
    public IReadOnlyList<ulong> Packed(int number) =>
        [.. _fields.Where(f => f.Number == number).SelectMany(f => f.Octets.Chunk(8)).Select(c => BinaryPrimitives.ReadUInt64LittleEndian(c))];

    /// <summary>Attributes, as OpenTelemetry writes them: keys and values.</summary>
    public IReadOnlyDictionary<string, string> Attributes(int number) => Messages(number).ToDictionary(
        a => a.Text(1),
        a => a.Message(2) is var value && value.Has(1) ? value.Text(1) : value.Has(3) ? value.Number(3).ToString(System.Globalization.CultureInfo.InvariantCulture) : value.Double(4).ToString("R", System.Globalization.CultureInfo.InvariantCulture),
        StringComparer.Ordinal);

    private static ulong Varint(ref ReadOnlySpan<byte> message)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var octet = message[0];
            message = message[1..];
            value |= (ulong)(octet & 0x7F) << shift;
            if (octet < 0x80)
            {
                return value;
            }
        }
    }

    private static byte[] Take(ref ReadOnlySpan<byte> message, int count)
    {
        var taken = message[..count].ToArray();
        message = message[count..];
        return taken;
    }
}
