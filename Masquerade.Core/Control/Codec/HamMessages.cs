namespace Masquerade.Core.Control;

/// <summary>Messages that HAMs get and send.</summary>
public static partial class ControlCodec
{
    private static void WriteHam(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case FamChange change:
                Begin(writer, message, 11);
                Write(writer, change.Client);
                writer.Write(change.Epoch.Value);
                Write(writer, change.NewFam);
                Write(writer, change.PreviousFam);
                Write(writer, change.PreviousFamPeer);
                writer.Write(change.Token);
                Write(writer, change.Routes);
                writer.Write((ulong)change.Choice);
                writer.Write((ulong)change.CopyMilliseconds);
                Write(writer, change.Peers);
                writer.Write(change.Stay);
                break;
            case FamCleared cleared:
                Begin(writer, message, 3);
                Write(writer, cleared.Client);
                writer.Write(cleared.Epoch.Value);
                Write(writer, cleared.Routes);
                break;
            case MappingsEnded ended:
                Begin(writer, message, 3);
                Write(writer, ended.Client);
                writer.Write(ended.Epoch.Value);
                Write(writer, ended.Mappings);
                break;
            case FamQuery query:
                Begin(writer, message, 2);
                Write(writer, query.Mapping);
                Write(writer, query.Client);
                break;
            case FamQueryReply reply:
                Begin(writer, message, 4);
                Write(writer, reply.Client);
                writer.Write(reply.Epoch.Value);
                writer.Write((ulong)reply.Status);
                Write(writer, reply.Routes);
                break;
            case ReleaseMappings release:
                Begin(writer, message, 2);
                Write(writer, release.Client);
                Write(writer, release.Mappings);
                break;
            case AnchorReport report:
                Begin(writer, message, 4);
                Write(writer, report.Client);
                writer.Write(report.Epoch.Value);
                writer.Write(report.FamEpoch.Value);
                Write(writer, report.Mappings);
                break;
            case AdoptMappings adopt:
                Begin(writer, message, 3);
                Write(writer, adopt.Client);
                writer.Write(adopt.Epoch.Value);
                Write(writer, adopt.Mappings);
                break;
            default:
                throw new ArgumentException($"{message.GetType().Name} is not a message of this protocol", nameof(message));
        }
    }

    private static ControlMessage? ReadHam(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        40 => new FamChange
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            NewFam = fields.OptionalNode(),
            PreviousFam = fields.OptionalNode(),
            PreviousFamPeer = fields.OptionalEndpoint(),
            Token = fields.UInt64(),
            Routes = fields.Routes(),
            Choice = fields.FamChoice(),
            CopyMilliseconds = fields.UInt32(),
            Peers = fields.Endpoints(ControlLimits.MaxFurtherFams + 1),
            Stay = fields.UInt64(),
        },
        41 => new FamCleared { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Routes = fields.Routes() },
        42 => new MappingsEnded { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Mappings = fields.Mappings() },
        43 => new FamQuery { Id = id, Mapping = fields.Mapping(), Client = fields.Mac() },
        44 => new FamQueryReply { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Status = fields.AckStatus(), Routes = fields.Routes() },
        45 => new ReleaseMappings { Id = id, Client = fields.Mac(), Mappings = fields.Mappings() },
        46 => new AnchorReport { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), FamEpoch = fields.Epoch(), Mappings = fields.Records() },
        47 => new AdoptMappings { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Mappings = fields.Records() },
        _ => null,
    };
}
