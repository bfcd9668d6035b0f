namespace Masquerade.Core.Control;

/// <summary>Messages about clients that several access points hear.</summary>
public static partial class ControlCodec
{
    private static void WriteFurther(MessagePackWriter writer, ControlMessage message)
    {
        Begin(writer, message, 2);
        switch (message)
        {
            case LinkLost lost:
                Write(writer, lost.Client);
                writer.Write(lost.Epoch.Value);
                break;
            case Summon summon:
                Write(writer, summon.Client);
                writer.Write(summon.Epoch.Value);
                break;
        }
    }

    private static ControlMessage? ReadFurther(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        75 => new LinkLost { Id = id, Client = fields.Mac(), Epoch = fields.Epoch() },
        76 => new Summon { Id = id, Client = fields.Mac(), Epoch = fields.Epoch() },
        _ => null,
    };
}
