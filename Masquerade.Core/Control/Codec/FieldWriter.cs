using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>How the records inside messages are written; <see cref="FieldReader"/> is the other half.</summary>
public static partial class ControlCodec
{
    private static void Write(MessagePackWriter writer, MacAddress mac)
    {
        Span<byte> bytes = stackalloc byte[6];
        mac.WriteTo(bytes);
        writer.Write(bytes);
    }

    private static void Write(MessagePackWriter writer, IpAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        writer.Write(bytes[..address.WriteTo(bytes)]);
    }

    private static void WriteOptional(MessagePackWriter writer, IpAddress address)
    {
        if (address.IsNone)
        {
            writer.WriteNil();
            return;
        }

        Write(writer, address);
    }

    private static void Write(MessagePackWriter writer, NodeId node) => writer.Write(node.IsNone ? null : node.Name);

    private static void Write(MessagePackWriter writer, TransportEndpoint endpoint)
    {
        if (endpoint.IsNone)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(2);
        Write(writer, endpoint.Address);
        writer.Write((ulong)endpoint.Port);
    }

    private static void Write(MessagePackWriter writer, MappingId mapping)
    {
        writer.WriteArrayHeader(mapping.IsOfServer ? 3 : 2);
        writer.Write((ulong)mapping.Protocol);
        Write(writer, mapping.Masquerade);
        if (mapping.IsOfServer)
        {
            Write(writer, mapping.Server);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<IpAddress> addresses)
    {
        writer.WriteArrayHeader(addresses.Count);
        foreach (var address in addresses)
        {
            Write(writer, address);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<IpPrefix> prefixes)
    {
        writer.WriteArrayHeader(prefixes.Count);
        foreach (var prefix in prefixes)
        {
            writer.WriteArrayHeader(2);
            Write(writer, prefix.Address);
            writer.Write((ulong)prefix.Length);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<AddressLoad> loads)
    {
        writer.WriteArrayHeader(loads.Count);
        foreach (var load in loads)
        {
            writer.WriteArrayHeader(2);
            Write(writer, load.Address);
            writer.Write((ulong)load.Mappings);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<AddressOwner> owners)
    {
        writer.WriteArrayHeader(owners.Count);
        foreach (var owner in owners)
        {
            writer.WriteArrayHeader(4);
            Write(writer, owner.Address);
            writer.Write(owner.Epoch.Value);
            Write(writer, owner.Node);
            writer.Write(owner.Settled);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<MappingId> mappings)
    {
        writer.WriteArrayHeader(mappings.Count);
        foreach (var mapping in mappings)
        {
            Write(writer, mapping);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<FamOffer> offers)
    {
        writer.WriteArrayHeader(offers.Count);
        foreach (var offer in offers)
        {
            writer.WriteArrayHeader(2);
            writer.Write((ulong)offer.Protocol);
            Write(writer, offer.Endpoint);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<Attachment> attachments)
    {
        writer.WriteArrayHeader(attachments.Count);
        foreach (var attachment in attachments)
        {
            writer.WriteArrayHeader(2);
            Write(writer, attachment.Mapping);
            Write(writer, attachment.FamEndpoint);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<FamRoute> routes)
    {
        writer.WriteArrayHeader(routes.Count);
        foreach (var route in routes)
        {
            writer.WriteArrayHeader(5);
            Write(writer, route.Mapping);
            Write(writer, route.Ham);
            Write(writer, route.OldFamEndpoint);
            Write(writer, route.NewFamEndpoint);
            Write(writer, route.Further);
        }
    }

    private static void Write(MessagePackWriter writer, IReadOnlyList<MappingRecord> mappings)
    {
        writer.WriteArrayHeader(mappings.Count);
        foreach (var mapping in mappings)
        {
            Write(writer, mapping);
        }
    }

    private static void Write(MessagePackWriter writer, MappingRecord? mapping)
    {
        if (mapping is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(mapping.Opened != 0 ? 9 : mapping.Explicit is not null ? 8 : 7);
        Write(writer, mapping.Mapping);
        Write(writer, mapping.ClientEndpoint);
        Write(writer, mapping.Ham);
        writer.Write(mapping.AnchorEpoch.Value);
        writer.Write((ulong)mapping.Revision);
        Write(writer, mapping.FamEndpoint);
        writer.WriteArrayHeader(mapping.Connections.Count);
        foreach (var connection in mapping.Connections)
        {
            writer.WriteArrayHeader(connection.Note is null ? 3 : 4);
            Write(writer, connection.Server);
            writer.Write((ulong)connection.State);
            writer.Write((ulong)connection.IdleMilliseconds);
            if (connection.Note is { } note)
            {
                writer.Write(note.Octets);
            }
        }

        if (mapping.Explicit is { } terms)
        {
            Write(writer, terms);
        }
        else if (mapping.Opened != 0)
        {
            writer.WriteNil();
        }

        if (mapping.Opened != 0)
        {
            writer.Write((ulong)mapping.Opened);
        }
    }

    private static void Write(MessagePackWriter writer, ExplicitTerms terms)
    {
        writer.WriteArrayHeader(5);
        Span<byte> nonce = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64BigEndian(nonce, terms.Nonce.High);
        BinaryPrimitives.WriteUInt32BigEndian(nonce[8..], terms.Nonce.Low);
        writer.Write(nonce);
        writer.Write((ulong)terms.LifetimeMilliseconds);
        writer.Write(terms.AgeMilliseconds);
        writer.Write((terms.Published ? 1UL : 0) | (terms.OutboundOnly ? 2UL : 0) | (terms.Expected ? 4UL : 0));
        writer.WriteArrayHeader(terms.Filters.Count);
        foreach (var filter in terms.Filters)
        {
            writer.WriteArrayHeader(3);
            Write(writer, filter.Prefix.Address);
            writer.Write((ulong)filter.Prefix.Length);
            writer.Write((ulong)filter.Port);
        }
    }
}
