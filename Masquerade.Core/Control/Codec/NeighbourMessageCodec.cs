using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Messages about where clients are that other clients speak to.</summary>
public static partial class ControlCodec
{
    private static void WriteNeighbour(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case NeighbourHere here:
                Begin(writer, message, 8);
                Write(writer, here.Client);
                writer.Write(here.Epoch.Value);
                Write(writer, here.Addresses);
                Write(writer, here.Peers);
                writer.Write(here.Key);
                writer.Write(here.HasLeft);
                writer.Write(here.OwnedMilliseconds);
                writer.Write(here.IsFinal);
                break;
            case NeighbourNoted noted:
                Begin(writer, message, 5);
                Write(writer, noted.Client);
                writer.Write((ulong)noted.Status);
                Write(writer, noted.Addresses);
                Write(writer, noted.Refused);
                Write(writer, noted.Previous);
                break;
            case NeighbourQuery query:
                Begin(writer, message, 1);
                Write(writer, query.Address);
                break;
            case NeighbourAt at:
                Begin(writer, message, 5);
                Write(writer, at.Address);
                Write(writer, at.Client);
                writer.Write(at.Epoch.Value);
                Write(writer, at.Peers);
                writer.Write(at.Key);
                break;
        }
    }

    private static ControlMessage? ReadNeighbour(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        70 => new NeighbourHere
        {
            Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Addresses = fields.Addresses(), Peers = fields.Endpoints(), Key = fields.UInt64(), HasLeft = fields.Boolean(),
            OwnedMilliseconds = fields.UInt64(), IsFinal = fields.Boolean(),
        },
        71 => new NeighbourNoted { Id = id, Client = fields.Mac(), Status = fields.AckStatus(), Addresses = fields.Addresses(), Refused = fields.Addresses(), Previous = fields.Endpoints() },
        72 => new NeighbourQuery { Id = id, Address = fields.Address() },
        73 => new NeighbourAt { Id = id, Address = fields.Address(), Client = fields.Mac(), Epoch = fields.Epoch(), Peers = fields.Endpoints(), Key = fields.UInt64() },
        _ => null,
    };

    private static void Write(MessagePackWriter writer, IReadOnlyList<TransportEndpoint> endpoints)
    {
        writer.WriteArrayHeader(endpoints.Count);
        foreach (var endpoint in endpoints)
        {
            Write(writer, endpoint);
        }
    }
}
