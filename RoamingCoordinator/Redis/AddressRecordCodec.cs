using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>An entry of the book of addresses as octets: MessagePack with a version. One record has one form, so that forms can be compared. What is read is not trusted.</summary>
internal static class AddressRecordCodec
{
    private const int Version = 1;
    private const int Fields = 8;

    /// <summary>Far above any clock, and far from where counting up would wrap.</summary>
    private const ulong MaxEpoch = 1UL << 62;

    public static byte[] Encode(AddressRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(128);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(Fields);
        writer.Write((ulong)Version);
        writer.Write(record.Owner.Name ?? string.Empty);
        writer.Write(record.Epoch.Value);
        writer.Write((record.Settled ? 1UL : 0) | (record.Failed ? 2UL : 0) | (record.Planned ? 4UL : 0) | (record.IsStray ? 8UL : 0)
            | (record.ByLoad ? 16UL : 0) | (record.NextByLoad ? 32UL : 0));
        writer.Write(record.Next.Name ?? string.Empty);
        writer.Write(record.NextEpoch.Value);
        writer.Write(record.Previous.Name ?? string.Empty);
        writer.Write(record.Mover);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads an entry; null if it is none. Never throws.</summary>
    public static AddressRecord? Decode(string address, ReadOnlySpan<byte> data)
    {
        var reader = new MessagePackReader(data);
        if (!IpAddress.TryParse(address, out var parsed) || !reader.TryReadArrayHeader(out var fields) || fields < Fields
            || !reader.TryReadUInt64(out var version) || version != Version
            || !TryReadNode(ref reader, out var owner) || !reader.TryReadUInt64(out var epoch) || !reader.TryReadUInt64(out var flags)
            || !TryReadNode(ref reader, out var next) || !reader.TryReadUInt64(out var nextEpoch)
            || !TryReadNode(ref reader, out var previous) || !reader.TryReadUInt64(out var mover) || owner.IsNone
            || epoch > MaxEpoch || nextEpoch > MaxEpoch)
        {
            return null;
        }

        for (var rest = fields - Fields; rest > 0; rest--)
        {
            if (!reader.TrySkip())
            {
                return null;
            }
        }

        return !reader.End ? null : new AddressRecord(parsed)
        {
            Owner = owner,
            Epoch = new Epoch(epoch),
            Settled = (flags & 1) != 0,
            Failed = (flags & 2) != 0,
            Planned = (flags & 4) != 0,
            IsStray = (flags & 8) != 0,
            ByLoad = (flags & 16) != 0,
            NextByLoad = (flags & 32) != 0,
            Next = next,
            NextEpoch = new Epoch(nextEpoch),
            Previous = previous,
            Mover = mover,
        };
    }

    private static bool TryReadNode(ref MessagePackReader reader, out NodeId node)
    {
        node = NodeId.None;
        if (!reader.TryReadString(NodeId.MaxLength, out var name))
        {
            return false;
        }

        node = name.Length == 0 ? NodeId.None : new NodeId(name);
        return name.Length == 0 || NodeId.IsValid(name);
    }
}
