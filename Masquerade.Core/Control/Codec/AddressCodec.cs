namespace Masquerade.Core.Control;

/// <summary>Messages about who owns an address and whether a node is alive.</summary>
public static partial class ControlCodec
{
    private static void WriteAddress(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case AddressOwners owners:
                Begin(writer, message, 2);
                Write(writer, owners.Owners);
                writer.Write(owners.Planned);
                break;
            case ProbeNode probe:
                Begin(writer, message, 2);
                Write(writer, probe.Peer);
                writer.Write(probe.Token);
                break;
            case ProbeResult result:
                Begin(writer, message, 1);
                writer.Write(result.Alive);
                break;
        }
    }

    private static ControlMessage? ReadAddress(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        48 => new AddressOwners { Id = id, Owners = fields.Owners(), Planned = fields.Boolean() },
        49 => new ProbeNode { Id = id, Peer = fields.Endpoint(), Token = fields.UInt64() },
        50 => new ProbeResult { Id = id, Alive = fields.Boolean() },
        _ => null,
    };
}
