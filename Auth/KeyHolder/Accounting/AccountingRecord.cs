using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>Acct-Status-Type (RFC 2866 section 5.1).</summary>
internal enum AccountingStatus : uint
{
    Start = 1,
    Stop = 2,
    Interim = 3,
}

/// <summary>One thing to be told about a session, as it was when it happened.</summary>
internal sealed record AccountingRecord(
    AccountingStatus Status, SessionId Session, string User, MacAddress Client, NodeId Node, SessionTerms Terms, DateTimeOffset At, TimeSpan Lasted, Usage Used, TerminateCause Cause)
{
    public RadiusAttributeWriter Attributes(NasSettings nas, DateTimeOffset now)
    {
        var session = Session.ToString();
        var attributes = new RadiusAttributeWriter()
            .Add(RadiusAttributeType.AcctStatusType, (uint)Status)
            .Add(RadiusAttributeType.UserName, User);
        nas.Write(attributes, Node, null, Client, At);
        attributes
            .Add(RadiusAttributeType.AcctSessionId, session)
            .Add(RadiusAttributeType.AcctMultiSessionId, session)
            .Add(RadiusAttributeType.AcctAuthentic, 1u)
            .Add(RadiusAttributeType.AcctDelayTime, (uint)Math.Clamp((now - At).TotalSeconds, 0, uint.MaxValue));
        foreach (var value in Terms.Class)
        {
            attributes.Add(RadiusAttributeType.Class, value);
        }

        if (Terms.ChargeableUserIdentity is { } identity)
        {
            attributes.Add(RadiusAttributeType.ChargeableUserIdentity, identity);
        }

        if (Status != AccountingStatus.Start)
        {
            attributes
                .Add(RadiusAttributeType.AcctSessionTime, (uint)Math.Clamp(Lasted.TotalSeconds, 0, uint.MaxValue))
                .Add(RadiusAttributeType.AcctInputOctets, (uint)Used.OctetsFrom)
                .Add(RadiusAttributeType.AcctOutputOctets, (uint)Used.OctetsTo)
                .Add(RadiusAttributeType.AcctInputGigawords, (uint)(Used.OctetsFrom >> 32))
                .Add(RadiusAttributeType.AcctOutputGigawords, (uint)(Used.OctetsTo >> 32))
                .Add(RadiusAttributeType.AcctInputPackets, (uint)Used.PacketsFrom)
                .Add(RadiusAttributeType.AcctOutputPackets, (uint)Used.PacketsTo);
        }

        return Status == AccountingStatus.Stop ? attributes.Add(RadiusAttributeType.AcctTerminateCause, (uint)Cause) : attributes;
    }
}
