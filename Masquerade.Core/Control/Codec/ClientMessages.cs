namespace Masquerade.Core.Control;

/// <summary>Messages about a client as a whole: arrival, what its FAMs report, departure.</summary>
public static partial class ControlCodec
{
    private static void WriteClient(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case Arrive arrive:
                Begin(writer, message, 5);
                Write(writer, arrive.Client);
                writer.Write(arrive.KnownEpoch.Value);
                Write(writer, arrive.Addresses);
                Write(writer, arrive.Offers);
                writer.Write(arrive.Also);
                break;
            case ArriveReply reply:
                Begin(writer, message, 10);
                Write(writer, reply.Client);
                writer.Write((ulong)reply.Status);
                writer.Write(reply.Epoch.Value);
                Write(writer, reply.PreviousFam);
                writer.Write(reply.Complete);
                writer.Write(reply.Truncated);
                Write(writer, reply.Addresses);
                Write(writer, reply.Mappings);
                writer.Write((ulong)reply.Role);
                writer.Write(reply.Token);
                break;
            case ArrivalUpdate update:
                Begin(writer, message, 5);
                Write(writer, update.Client);
                writer.Write(update.Epoch.Value);
                writer.Write(update.Complete);
                Write(writer, update.Mappings);
                Write(writer, update.Ended);
                break;
            case Announce announce:
                Begin(writer, message, 7);
                Write(writer, announce.Client);
                writer.Write(announce.Epoch.Value);
                Write(writer, announce.Addresses);
                Write(writer, announce.Mappings);
                Write(writer, announce.Ended);
                writer.Write(announce.Full);
                writer.Write(announce.Also);
                break;
            case HandOver handOver:
                Begin(writer, message, 5);
                Write(writer, handOver.Client);
                writer.Write(handOver.Epoch.Value);
                Write(writer, handOver.Mappings);
                Write(writer, handOver.Ended);
                writer.Write(handOver.More);
                break;
            case Depart depart:
                Begin(writer, message, 5);
                Write(writer, depart.Client);
                writer.Write(depart.Epoch.Value);
                writer.Write(depart.Idle);
                Write(writer, depart.Mappings);
                Write(writer, depart.Ended);
                break;
        }
    }

    private static ControlMessage? ReadClient(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        10 => new Arrive
        {
            Id = id, Client = fields.Mac(), KnownEpoch = fields.Epoch(), Addresses = fields.Addresses(), Offers = fields.Offers(), Also = fields.Boolean(),
        },
        11 => new ArriveReply
        {
            Id = id,
            Client = fields.Mac(),
            Status = fields.AckStatus(),
            Epoch = fields.Epoch(),
            PreviousFam = fields.OptionalNode(),
            Complete = fields.Boolean(),
            Truncated = fields.Boolean(),
            Addresses = fields.Addresses(),
            Mappings = fields.Records(),
            Role = fields.FamRole(),
            Token = fields.UInt64(),
        },
        12 => new ArrivalUpdate
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            Complete = fields.Boolean(),
            Mappings = fields.Records(),
            Ended = fields.Mappings(),
        },
        20 => new Announce
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            Addresses = fields.Addresses(),
            Mappings = fields.Records(),
            Ended = fields.Mappings(),
            Full = fields.Boolean(),
            Also = fields.Boolean(),
        },
        21 => new HandOver
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            Mappings = fields.Records(),
            Ended = fields.Mappings(),
            More = fields.Boolean(),
        },
        22 => new Depart
        {
            Id = id,
            Client = fields.Mac(),
            Epoch = fields.Epoch(),
            Idle = fields.Boolean(),
            Mappings = fields.Records(),
            Ended = fields.Mappings(),
        },
        _ => null,
    };
}
