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
        writer.WriteArrayHeader(2);
        writer.Write((ulong)mapping.Protocol);
        Write(writer, mapping.Masquerade);
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

    private static void Write(MessagePackWriter writer, IReadOnlyList<FamRoute> routes)
    {
        writer.WriteArrayHeader(routes.Count);
        foreach (var route in routes)
        {
            writer.WriteArrayHeader(4);
            Write(writer, route.Mapping);
            Write(writer, route.Ham);
            Write(writer, route.OldFamEndpoint);
            Write(writer, route.NewFamEndpoint);
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

        writer.WriteArrayHeader(7);
        Write(writer, mapping.Mapping);
        Write(writer, mapping.ClientEndpoint);
        Write(writer, mapping.Ham);
        writer.Write(mapping.AnchorEpoch.Value);
        writer.Write((ulong)mapping.Revision);
        Write(writer, mapping.FamEndpoint);
        writer.WriteArrayHeader(mapping.Connections.Count);
        foreach (var connection in mapping.Connections)
        {
            writer.WriteArrayHeader(3);
            Write(writer, connection.Server);
            writer.Write((ulong)connection.State);
            writer.Write((ulong)connection.IdleMilliseconds);
        }
    }
}
