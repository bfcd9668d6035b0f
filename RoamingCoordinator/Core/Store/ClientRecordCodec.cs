using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// A client record as octets, for stores outside this process: MessagePack, small, with a version. Node names, addresses and epochs, of which a client with many mappings has
/// few, are written once and named by their place after that. What is read is not trusted.
/// </summary>
public static partial class ClientRecordCodec
{
    /// <summary>The version that is written. Readers refuse others.</summary>
    public const int Version = 1;

    /// <summary>The most nodes, addresses or epochs in a record; each mapping has a few.</summary>
    private const int MaxTable = 65_536;

    private const int Fields = 15;

    /// <summary>Beside a mapping's protocol: it is for one server, which follows.</summary>
    private const ulong OfServer = 64;

    /// <summary>Writes a record.</summary>
    /// <param name="record">The record.</param>
    /// <param name="origin">Unix time at <see cref="Instant.Zero"/>, in milliseconds; processes have different ones.</param>
    /// <param name="output">Gets the octets.</param>
    public static void Encode(ClientRecord record, ulong origin, IBufferWriter<byte> output)
    {
        var tables = new Tables();
        var body = new ArrayBufferWriter<byte>(256 + (record.Mappings.Count * 48));
        EncodeBody(record, (long)origin, tables, new MessagePackWriter(body));

        // The tables are known last and must be read first.
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields + 3 + Beyond(record));
        writer.Write((ulong)Version);
        writer.WriteArrayHeader(tables.Nodes.Count);
        foreach (var node in tables.Nodes)
        {
            writer.Write(node);
        }

        writer.WriteArrayHeader(tables.Addresses.Count + tables.Epochs.Count + 1);
        writer.Write((ulong)tables.Addresses.Count);
        Span<byte> bytes = stackalloc byte[16];
        foreach (var address in tables.Addresses)
        {
            writer.Write(bytes[..address.WriteTo(bytes)]);
        }

        foreach (var epoch in tables.Epochs)
        {
            writer.Write(epoch);
        }

