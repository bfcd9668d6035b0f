namespace Masquerade.Core.Control;

/// <summary>Messages about clients' addresses.</summary>
public static partial class ControlCodec
{
    private static void WriteLease(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case LeaseRequest request:
                Begin(writer, message, 3);
                Write(writer, request.Client);
                writer.Write((ulong)request.Action);
                WriteOptional(writer, request.Address);
                break;
            case LeaseReply reply:
                Begin(writer, message, 6);
                Write(writer, reply.Client);
                writer.Write((ulong)reply.Status);
                WriteOptional(writer, reply.Address);
                writer.Write((ulong)reply.LeaseSeconds);
                Write(writer, reply.DnsServers);
                writer.Write(reply.Domain);
                break;
        }
    }

    private static ControlMessage? ReadLease(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        51 => new LeaseRequest { Id = id, Client = fields.Mac(), Action = fields.LeaseAction(), Address = fields.OptionalAddress() },
        52 => new LeaseReply
        {
            Id = id, Client = fields.Mac(), Status = fields.AckStatus(), Address = fields.OptionalAddress(), LeaseSeconds = fields.UInt32(), DnsServers = fields.Addresses(),
            Domain = fields.Text(ControlLimits.MaxDomainLength),
        },
        _ => null,
    };
}
