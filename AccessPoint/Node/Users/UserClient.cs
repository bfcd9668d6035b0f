using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>A client as far as its user goes: what is known, how it was proved, what has passed.</summary>
internal sealed class UserClient(MacAddress mac)
{
    public MacAddress Mac { get; } = mac;

    /// <summary>Its user session; null: not known, or there is none. The key of a session that another one replaces is zeroed.</summary>
    public UserSession? Session
    {
        get;
        set
        {
            if (field is { } before && !ReferenceEquals(before.Key, value?.Key))
            {
                before.Key.Zero();
            }

            field = value;
        }
    }

    /// <summary>The number of its policy here; 0: it is not known yet.</summary>
    public int Policy { get; set; }

    /// <summary>How it was proved, when only its policy is awaited.</summary>
    public SessionProof Proved { get; set; }

    /// <summary>How it was proved; none: nothing passes.</summary>
    public SessionProof Proof { get; set; }

    /// <summary>The number of the question by which the coordinator is being asked about it; 0: it is not.</summary>
    public ulong Question { get; set; }

    /// <summary>Whether the coordinator is being asked about it.</summary>
    public bool IsAsked => Question != 0;

    /// <summary>Whether it is among those that may have to give way.</summary>
    public bool IsQueued { get; set; }

    /// <summary>When it is looked at next, by the clock's list.</summary>
    public Instant WatchAt { get; set; } = Instant.Never;

    /// <summary>Before then it is not asked again.</summary>
    public Instant AskAt { get; set; }

    /// <summary>When its session ends by itself.</summary>
    public Instant Ends { get; set; } = Instant.Never;

    /// <summary>When it was last heard.</summary>
    public Instant LastHeard { get; set; }

    /// <summary>When its use is told next.</summary>
    public Instant ReportAt { get; set; } = Instant.Never;

    /// <summary>The number of the last report.</summary>
    public ulong LastReport { get; set; }

    /// <summary>What has passed since the last report.</summary>
    public ulong OctetsFrom { get; set; }

    /// <summary>The same, towards the client.</summary>
    public ulong OctetsTo { get; set; }

    /// <summary>Packets since the last report.</summary>
    public ulong PacketsFrom { get; set; }

    /// <summary>The same, towards the client.</summary>
    public ulong PacketsTo { get; set; }

    /// <summary>The key, the handshake and the protection of its link; null: there is none.</summary>
    public ProtectedLink? Link { get; set; }

    /// <summary>When its link is looked at next.</summary>
    public Instant LinkAt { get; set; } = Instant.Never;

    /// <summary>Before then it is not asked for new keys again.</summary>
    public Instant NewKeysAt { get; set; }

    /// <summary>Before then no request for a handshake is taken from its address: it has not answered the last.</summary>
    public Instant RequestsAt { get; set; }

    /// <summary>Whether its link has been protected since it came up: then no other session is a reason to use it without.</summary>
    public bool WasProtected { get; set; }

    /// <summary>When it is asked to authenticate again, before its session ends.</summary>
    public Instant RenewAt { get; set; } = Instant.Never;

    /// <summary>Whether it has said Start, and that has not been passed on.</summary>
    public bool Insists { get; set; }

    /// <summary>The IPv4 address that it speaks under; none: it has not spoken under any.</summary>
    public IpAddress Ipv4 { get; set; }

    /// <summary>When it last did.</summary>
    public Instant Ipv4Used { get; set; }

    /// <summary>What a DHCP server has given it through here; none: nothing.</summary>
    public IpAddress Lease { get; set; }

    /// <summary>Before then operators do not hear again that it claims others' addresses.</summary>
    public Instant ToldSpoofedAt { get; set; }

    /// <summary>Whether packets pass.</summary>
    public bool IsAdmitted => Proof != SessionProof.None;
}
