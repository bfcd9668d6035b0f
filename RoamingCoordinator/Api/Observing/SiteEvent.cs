using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Observing;

/// <summary>Something that happened at the site, as the event stream tells it.</summary>
/// <param name="Type">Its name in the stream.</param>
/// <param name="Client">The client it is about; none if it is about none.</param>
internal abstract record SiteEvent(string Type, MacAddress Client)
{
    /// <summary>1, 2, 3 … in the life of this coordinator; set when it is written down.</summary>
    public long Sequence { get; set; }

    /// <summary>When it was written down.</summary>
    public DateTimeOffset Time { get; set; }
}

/// <summary>An access point's session is up.</summary>
internal sealed record ApUp(NodeId Node, bool Restarted) : SiteEvent("apUp", MacAddress.None);

/// <summary>An access point's session is down.</summary>
internal sealed record ApDown(NodeId Node, string Reason) : SiteEvent("apDown", MacAddress.None);

/// <summary>An access point's session was replaced by a newer one: a restart, or two that use one identity.</summary>
internal sealed record ApReplaced(NodeId Node) : SiteEvent("apReplaced", MacAddress.None);

/// <summary>An access point did not take its news, and starts over.</summary>
internal sealed record ApBehind(NodeId Node, int Lost) : SiteEvent("apBehind", MacAddress.None);

/// <summary>An access point has failed: neither the coordinator nor other nodes hear it, and its addresses are given to others.</summary>
internal sealed record ApFailed(NodeId Node, int Addresses) : SiteEvent("apFailed", MacAddress.None);

/// <summary>An operator has drained an access point, or lets it anchor again.</summary>
internal sealed record ApDrained(NodeId Node, bool Drained) : SiteEvent(Drained ? "apDrained" : "apUndrained", MacAddress.None);

/// <summary>An address has another owner.</summary>
internal sealed record AddressChanged(IpAddress Address, NodeId From, NodeId To, Epoch Epoch, MoveCause Cause) : SiteEvent("addressMoved", MacAddress.None);

/// <summary>A client that was not known appeared.</summary>
internal sealed record ClientArrived(MacAddress Client, Epoch Epoch, NodeId At) : SiteEvent("clientArrived", Client);

/// <summary>An access point has announced a client that it serves, and it was news: the store had forgotten.</summary>
internal sealed record ClientFound(MacAddress Client, Epoch Epoch, NodeId At, int Mappings) : SiteEvent("clientFound", Client);

/// <summary>A client has moved, or come back to where it was.</summary>
internal sealed record ClientRoamed(Roam Roam) : SiteEvent(Roam.From == Roam.To ? "clientReturned" : "clientRoamed", Roam.Client);

/// <summary>A client is out of coverage.</summary>
internal sealed record ClientLeft(MacAddress Client, Epoch Epoch, NodeId From, int Mappings) : SiteEvent("clientLeft", Client);

/// <summary>A claim was refused.</summary>
internal sealed record Refused(NodeId Node, MacAddress Client, RefusalKind Kind, string Reason) : SiteEvent("claimRefused", Client);

/// <summary>A user has authenticated.</summary>
internal sealed record UserIn(MacAddress Client, string User, NodeId Node) : SiteEvent("userAuthenticated", Client);

/// <summary>A user's session is used at an access point.</summary>
internal sealed record UserAt(MacAddress Client, string User, NodeId Node, SessionProof Proof) : SiteEvent("userServed", Client);

/// <summary>A user session goes on with other terms.</summary>
internal sealed record UserChanged(MacAddress Client, string User, string Reason) : SiteEvent("userSessionChanged", Client);

/// <summary>A guest has been admitted for a time.</summary>
internal sealed record GuestIn(MacAddress Client, string User, string Role, DateTimeOffset Ends) : SiteEvent("guestAdmitted", Client);

/// <summary>A guest is captive again before his time.</summary>
internal sealed record GuestOut(MacAddress Client, string User) : SiteEvent("guestRevoked", Client);

/// <summary>A user session is over.</summary>
internal sealed record UserOut(MacAddress Client, string User, string Reason) : SiteEvent("userSessionEnded", Client);

/// <summary>Placement rules send connections round in a loop and were not followed.</summary>
internal sealed record PlacementRefused(NodeId Node, MacAddress Client, long Count) : SiteEvent("placementLoop", Client);

/// <summary>The store has forgotten everything; the access points announce what they have.</summary>
internal sealed record StoreForgot() : SiteEvent("storeForgot", MacAddress.None);

/// <summary>The store has failed.</summary>
internal sealed record StoreFailed(StoreFailure Reason, long Count) : SiteEvent("storeTrouble", MacAddress.None);

/// <summary>How an arrival became complete.</summary>
internal enum RoamOutcome
{
    /// <summary>The previous FAM had its last word, or there was nobody to wait for.</summary>
    Complete,

    /// <summary>The previous FAM kept silent for too long.</summary>
    TimedOut,

    /// <summary>The client went on before the arrival was complete.</summary>
    Superseded,
}

/// <summary>One move of a client, with the times that the coordinator itself has seen. What the client felt is more (its radio) or less (packets were held).</summary>
/// <param name="Client">The client.</param>
/// <param name="Epoch">The move's epoch.</param>
/// <param name="From">Where it was.</param>
/// <param name="To">Where it is now.</param>
/// <param name="Arrived">When its arrival was taken.</param>
/// <param name="Absence">From the departure that the previous FAM announced to the arrival; null if it announced none.</param>
/// <param name="HandOver">From the arrival until it was complete.</param>
/// <param name="Mappings">Mappings that moved along.</param>
/// <param name="Outcome">How it became complete.</param>
internal sealed record Roam(
    MacAddress Client, Epoch Epoch, NodeId From, NodeId To, DateTimeOffset Arrived, TimeSpan? Absence, TimeSpan HandOver, int Mappings, RoamOutcome Outcome)
{
    /// <summary>From the previous FAM's departure, or from the arrival if there was none, until the arrival was complete.</summary>
    public TimeSpan Gap => (Absence ?? TimeSpan.Zero) + HandOver;
}
