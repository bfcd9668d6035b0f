using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Answers to requests that cannot be met. A request is repeated until it is answered, so one that is refused in silence would come for ever.
/// </summary>
internal static class Refusals
{
    /// <summary>
    /// No client moves 2^48 times. Without a limit one node could claim a client with an epoch after which there is none.
    /// </summary>
    public static readonly Epoch MaxEpoch = new(1UL << 48);

    /// <summary>The answer that refuses a request; null if there is none to give.</summary>
    public static ControlMessage? AnswerTo(ControlMessage? request) => request switch
    {
        Arrive arrive => new ArriveReply { Id = arrive.Id, Client = arrive.Client, Status = AckStatus.Refused, Epoch = Epoch.None, Complete = false },
        Attach attach => new AttachReply { Id = attach.Id, Status = AttachStatus.Refused, Client = attach.Client },
        NeighbourHere here => new NeighbourNoted { Id = here.Id, Client = here.Client, Status = AckStatus.Refused, Refused = here.Addresses },
        LeaseRequest lease => new LeaseReply { Id = lease.Id, Client = lease.Client, Status = AckStatus.Unknown },
        EapFromClient eap => new EapToClient { Id = eap.Id, Client = eap.Client, Exchange = eap.Exchange, Outcome = EapOutcome.Unavailable, Eap = Octets.Empty },
        UserSessionQuery query => new UserSessionReply { Id = query.Id, Client = query.Client },
        RoamingKeyQuery query => new RoamingKeyReply { Id = query.Id, Client = query.Client, Outcome = RoamingKeyOutcome.Unknown },
        PolicyQuery query => new PolicyReply { Id = query.Id, Policy = query.Policy, Text = Octets.Empty },
        Announce or HandOver or Depart or LinkLost or AttachKnown or ReleaseMappings or AnchorReport or UserSessionUsed => new Ack { Id = request.Id, Status = AckStatus.Refused },
        _ => null,
    };

    /// <summary>The client that a request is about.</summary>
    public static MacAddress ClientOf(ControlMessage? request) => request switch
    {
        Arrive arrive => arrive.Client,
        Announce announce => announce.Client,
        HandOver handOver => handOver.Client,
        Depart depart => depart.Client,
        LinkLost lost => lost.Client,
        Attach attach => attach.Client,
        AttachKnown attach => attach.Client,
        ReleaseMappings release => release.Client,
        AnchorReport report => report.Client,
        LeaseRequest lease => lease.Client,
        NeighbourHere here => here.Client,
        EapFromClient eap => eap.Client,
        UserSessionQuery query => query.Client,
        UserSessionUsed used => used.Client,
        RoamingKeyQuery query => query.Client,
        _ => MacAddress.None,
    };

    /// <summary>The epoch that a request claims.</summary>
    public static Epoch EpochOf(ControlMessage request) => request switch
    {
        Arrive arrive => arrive.KnownEpoch,
        Announce announce => announce.Epoch,
        HandOver handOver => handOver.Epoch,
        Depart depart => depart.Epoch,
        LinkLost lost => lost.Epoch,
        Attach attach => attach.Epoch,
        AttachKnown attach => attach.Epoch,
        AnchorReport report => report.Epoch,
        NeighbourHere here => here.Epoch,
        _ => Epoch.None,
    };
}
