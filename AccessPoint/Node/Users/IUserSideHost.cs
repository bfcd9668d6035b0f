using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Fam;

namespace Masquerade.AccessPoint.Users;

/// <summary>What <see cref="UserSide"/> wants of the node that it is a part of.</summary>
internal interface IUserSideHost
{
    /// <summary>Sends an EAPOL frame to a client; <paramref name="eapol"/> begins behind the Ethernet header.</summary>
    void SendEapol(MacAddress client, ReadOnlySpan<byte> eapol);

    /// <summary>Asks the coordinator, again and again until it answers; the question's number, or 0: there is no room for it.</summary>
    ulong Ask(Func<ulong, ControlMessage> request);

    /// <summary>Whether something that was said still waits for its answer.</summary>
    bool IsWaiting(ulong question);

    /// <summary>Takes a question back.</summary>
    void Withdraw(ulong question);

    /// <summary>Whether a link event has said that a client is here.</summary>
    bool IsAssociated(MacAddress client);

    /// <summary>Whose key a client's link has proved; null: nobody has said so.</summary>
    string? LinkUserOf(MacAddress client);

    /// <summary>A client may be served from now on.</summary>
    void Arrived(MacAddress client);

    /// <summary>A client is not to be served any more.</summary>
    void Left(MacAddress client);

    /// <summary>The time at the site, with its distance from UTC: policies may speak of hours.</summary>
    DateTimeOffset LocalTime { get; }

    /// <summary>A client may do something else from now on.</summary>
    void SetPolicy(MacAddress client, int policy);

    /// <summary>The hour has changed what a policy says.</summary>
    void PolicyChanged(int policy);

    /// <summary>Frames to a client get so much longer on its link.</summary>
    void SetLinkOverhead(MacAddress client, int octets);

    /// <summary>Whether an address is one that clients may have.</summary>
    bool IsClientAddress(IpAddress address);

    /// <summary>Whether a client may have an address: nobody else here has it.</summary>
    bool TryClaim(MacAddress client, IpAddress address);

    /// <summary>What has passed of a client without being looked at since it was asked last.</summary>
    PassedOfClient TakePassed(MacAddress client);

    /// <summary>A client does not use an address any more.</summary>
    void LetGo(MacAddress client, IpAddress address);

    /// <summary>For operators.</summary>
    void Report(EngineEvent happened);
}
