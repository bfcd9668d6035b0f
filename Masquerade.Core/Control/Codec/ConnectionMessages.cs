namespace Masquerade.Core.Control;

/// <summary>Messages about one connection: the lazy way, and placement by policy.</summary>
public static partial class ControlCodec
{
    private static void WriteConnection(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case Attach attach:
                Begin(writer, message, 9);
                Write(writer, attach.Client);
                writer.Write(attach.Epoch.Value);
                writer.Write((ulong)attach.Protocol);
                Write(writer, attach.ClientEndpoint);
                Write(writer, attach.Server);
                Write(writer, attach.FamEndpoint);
                writer.Write(attach.MayEstablish);
                WriteOptional(writer, attach.At);
                writer.Write(attach.ServerOnly);
                break;
            case AttachKnown attach:
                Begin(writer, message, 3);
                Write(writer, attach.Client);
                writer.Write(attach.Epoch.Value);
                Write(writer, attach.Attachments);
                break;
            case AttachReply reply:
                Begin(writer, message, 3);
                writer.Write((ulong)reply.Status);
                Write(writer, reply.Client);
                Write(writer, reply.Mapping);
                break;
            case Lookup lookup:
                Begin(writer, message, 4);
                Write(writer, lookup.Client);
                writer.Write((ulong)lookup.Protocol);
                Write(writer, lookup.ClientEndpoint);
                Write(writer, lookup.Server);
                break;
            case LookupReply reply:
                Begin(writer, message, 1);
                Write(writer, reply.Mapping);
                break;
            case AnchorRequest request:
                Begin(writer, message, 6);
                Write(writer, request.Client);
                writer.Write(request.Epoch.Value);
                writer.Write((ulong)request.Protocol);
                Write(writer, request.ClientEndpoint);
                WriteOptional(writer, request.At);
                Write(writer, request.Server);
                break;
            case AnchorReply reply:
                Begin(writer, message, 3);
                writer.Write((ulong)reply.Status);
                Write(writer, reply.Masquerade);
                writer.Write((ulong)reply.Opened);
                break;
        }
    }

    private static ControlMessage? ReadConnection(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        30 => new Attach
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            Protocol = fields.Protocol(),
            ClientEndpoint = fields.Endpoint(),
            Server = fields.Endpoint(),
            FamEndpoint = fields.Endpoint(),
            MayEstablish = fields.Boolean(),
            At = fields.OptionalAddress(),
            ServerOnly = fields.Boolean(),
        },
        31 => new AttachReply { Id = id, Status = fields.AttachStatus(), Client = fields.Mac(), Mapping = fields.Record() },
        32 => new Lookup { Id = id, Client = fields.Mac(), Protocol = fields.Protocol(), ClientEndpoint = fields.Endpoint(), Server = fields.Endpoint() },
        33 => new LookupReply { Id = id, Mapping = fields.Record() },
        34 => new AnchorRequest
        {
            Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Protocol = fields.Protocol(), ClientEndpoint = fields.Endpoint(), At = fields.OptionalAddress(), Server = fields.OptionalEndpoint(),
        },
        35 => new AnchorReply { Id = id, Status = fields.AckStatus(), Masquerade = fields.OptionalEndpoint(), Opened = fields.Time() },
        36 => new AttachKnown { Id = id, Client = fields.Mac(), Epoch = fields.Epoch(), Attachments = fields.Attachments() },
        _ => null,
    };
}
