namespace Masquerade.Core.Control;

/// <summary>Messages about users.</summary>
public static partial class ControlCodec
{
    private static void WriteUser(MessagePackWriter writer, ControlMessage message)
    {
        switch (message)
        {
            case EapFromClient from:
                Begin(writer, message, 3);
                Write(writer, from.Client);
                writer.Write(from.Exchange);
                writer.Write(from.Eap.Span);
                break;
            case EapToClient to:
                Begin(writer, message, 5);
                Write(writer, to.Client);
                writer.Write(to.Exchange);
                writer.Write((ulong)to.Outcome);
                writer.Write(to.Eap.Span);
                WriteOptional(writer, to.Session);
                break;
            case UserSessionQuery query:
                Begin(writer, message, 2);
                Write(writer, query.Client);
                writer.Write(query.Known.Span);
                break;
            case UserSessionReply reply:
                Begin(writer, message, 4);
                Write(writer, reply.Client);
                WriteOptional(writer, reply.Session);
                writer.Write(reply.Ended.Span);
                writer.Write(reply.Reason);
                break;
            case PolicyQuery query:
                Begin(writer, message, 1);
                writer.Write(query.Policy.Span);
                break;
            case PolicyReply reply:
                Begin(writer, message, 2);
                writer.Write(reply.Policy.Span);
                writer.Write(reply.Text.Span);
                break;
            case UserSessionChange change:
                Begin(writer, message, 4);
                Write(writer, change.Client);
                writer.Write(change.Session.Span);
                WriteOptional(writer, change.Now);
                writer.Write(change.Reason);
                break;
            case UserSessionUsed used:
                Begin(writer, message, 8);
                Write(writer, used.Client);
                writer.Write(used.Session.Span);
                writer.Write((ulong)used.Proof);
                writer.Write(used.OctetsFrom);
                writer.Write(used.OctetsTo);
                writer.Write(used.PacketsFrom);
                writer.Write(used.PacketsTo);
                writer.Write(used.Policy.Span);
                break;
            case UserDenied denied:
                Begin(writer, message, 1);
                writer.Write(denied.User);
                break;
            case RoamingKeyQuery query:
                Begin(writer, message, 3);
                Write(writer, query.Client);
                Write(writer, query.Holder);
                writer.Write(query.Name.Span);
                break;
            case RoamingKeyReply reply:
                Begin(writer, message, 7);
                Write(writer, reply.Client);
                writer.Write((ulong)reply.Outcome);
                writer.Write(reply.Key.Span);
                writer.Write((ulong)reply.Cipher);
                writer.Write((ulong)reply.SecondsLeft);
                writer.Write((ulong)reply.Vlan);
                writer.Write(reply.User);
                break;
        }
    }

    private static ControlMessage? ReadUser(ulong type, ulong id, ref FieldReader fields) => type switch
    {
        80 => new EapFromClient { Id = id, Client = fields.Mac(), Exchange = fields.UInt64(), Eap = fields.Octets(0, ControlLimits.MaxEap) },
        81 => new EapToClient
        {
            Id = id, Client = fields.Mac(), Exchange = fields.UInt64(), Outcome = fields.EapOutcome(), Eap = fields.Octets(0, ControlLimits.MaxEap), Session = fields.UserSession(),
        },
        82 => new UserSessionQuery { Id = id, Client = fields.Mac(), Known = fields.Octets(0, UserSession.IdLength) },
        83 => new UserSessionReply
        {
            Id = id, Client = fields.Mac(), Session = fields.UserSession(), Ended = fields.Octets(0, UserSession.IdLength), Reason = fields.Text(ControlLimits.MaxReasonLength),
        },
        84 => new PolicyQuery { Id = id, Policy = fields.Octets(UserSession.PolicyLength, UserSession.PolicyLength) },
        85 => new PolicyReply { Id = id, Policy = fields.Octets(UserSession.PolicyLength, UserSession.PolicyLength), Text = fields.Octets(0, ControlLimits.MaxPolicy) },
        86 => new UserSessionChange
        {
            Id = id, Client = fields.Mac(), Session = fields.Octets(UserSession.IdLength, UserSession.IdLength), Now = fields.UserSession(), Reason = fields.Text(ControlLimits.MaxReasonLength),
        },
        87 => new UserSessionUsed
        {
            Id = id, Client = fields.Mac(), Session = fields.Octets(UserSession.IdLength, UserSession.IdLength), Proof = fields.SessionProof(), OctetsFrom = fields.UInt64(),
            OctetsTo = fields.UInt64(), PacketsFrom = fields.UInt64(), PacketsTo = fields.UInt64(), Policy = fields.Octets(0, UserSession.PolicyLength),
        },
        88 => new UserDenied { Id = id, User = fields.Text(ControlLimits.MaxReasonLength) },
        89 => new RoamingKeyQuery { Id = id, Client = fields.Mac(), Holder = fields.Mac(), Name = fields.Octets(RoamingKeyQuery.NameLength, RoamingKeyQuery.NameLength) },
        90 => new RoamingKeyReply
        {
            Id = id, Client = fields.Mac(), Outcome = fields.RoamingKeyOutcome(), Key = fields.Octets(0, RoamingKeyQuery.KeyLength), Cipher = fields.UInt32(), SecondsLeft = fields.UInt32(), Vlan = fields.UInt32(),
            User = fields.Text(ControlLimits.MaxReasonLength),
        },
        _ => null,
    };

    private static void WriteOptional(MessagePackWriter writer, UserSession? session)
    {
        if (session is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(9);
        writer.Write(session.Session.Span);
        writer.Write(session.User);
        writer.Write(session.Key.Span);
        writer.Write(session.Policy.Span);
        writer.Write((ulong)session.SecondsLeft);
        writer.Write((ulong)session.IdleSeconds);
        writer.Write(session.IsTrusted);
        writer.Write(session.Segment);
        writer.Write(session.IsProtected);
    }
}