        output.Write(body.WrittenSpan);
    }

    private static void EncodeBody(ClientRecord record, long origin, Tables tables, MessagePackWriter writer)
    {
        writer.Write(tables.Epoch(record.Epoch));
        writer.Write(tables.Epoch(record.HighestReported));
        writer.Write(tables.Node(record.Fam));
        writer.Write(tables.Node(record.PreviousFam));
        writer.Write((record.Departed ? 1UL : 0) | (record.Answered ? 2UL : 0) | (record.IsLinkLost ? 4UL : 0));
        writer.Write(Unix(record.Since, origin));
        writer.Write(record.ArriveId);
        writer.Write(record.Decider);
        writer.Write(record.Token);
        writer.WriteArrayHeader(record.LastArrivals.Count * 3);
        foreach (var (node, (incarnation, id)) in record.LastArrivals.OrderBy(a => a.Key, StringComparer.Ordinal))
        {
            writer.Write(tables.Node(new NodeId(node)));
            writer.Write(incarnation);
            writer.Write(id);
        }

        if (record.Pending is { } pending)
        {
            writer.WriteArrayHeader(3);
            writer.Write(Unix(pending.Deadline, origin));
            writer.WriteArrayHeader(pending.Awaited.Length * 2);
            foreach (var awaited in pending.Awaited)
            {
                writer.Write(tables.Node(awaited.Node));
                writer.Write(awaited.Since);
            }

            writer.WriteArrayHeader(pending.OffersLeft.Length * 3);
            foreach (var offer in pending.OffersLeft)
            {
                writer.Write((ulong)offer.Protocol);
                Write(offer.Endpoint, tables, writer);
            }
        }
        else
        {
            writer.WriteNil();
        }

        writer.WriteArrayHeader(record.Ended.Length * 5);
        foreach (var mark in record.Ended)
        {
            Write(mark.Mapping, tables, writer);
            writer.Write(tables.Epoch(mark.Epoch));
            writer.Write(mark.Id);
        }

        writer.WriteArrayHeader(record.Addresses.Length);
        foreach (var address in record.Addresses)
        {
            writer.Write(tables.Address(address));
        }

        writer.WriteArrayHeader(record.Mappings.Count);
        foreach (var entry in record.Mappings.Values)
        {
            Write(entry, origin, tables, writer);
        }

        writer.Write((ulong)record.Mappings.Count);
        var beyond = Beyond(record);
        if (beyond >= 1)
        {
            writer.Write(record.AddressesAsOf);
        }

        if (beyond >= 2)
        {
            writer.WriteArrayHeader(record.Further.Length * 2);
            foreach (var further in record.Further)
            {
                writer.Write(tables.Node(further.Node));
                writer.Write(further.Since);
            }
        }

        if (record.User is { } user)
        {
            Write(user, tables, writer);
        }
        else if (beyond > 3)
        {
            writer.WriteNil();
        }

        if (beyond > 3)
        {
            writer.WriteArrayHeader(record.Over.Length * 4);
            foreach (var end in record.Over)
            {
                writer.Write(end.Session.Span);
                writer.Write(end.User);
                writer.Write(end.Reason);
                writer.Write((ulong)end.Until);
            }
        }
    }

    /// <summary>How many fields there are beyond those that every record has.</summary>
    private static int Beyond(ClientRecord record) => record.Over.Length > 0 ? 4 : record.User is not null ? 3 : record.Further.Length > 0 ? 2 : record.AddressesAsOf == 0 ? 0 : 1;

    /// <summary>Its times are wall-clock times already: other programs speak of them.</summary>
    private static void Write(UserRecord user, Tables tables, MessagePackWriter writer)
    {
        // The last one only where there is one: there are many records.
        writer.WriteArrayHeader(user.SealedRoamingKey.Length > 0 ? 13 : 12);
        writer.Write(user.Session.Span);
        writer.Write(user.User);
        writer.Write(user.SealedKey.Span);
        writer.Write(user.Terms.Span);
        writer.Write((ulong)user.Began);
        writer.Write((ulong)user.Ends);
        writer.Write((ulong)user.IdleSeconds);
        writer.Write(user.Segment);
        writer.Write(tables.Node(user.At));
        writer.Write((ulong)user.Proof);
        writer.Write(user.Role);
        writer.Write(user.IsProtected ? 1UL : 0UL);
        if (user.SealedRoamingKey.Length > 0)
        {
            writer.Write(user.SealedRoamingKey.Span);
        }
    }

    private static void Write(MappingEntry entry, long origin, Tables tables, MessagePackWriter writer)
    {
        var record = entry.Record;
        var notes = record.Connections.Count(c => c.Note is not null);
        writer.WriteArrayHeader(9 + (entry.Fams.Length * 4) + (record.Connections.Count * 4) + (record.Opened != 0 ? 3 : notes > 0 ? 2 : record.Explicit is null ? 0 : 1));
        Write(record.Mapping, tables, writer);
        Write(record.ClientEndpoint, tables, writer);
        writer.Write(tables.Node(record.Ham));
        writer.Write(tables.Epoch(record.AnchorEpoch));
        writer.Write(((ulong)record.Revision << 3) | (uint)entry.Fams.Length);
        writer.Write(tables.Epoch(entry.ReportEpoch));
        foreach (var fam in entry.Fams)
        {
            writer.Write(tables.Node(fam.Node));
            Write(fam.Endpoint, tables, writer);
            writer.Write(tables.Epoch(fam.Epoch));
        }

        foreach (var connection in record.Connections)
        {
            Write(connection.Server, tables, writer);
            writer.Write((ulong)connection.State);
            writer.Write((ulong)connection.IdleMilliseconds);
        }

        if (record.Explicit is { } terms)
        {
            writer.WriteArrayHeader(6 + (terms.Filters.Count * 3));
            writer.Write(terms.Nonce.High);
            writer.Write((ulong)terms.Nonce.Low);
            writer.Write(Unix(entry.TermsAt, origin));
            writer.Write((ulong)terms.LifetimeMilliseconds);
            writer.Write(terms.AgeMilliseconds);
            writer.Write((terms.Published ? 1UL : 0) | (terms.OutboundOnly ? 2UL : 0) | (terms.Expected ? 4UL : 0));
            Span<byte> bytes = stackalloc byte[16];
            foreach (var filter in terms.Filters)
            {
                // A prefix may be all zero, which no address is.
                writer.Write(bytes[..filter.Prefix.Address.WriteTo(bytes)]);
                writer.Write((ulong)filter.Prefix.Length);
                writer.Write((ulong)filter.Port);
            }
        }
        else if (notes > 0 || record.Opened != 0)
        {
            writer.WriteNil();
        }

        if (notes > 0)
        {
            writer.WriteArrayHeader(notes * 2);
            for (var i = 0; i < record.Connections.Count; i++)
            {
                if (record.Connections[i].Note is { } note)
                {
                    writer.Write((ulong)i);
                    writer.Write(note.Octets);
                }
            }
        }
        else if (record.Opened != 0)
        {
            writer.WriteNil();
        }

        if (record.Opened != 0)
        {
            // How many values there are tells which these are.
            writer.Write((ulong)record.Opened);
        }
    }

    private static void Write(MappingId mapping, Tables tables, MessagePackWriter writer)
    {
        // A mapping for one server has a mark beside its protocol, and that server behind it.
        writer.Write((ulong)mapping.Protocol | (mapping.IsOfServer ? OfServer : 0));
        Write(mapping.Masquerade, tables, writer);
        if (mapping.IsOfServer)
        {
            Write(mapping.Server, tables, writer);
        }
    }

    private static void Write(TransportEndpoint endpoint, Tables tables, MessagePackWriter writer)
    {
        writer.Write(tables.Address(endpoint.Address));
        writer.Write((ulong)endpoint.Port);
    }

    private static long Unix(Instant instant, long origin) => origin + (instant.Nanoseconds / 1_000_000);

    /// <summary>What is written once. Place 0 means none.</summary>
    private sealed class Tables
    {
        private readonly Dictionary<string, ulong> _nodes = new(StringComparer.Ordinal);
        private readonly Dictionary<IpAddress, ulong> _addresses = [];
        private readonly Dictionary<ulong, ulong> _epochs = [];

        public List<string> Nodes { get; } = [];

        public List<IpAddress> Addresses { get; } = [];

        public List<ulong> Epochs { get; } = [];

        public ulong Node(NodeId node) => node.IsNone ? 0 : Place(_nodes, Nodes, node.Name!);

        public ulong Address(IpAddress address) => address.IsNone ? 0 : Place(_addresses, Addresses, address);

        public ulong Epoch(Epoch epoch) => epoch == Masquerade.Core.Flow.Epoch.None ? 0 : Place(_epochs, Epochs, epoch.Value);

        private static ulong Place<T>(Dictionary<T, ulong> places, List<T> list, T value)
            where T : notnull
        {
            if (!places.TryGetValue(value, out var place))
            {
                list.Add(value);
                places[value] = place = (ulong)list.Count;
            }

            return place;
        }
    }
}
