namespace Masquerade.Core.Control;

/// <summary>Messages about the session itself.</summary>
public static partial class ControlCodec
{
    private static void WriteSession(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case Hello hello:
                Begin(writer, message, 6);
                Write(writer, hello.Node);
                writer.Write(hello.Incarnation);
                Write(writer, hello.PeerEndpoint);
                Write(writer, hello.Addresses);
                Write(writer, hello.Takes);
                Write(writer, hello.Owners);
                break;
            case Welcome welcome:
                Begin(writer, message, 6);
                Write(writer, welcome.Coordinator);
                writer.Write(welcome.StoreIncarnation);
                writer.Write((ulong)welcome.HeartbeatMilliseconds);
                writer.Write((ulong)welcome.Restored);
                Write(writer, welcome.Owners);
                Write(writer, welcome.Reserved);
                break;
            case Goodbye goodbye:
                Begin(writer, message, 1);
                writer.Write(goodbye.Reason.Length > ControlLimits.MaxReasonLength ? goodbye.Reason[..ControlLimits.MaxReasonLength] : goodbye.Reason);
                break;
            case Ack ack:
                Begin(writer, message, 1);
                writer.Write((ulong)ack.Status);
                break;
            case Heartbeat heartbeat:
                Begin(writer, message, 5);
                writer.Write((ulong)heartbeat.Mappings);
                writer.Write((ulong)heartbeat.Clients);
                writer.Write(heartbeat.Store);
                writer.Write((ulong)heartbeat.WaysRewritten);
                Write(writer, heartbeat.Loads);
                break;
        }
    }

    private static ControlMessage? ReadSession(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        1 => new Hello
        {
            Id = id,
            Node = fields.Node(),
            Incarnation = fields.UInt64(),
            PeerEndpoint = fields.OptionalEndpoint(),
            Addresses = fields.Addresses(),
            Takes = fields.Prefixes(),
            Owners = fields.Owners(),
        },
        2 => new Welcome
        {
            Id = id,
            Coordinator = fields.Node(),
            StoreIncarnation = fields.UInt64(),
            HeartbeatMilliseconds = fields.UInt32(),
            Restored = fields.UInt32(),
            Owners = fields.Owners(),
            Reserved = fields.Mappings(),
        },
        3 => new Goodbye { Id = id, Reason = fields.Text(ControlLimits.MaxReasonLength) },
        4 => new Heartbeat { Id = id, Mappings = fields.UInt32(), Clients = fields.UInt32(), Store = fields.UInt64(), WaysRewritten = fields.UInt32(), Loads = fields.Loads() },
        5 => new Ack { Id = id, Status = fields.AckStatus() },
        _ => null,
    };
}
